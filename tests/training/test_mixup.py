"""What is mixed, with which share, and what cannot be mixed.

That steps on mixed samples are right is in test_loop_reference.py.
"""

import json

import numpy as np
import pytest

from mlpcli.config.config import make_config
from mlpcli.data.batches import Batches
from mlpcli.data.dataset import Dataset
from mlpcli.runs.material import prepare_opened
from mlpcli.training.mixup import Mixup


def cut(alpha: float, batch: int, *, rows: int = 5, seed: int = 0) -> list[np.ndarray]:
    """The mixed inputs of an epoch of rows that are the unit vectors, float64: batch by batch."""
    y = np.arange(rows) % 2
    data = Dataset("units", np.eye(rows), y, digest="", image_shape=(1, rows))
    config = make_config({"val_fraction": 0.0, "test_fraction": 0.0, "scale": "none"})
    material = prepare_opened(config, data)
    batches = Batches(material.splits.train, material.encoding, batch, np.float64, seed)
    mixup = Mixup(alpha, batches, material.task, np.float64, seed)
    order, mixed = batches.order(0), []
    for number in range(batches.steps):
        X, labels = np.empty((batches.size, rows)), np.empty(batches.size, np.intp)
        n = batches.cut(order, number, X, labels)
        mixup.mix_inputs(X[:n], order, number, slice(None), 0)
        mixed.append(X[:n])
    return mixed


def test_each_sample_is_mixed_with_the_next_of_its_batch_and_the_last_with_the_first():
    first, second = cut(1.0, 3)
    for X in (first, second):
        own = X.argmax(axis=1)
        share = X.max()
        assert 0.5 <= share < 1
        expected = np.zeros_like(X)
        for i in range(len(X)):
            expected[i, own[i]] = share
            expected[i, own[(i + 1) % len(X)]] += 1 - share
        np.testing.assert_allclose(X, expected, atol=1e-15)
    assert sorted([*first.argmax(axis=1), *second.argmax(axis=1)]) == [0, 1, 2, 3, 4]
    assert first.max() != second.max()


def test_a_batch_of_one_stays_as_it_is():
    for X in cut(1.0, 1):
        assert X.max() == 1
        assert np.count_nonzero(X) == 1


@pytest.mark.parametrize("alpha", [0.2, 1.0, 8.0])
def test_shares_are_distributed_as_the_larger_of_beta_and_its_rest(alpha):
    shares = np.array([X.max() for seed in range(4) for X in cut(alpha, 2, rows=2000, seed=seed)])
    assert len(shares) == 4000
    inner = (np.arange(200_000) + 0.5) / 200_000  # the density by the rule of midpoints
    density = (inner * (1 - inner)) ** (alpha - 1)
    for quantile in (0.6, 0.75, 0.95):
        outside = np.abs(inner - 0.5) < quantile - 0.5
        expected = density[outside].sum() / density.sum()
        assert np.mean(shares < quantile) == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize("alpha", ["5e-324", "1e-9", "1e9"])
def test_any_share_trains(mlp, alpha):
    plan = ("--data", "digits", "--epochs", "2", "--mixup", alpha, "--log", "log.jsonl")
    mlp.ok("train", *plan)
    epochs = (mlp.folder / "log.jsonl").read_text().splitlines()[1:3]
    assert all(0 < json.loads(line)["train_loss"] < 3 for line in epochs)


def test_numbers_are_mixed_as_classes_are(mlp):
    plan = ("train", "--data", "penguins", "--label-column", "body_mass_g", "--epochs", "3")
    mlp.ok(*plan, "--mixup", "0.4", "-o", "mixed.npz")
    mlp.ok(*plan, "-o", "plain.npz")
    mixed, plain = (mlp.ok("evaluate", f, "--json").json for f in ("mixed.npz", "plain.npz"))
    assert mixed["rmse"] != plain["rmse"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--data", "digits", "--adversarial", "l2:1"),
         "--mixup 0.2: cannot be beside --adversarial l2:1.0; leave one of them out"),
        (("--data", "digits", "--class-weight", "balanced"),
         "--mixup 0.2: cannot be beside --class-weight balanced; leave one of them out"),
        (("--data", "digits", "--batch-size", "1"),
         "--mixup 0.2: cannot be beside --batch-size 1; leave one of them out"),
        (("--data", "weighed.csv", "--sample-weight", "w"),
         "--mixup 0.2: cannot be beside --sample-weight w; leave one of them out"),
    ],
)  # fmt: skip
def test_what_cannot_be_mixed_is_refused(mlp, options, message):
    rows = [f"{i % 7},{1 + i % 3},{'ab'[i % 2]}" for i in range(60)]
    (mlp.folder / "weighed.csv").write_text("\n".join(["x,w,label", *rows]) + "\n")
    assert mlp.error("train", "--mixup", "0.2", *options) == (2, message)
    assert not (mlp.folder / "model.npz").exists()


def test_a_column_of_many_categories_is_mixed_as_if_it_were_few(mlp, checkpoints, monkeypatch):
    rows = [f"{i % 7},p{(i * i) % 397},{'ab'[i % 2]}" for i in range(2000)]
    (mlp.folder / "places.csv").write_text("\n".join(["x,place,label", *rows]) + "\n")
    plan = ("train", "--data", "places.csv", "--mixup", "0.2", "--epochs", "2", "--threads", "1")
    mlp.ok(*plan, "-o", "many.npz")
    monkeypatch.setattr("mlpcli.data.encoding.LARGE", 10**6)
    mlp.ok(*plan, "-o", "few.npz")
    many, few = map(checkpoints.arrays, ("many.npz", "few.npz"))
    assert many["W1"].shape[0] > 200
    for name in ("W1", "W2", "b1"):
        np.testing.assert_array_equal(many[name], few[name])
