"""Inputs that are often 0 are left out of the products, and nothing else changes."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from mlpcli.arrays import Array
from mlpcli.config.config import make_config
from mlpcli.data.columns import Column
from mlpcli.data.dataset import Dataset
from mlpcli.data.input_order import InputOrder, choose_order, count_used
from mlpcli.parallel.forked import Forked
from mlpcli.parallel.ranks import Alone
from mlpcli.runs import build
from mlpcli.runs.material import prepare_opened
from mlpcli.training.loop import Trainer

N, D = 251, 60


def sparse_rows(shuffled: bool = True) -> Array:
    """(N, D) uint8, of which some columns are 0 in nearly every row, and six in every one."""
    rng = np.random.default_rng(5)
    share = np.repeat(np.geomspace(0.9, 0.002, D // 2), 2)
    share[-6:] = 0
    X = np.where(rng.random((N, D)) < share, rng.integers(1, 256, (N, D)), 0).astype(np.uint8)
    return X[:, rng.permutation(D)] if shuffled else X


def pixels(dtype: Any = np.uint8) -> Dataset:
    X = sparse_rows().astype(dtype)
    return Dataset("test", X, np.arange(N) % 3, "", test_fraction=0.0, image_shape=(6, 10))


def float_pixels() -> Dataset:
    return pixels(np.float32)


def never_zero() -> Dataset:
    X = 1 + sparse_rows() // 2
    return Dataset("test", X, np.arange(N) % 3, "", test_fraction=0.0, image_shape=(6, 10))


def table() -> Dataset:
    """A number, a category of 60 of which most are rare, and one of 100, which is looked up."""
    rng = np.random.default_rng(5)
    many = np.minimum(rng.geometric(0.2, N) - 1, 59)
    many[:60] = np.arange(60)
    X = np.column_stack([rng.normal(size=N), many, rng.permutation(N) % 100]).astype(float)
    X[rng.random(X.shape) < 0.02] = np.nan
    columns = (
        Column("a", 0),
        Column("b", 1, "category", tuple(f"b{k:02}" for k in range(60))),
        Column("c", 2, "category", tuple(f"c{k:02}" for k in range(100))),
    )
    return Dataset("test", X, many % 3, "", test_fraction=0.0, columns=columns)


def trainer_of(size: int, data: Any = pixels, **values: Any) -> Trainer:
    options = {
        "hidden": (300, 9), "epochs": 3, "batch_size": 25, "dtype": "float64", "val_fraction": 0.2,
    } | values  # fmt: skip
    config = make_config(options)
    material = prepare_opened(config, data())
    net = build.network(config, *material.sizes)
    return build.trainer(config, material, net, Forked(size) if size > 1 else Alone())


def train(size: int, **values: Any) -> Trainer:
    trainer = trainer_of(size, **values)
    with trainer.ranks:
        list(trainer.epochs(3, lambda: None))
    return trainer


@pytest.fixture
def in_no_order(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Trains as before: all inputs are multiplied, as they come."""

    def train_plain(size: int, **values: Any) -> Trainer:
        with monkeypatch.context() as patch:
            patch.setattr("mlpcli.data.batches.choose_order", lambda *_, **__: None)
            trainer = train(size, **values)
        assert trainer.batches.input_order is None
        return trainer

    return train_plain


VALUES: list[dict[str, Any]] = [
    {},
    {"optimizer": "adam", "max_norm": 0.7},
    {"optimizer": "nesterov", "clip_norm": 0.05, "val_fraction": 0.0},
    {"dropout": 0.5, "label_smoothing": 0.1},
    {"average": "ema", "activation": "gelu"},
    {"mixup": 0.4},
    {"data": float_pixels},
    {"data": table},
    {"data": table, "optimizer": "adamw"},
]


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize(
    "values",
    VALUES,
    ids=lambda values: " ".join(getattr(v, "__name__", str(v)) for v in values.values()) or "plain",
)
def test_weights_and_state_are_those_of_whole_products(
    in_no_order: Any, size: int, values: dict[str, Any]
) -> None:
    if size > 1 and sys.platform != "linux":
        pytest.skip("forks on Linux only")
    expected, found = in_no_order(size, **values), train(size, **values)
    assert found.batches.input_order is not None
    a, b = found.snapshot(), expected.snapshot()
    pairs = {name: (a.optimizer[name], array) for name, array in b.optimizer.items()}
    pairs |= {"last": (a.last, b.last), "best": (a.best, b.best)}
    if a.average is not None and b.average is not None:
        pairs["average"] = a.average, b.average
    for name, (ours, theirs) in pairs.items():
        scale = np.abs(theirs).max()
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12 * scale, err_msg=name)


