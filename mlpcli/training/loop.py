"""The training loop: a generator of epochs, which prints nothing and writes nothing."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from mlpcli.arrays import Array
from mlpcli.data.batches import Batches
from mlpcli.errors import DivergedError
from mlpcli.evaluation.metrics import Scorer
from mlpcli.nn.activations import ReLU
from mlpcli.nn.network import MLP
from mlpcli.nn.schedules import Schedule
from mlpcli.parallel.ranks import Ranks
from mlpcli.tasks.task import Scores, Task
from mlpcli.training.crossed import is_better, note_parts, score_of_parts
from mlpcli.training.progress import EpochResult, Progress, Snapshot
from mlpcli.training.step import Interruption, Step

_PROBED = 512  # rows by which dead units are found at an epoch's end


@dataclass
class Trainer:
    """A network in training.

    Attributes:
        step: what a step needs: network, optimizer, batches, task, ranks.
        lr, momentum: at each step.
        validation: scores the network on the validation rows, or None if there are none.
        choose: whose weights are the best: "accuracy", "loss" or "last", as `--choose`.
        interruption: asked at every step whether training is to end.
        interrupted: what it answered on some rank, known to all ranks after the step.
        progress: where it stands.
        seconds: of training steps so far.
        best: (P,) the best epoch's parameters.
    """

    step: Step
    lr: Schedule
    momentum: Schedule
    validation: Scorer | None = None
    choose: str = "accuracy"
    interruption: Interruption = lambda: 0
    interrupted: int = 0
    progress: Progress = field(default_factory=Progress)
    seconds: float = 0.0

    def __post_init__(self) -> None:
        flat = self.net.parameters.flat
        self.best: Array = self.ranks.zeros(flat.shape, flat.dtype)
        self.best[:] = flat

    @property
    def net(self) -> MLP:
        """The network as a checkpoint has it, with the weights that an epoch's end is judged by."""
        return self.step.whole

    @property
    def batches(self) -> Batches:
        return self.step.batches

    @property
    def task(self) -> Task:
        return self.step.task

    @property
    def ranks(self) -> Ranks:
        return self.step.ranks

    def epochs(self, until: int, on_step: Callable[[], None]) -> Iterator[EpochResult]:
        """Train to the end of epoch `until`; `on_step` is called between steps.

        Whatever `on_step` raises comes through, with `progress` and all arrays consistent.

        Raises:
            DivergedError: a loss that is not finite, or more than DIVERGED times that at chance.
        """
        self.step.share_out()
        while self.progress.epoch < until:
            yield self._epoch(on_step)

    def ask(self) -> None:
        """Learn on every rank whether training is to be interrupted."""
        if not self.interrupted:
            self.interrupted = self.ranks.agree(self.interruption())

    def snapshot(self) -> Snapshot:
        """A copy of the state, for a checkpoint."""
        step, average = self.step, self.step.average

        def own(flat: Array) -> Array:
            return step.layout.restore(flat, out=np.empty_like(flat))

        return Snapshot(
            progress=copy.copy(self.progress),
            last=own(step.net.parameters.flat),
            optimizer={name: own(array) for name, array in step.optimizer.state().items()},
            best=self.best.copy(),
            average=own(average.flat) if average else None,
        )

    def restore(self, snapshot: Snapshot) -> None:
        """Continue from a snapshot, exactly."""
        self.progress = copy.copy(snapshot.progress)
        step, average = self.step, self.step.average

        def arranged(flat: Array) -> Array:
            return step.layout.arrange(flat, out=np.empty_like(flat))

        self.net.parameters.flat[:] = snapshot.last
        step.load_weights()
        state = {name: arranged(array) for name, array in snapshot.optimizer.items()}
        step.optimizer.restore(state, self.progress.step)
        self.best[:] = snapshot.best
        if average is not None and snapshot.average is not None:
            average.flat[:] = arranged(snapshot.average)
            average.count = self.progress.averaged

    def use_best(self) -> None:
        """Put the best epoch's weights into the network."""
        part = self.ranks.part(len(self.best))
        self.net.parameters.flat[part] = self.best[part]
        self.ranks.settle()

    def validation_score(self) -> Scores | None:
        """The score of the choice of an epoch, of few validation rows; None if not measured."""
        return score_of_parts(self.progress, self.task)

    def _epoch(self, on_step: Callable[[], None]) -> EpochResult:
        now, step, batches = self.progress, self.step, self.batches
        order = batches.order(now.epoch)
        step.begin_epoch(now.epoch, now.batch)
        first, seconds, rate, ratio, norm = now.batch, 0.0, 0.0, 0.0, 0.0
        while now.batch < batches.steps:
            begun = time.perf_counter()
            rate = self.lr(now.step)
            last = now.batch == batches.steps - 1
            before = step.net.parameters.flat[step.part].copy() if last else None
            self._take_step(order, rate)
            if before is not None:
                ratio = self._relative_change(before)
                norm = self._norm(step.optimizer.gradient.flat[step.part])
            taken = time.perf_counter() - begun
            seconds += taken
            self.seconds += taken
            if not last:
                on_step()
        samples = len(batches) - first * batches.size
        diagnostics = {"lr": rate, "update_ratio": ratio, "gradient_norm": norm}
        return self._finish_epoch(samples, seconds, order[:_PROBED], diagnostics)

    def _take_step(self, order: Array, rate: float) -> None:
        now = self.progress
        momentum, asked = self.momentum(now.step), self.interruption()
        counts, self.interrupted = self.step.take(
            order, now.epoch, now.batch, rate, momentum, asked
        )
        now.sums = (counts + now.sums if now.sums else counts).tolist()
        now.batch += 1
        now.step += 1
        now.averaged = self.step.average_in(now.step)

    def _finish_epoch(
        self, samples: int, seconds: float, probe: Array, diagnostics: dict[str, float]
    ) -> EpochResult:
        """Score the epoch, keep its weights if they are the best, and turn to the next one."""
        now, weights = self.progress, self.step.net.parameters.flat
        self.ranks.same(f"weights after epoch {now.epoch + 1}", weights)
        finite = np.isfinite(weights).all()
        if not finite or not all(map(math.isfinite, diagnostics.values())):
            raise DivergedError(f"the weights overflowed in epoch {now.epoch + 1}")
        kept, scores = self._score()
        if scores and not scores[0].loss <= self.step.loss_limit:
            raise DivergedError(
                f"the validation loss became {scores[0].loss:.4g} in epoch {now.epoch + 1}"
            )
        now.epoch += 1
        trained = self.task.score(np.array(now.sums))
        result = EpochResult(
            epoch=now.epoch,
            step=now.step,
            seconds=self.seconds,
            train_loss=trained.loss,
            train_score=trained.headline,
            val_loss=scores[0].loss if scores else None,
            val_score=scores[0].headline if scores else None,
            samples_per_second=samples / seconds,
            dead_units=self._dead_units(probe),
            headline=self.task.headline,
            **diagnostics,
        )
        now.batch, now.sums = 0, []
        self._keep_if_best(kept, scores)
        return result

    def _keep_if_best(self, kept: Array, scores: tuple[Scores, Scores] | None) -> None:
        """Keep an epoch's weights unless earlier ones are better, rows weighed as in training."""
        now = self.progress
        rank: tuple[float, ...] = ()
        if scores and self.choose != "last":
            rank = self.task.rank(scores[1], self.choose)
            if self.validation and self.validation.of_parts.size:
                note_parts(now, self.task, self.validation.of_parts, self.choose)
        if not is_better(rank, tuple(now.best_rank)):
            return
        now.best_epoch, now.best_rank = now.epoch, list(rank)
        now.best_score = scores[0].headline if scores else None
        self.best[self.step.part] = kept[self.step.part]
        self.ranks.settle()

    def _score(self) -> tuple[Array, tuple[Scores, Scores] | None]:
        """The weights that an epoch's end is judged by, and their scores on the validation rows."""
        net, kept = self.net, self.net.parameters
        weights = self.step.judged_weights()
        net.adopt(kept.like(weights))
        try:
            return weights, self.validation.score() if self.validation else None
        finally:
            net.adopt(kept)

    def _dead_units(self, rows: Array) -> float | None:
        """The share of hidden units that are 0 for every one of these rows."""
        net, batches = self.net, self.batches
        hidden = net.sizes[1:-1]
        if not hidden or not isinstance(net.activation, ReLU):
            return None
        alive = np.zeros(sum(hidden))
        layers = np.split(alive, np.cumsum(hidden[:-1]))
        for number in range(math.ceil(len(rows) / batches.size)):
            N = len(rows[number * batches.size :][: batches.size])
            batch = self.step.send_forward(rows, number, N)
            for units, own, A in zip(layers, self.step.units, batch.units, strict=False):
                units[own] += np.add.reduce(A, axis=0)
            self.ranks.settle()  # a last, smaller batch is parted elsewhere
        self.ranks.total(alive)
        return 1 - np.count_nonzero(alive) / len(alive)

    def _relative_change(self, before: Array) -> float:
        norm = self._norm(before)
        if not norm:
            return 0.0
        return self._norm(self.step.net.parameters.flat[self.step.part] - before) / norm

    def _norm(self, part: Array) -> float:
        """The Euclidean norm over all ranks' parts, which does not overflow."""
        wide = part.astype(np.float64)
        return math.sqrt(self.ranks.over_parts(float(np.dot(wide, wide))))
