"""Averaged weights: what they are, by formulas of their own, and where they are used."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mlpcli.training.average import AVERAGES, EVERY, Average

LONG = 1000  # steps an epoch, so that EVERY steps lie between two weights


def averaged(walk: Any, kind: str = "tail", **options: Any) -> Average:
    """The average over weights that walk: row t is after step t + 1."""
    usual: dict[str, Any] = {"decay": 0.9, "first": 0, "steps_per_epoch": 1}
    average = AVERAGES[kind](np.zeros_like(walk[0]), **(usual | options))
    for step, weights in enumerate(walk, start=1):
        average.update(weights, step, slice(0, len(weights)))
    return average


@pytest.fixture
def walk() -> Any:
    return np.cumsum(np.random.default_rng(0).normal(size=(400, 7)), axis=0)


def test_the_tail_is_the_mean_of_the_last_weights(walk: Any) -> None:
    average = averaged(walk, first=100)
    assert average.count == 300
    assert np.allclose(average.flat, walk[100:].mean(axis=0))


def test_in_long_epochs_only_some_steps_are_mixed_in(walk: Any) -> None:
    average = averaged(walk, steps_per_epoch=LONG)
    assert average.count == 400 // EVERY
    assert np.allclose(average.flat, walk[EVERY - 1 :: EVERY].mean(axis=0))
    assert averaged(walk, steps_per_epoch=64).count == 100


def test_the_exponential_average_weighs_each_step_by_the_decay(walk: Any) -> None:
    # long after the start, a = (1 − d)·Σ dᵏ·w_{t−k}
    decay = 0.9
    average = averaged(walk, kind="ema", decay=decay)
    weights = (1 - decay) * decay ** np.arange(200)
    assert np.allclose(average.flat, weights @ walk[::-1][:200], atol=1e-6)


@pytest.mark.parametrize("steps_per_epoch", [1, LONG])
def test_the_decay_is_of_a_step_however_many_lie_between(steps_per_epoch: int) -> None:
    walk = np.zeros((280, 3))
    walk[200:] = 1.0
    average = averaged(walk, kind="ema", decay=0.95, steps_per_epoch=steps_per_epoch)
    assert average.flat == pytest.approx(1 - 0.95**80)


def test_the_first_weights_are_soon_forgotten(walk: Any) -> None:
    walk = np.full((60, 3), 2.0)
    walk[0] = 1000.0
    assert np.allclose(averaged(walk, kind="ema", decay=0.9999).flat, 2.0, atol=1e-2)


@pytest.mark.parametrize("kind", ["ema", "tail"])
def test_of_weights_that_stand_still_it_is_these(kind: str) -> None:
    walk = np.tile(np.random.default_rng(1).normal(size=70_000).astype(np.float32), (9, 1))
    average = averaged(walk, kind=kind)
    assert average.flat.dtype == np.float32
    assert np.allclose(average.flat, walk[0], rtol=1e-6)


def test_a_tail_that_has_not_begun_counts_nothing(walk: Any) -> None:
    assert averaged(walk, first=400).count == 0
    assert averaged(walk, first=399).count == 1


PLAN = ("train", "--data", "digits", "--hidden", "8", "--epochs", "6", "--seed", "1", "-q")


@pytest.mark.parametrize("kind", ["ema", "tail"])
def test_what_is_validated_and_saved_are_the_averaged_weights(mlp, checkpoints, kind) -> None:
    report = mlp.ok(*PLAN, "--average", kind, "--json").json
    arrays = checkpoints.arrays("model.npz")
    assert not np.array_equal(arrays["W1"].ravel(), arrays["resume/last"][: arrays["W1"].size])
    best = checkpoints.meta("model.npz")["history"][report["best_epoch"] - 1]
    assert best["val_accuracy"] == pytest.approx(report["validation"]["accuracy"], abs=1e-6)
    scored = mlp.ok("evaluate", "model.npz", "--split", "val", "--json").json
    assert scored["accuracy"] == report["validation"]["accuracy"]


def test_training_itself_is_not_changed(mlp, checkpoints) -> None:
    mlp.ok(*PLAN, "-o", "plain.npz")
    mlp.ok(*PLAN, "--average", "ema", "-o", "average.npz")
    plain, average = (checkpoints.arrays(path) for path in ("plain.npz", "average.npz"))
    assert np.array_equal(plain["resume/last"], average["resume/last"])


def test_before_the_tail_begins_the_weights_are_the_last_ones(mlp, checkpoints) -> None:
    mlp.ok(*PLAN, "--val-fraction", "0", "--average", "tail", "--stop-after", "2")
    arrays = checkpoints.arrays("model.npz")
    assert np.array_equal(arrays["W1"].ravel(), arrays["resume/last"][: arrays["W1"].size])


def test_an_extended_plan_begins_its_tail_anew(mlp, checkpoints) -> None:
    plan = (*PLAN, "--val-fraction", "0", "--average", "tail", "--average-from", "0.5")
    mlp.ok(*plan)
    mlp.ok("train", "--resume", "model.npz", "--epochs", "20", "-q", "--stop-after", "8")
    arrays = checkpoints.arrays("model.npz")
    assert np.array_equal(arrays["W1"].ravel(), arrays["resume/last"][: arrays["W1"].size])


def test_the_kind_of_average_stays_when_a_run_goes_on(mlp) -> None:
    mlp.ok(*PLAN, "--average", "ema")
    code, text = mlp.error("train", "--resume", "model.npz", "--average", "tail", "-q")
    assert code == 2
    assert text.startswith("--average tail: model.npz was trained with ema, which a resumed run")


def test_an_average_that_is_missing_from_a_checkpoint_is_told(mlp, checkpoints) -> None:
    mlp.ok(*PLAN, "--average", "ema", "--stop-after", "1")
    checkpoints.rewrite("model.npz", resume__average=None)
    assert mlp.error("train", "--resume", "model.npz", "-q") == (
        3,
        "model.npz: what continues the run does not fit the weights",
    )
