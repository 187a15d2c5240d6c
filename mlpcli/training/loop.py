"""The training loop: a generator of epochs, which prints nothing and writes nothing."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np

from mlpcli.arrays import Array
from mlpcli.data.batches import Batches
from mlpcli.errors import DivergedError
from mlpcli.evaluation.metrics import Scorer
from mlpcli.nn.activations import ReLU
from mlpcli.nn.network import MLP
from mlpcli.nn.optimizers import Optimizer
from mlpcli.nn.parameters import Buffers, Parameters
from mlpcli.nn.regularisation import clip_norm, draw_dropout_masks, limit_norms
from mlpcli.nn.schedules import Schedule
from mlpcli.parallel.ranks import Alone, Ranks
from mlpcli.tasks.classification import Scores
from mlpcli.training.average import Average
from mlpcli.training.progress import EpochResult, Progress, Snapshot

DIVERGED = 10_000
"""A loss of more than this many times the loss at chance has diverged."""

_PROBED = 512  # rows that tell at an epoch's end which units are dead
_DROPOUT_STREAM = 2  # which of the streams of random numbers under a seed


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
        max_norm: the limit of each layer, or None.
        clip_norm: the gradient's, or None.
        average: of the weights over the steps, which is then what is scored and kept, or None.
        validation: scores `net` on the validation rows, or None where there are none.
        ranks: the processes that train together; each has a trainer, and calls it alike.
        interruption: asked at every step: SIGINT or SIGTERM where training is to end, or 0.
        interrupted: what it said to a rank, which every rank knows after the step.
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
    max_norm: Sequence[float] | None = None
    clip_norm: float | None = None
    average: Average | None = None
    validation: Scorer | None = None
    ranks: Ranks = field(default_factory=Alone)
    interruption: Callable[[], int] = lambda: 0
    interrupted: int = 0
    progress: Progress = field(default_factory=Progress)
    seconds: float = 0.0

    def __post_init__(self) -> None:
        flat = self.net.parameters.flat
        self.best: Array = self.ranks.zeros(flat.shape, flat.dtype)
        self.best[:] = flat
        rows = self.batches.size if self.ranks.shared else -(-self.batches.size // self.ranks.size)
        weighted = self.class_weights is not None
        self._buffers = self.net.buffers(rows, weighted=weighted, zeros=self.ranks.zeros)
        self._figures = np.zeros(4)  # of a step: loss, how many were right, SIGINTs, SIGTERMs
        self._drops = any(rate > 0 for rate in self.net.dropout_rates)
        self._limit = DIVERGED * self.net.loss.at_chance(self.net.sizes[-1])

    def epochs(self, until: int, on_step: Callable[[], None]) -> Iterator[EpochResult]:
        """Train to the end of epoch `until`; `on_step` is called between steps.

        Whatever `on_step` raises comes through, with `progress` and all arrays consistent.

        Raises:
            DivergedError: a loss that is not finite, or more than DIVERGED times that at chance.
        """
        parameters = self.net.parameters
        self._part = parameters.whole_rows(self.ranks.part(len(parameters.flat)))
        self._pieces = parameters.pieces(self._part)
        self.optimizer.update_only(self._part)
        while self.progress.epoch < until:
            yield self._epoch(on_step)

    def ask(self) -> None:
        """Learn on every rank whether training is to be interrupted."""
        if not self.interrupted:
            self.interrupted = self.ranks.agree(self.interruption())

    def snapshot(self) -> Snapshot:
        """A copy of the state, for a checkpoint."""
        return Snapshot(
            progress=asdict(self.progress),
            last=self.net.parameters.flat.copy(),
            optimizer={name: array.copy() for name, array in self.optimizer.state().items()},
            best=self.best.copy(),
            average=self.average.flat.copy() if self.average else None,
        )

    def restore(self, snapshot: Snapshot) -> None:
        """Continue from a snapshot, exactly."""
        self.progress = Progress(**snapshot.progress)
        self.net.parameters.flat[:] = snapshot.last
        self.optimizer.restore(snapshot.optimizer, self.progress.step)
        self.best[:] = snapshot.best
        if self.average is not None and snapshot.average is not None:
            self.average.flat[:] = snapshot.average
            self.average.count = self.progress.averaged

    def use_best(self) -> None:
        """Put the best epoch's weights into the network."""
        part = self.ranks.part(len(self.best))
        self.net.parameters.flat[part] = self.best[part]
        self.ranks.settle()

    def _epoch(self, on_step: Callable[[], None]) -> EpochResult:
        now = self.progress
        order = self.batches.order(now.epoch)
        self._start_masks()
        first, started, rate, ratio, norm = now.batch, self.seconds, 0.0, 0.0, 0.0
        while now.batch < self.batches.steps:
            begun = time.perf_counter()
            rate = self.lr(now.step)
            last = now.batch == self.batches.steps - 1
            before = self.net.parameters.flat[self._part].copy() if last else None
            self._step(order, rate)
            if before is not None:
                ratio = self._relative_change(before)
                norm = self._norm(self.optimizer.gradient.flat[self._part])
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

    def _start_masks(self) -> None:
        """The epoch's stream of dropout masks, at the batch that comes next."""
        stream = [self.dropout_seed, _DROPOUT_STREAM, self.progress.epoch, self.ranks.rank]
        self._masks = np.random.default_rng(stream)
        for step in range(self.progress.batch):
            self._draw_masks(step)

    def _draw_masks(self, step: int) -> None:
        if self._drops:
            mine = self._mine(self.ranks.share(self.batches.count(step)))
            draw_dropout_masks(mine.masks, self.net.dropout_rates, self._masks)

    def _mine(self, share: slice) -> Buffers:
        """The buffers for this rank's share of a batch."""
        n = share.stop - share.start
        return self._buffers.rows(share) if self.ranks.shared else self._buffers.first(n)

    def _step(self, order: Array, lr: float) -> None:
        """Cut a batch; forward, loss, backward, update.

        Every rank goes forward and back through its own rows. Where the ranks share memory, each
        then has the gradient of its part of the parameters from all rows; else each has that of all
        parameters from its rows, which are summed.
        """
        now, net, ranks = self.progress, self.net, self.ranks
        N = self.batches.count(now.batch)
        share = ranks.share(N)
        mine = self._mine(share)
        self.batches.cut(order, now.batch, mine.X, mine.y, share, epoch=now.epoch)
        self._fill_targets(mine)
        self._draw_masks(now.batch)

        scores = net.forward_pass(mine, drop=self._drops)
        loss = net.mean_loss(mine, of=N)
        correct = int(np.count_nonzero(scores.argmax(axis=1) == mine.y))
        net.propagate_back(mine, drop=self._drops)
        loss, correct = self._sum_up(loss, correct)
        if not loss <= self._limit:  # also when it is not a number
            raise DivergedError(f"the loss became {loss:.4g} in epoch {now.epoch + 1}")
        seen = self._buffers.first(N) if ranks.shared else mine
        net.collect_gradient(seen, self.optimizer.gradient, self._pieces, drop=self._drops)
        ranks.sum_gradient(self.optimizer.gradient.flat)
        self._update(lr)

        now.loss_sum += loss * N
        now.correct += correct
        now.batch += 1
        now.step += 1

    def _sum_up(self, loss: float, correct: int) -> tuple[float, int]:
        """Loss and count of the whole batch; every rank has come this far then."""
        figures = self._figures
        asked = self.interruption()
        figures[:] = loss, correct, asked == signal.SIGINT, asked == signal.SIGTERM
        self.ranks.total(figures)
        self.interrupted = signal.SIGINT if figures[2] else signal.SIGTERM if figures[3] else 0
        return float(figures[0]), int(figures[1])

    def _update(self, lr: float) -> None:
        """Turn the gradient into new weights, within their limits."""
        if self.clip_norm is not None:
            gradient = self.optimizer.gradient.flat[self._part]
            square = self.ranks.over_parts(float(np.dot(gradient, gradient)))
            clip_norm(gradient, self.clip_norm, math.sqrt(square))
        self.optimizer.step(lr, self.momentum(self.progress.step))
        self.ranks.settle()
        if self.max_norm is not None:
            for W, limit in zip(self.net.parameters.W, self.max_norm, strict=True):
                limit_norms(W[:, self.ranks.part(W.shape[1])], limit)
            self.ranks.settle()
        if self.average is not None:
            if self.average.update(self.net.parameters.flat, self.progress.step + 1, self._part):
                self.ranks.settle()
            self.progress.averaged = self.average.count

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
        alive = np.zeros(sum(hidden))
        layers = np.split(alive, np.cumsum(hidden[:-1]))
        for step in range(math.ceil(len(rows) / batches.size)):
            share = self.ranks.share(len(rows[step * batches.size :][: batches.size]))
            mine = self._mine(share)
            batches.cut(rows, step, mine.X, mine.y, share)
            net.forward_pass(mine)
            for units, A in zip(layers, mine.outputs[:-1], strict=True):
                units += np.add.reduce(A, axis=0)
            self.ranks.settle()  # a last, smaller batch is parted elsewhere
        self.ranks.total(alive)
        return 1 - np.count_nonzero(alive) / len(alive)

    def _finish_epoch(
        self, samples: int, seconds: float, probe: Array, **diagnostics: float
    ) -> EpochResult:
        """Score the epoch, keep its weights if they are the best, and turn to the next one."""
        now, N = self.progress, len(self.batches)
        self.ranks.same(f"weights after epoch {now.epoch + 1}", self.net.parameters.flat)
        finite = np.isfinite(self.net.parameters.flat).all()
        if not finite or not all(map(math.isfinite, diagnostics.values())):
            raise DivergedError(f"the weights overflowed in epoch {now.epoch + 1}")
        kept, scores = self._score()
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
        now.batch, now.loss_sum, now.correct = 0, 0.0, 0
        rank = (scores.accuracy, -scores.loss) if scores else (0.0, 0.0)
        if scores is None or rank > (now.best_accuracy, -now.best_loss):
            now.best_epoch = now.epoch
            now.best_accuracy, now.best_loss = rank[0], -rank[1]
            self.best[self._part] = kept[self._part]
            self.ranks.settle()
        return result

    def _score(self) -> tuple[Array, Scores | None]:
        """The weights that an epoch's end is judged by, and their scores on the validation rows."""
        net, average = self.net, self.average
        trained = net.parameters
        if average is not None and average.count:
            net.adopt(Parameters(net.sizes, average.flat))
        try:
            return net.parameters.flat, self.validation.score() if self.validation else None
        finally:
            net.adopt(trained)

    def _relative_change(self, before: Array) -> float:
        norm = self._norm(before)
        return self._norm(self.net.parameters.flat[self._part] - before) / norm if norm else 0.0

    def _norm(self, part: Array) -> float:
        """The Euclidean norm over all ranks' parts, which does not overflow."""
        wide = part.astype(np.float64)
        return math.sqrt(self.ranks.over_parts(float(np.dot(wide, wide))))