def test_a_run_continues_exactly_with_its_inputs_in_order() -> None:
    values = {"optimizer": "adam", "average": "ema", "dropout": 0.2}
    whole, half = trainer_of(1, **values), trainer_of(1, **values)
    list(whole.epochs(3, lambda: None))
    list(half.epochs(1, lambda: None))
    rest = trainer_of(1, **values)
    rest.restore(half.snapshot())
    again, snapshot = rest.snapshot(), half.snapshot()
    assert again.last.tobytes() == snapshot.last.tobytes()
    list(rest.epochs(3, lambda: None))
    a, b = rest.snapshot(), whole.snapshot()
    assert a.last.tobytes() == b.last.tobytes()
    assert a.best.tobytes() == b.best.tobytes()
    assert a.average is not None
    assert b.average is not None
    assert a.average.tobytes() == b.average.tobytes()
    for name, array in b.optimizer.items():
        assert a.optimizer[name].tobytes() == array.tobytes()


@pytest.mark.parametrize(
    "values",
    [
        {"hidden": (4,)},  # the first layer's product is as short as the sorting
        {"scale": "standard"},  # a column's 0 is not 0 then
        {"augment": "affine"},
        {"input_dropout": 0.1},
        {"data": never_zero},
    ],
    ids=["few units", "standardised", "distorted", "dropped", "never 0"],
)
def test_inputs_stay_as_they_are_where_sorting_gains_nothing(values: dict[str, Any]) -> None:
    trainer = trainer_of(1, **values)
    assert trainer.batches.input_order is None
    assert trainer.step.net is trainer.net


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("neighbours", [1, 2, 4])
def test_columns_are_sorted_in_groups(dtype: Any, neighbours: int) -> None:
    X = np.random.default_rng(0).normal(size=(7, 24)).astype(dtype)
    order = InputOrder(np.random.default_rng(1).permutation(24 // neighbours), 24)
    assert sorted(order.inputs) == list(range(24))
    out = np.empty_like(X)
    order.sort(X, out)
    assert np.array_equal(out, X[:, order.inputs])


@pytest.mark.parametrize(
    ("last", "k"), [(None, 16), (0, 16), (15, 16), (16, 32), (47, 48), (49, 50)]
)
@pytest.mark.parametrize("value", [1.0, -3.0, 1e-45, np.nan])
def test_no_column_that_is_used_is_left_out(last: int | None, k: int, value: float) -> None:
    X = np.zeros((5, 50), np.float32)
    X[0, 0] = 2
    if last is not None:
        X[3, last] = value
    assert count_used(X) == k


def test_the_order_is_by_use_and_chosen_only_if_it_pays() -> None:
    X = sparse_rows() != 0
    rows = np.arange(N)
    kinds = {"size": 25, "itemsize": 4}
    order = choose_order(lambda rows: X[rows], rows, D, units=300, **kinds)
    assert order is not None
    width = next(n for n in (8, 4, 2, 1) if (order.inputs[:n] - order.inputs[0]).max() == n - 1)
    use = X.reshape(N, -1, width).any(axis=2).sum(axis=0)
    found = use[order.inputs[::width] // width]
    assert (np.diff(found) <= 0).all()
    assert choose_order(lambda rows: X[rows], rows, D, units=5, **kinds) is None
    assert choose_order(lambda rows: X[rows] | True, rows, D, units=300, **kinds) is None
