"""Numbers at the ends of what there can be: right, or a clear refusal, and never a warning."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from mlpcli.commands.stopping import Signals

OPTIMIZERS = ("momentum", "sgd", "nesterov", "adam", "adamw")
LOSSES = ("cross-entropy", "mse", "bce")


def write_table(rows: list[tuple[object, ...]], path: str = "table.csv") -> Path:
    Path(path).write_text("".join(",".join(map(str, row)) + "\n" for row in rows))
    return Path(path)


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Gets an entry for every step between which a run could be stopped."""
    taken: list[int] = []

    def asked(_: Signals) -> int:
        taken.append(1)
        return 0

    monkeypatch.setattr(Signals, "asked", asked)
    return taken


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("loss", LOSSES)
def test_scores_of_ten_thousand_are_evaluated_and_predicted(
    mlp, points, checkpoints, dtype: str, loss: str
) -> None:
    options = ("--dtype", dtype, "--loss", loss, "--epochs", "30", "-q")
    mlp.ok("train", "--data", "points.csv", "--hidden", "8", *options)
    model = checkpoints.arrays("model.npz")
    before = mlp.ok("evaluate", "model.npz", "--json").json
    checkpoints.rewrite("model.npz", W2=model["W2"] * 1e4, b2=model["b2"] * 1e4)
    value = mlp.ok("evaluate", "model.npz", "--json").json
    assert value["accuracy"] == before["accuracy"]  # the order of the scores is the same
    assert math.isfinite(value["loss"])
    out = mlp.ok("predict", "model.npz", "points.csv", "--probabilities").out
    probs = [
        [float(row[f"p_{label}"]) for label in ("ant", "bee", "cow")]
        for row in csv.DictReader(io.StringIO(out))
    ]
    assert np.isfinite(probs).all()
    if loss == "cross-entropy":
        assert np.sum(probs, axis=1) == pytest.approx(1)


@pytest.mark.parametrize("lr", ["1e-300", "1e-40", "1e3", "1e10", "1e38", "1e300"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_any_learning_rate_trains_or_is_refused_and_leaves_finite_weights(
    mlp, points, checkpoints, optimizer: str, lr: str
) -> None:
    arguments = ("--hidden", "8", "--optimizer", optimizer, "--lr", lr, "--epochs", "3", "-q")
    outcome = mlp("train", "--data", "points.csv", *arguments)
    assert outcome.code in (0, 4), outcome.err
    if outcome.code:
        assert len(outcome.err.splitlines()) == 1
        assert "lower --lr from" in outcome.err
    else:
        assert outcome.err == ""
    if Path("model.npz").exists():
        arrays = checkpoints.arrays("model.npz")
        assert all(np.isfinite(arrays[name]).all() for name in ("W1", "b1", "W2", "b2"))
        mlp.ok("evaluate", "model.npz")


def test_divergence_is_caught_within_the_epoch(mlp, steps: list[int], checkpoints) -> None:
    """81 steps an epoch; far fewer are taken after the weights ran away."""
    mlp.ok("train", "--data", "digits", "--batch-size", "16", "--epochs", "3", "--stop-after", "1")
    good = checkpoints.arrays("model.npz")
    steps.clear()
    code, said = mlp.error("train", "--resume", "model.npz", "--lr", "1e5", "-q")
    assert code == 4
    assert "in epoch 2" in said
    assert len(steps) < 40
    kept = checkpoints.arrays("model.npz")
    assert all((kept[name] == array).all() for name, array in good.items() if name[0] in "Wb")


@pytest.mark.parametrize("scale", ["auto", "none"])
def test_columns_of_every_size_are_trained_on(mlp, scale: str) -> None:
    """Standardised, they are learned; as they are, they may be too large to be."""
    rng = np.random.default_rng(0)
    table = write_table(
        [
            (x * 1e30, 1e-30 * (x + rng.normal()), 7e8 + x, -0.0, int(x > 0))
            for x in rng.normal(size=120)
        ]
    )
    arguments = ("train", "--data", table, "--scale", scale, "--epochs", "20", "-q", "--json")
    outcome = mlp(*arguments)
    if scale == "auto":
        assert outcome.code == 0, outcome.err
        assert outcome.json["train"]["accuracy"] > 0.95
    else:
        assert outcome.code in (0, 4)
        assert len(outcome.err.splitlines()) == (outcome.code == 4)


def test_a_class_with_few_rows_gives_none_to_validation_and_is_learned(mlp, checkpoints) -> None:
    labels = ["many"] * 60 + ["few"] * 2 + ["one"]
    table = write_table([(i + 0.5, (i * 7) % 5, label) for i, label in enumerate(labels)])
    for options in ((), ("--class-weight", "balanced"), ("--val-fraction", "0.4")):
        value = mlp.ok("train", "--data", table, "--epochs", "40", "--json", "-q", *options).json
        assert value["architecture"][-1] == 3
        assert value["train"]["accuracy"] > 0.9
        for split in ("train", "val", "test"):
            found = mlp.ok("evaluate", "model.npz", "--split", split, "--json").json
            support = Counter({c["label"]: c["support"] for c in found["per_class"]})
            assert support["one"] == (split == "train")
            if split == "train":
                assert support["few"] >= 1
            for c in found["per_class"]:
                if c["support"] == 0:
                    assert c["recall"] == 0
        assert "few" in mlp.ok("evaluate", "model.npz", "--split", "val").out


def test_one_row_is_evaluated_and_predicted(mlp, points) -> None:
    mlp.ok("train", "--data", "points.csv", "--hidden", "8", "-q")
    Path("one.csv").write_text("width,height,species\n0,10,ant\n")
    assert mlp.ok("evaluate", "model.npz", "--data", "one.csv", "--json").json["samples"] == 1
    assert mlp.ok("predict", "model.npz", "one.csv", "-q").out == "label\nant\n"


def test_the_loss_stays_right_where_the_likelihood_vanishes(mlp, points, checkpoints) -> None:
    """Every row wrong by a score of 1e4: the loss is 1e4, not infinite."""
    mlp.ok("train", "--data", "points.csv", "--hidden", "none", "--embedding", "none", "-q")
    W, b = np.zeros((2, 3), np.float32), np.array([1e4, 0, 0], np.float32)
    checkpoints.rewrite("model.npz", W1=W, b1=b, resume__last=None)
    Path("bees.csv").write_text("width,height,species\n" + "1,2,bee\n" * 7)
    value = mlp.ok("evaluate", "model.npz", "--data", "bees.csv", "--json").json
    assert value["loss"] == pytest.approx(1e4)
    assert value["accuracy"] == 0


def test_a_thousand_classes_of_one_row_each_are_learned(mlp) -> None:
    table = write_table([(i + 0.5, i * i % 1009, f"c{i}") for i in range(1000)])
    value = mlp.ok("train", "--data", table, "--hidden", "none", "--epochs", "2", "--json").json
    assert value["architecture"] == [2, 1000]
    assert value["validation"] is None
