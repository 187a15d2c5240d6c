"""The training loop: a generator of epochs, which prints nothing and writes nothing."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from mlpcli.data.batches import Batches
from mlpcli.data.dataset import Array
from mlpcli.errors import DivergedError
from mlpcli.evaluation.metrics import Scorer
from mlpcli.nn.activations import ReLU
from mlpcli.nn.network import MLP
from mlpcli.nn.optimizers import Optimizer
from mlpcli.nn.parameters import Buffers
from mlpcli.nn.regularisation import clip_norm, draw_dropout_masks, limit_norms
from mlpcli.nn.schedules import Schedule

DIVERGED = 10_000
"""A loss of more than this many times the loss at chance has diverged."""

_PROBED = 512  # rows that tell at an epoch's end which units are dead
_DROPOUT_STREAM = 2  # which of the streams of random numbers under a seed


@dataclass(frozen=True)
class EpochResult:
    """What one epoch came to; the log's line of it.

    Attributes:
        epoch: counted from 1.
        step: how many steps were taken since the start of training.
        seconds: of training steps alone, since the start of training.
        lr: the learning rate of the epoch's last step.
        train_loss, train_accuracy: the mean over the epoch's batches, each before its own step.
        val_loss, val_accuracy: one pass over the validation rows after it, or None.
        samples_per_second: of training steps alone, in this epoch.
        update_ratio: ‖Δw‖/‖w‖ of the epoch's last step; about 1e-3 is healthy (CS231n).
        gradient_norm: ‖g‖ of the data's loss at that step, after clipping.
        dead_units: the share of hidden ReLU units that no one of some 500 training rows switches
            on after it; None where there are none of that kind.
    """

    epoch: int
    step: int
    seconds: float
    lr: float
    train_loss: float
    train_accuracy: float
    val_loss: float | None
    val_accuracy: float | None
    samples_per_second: float
    update_ratio: float
    gradient_norm: float
    dead_units: float | None


@dataclass
class Progress:
    """Where training stands: with the arrays of network and optimizer, all that continues it.

    Attributes:
        epoch: how many epochs are done.
        batch: how many batches of the next one are done.
        step: how many steps were taken.
        loss_sum, correct: over the samples of the batches that are done.
        dropout: the state of the masks' generator within an epoch; None between epochs.
        best_epoch: the epoch of the best weights, 0 before there are any.
        best_accuracy, best_loss: what made it the best.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    correct: int = 0
    dropout: dict[str, Any] | None = None
    best_epoch: int = 0
    best_accuracy: float = -1.0
    best_loss: float = math.inf


@dataclass
class Snapshot:
    """A copy of everything that continues a run, made between two steps."""

    progress: dict[str, Any]
    last: Array
    optimizer: dict[str, Array]
    best: Array


