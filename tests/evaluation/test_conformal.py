"""Intervals of a regression: split conformal prediction, from the rule of its sources."""

from __future__ import annotations

import csv
import io
import math
import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from mlpcli import Model
from mlpcli.data.encoding import encode_numbers
from mlpcli.data.split import Split
from mlpcli.evaluation.conformal import half_width, measure_residuals
from mlpcli.nn.network import MLP
from mlpcli.tasks.regression import Regression

ROWS = 60


@pytest.mark.parametrize("n", [9, 10, 18, 19, 29, 99, 100, 1000])
def test_the_width_is_the_residual_of_the_rank_that_the_theorem_asks_for(n: int) -> None:
    residuals = np.random.default_rng(n).permutation(n) + 1.0  # the k-th smallest is k
    assert half_width(residuals) == math.ceil((n + 1) * Fraction(9, 10))


def test_fewer_than_nine_rows_bound_nothing() -> None:
    with pytest.raises(ValueError, match="8 rows are too few; at least 9"):
        half_width(np.ones(8))


def test_residuals_are_in_the_targets_unit_and_of_the_held_out_rows_alone() -> None:
    net = MLP([1, 1], loss="squared-error", dtype=np.float64, seed=None)
    net.params["W1"][:] = 2  # answers 2x deviations from the mean
    task = Regression(mean=10.0, deviation=4.0, low=0.0, high=20.0)
    X, targets = np.array([[0.0], [1], [2], [-1]]), np.array([13.0, 0, 24, 2.5])
    held_out = Split("val", X, task.encode(targets), np.array([0, 2, 3]))
    found = measure_residuals(net, encode_numbers([0], [1]), task, held_out)
    # answers 10, 26, 2
    np.testing.assert_allclose(found, [0.5, 2, 3], atol=1e-12)


def test_of_very_many_rows_evenly_spaced_ones_are_kept() -> None:
    net = MLP([1, 1], loss="squared-error", dtype=np.float64, seed=None)
    N = 50_000
    split = Split("val", np.zeros((N, 1)), np.arange(N) / N, np.arange(N))
    found = measure_residuals(net, encode_numbers([0], [1]), Regression(0, 1, 0, 1), split)
    assert len(found) == 10_000
    assert half_width(found) == pytest.approx(0.9, abs=2e-4)


def line(x: float, noise: float) -> str:
    return f"{x:.4f},{3 * x + noise:.4f}"


@pytest.fixture
def tables() -> None:
    """train.csv, val.csv and new.csv: a noisy line."""
    rng = np.random.default_rng(5)
    for name, count in (("train", 200), ("val", ROWS), ("new", 400)):
        x, noise = rng.uniform(-2, 2, count), rng.normal(size=count)
        Path(f"{name}.csv").write_text("\n".join(["x,y", *map(line, x, noise)]) + "\n")


def train(mlp, *more: object) -> None:
    given = ("train", "--data", "train.csv", "--val-data", "val.csv", "--hidden", 8, "--epochs", 5)
    mlp.ok(*mlp.once(*given, "-q", *more))


def columns(text: str) -> dict[str, np.ndarray]:
    rows = list(csv.DictReader(io.StringIO(text)))
    return {name: np.array([float(row[name]) for row in rows]) for name in rows[0]}


def residuals_of(mlp, *models: str) -> np.ndarray:
    """Of the validation rows, from what is predicted for them."""
    true = columns(Path("val.csv").read_text())["y"]
    return np.concatenate(
        [np.abs(columns(mlp.ok("predict", m, "val.csv").out)["value"] - true) for m in models]
    )


def test_low_and_high_are_written_beside_the_number(mlp, tables) -> None:
    train(mlp)
    width = np.sort(residuals_of(mlp, "model.npz"))[math.ceil((ROWS + 1) * 0.9) - 1]
    said = mlp.ok("predict", "model.npz", "new.csv", "--interval")
    found = columns(said.out)
    assert list(found) == ["value", "low", "high"]
    np.testing.assert_allclose(found["value"] - found["low"], width, rtol=1e-5)
    np.testing.assert_allclose(found["high"] - found["value"], width, rtol=1e-5)
    true = columns(Path("new.csv").read_text())["y"]
    within = np.mean((true >= found["low"]) & (true <= found["high"]))
    assert 0.84 < within < 0.97  # 400 rows: the binomial spread, and that of 60 residuals
    assert re.search(rf"RMSE .* over 400 rows, {100 * within:.1f} % within the interval", said.err)
    about = mlp.ok("predict", "model.npz", "new.csv", "--interval", "--json").json
    assert about["interval"]["share"] == 0.9
    assert about["interval"]["half_width"] == pytest.approx(width, rel=1e-5)
    np.testing.assert_allclose(about["answers"], found["value"], rtol=1e-6)
    intervals = Model.load("model.npz").predict_interval({"x": [0.5, -1]})
    np.testing.assert_allclose(intervals[:, 1] - intervals[:, 0], 2 * width, rtol=1e-5)
    assert (
        f"± {width:.4g}, of 90 % of new rows (60 held-out ones)" in mlp.ok("show", "model.npz").out
    )


