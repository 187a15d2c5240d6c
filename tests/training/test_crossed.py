"""The validation figure: each part of the rows by the epoch that the others choose."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from mlpcli.config.config import make_config
from mlpcli.data.dataset import Dataset
from mlpcli.parallel.forked import Forked
from mlpcli.parallel.ranks import Alone
from mlpcli.runs import build
from mlpcli.runs.material import prepare_opened

ROWS, EPOCHS = 300, 12


def noisy(seed: int = 0) -> Dataset:
    """Two classes that overlap, in five columns, with weights."""
    rng = np.random.default_rng(seed)
    y = rng.integers(2, size=ROWS)
    X = rng.normal(size=(ROWS, 5)) + 0.8 * y[:, None]
    weights = rng.uniform(0.5, 2, ROWS)
    return Dataset("test", X, y, digest="", test_fraction=0.2, weights=weights)


def trainer_of(data: Dataset, ranks: int = 1, **values: Any) -> Any:
    options = {"hidden": (16,), "epochs": EPOCHS, "dtype": "float64", "val_fraction": 0.15}
    config = make_config(options | values)
    material = prepare_opened(config, data)
    net = build.network(config, *material.sizes)
    trainer = build.trainer(config, material, net, Forked(ranks) if ranks > 1 else Alone())
    return trainer, material


@pytest.mark.parametrize("choose", ["loss", "accuracy"])
@pytest.mark.parametrize("weighed", [False, True])
def test_each_part_is_scored_by_the_epoch_that_the_others_choose(choose, weighed) -> None:
    data = noisy()
    if not weighed:
        data = Dataset("test", data.X, data.y, digest="", test_fraction=0.2)
    trainer, material = trainer_of(data, choose=choose, scale="none")
    val = material.splits.val
    X, y = data.X[val.rows], data.y[val.rows]
    w = data.weights[val.rows] if weighed else np.ones(len(y))
    losses, right = [], []  # (epochs, n)
    for _ in trainer.epochs(EPOCHS, lambda: None):
        probs = trainer.net.predict_proba(X)
        losses.append(-np.log(probs[np.arange(len(y)), y]))
        right.append(probs.argmax(axis=1) == y)
    counted, lost = 0.0, 0.0
    for k in range(10):
        mine = np.arange(len(y)) % 10 == k
        best: Any = None
        for epoch in range(EPOCHS):
            mean = np.average(losses[epoch][~mine], weights=w[~mine])
            accuracy = np.average(right[epoch][~mine], weights=w[~mine])
            key = (-mean,) if choose == "loss" else (accuracy, -mean)
            if best is None or key > best[0]:
                best = key, epoch
        counted += right[best[1]][mine].sum()
        lost += losses[best[1]][mine].sum()
    score = trainer.validation_score()
    assert score.samples == len(y)
    assert score.figures["accuracy"] == pytest.approx(counted / len(y), abs=1e-12)
    assert score.loss == pytest.approx(lost / len(y), rel=1e-9)


def test_of_labels_that_mean_nothing_no_more_than_half_are_said_to_be_right() -> None:
    """In 60 runs on noise, where the best epoch is the luckiest one."""
    best, crossed = [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        X, y = rng.normal(size=(120, 4)), np.arange(120) % 2
        data = Dataset("test", X, y, digest="", test_fraction=0.0)
        trainer, _ = trainer_of(data, seed=seed, val_fraction=0.2, lr=0.3)
        for _ in trainer.epochs(EPOCHS, lambda: None):
            pass
        best.append(trainer.progress.best_score)
        crossed.append(trainer.validation_score().headline)
    error = 0.5 / np.sqrt(60 * 24)
    assert np.mean(best) > 0.5 + 4 * error
    # Somewhat below: of two classes of one size, a part has more of the one that the others lack.
    assert 0.42 < np.mean(crossed) < 0.5 + 2 * error


def test_many_rows_the_last_epoch_and_one_row_need_none() -> None:
    for values in ({"choose": "last"}, {"val_fraction": 0.0}):
        trainer, _ = trainer_of(noisy(), **values)
        for _ in trainer.epochs(2, lambda: None):
            pass
        assert trainer.validation_score() is None
    large = Dataset("test", np.zeros((9000, 2)), np.arange(9000) % 2, digest="")
    trainer, _ = trainer_of(large, epochs=1)
    list(trainer.epochs(1, lambda: None))
    assert trainer.validation_score() is None


@pytest.mark.parametrize("ranks", [2, 3])
def test_ranks_come_to_the_same(ranks: int) -> None:
    (alone, _), (together, _) = trainer_of(noisy()), trainer_of(noisy(), ranks)
    list(alone.epochs(4, lambda: None))
    with together.ranks:
        list(together.epochs(4, lambda: None))
    np.testing.assert_allclose(together.progress.part_sums, alone.progress.part_sums, rtol=1e-9)


def test_a_run_says_the_crossed_figure_and_a_resumed_one_the_same(mlp) -> None:
    train = ("train", "--data", "penguins", "--label-column", "sex", "--epochs", 8, "--json")
    whole = mlp.ok(*train, "-o", "whole.npz").json["validation"]
    mlp.ok(*train, "-o", "parts.npz", "--stop-after", 3)
    assert mlp.ok("train", "--resume", "parts.npz", "--json").json["validation"] == whole
    chosen = mlp.ok("evaluate", "whole.npz", "--split", "val", "--json").json
    assert whole["loss"] >= chosen["loss"]


@pytest.mark.parametrize(
    "parts", [[], [[1.0, 1.0, 1.0]], [[1.0, 2.0]], [[1.0], [2.0, 3.0]], [["a"]]]
)
def test_of_other_parts_in_a_checkpoint_there_is_no_figure_or_they_are_refused(
    mlp, checkpoints, parts: Any
) -> None:
    train = ("train", "--data", "penguins", "--label-column", "sex", "--epochs", 5, "-q")
    mlp.ok(*train, "--stop-after", 2)
    progress = checkpoints.progress("model.npz")
    assert len(progress["part_sums"]) == 10
    progress |= {"part_sums": parts, "part_ranks": [[] for _ in parts]}
    checkpoints.rewrite("model.npz", resume__progress=json.dumps(progress))
    outcome = mlp("train", "--resume", "model.npz", "-q", "--json")
    if parts in ([], [[1.0, 1.0, 1.0]]):
        assert outcome.code == 0, outcome.err
        assert checkpoints.progress("model.npz")["part_sums"] == []
    else:
        said = "mlp: model.npz: what continues the run is damaged: "
        assert (outcome.code, outcome.err[: len(said)], outcome.err.count("\n")) == (3, said, 1)


def test_a_snapshot_is_not_changed_by_what_is_trained_after_it() -> None:
    trainer, _ = trainer_of(noisy())
    list(trainer.epochs(1, lambda: None))
    snapshot = trainer.snapshot()
    kept = json.dumps(vars(snapshot.progress))
    list(trainer.epochs(EPOCHS, lambda: None))
    assert json.dumps(vars(snapshot.progress)) == kept
    assert trainer.progress.part_ranks != snapshot.progress.part_ranks
    trainer.restore(snapshot)
    list(trainer.epochs(EPOCHS, lambda: None))
    assert json.dumps(vars(snapshot.progress)) == kept
