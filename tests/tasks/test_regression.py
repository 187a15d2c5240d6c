"""Numbers to predict: figures by hand, and runs against facts that do not depend on our code."""

from __future__ import annotations

import csv
import io
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli import Model
from mlpcli.arrays import Array
from mlpcli.tasks.regression import Regression, ResidualReport

TASK = Regression.learn(np.array([10.0, 20.0, 30.0, 40.0]), "points.csv")  # mean 25, dev. √125


def test_targets_are_standardised_by_the_training_rows() -> None:
    assert (TASK.mean, TASK.deviation, TASK.low, TASK.high) == (25.0, math.sqrt(125), 10.0, 40.0)
    encoded = TASK.encode(np.array([25.0, 25 + math.sqrt(125)]))
    np.testing.assert_allclose(encoded, [0.0, 1.0], atol=1e-15)
    np.testing.assert_allclose(TASK.decode(encoded), [25.0, 25 + math.sqrt(125)])


def test_a_target_that_is_too_far_away_is_infinite_in_silence() -> None:
    """As of a checkpoint that says so; warnings are errors."""
    task = Regression(mean=-1e300, deviation=1e-300, low=-1e300, high=-1e300)
    assert task.encode(np.array([1.0])).tolist() == [math.inf]
    assert task.describe("depth") == "depth from -1e+300 to -1e+300, mean -1e+300"


def test_figures_are_those_of_plain_formulas_in_the_targets_unit() -> None:
    y, said = np.array([10.0, 20.0, 40.0]), np.array([12.0, 17.0, 40.0])
    scores = ((said - 25) / math.sqrt(125))[:, None]
    batches = [slice(0, 1), slice(1, 3)]  # sums of parts are the sums of the whole
    sums = sum(TASK.tally(scores[b], np.full(3, 0.5)[b], TASK.encode(y)[b]) for b in batches)
    found = TASK.score(sums)
    assert (found.samples, found.loss) == (3, 0.5)
    assert found.figures == pytest.approx(
        {
            "rmse": math.sqrt((4 + 9 + 0) / 3),
            "mae": 5 / 3,
            "r2": 1 - 13 / ((10 - 70 / 3) ** 2 + (20 - 70 / 3) ** 2 + (40 - 70 / 3) ** 2),
        },
        rel=1e-12,
    )
    report = ResidualReport(y, said, 0.5)
    assert report.figures == pytest.approx(found.figures, rel=1e-12)
    assert report.largest(2).tolist() == [1, 0]


def test_the_interval_of_the_rmse_covers_it_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(40):
        y = rng.normal(size=200)
        low, high = ResidualReport(y, y + rng.normal(size=200), 0.0).intervals()["rmse"]
        covered += low <= 1 <= high
    assert covered >= 34  # of 38 expected


def test_of_very_many_rows_the_interval_of_the_rmse_is_that_of_normal_errors() -> None:
    """Its standard error is σ/√(2N); of the mean of |e|, σ·√(1 − 2/π)/√N."""
    N, sigma = 200_000, 3.0
    y = np.random.default_rng(3).normal(50, 10, N)
    predicted = y + np.random.default_rng(4).normal(0, sigma, N)
    found = ResidualReport(y, predicted, 0.0).intervals()
    for name, error in (("rmse", 1 / math.sqrt(2)), ("mae", math.sqrt(1 - 2 / math.pi))):
        low, high = found[name]
        assert high - low == pytest.approx(2 * 1.96 * error * sigma / math.sqrt(N), rel=0.1)


@pytest.mark.parametrize("target", [0.1, 1.7e9 + 0.1, 3.0])
@pytest.mark.parametrize("samples", [1, 3, 7, 1000])
def test_of_targets_that_are_all_the_same_the_r2_is_0(target: float, samples: int) -> None:
    """Their variance is 0, and not what rounding leaves of it."""
    y = np.full(samples, target)
    answers = y + np.linspace(0.1, 1, samples)
    report = ResidualReport(y, answers, 0.0)
    assert (report.figures["r2"], report.intervals()["r2"]) == (0.0, (0.0, 0.0))
    scores, targets = TASK.encode(answers)[:, np.newaxis], TASK.encode(y)
    tallied = TASK.score(TASK.tally(scores, np.zeros(samples), targets))
    assert tallied.figures["r2"] == 0.0


