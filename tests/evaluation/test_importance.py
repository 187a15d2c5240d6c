"""Permutation importance: by hand, and beside scikit-learn's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli.arrays import Array
from mlpcli.data.columns import Column
from mlpcli.data.dataset import Dataset
from mlpcli.data.encoding import Encoding, Pixels, encode_numbers
from mlpcli.data.learning import learn_encoding
from mlpcli.data.split import Split
from mlpcli.errors import UsageError
from mlpcli.evaluation.importance import Importance, Importances, measure_importance
from mlpcli.evaluation.metrics import outputs_of
from mlpcli.nn.network import MLP
from mlpcli.tasks.classification import Classification
from mlpcli.tasks.regression import Regression

TWO = Classification(np.array([0, 1]))


def rows(X: Any, y: Any) -> Split:
    return Split("test", np.array(X), np.array(y), np.arange(len(y)))


def linear(W: Any, b: Any = 0.0, loss: str = "cross-entropy") -> MLP:
    net = MLP([len(W), len(W[0])], loss=loss, dtype=np.float64)
    net.params["W1"][:] = W
    net.params["b1"][:] = b
    return net


def test_the_accuracy_lost_by_hand() -> None:
    # class 1 where the first column is positive; the second is not looked at
    net, encoding = linear([[-1.0, 1], [0, 0]]), encode_numbers([0, 0], [1, 1])
    split = rows([[1.0, 5], [2, 6], [-1, 7], [-2, 8]], [1, 1, 0, 0])
    orders = [np.array([2, 3, 0, 1]), np.array([0, 1, 2, 3]), np.array([2, 1, 0, 3])]
    before = split.X.copy()
    found = measure_importance([(net, encoding)], [split], TWO, orders)
    assert [c.column for c in found.columns] == ["column 1", "column 2"]
    assert found.columns[0].lost.tolist() == [1.0, 0.0, 0.5]
    assert found.columns[1].lost.tolist() == [0, 0, 0]
    assert found.columns[0].mean == 0.5
    assert found.columns[0].deviation == pytest.approx(np.std([1, 0, 0.5]))
    assert np.array_equal(split.X, before)


def test_the_error_added_to_a_regression_is_in_the_targets_unit() -> None:
    task = Regression(10.0, 4.0, 0.0, 20.0)
    net, encoding = linear([[1.0]], loss="squared-error"), encode_numbers([0], [1])
    split = rows([[1.0], [-1.0]], [1.0, -1.0])
    found = measure_importance([(net, encoding)], [split], task, [np.array([1, 0])])
    assert found.figure == "rmse"
    assert found.columns[0].lost.tolist() == [8.0]  # 2 deviations of 4


def test_a_one_hot_group_counts_as_its_column() -> None:
    X = np.array([[0.0, 1], [1, 1], [2, 1], [0, 1]])
    columns = (Column("colour", 0, "category", ("a", "b", "c")), Column("x", 1))
    data = Dataset("t", X, np.zeros(4), "", columns=columns)
    encoding = learn_encoding("none", data, rows(X, [0, 0, 1, 0]))
    net = linear([[0.0, 0], [1, 0], [1, 0], [0, 1]])  # x, a, b, c: class 1 where it is c
    order = np.array([2, 1, 0, 3])
    found = measure_importance([(net, encoding)], [rows(X, [0, 0, 1, 0])], TWO, [order])
    assert {c.column: c.mean for c in found.columns} == {"colour": 0.5, "x": 0.0}


def test_a_committees_columns_are_found_by_name() -> None:
    first = encode_numbers([0, 0], [1, 1], [Column("a", 0), Column("b", 1)])
    second = encode_numbers([0, 0], [1, 1], [Column("b", 0), Column("a", 1)])
    members = [(linear([[-1.0, 1], [0, 0]]), first), (linear([[0.0, 0], [-1, 1]]), second)]
    X, y = np.array([[1.0, 5], [-1, 7]]), [1, 0]
    splits = [rows(X, y), rows(X[:, ::-1], y)]
    found = measure_importance(members, splits, TWO, [np.array([1, 0])])
    assert {c.column: c.mean for c in found.columns} == {"a": 1.0, "b": 0.0}


@pytest.mark.parametrize("names", [["b", "c"], [None, None]], ids=["named", "without names"])
def test_a_column_is_shuffled_in_every_model_that_takes_it(names: list[str | None]) -> None:
    # one model takes a and b, the other b and c; they are wrong where b is, and only if it is for
    # both: σ(1) + σ(-2) < 1, but σ(5) + σ(-2) > 1 and σ(1) + σ(6) > 1
    first = encode_numbers([0, 0], [1, 1], [Column("a", 0), Column("b", 1)])
    other = encode_numbers([0, 0], [1, 1], [Column(name, i) for i, name in enumerate(names, 1)])
    members = [
        (linear([[-1.5, 1.5], [-1, 1]]), first),
        (linear([[-2.0, 2], [-1, 1]]), other),
    ]
    X, y = np.array([[1.0, 1, 1], [-1, -1, -1]]), [1, 0]
    splits = [rows(X[:, :2], y), rows(X[:, 1:], y)]
    for step in (1, -1):
        found = measure_importance(members[::step], splits[::step], TWO, [np.array([1, 0])])
        lost = {c.column.replace("column 2", "b"): c.mean for c in found.columns}
        assert lost == {"a": 0.0, "b": 1.0, names[1] or "column 3": 0.0}


def test_images_have_no_columns() -> None:
    members = [(linear([[1.0, 0]]), Encoding((Pixels("pixels", 1),)))]
    with pytest.raises(UsageError, match="these rows are images"):
        measure_importance(members, [rows([[1.0]], [0])], TWO)


@pytest.mark.peers
def test_it_is_scikit_learns_on_the_same_permutations() -> None:
    inspection = pytest.importorskip("sklearn.inspection")
    from sklearn.base import BaseEstimator, ClassifierMixin

    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(200, 4)), rng.integers(0, 2, 200)
    net = MLP([4, 8, 2], dtype=np.float64, seed=3)
    encoding = encode_numbers([0.5] * 4, [2.0] * 4)

    class Ours(ClassifierMixin, BaseEstimator):
        def __init__(self) -> None:
            self.classes_, self.is_fitted_ = np.array([0, 1]), True

        def fit(self, X: Array, y: Array) -> Any:
            return self

        def predict(self, X: Array) -> Array:
            values = np.concatenate([o.values for o in outputs_of([(net, encoding)], X)])
            return values.argmax(axis=1)

    theirs = inspection.permutation_importance(Ours(), X, y, n_repeats=6, random_state=9)
    # scikit-learn draws one seed for all columns; it shuffles an order of rows again and again, and
    # by each of these a column that is shuffled already
    shuffles = np.random.RandomState(np.random.RandomState(9).randint(np.iinfo(np.int32).max + 1))
    order, orders = np.arange(200), [np.arange(200)]
    for _ in range(6):
        shuffles.shuffle(order)
        orders.append(orders[-1][order])
    ours = measure_importance([(net, encoding)], [rows(X, y)], TWO, orders[1:])
    by_name = {c.column: c for c in ours.columns}
    for j in range(4):
        lost = by_name[f"column {j + 1}"].lost
        np.testing.assert_allclose(lost, theirs.importances[j], atol=1e-12)


def test_the_command_shows_it_and_scripts_read_it(mlp) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3))
    lines = [f"{a:.4f},{b:.4f},{c:.4f},{'up' if b > 0 else 'down'}" for a, b, c in X]
    Path("t.csv").write_text("\n".join(["a,b,c,way", *lines]) + "\n")
    mlp.ok("train", "--data", "t.csv", "--hidden", 8, "--epochs", 60, "-q")
    text = mlp.ok("evaluate", "model.npz", "--importance").out
    table = text[text.index("column shuffled") :].splitlines()
    assert table[1].split()[0] == "b"
    assert table[-1] == "(5 times, over 40 samples)"
    found = mlp.ok("evaluate", "model.npz", "--importance", "--json").json["importance"]
    assert [set(entry) for entry in found] == [{"column", "lost", "deviation"}] * 3
    assert found[0]["column"] == "b"
    assert found[0]["lost"] > 0.3
    assert all(abs(entry["lost"]) < 0.15 for entry in found[1:])
    assert "importance" not in mlp.ok("evaluate", "model.npz", "--json").json
    assert mlp.ok("evaluate", "model.npz", "--importance", "--json").json["importance"] == found


def test_images_are_refused_in_a_line(mlp) -> None:
    mlp.ok("train", "--data", "digits", "--hidden", "none", "--epochs", 1, "-q")
    assert mlp.error("evaluate", "model.npz", "--importance") == (
        2,
        "--importance is of the columns of a table; these rows are images",
    )


def test_what_rounds_to_nothing_has_no_sign() -> None:
    nothing = Importance("a", np.array([-0.00004, 0.0]))
    assert Importances("accuracy", 9, [nothing]).rows() == [("a", "0.00 % ± 0.00 %")]
    nothing = Importance("a", -np.zeros(2))
    assert Importances("rmse", 9, [nothing]).rows() == [("a", "0 ± 0")]