@dataclass
class Trainer:
    """A network in training.

    Attributes:
        net: its parameters live beside the optimizer's state.
        optimizer: of `net`.
        batches: of the training rows.
        lr, momentum: at each step.
        targets: (C, C) each class's target distribution.
        class_weights: (C,) each class's weight, or None where all weigh the same.
        dropout_seed: of the masks.
        max_norm, clip_norm: limits, or None.
        validation: scores `net` on the validation rows, or None where there are none.
        progress: where it stands.
        seconds: of training steps so far.
        best: (P,) the best epoch's parameters.
    """

    net: MLP
    optimizer: Optimizer
    batches: Batches
    lr: Schedule
    momentum: Schedule
    targets: Array
    class_weights: Array | None = None
    dropout_seed: int = 0
    max_norm: float | None = None
    clip_norm: float | None = None
    validation: Scorer | None = None
    progress: Progress = field(default_factory=Progress)
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self.best: Array = self.net.parameters.flat.copy()
        self._buffers = self.net.buffers(self.batches.size, weighted=self.class_weights is not None)
        self._drops = any(rate > 0 for rate in self.net.dropout_rates)
        self._masks = np.random.default_rng()
        self._limit = DIVERGED * self.net.loss.at_chance(self.net.sizes[-1])

    def epochs(self, until: int, on_step: Callable[[], None]) -> Iterator[EpochResult]:
        """Train to the end of epoch `until`; `on_step` is called between steps.

        Whatever `on_step` raises comes through, with `progress` and all arrays consistent.

        Raises:
            DivergedError: a loss that is not finite, or more than DIVERGED times that at chance.
        """
        while self.progress.epoch < until:
            yield self._epoch(on_step)

    def snapshot(self) -> Snapshot:
        """A copy of the state, for a checkpoint."""
        if self._drops and self.progress.batch:
            self.progress.dropout = dict(self._masks.bit_generator.state)
        return Snapshot(
            progress=asdict(self.progress),
            last=self.net.parameters.flat.copy(),
            optimizer={name: array.copy() for name, array in self.optimizer.state().items()},
            best=self.best.copy(),
        )

    def restore(self, snapshot: Snapshot) -> None:
        """Continue from a snapshot, exactly."""
        self.progress = Progress(**snapshot.progress)
        self.net.parameters.flat[:] = snapshot.last
        self.optimizer.restore(snapshot.optimizer, self.progress.step)
        self.best[:] = snapshot.best

    def use_best(self) -> None:
        """Put the best epoch's weights into the network."""
        self.net.parameters.flat[:] = self.best

    def _epoch(self, on_step: Callable[[], None]) -> EpochResult:
        now = self.progress
        order = self.batches.order(now.epoch)
        self._masks = np.random.default_rng([self.dropout_seed, _DROPOUT_STREAM, now.epoch])
        if now.dropout is not None:
            self._masks.bit_generator.state = now.dropout
        first, started, rate, ratio, norm = now.batch, self.seconds, 0.0, 0.0, 0.0
        while now.batch < self.batches.steps:
            begun = time.perf_counter()
            rate = self.lr(now.step)
            last = now.batch == self.batches.steps - 1
            before = self.net.parameters.flat.copy() if last else None
            self._step(order, rate)
            if before is not None:
                ratio = _relative_change(before, self.net.parameters.flat)
                norm = _norm(self.optimizer.gradient.flat)
            self.seconds += time.perf_counter() - begun
            if not last:
                on_step()
        samples = len(self.batches) - first * self.batches.size
        return self._finish_epoch(
            samples,
            self.seconds - started,
            order[:_PROBED],
            lr=rate,
            update_ratio=ratio,
            gradient_norm=norm,
        )

    def _step(self, order: Array, lr: float) -> None:
        """Cut a batch; forward, loss, backward, update."""
        now, net = self.progress, self.net
        n = self.batches.cut(order, now.batch, self._buffers.X, self._buffers.y)
        batch = self._buffers.first(n)
        self._fill_targets(batch)
        if self._drops:
            draw_dropout_masks(batch.masks, net.dropout_rates, self._masks)

        scores = net.forward_pass(batch, drop=self._drops)
        loss = net.mean_loss(batch)
        if not loss <= self._limit:  # also when it is not a number
            raise DivergedError(f"the loss became {loss:.4g} in epoch {now.epoch + 1}")
        correct = np.count_nonzero(scores.argmax(axis=1) == batch.y)
        net.backward_pass(batch, self.optimizer.gradient, drop=self._drops)
        if self.clip_norm is not None:
            clip_norm(self.optimizer.gradient.flat, self.clip_norm)
        self.optimizer.step(lr, self.momentum(now.step))
        if self.max_norm is not None:
            for W in net.parameters.W:
                limit_norms(W, self.max_norm)

        now.loss_sum += loss * n
        now.correct += int(correct)
        now.batch += 1
        now.step += 1

    def _fill_targets(self, batch: Buffers) -> None:
        np.take(self.targets, batch.y, axis=0, out=batch.Y, mode="clip")
        if batch.weights is not None and self.class_weights is not None:
            np.take(self.class_weights, batch.y, out=batch.weights[:, 0], mode="clip")

    def _dead_units(self, rows: Array) -> float | None:
        """The share of hidden units that are 0 for every one of these rows."""
        net, batches = self.net, self.batches
        hidden = net.sizes[1:-1]
        if not hidden or not isinstance(net.activation, ReLU):
            return None
        alive = [np.zeros(n, bool) for n in hidden]
        for step in range(math.ceil(len(rows) / batches.size)):
            n = batches.cut(rows, step, self._buffers.X, self._buffers.y)
            batch = self._buffers.first(n)
            net.forward_pass(batch)
            for units, A in zip(alive, batch.outputs[:-1], strict=True):
                units |= A.max(axis=0) > 0
        return 1 - sum(int(units.sum()) for units in alive) / sum(hidden)

    def _finish_epoch(
        self, samples: int, seconds: float, probe: Array, **diagnostics: float
    ) -> EpochResult:
        """Score the epoch, keep its weights if they are the best, and turn to the next one."""
        now, N = self.progress, len(self.batches)
        finite = np.isfinite(self.net.parameters.flat).all()
        if not finite or not all(map(math.isfinite, diagnostics.values())):
            raise DivergedError(f"the weights overflowed in epoch {now.epoch + 1}")
        scores = self.validation.score() if self.validation else None
        if scores and not scores.loss <= self._limit:
            raise DivergedError(
                f"the validation loss became {scores.loss:.4g} in epoch {now.epoch + 1}"
            )
        now.epoch += 1
        result = EpochResult(
            epoch=now.epoch,
            step=now.step,
            seconds=self.seconds,
            train_loss=now.loss_sum / N,
            train_accuracy=now.correct / N,
            val_loss=scores.loss if scores else None,
            val_accuracy=scores.accuracy if scores else None,
            samples_per_second=samples / seconds,
            dead_units=self._dead_units(probe),
            **diagnostics,
        )
        now.batch, now.loss_sum, now.correct, now.dropout = 0, 0.0, 0, None
        rank = (scores.accuracy, -scores.loss) if scores else (0.0, 0.0)
        if scores is None or rank > (now.best_accuracy, -now.best_loss):
            now.best_epoch = now.epoch
            now.best_accuracy, now.best_loss = rank[0], -rank[1]
            self.best[:] = self.net.parameters.flat
        return result


def _relative_change(before: Array, after: Array) -> float:
    norm = _norm(before)
    return _norm(after - before) / norm if norm else 0.0


def _norm(array: Array) -> float:
    """The Euclidean norm, which does not overflow."""
    return float(np.linalg.norm(array.astype(np.float64)))