def test_tenths_are_by_rank_and_equal_targets_are_together() -> None:
    assert Regression.strata(np.arange(20) ** 3).tolist() == [k // 2 for k in range(20)]
    assert len(set(Regression.strata(np.repeat([1.0, 2.0], 50)).tolist())) == 2


# By the command line


def houses(count: int = 400) -> Array:
    """(N, 3): two inputs and a target that is linear in them, and some noise."""
    rng = np.random.default_rng(0)
    X = rng.normal([50, 2000], [10, 300], (count, 2))
    y = 1000 * X[:, 0] - 20 * X[:, 1] + rng.normal(0, 500, count)
    return np.column_stack([X, y])


def write(rows: Array, path: str = "houses.csv") -> Path:
    text = "\n".join(",".join(f"{value:.17g}" for value in row) for row in rows)
    Path(path).write_text(f"area,age,price\n{text}\n")
    return Path(path)


def test_a_linear_target_is_fitted_as_least_squares_has_it(mlp) -> None:
    rows = houses()
    table = write(rows)
    options = ("--hidden", "none", "--reg", 0, "--optimizer", "sgd", "--lr", 0.5)
    more = ("--batch-size", "full", "--epochs", 2000, "--lr-schedule", "constant")
    split = ("--val-fraction", 0, "--test-fraction", 0, "--dtype", "float64")
    mlp.ok(*mlp.once("train", *mlp.PLAIN, "--data", table, *options, *more, *split, "-q"))
    out = mlp.ok("predict", "model.npz", table).out
    values = np.array([float(line["value"]) for line in csv.DictReader(io.StringIO(out))])
    A = np.column_stack([rows[:, :2], np.ones(len(rows))])
    expected = A @ np.linalg.lstsq(A, rows[:, 2], rcond=None)[0]
    np.testing.assert_allclose(values, expected, rtol=1e-6, atol=0.01)  # X is read as float32


@pytest.fixture
def trained(mlp) -> Any:
    write(houses())
    options = (*mlp.PLAIN, "--epochs", 30, "--hidden", 8, "--json")
    return mlp.ok("train", "--data", "houses.csv", *options).json


def test_results_are_in_the_targets_unit_and_better_than_the_mean(mlp, trained) -> None:
    assert trained["task"] == "regression"
    assert list(trained["validation"]) == ["loss", "rmse", "mae", "r2"]
    value = mlp.ok("evaluate", "model.npz", "--json").json
    assert [*value][:6] == ["task", "checkpoints", "data", "split", "samples", "loss"]
    assert 400 < value["rmse"] < 2500
    assert value["r2"] > 0.95
    out = mlp.ok("evaluate", "model.npz").out
    assert "RMSE" in out
    assert "95 % interval" in out
    assert "largest errors" in out


def test_a_model_predicts_the_rows_of_a_file_as_evaluate_scores_them(mlp, trained) -> None:
    mlp.ok("predict", "model.npz", "houses.csv", "-o", "said.csv")
    with Path("said.csv").open() as file:
        said = np.array([float(line["value"]) for line in csv.DictReader(file)])
    Path("other.csv").write_text(Path("houses.csv").read_text() + "50,2000,10000\n")
    value = mlp.ok("evaluate", "model.npz", "--data", "other.csv", "--json").json
    last = float(mlp.ok("predict", "model.npz", "other.csv").out.split()[-1])
    errors = np.append(said - houses()[:, 2], last - 10000)
    assert value["rmse"] == pytest.approx(math.sqrt(np.mean(errors**2)), rel=1e-5)
    assert value["mae"] == pytest.approx(np.mean(np.abs(errors)), rel=1e-5)


def test_the_log_has_the_rmse_of_every_epoch_and_the_last_of_the_best_losses_is_kept(
    mlp, checkpoints
) -> None:
    write(houses())
    mlp.ok(
        "train",
        "--data",
        "houses.csv",
        "--choose",
        "loss",
        "--epochs",
        12,
        "--log",
        "log.jsonl",
        "-q",
    )
    epochs = [json.loads(line) for line in Path("log.jsonl").read_text().splitlines()[1:-1]]
    losses = [epoch["val_loss"] for epoch in epochs]
    best = max(k for k, loss in enumerate(losses) if loss == min(losses)) + 1
    assert checkpoints.meta("model.npz")["epoch"] == best
    assert all(epoch["val_rmse"] > 0 and "val_accuracy" not in epoch for epoch in epochs)


@pytest.mark.parametrize("loss", ["squared-error", "absolute-error", "huber"])
def test_every_loss_for_numbers_is_trained_checked_and_resumed_exactly(
    mlp, checkpoints, loss: str
) -> None:
    write(houses(120))
    options = ("--data", "houses.csv", "--loss", loss, "--hidden", 5, "--epochs", 6, "-q")
    mlp.ok("train", *options, "-o", "whole.npz")
    mlp.ok("train", *options, "--stop-after", 3, "-o", "parts.npz")
    mlp.ok("train", "--resume", "parts.npz", "-q")
    whole, parts = checkpoints.arrays("whole.npz"), checkpoints.arrays("parts.npz")
    for name in set(whole) - {"meta"}:
        assert whole[name].tobytes() == parts[name].tobytes(), name
    assert mlp.ok("gradcheck", "whole.npz", "--json").json["passed"]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (
            ("--loss", "bce"),
            "--loss bce: is not for regression, which houses.csv asks for; give squared-error, "
            "absolute-error or huber, or another --task",
        ),
        (
            ("--class-weight", "balanced"),
            "--class-weight balanced: houses.csv has numbers to predict and no classes; "
            "leave it out",
        ),
        (
            ("--label-smoothing", "0.1"),
            "--label-smoothing 0.1: houses.csv has numbers to predict and no classes; leave it out",
        ),
    ],
)
def test_what_is_for_classes_is_refused(mlp, flags: tuple[str, ...], said: str) -> None:
    write(houses(60))
    assert mlp.error("train", "--data", "houses.csv", *flags, "-q") == (2, said)