def test_columns_that_the_input_has_keep_their_names(mlp, tables) -> None:
    train(mlp)
    Path("new.csv").write_text("x,low\n1,2\n")
    text = mlp.ok("predict", "model.npz", "new.csv", "--interval", "--with-inputs").out
    assert text.splitlines()[0] == "x,low,value,predicted_low,high"


def test_a_committees_members_give_the_residuals_of_each(mlp, tables) -> None:
    train(mlp, "-o", "a.npz")
    train(mlp, "-o", "b.npz", "--seed", 1)
    pooled = np.sort(residuals_of(mlp, "a.npz", "b.npz"))
    width = pooled[math.ceil((2 * ROWS + 1) * 0.9) - 1]
    found = columns(mlp.ok("predict", "a.npz", "b.npz", "new.csv", "--interval").out)
    np.testing.assert_allclose(found["high"] - found["value"], width, rtol=1e-5)


def test_residuals_are_of_the_best_weights_however_the_run_came_there(mlp, tables) -> None:
    train(mlp, "-o", "whole.npz", "--lr", 0.3)
    train(mlp, "-o", "parts.npz", "--lr", 0.3, "--stop-after", 2)
    mlp.ok("train", "--resume", "parts.npz", "--stop-after", 5, "-q")
    with np.load("whole.npz") as whole, np.load("parts.npz") as parts:
        assert np.array_equal(whole["residuals"], parts["residuals"])
        expected = np.sort(residuals_of(mlp, "whole.npz"))
        np.testing.assert_allclose(whole["residuals"], expected, rtol=1e-4)
    train(mlp, "-o", "small.npz", "--weights-only")
    assert len(np.load("small.npz")["residuals"]) == ROWS


def test_what_has_no_residuals_has_no_interval(mlp, tables) -> None:
    mlp.ok("train", "--data", "train.csv", "--val-fraction", 0, "--epochs", 2, "-q")
    assert mlp.error("predict", "model.npz", "new.csv", "--interval") == (
        3,
        "model.npz: has no rows that were held out of all its training, whose residuals an "
        "interval comes from; train it with --val-fraction 0.1",
    )
    mlp.ok("train", "--data", "train.csv", "--val-fraction", 0.05, "--epochs", 2, "-q")
    assert mlp.error("predict", "model.npz", "new.csv", "--interval") == (
        3,
        "model.npz: of held-out rows, whose residuals an interval comes from, 8 rows are too few; "
        "at least 9 are needed; train it with a larger --val-fraction",
    )
    mlp.ok("train", "--data", "penguins", "--label-column", "species", "--epochs", 1, "-q")
    assert mlp.error("predict", "model.npz", "new.csv", "--interval") == (
        2,
        "model.npz: predicts classes, and an interval is one of numbers; --probabilities says how "
        "sure an answer is",
    )


def test_numbers_have_no_probabilities(mlp, tables) -> None:
    mlp.ok("train", "--data", "train.csv", "--epochs", 2, "-q")
    asked = mlp.ok("predict", "model.npz", "new.csv", "--interval", "--probabilities")
    assert asked.out == mlp.ok("predict", "model.npz", "new.csv", "--interval").out
    assert (
        "model.npz: predicts numbers, which have no probabilities; --interval says how far off an "
        "answer may be\n"
    ) in asked.err


def test_rows_that_an_ancestor_was_trained_on_are_not_held_out(mlp, tables) -> None:
    given = ("train", "--data", "train.csv", "--epochs", 2, "-q")
    mlp.ok(*given, "-o", "first.npz")
    mlp.ok(*given, "-o", "same.npz", "--init-from", "first.npz")
    mlp.ok(*given, "-o", "other.npz", "--init-from", "first.npz", "--seed", 1)
    assert "residuals" in np.load("same.npz")
    assert "residuals" not in np.load("other.npz")
    assert mlp.error("predict", "other.npz", "new.csv", "--interval")[0] == 3


def test_residuals_that_are_no_distances_are_a_damaged_file(mlp, tables) -> None:
    train(mlp)
    with np.load("model.npz") as file:
        arrays = dict(file)
    for wrong in (np.full(9, -1.0), np.full(9, np.nan), np.ones((3, 3)), np.ones(9, np.int64)):
        np.savez("bad.npz", **{**arrays, "residuals": wrong})
        assert mlp.error("predict", "bad.npz", "new.csv") == (
            3,
            "bad.npz: its residuals are no list of distances",
        )
