"""The loop: what an epoch counts, which weights are the best, and when training has diverged."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest

from mlpcli.config.config import make_config
from mlpcli.data.dataset import Dataset
from mlpcli.errors import DivergedError, ExitCode, StoppedError
from mlpcli.runs import build
from mlpcli.runs.material import prepare_opened
from mlpcli.training.loop import Trainer
from mlpcli.training.progress import EpochResult

N, D, C = 50, 4, 3


def dataset(**changes: Any) -> Dataset:
    rng = np.random.default_rng(1)
    y = np.arange(N) % C
    X = rng.normal(size=(N, D)) + 3 * np.eye(C, D)[y]
    fields = {"source": "test", "X": X, "y": y, "digest": "", "test_fraction": 0.0}
    return Dataset(**(fields | changes))


def trainer_of(data: Dataset | None = None, **values: Any) -> Trainer:
    """A trainer of 45 rows in batches of 10, with 5 rows to validate."""
    options = {"hidden": (5,), "epochs": 3, "batch_size": 10, "dtype": "float64"}
    config = make_config(options | values)
    material = prepare_opened(config, data or dataset())
    return build.trainer(config, material, build.network(config, *material.sizes))


def run(trainer: Trainer, until: int = 3) -> list[EpochResult]:
    return list(trainer.epochs(until, lambda: None))


def test_an_epoch_takes_every_row_once_and_the_last_smaller_batch_too() -> None:
    trainer = trainer_of()
    order = trainer.batches.order(0)
    assert sorted(order) == sorted(trainer.batches.in_order())
    results = run(trainer)
    assert [(result.epoch, result.step) for result in results] == [(1, 5), (2, 10), (3, 15)]
    assert trainer.progress.batch == 0


def test_epochs_have_orders_of_their_own() -> None:
    batches = trainer_of().batches
    assert (batches.order(0) != batches.order(1)).any()
    assert (batches.order(1) == trainer_of().batches.order(1)).all()
    assert (batches.order(1) != trainer_of(seed=1).batches.order(1)).any()


def test_the_training_loss_is_the_mean_over_samples_each_before_its_own_step() -> None:
    trainer = trainer_of(lr=1e-300, optimizer="sgd")
    result = run(trainer, 1)[0]
    probs = trainer.net.predict_proba(scaled(trainer))
    y = trainer.batches.split.y[trainer.batches.in_order()]
    losses = -np.log(probs[np.arange(len(y)), y])
    assert result.train_loss == pytest.approx(losses.mean(), rel=1e-12)
    assert result.train_score == pytest.approx((probs.argmax(axis=1) == y).mean(), rel=1e-12)


def scaled(trainer: Trainer) -> Any:
    """(45, D) the training rows as the network sees them."""
    X = np.empty((len(trainer.batches), D))
    y = np.empty(len(trainer.batches), np.intp)
    whole = type(trainer.batches)(
        trainer.batches.split, trainer.batches.encoding, len(trainer.batches), np.float64
    )
    whole.cut(whole.in_order(), 0, X, y)
    return X


def test_the_rate_of_an_epoch_is_that_of_its_last_step() -> None:
    results = run(trainer_of(lr=0.3, lr_schedule="linear"))
    assert [result.lr for result in results] == pytest.approx(
        [0.3 * (15 - step) / 15 for step in (4, 9, 14)]
    )


def test_the_time_and_speed_are_of_the_steps_alone() -> None:
    results = run(trainer_of())
    assert 0 < results[0].seconds < results[1].seconds < results[2].seconds
    spent = results[1].seconds - results[0].seconds
    assert results[1].samples_per_second == pytest.approx(45 / spent, rel=1e-6)


def test_validation_is_one_pass_after_the_epoch() -> None:
    trainer = trainer_of()
    result = run(trainer, 1)[0]
    assert trainer.validation is not None
    scores, _ = trainer.validation.score()
    assert (result.val_loss, result.val_score) == (scores.loss, scores.figures["accuracy"])


def test_without_validation_there_are_no_figures_of_it_and_the_last_epoch_is_the_best() -> None:
    trainer = trainer_of(val_fraction=0.0)
    for result in trainer.epochs(3, lambda: None):
        assert (result.val_loss, result.val_score) == (None, None)
        assert trainer.progress.best_epoch == result.epoch
    assert np.array_equal(trainer.best, trainer.net.parameters.flat)


def test_the_best_epoch_has_the_highest_accuracy_and_then_the_lowest_loss() -> None:
    trainer = trainer_of(lr=1.5, epochs=40)
    weights, ranks = [], []
    for result in trainer.epochs(40, lambda: None):
        weights.append(trainer.net.parameters.flat.copy())
        assert result.val_score is not None
        assert result.val_loss is not None
        ranks.append((result.val_score, -result.val_loss))
    best = ranks.index(max(ranks))
    assert trainer.progress.best_epoch == best + 1
    assert np.array_equal(trainer.best, weights[best])
    trainer.use_best()
    assert np.array_equal(trainer.net.parameters.flat, weights[best])


def test_after_each_step_but_an_epochs_last_the_caller_is_asked() -> None:
    trainer = trainer_of()
    seen = []
    list(trainer.epochs(2, lambda: seen.append(trainer.progress.step)))
    assert seen == [1, 2, 3, 4, 6, 7, 8, 9]


def test_what_the_caller_raises_comes_through_between_two_steps() -> None:
    trainer = trainer_of()

    def stop() -> None:
        if trainer.progress.step == 7:
            raise StoppedError("interrupted", ExitCode.INTERRUPTED)

    with pytest.raises(StoppedError):
        list(trainer.epochs(3, stop))
    assert (trainer.progress.epoch, trainer.progress.batch, trainer.progress.step) == (1, 2, 7)


@pytest.mark.parametrize("optimizer", ["momentum", "sgd", "nesterov", "adam", "adamw"])
@pytest.mark.parametrize("steps", [1, 5, 7, 8])
def test_a_snapshot_continues_exactly(optimizer: str, steps: int) -> None:
    options = {"optimizer": optimizer, "dropout": 0.4, "input_dropout": 0.1}
    whole = trainer_of(**options)
    run(whole)
    first = trainer_of(**options)

    def stop() -> None:
        if first.progress.step == steps:
            raise StoppedError("interrupted", ExitCode.INTERRUPTED)

    for _ in stopped(first, stop):
        if first.progress.step == steps:
            break
    snapshot = first.snapshot()
    second = trainer_of(**options)
    second.restore(snapshot)
    run(second)
    assert second.net.parameters.flat.tobytes() == whole.net.parameters.flat.tobytes()
    assert second.best.tobytes() == whole.best.tobytes()
    assert asdict(second.progress) == asdict(whole.progress)
    for name, array in whole.step.optimizer.state().items():
        assert second.step.optimizer.state()[name].tobytes() == array.tobytes()


def stopped(trainer: Trainer, stop: Any) -> Any:
    """The epochs up to where `stop` raises StoppedError."""
    try:
        yield from trainer.epochs(3, stop)
    except StoppedError:
        return


def test_a_snapshot_is_a_copy() -> None:
    trainer = trainer_of()
    run(trainer, 1)
    snapshot = trainer.snapshot()
    before = (snapshot.last.copy(), snapshot.best.copy(), replace(snapshot.progress))
    run(trainer, 2)
    assert np.array_equal(snapshot.last, before[0])
    assert np.array_equal(snapshot.best, before[1])
    assert snapshot.progress == before[2]


# Divergence


@pytest.mark.parametrize("loss", ["cross-entropy", "bce"])
def test_a_loss_far_above_chance_is_a_divergence(loss: str) -> None:
    trainer = trainer_of(lr=1e7, loss=loss)
    with pytest.raises(DivergedError, match=r"^the loss became \d\.\d+e\+\d\d in epoch 1$"):
        run(trainer)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_loss_that_is_not_a_number_is_a_divergence(dtype: str) -> None:
    trainer = trainer_of(dtype=dtype)
    trainer.net.parameters.flat[0] = np.nan
    with pytest.raises(DivergedError, match=r"^the loss became nan in epoch 1$"):
        run(trainer)


def test_a_validation_loss_far_above_chance_is_a_divergence_before_it_can_be_the_best() -> None:
    trainer = trainer_of(lr=1e12, batch_size="full")
    with pytest.raises(DivergedError, match=r"^the validation loss became \S+ in epoch 1$"):
        run(trainer)
    assert trainer.progress.best_epoch == 0


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_weights_that_overflow_are_a_divergence() -> None:
    trainer = trainer_of(lr=1e300, batch_size="full", val_fraction=0.0, dtype="float32")
    with pytest.raises(DivergedError, match=r"^the weights overflowed in epoch 1$"):
        run(trainer)


def test_a_high_loss_that_is_still_finite_is_none() -> None:
    trainer = trainer_of(lr=1e-9)
    trainer.net.parameters.flat[:] *= 50
    first = run(trainer, 1)[0]
    assert math.log(C) * 5 < first.train_loss < math.log(C) * 10_000