def test_the_first_line_says_which_task_was_chosen_and_how_to_choose_the_other(mlp) -> None:
    write(houses(60))
    err = mlp.ok("train", "--data", "houses.csv", "--dry-run").err
    assert "numbers to predict (--task classification takes them for classes)" in err
    rows = houses(60)
    rows[:, 2] = np.arange(60) % 3
    write(rows)
    err = mlp.ok("train", "--data", "houses.csv", "--dry-run").err
    said = "; 3 classes (--task regression predicts the labels as numbers)"
    assert said in err
    written = Path("houses.csv").read_text()
    head, *lines = written.splitlines()
    Path("houses.csv").write_text("\n".join([head, *(f"{line}.5" for line in lines)]) + "\n")
    assert said in mlp.ok("train", "--data", "houses.csv", "--dry-run").err  # as text
    Path("houses.csv").write_text("\n".join([head, *(f"{line} rooms" for line in lines)]) + "\n")
    assert "predicts the labels" not in mlp.ok("train", "--data", "houses.csv", "--dry-run").err


def test_targets_that_are_all_the_same_are_refused(mlp) -> None:
    rows = houses(30)
    rows[:, 2] = 7
    write(rows)
    code, text = mlp.error("train", "--data", "houses.csv", "--task", "regression", "-q")
    assert code == 3
    assert text.startswith("houses.csv: every training row has the target 7;")


def test_a_committee_answers_with_the_mean(mlp) -> None:
    write(houses(100))
    for seed in (1, 2):
        mlp.ok("train", "--data", "houses.csv", "--epochs", 3, "--seed", seed, "-o", f"{seed}.npz")
    together = mlp.ok("evaluate", "1.npz", "2.npz", "--split", "test", "--json").json
    alone = [mlp.ok("evaluate", f"{seed}.npz", "--json").json["rmse"] for seed in (1, 2)]
    assert together["rmse"] <= max(alone)


@pytest.mark.parametrize("middle", [0.0, 1.7e3, 1.7e9, -1.7e12])
def test_answers_far_from_0_are_written_so_that_they_differ(mlp, middle: float) -> None:
    """As times in seconds or milliseconds are: of their digits, the last ones count."""
    offsets = np.arange(120) % 40 - 20.0
    rows = [f"{offset:g},{middle + offset:.1f}" for offset in offsets]
    Path("times.csv").write_text("\n".join(["a,time", *rows]) + "\n")
    mlp.ok("train", "--data", "times.csv", *mlp.PLAIN, "--hidden", "none", "--epochs", 60, "-q")
    written = mlp.ok("predict", "model.npz", "times.csv", "--interval").out.splitlines()[1:]
    answers = np.array([[float(cell) for cell in line.split(",")] for line in written])
    exact = Model.load("model.npz").predict(offsets[:, None])
    np.testing.assert_allclose(answers[:, 0], exact, rtol=0, atol=1e-3)
    np.testing.assert_allclose(answers[:, 1:].mean(axis=1), exact, rtol=0, atol=1e-3)
    np.testing.assert_allclose(exact, middle + offsets, rtol=0, atol=1)
    mlp.ok("export", "model.npz", "model.py")
    command = [sys.executable, "-I", "model.py", "times.csv"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    exported = [float(line) for line in done.stdout.splitlines()[1:]]
    np.testing.assert_allclose(exported, exact, rtol=0, atol=1e-3)
    for line in mlp.ok("evaluate", "model.npz", "-q").out.splitlines()[-5:]:
        *_, target, answer, error = line.split()
        assert float(answer) - float(target) == pytest.approx(float(error), abs=0.02)


@pytest.mark.parametrize(
    ("unit", "said"), [(1e299, "0 to 3.9e+300"), (1e-200, "0 to 3.9e-199"), (3e-310, "0 to")]
)
def test_targets_whose_squares_are_no_numbers_are_refused(mlp, unit: float, said: str) -> None:
    rows = [f"{i},{i * unit!r}" for i in range(40)]
    Path("rows.csv").write_text("\n".join(["a,y", *rows]) + "\n")
    given = ("--data", "rows.csv", "--test-fraction", 0, "--val-fraction", 0, "-q")
    code, text = mlp.error("train", *given)
    assert code == 3
    assert text.startswith(f"rows.csv: the targets are from {said}")
    assert text.endswith("squared errors cannot be computed; give them in another unit")
