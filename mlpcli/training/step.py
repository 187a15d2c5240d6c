"""One step of training, as the equations have it; the loop around it is `mlpcli.training.loop`.

    scores = f(X; w),   L = 1/N Σ loss(scores, Y),   g = ∂L/∂w by the chain rule,   w ← w + Δ(g, w)

`Step.take` is these lines. The rest decides which rows and parameters are this rank's if several
train together, and what is counted.
"""

from __future__ import annotations

import math
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from mlpcli.arrays import Array
from mlpcli.data.batches import Batches
from mlpcli.errors import DivergedError
from mlpcli.nn.adversarial import Attack
from mlpcli.nn.layout import Layout
from mlpcli.nn.network import MLP
from mlpcli.nn.optimizers import Optimizer
from mlpcli.nn.parameters import Buffers, Pieces
from mlpcli.nn.regularisation import clip_norm, draw_dropout_masks, limit_norms
from mlpcli.nn.units import Share, Shared, unit_blocks
from mlpcli.parallel.ranks import Alone, Ranks
from mlpcli.tasks.task import Task
from mlpcli.training.average import Average
from mlpcli.training.mixup import Mixup

DIVERGED = 10_000
"""A loss of more than this many times the loss at chance has diverged."""

_DROPOUT_STREAM = 2  # which of the streams of random numbers under a seed
_ATTACK_STREAM = 4


@dataclass
class Step:
    """A step, and what it needs, made once.

    Attributes:
        net: its parameters live beside the optimizer's state.
        whole: the same network as a checkpoint has it; `net` itself if it always lies so.
        optimizer: of `net`.
        batches: of the training rows.
        task: what the targets are, and what is counted.
        smoothing: the share of a target that is spread over all classes.
        seed: of the dropout masks, and of what an attack draws.
        max_norm: the limit of each layer, or None.
        clip_norm: the gradient's, or None.
        average: of the weights over the steps, or None.
        ranks: the processes that train together.
        attack: moves a copy of each sample, which the batch then has, too; or None.
        mixup: mixes the samples of each batch; or None.
        by_units: whether they share the network's units, if they see the same memory; else rows.
        whole_batches: whether each of them then cuts all rows of a batch, and has the loss of them.
        layout: how the parameters of `net` lie, and what belongs to them.
        part: the parameters that this rank updates.
        units: of each hidden layer, those that go through this rank.
        loss_limit: a loss above it has diverged.
    """

    net: MLP
    whole: MLP
    optimizer: Optimizer
    batches: Batches
    task: Task
    smoothing: float = 0.0
    seed: int = 0
    max_norm: Sequence[float] | None = None
    clip_norm: float | None = None
    average: Average | None = None
    ranks: Ranks = field(default_factory=Alone)
    attack: Attack | None = None
    mixup: Mixup | None = None
    by_units: bool = False
    whole_batches: bool = False

    def __post_init__(self) -> None:
        net, ranks = self.net, self.ranks
        self._copies = 2 if self.attack else 1  # of each sample, one rank's side by side
        rows = self.batches.size if ranks.shared else -(-self.batches.size // ranks.size)
        self._buffers = net.buffers(
            self._copies * rows,
            self.task.target_dtype,
            weighted=self.batches.weighted,
            widths=self.batches.widths,
            zeros=np.zeros if self.whole_batches else ranks.zeros,
        )
        self._drops = any(rate > 0 for rate in net.dropout_rates)
        self._asked = ranks.zeros((ranks.size,), np.intp)  # by which signal each rank is to stop
        self.loss_limit = DIVERGED * net.loss.at_chance(net.sizes[-1])
        self.part = slice(0, len(net.parameters.flat))
        self._pieces: Pieces | None = None
        self.layout = Layout(net.sizes)
        self._shared: Shared | None = None
        if self.by_units:
            self._shared = Shared(
                net.sizes, self._buffers, ranks.size, ranks.zeros, by_rows=not self.whole_batches
            )
        self.units = unit_blocks(net.sizes, 1, 0)
        self._begun = False

    def share_out(self) -> None:
        """Take this rank's part of the parameters; call it once the ranks work together."""
        if self._begun:
            return
        self._begun = True
        net, ranks, optimizer = self.net, self.ranks, self.optimizer
        if ranks.size == 1:
            self._shared = None  # the system refused the others
        order = self.batches.input_order
        self._arrange(
            Layout(net.sizes, order.inputs if order else None, ranks.size if self._shared else 1)
        )
        if self._shared:
            self.units = unit_blocks(net.sizes, ranks.size, ranks.rank)
            share = Share(net.sizes, ranks.size, ranks.rank, net.parameters.flat)
            net.adopt(share)
            self.part = share.part
            self._shared.join(ranks.rank, self._share, ranks.settle)
            optimizer.update_only(self.part, share.like(optimizer.gradient.flat))
            return
        parameters = net.parameters
        self.part = parameters.whole_rows(ranks.part(len(parameters.flat)))
        self._pieces = parameters.pieces(self.part)
        optimizer.update_only(self.part)

    def _arrange(self, layout: Layout) -> None:
        """Let everything that is trained lie like this, which now lies as in a checkpoint."""
        self.layout = layout
        if not (layout.plain or (self.ranks.shared and self.ranks.rank)):
            for flat in self.trained().values():
                layout.arrange(flat.copy(), out=flat)
        self.ranks.settle()

    def trained(self) -> dict[str, Array]:
        """Return all that is trained, (P,) each: weights, optimizer's state, average."""
        arrays = {"weights": self.net.parameters.flat, **self.optimizer.state()}
        return arrays | ({"average": self.average.flat} if self.average else {})

    def load_weights(self) -> None:
        """Take the weights of `whole`."""
        if self.net is not self.whole:
            self.layout.arrange(self.whole.parameters.flat, out=self.net.parameters.flat)

    def judged_weights(self) -> Array:
        """Return the weights that an epoch's end is judged by, (P,) as a checkpoint has them."""
        average = self.average
        flat = average.flat if average and average.count else self.net.parameters.flat
        if self.net is self.whole:
            return flat
        weights, ranks = self.whole.parameters.flat, self.ranks
        if self._shared or not ranks.shared or not ranks.rank:
            self.layout.restore(flat, weights, [ranks.rank] if self._shared else None)
        ranks.settle()
        return weights

    def begin_epoch(self, epoch: int, batch: int) -> None:
        """Begin the epoch's stream of dropout masks, at the batch that comes next."""
        stream = [self.seed, _DROPOUT_STREAM, epoch, self.ranks.rank]
        self._masks = np.random.default_rng(stream)
        for done in range(batch):
            self._draw_masks(self.rows_of(self.batches.count(done)))
        if batch:
            self.ranks.settle()  # others may still draw where this rank has rows of a smaller batch

    def take(
        self, order: Array, epoch: int, number: int, lr: float, momentum: float, asked: int
    ) -> tuple[Array, int]:
        """Cut batch `number` of an epoch; forward, loss, backward, update.

        Every rank cuts its rows of the batch, all of them in `whole_batches`, and has their loss.
        Forward and back it goes through its own units for all rows; or, if the network is not
        shared by units, through all units for its own rows. Then, if the ranks share memory, each
        has the gradient of its part of the parameters from all rows; else that of all parameters
        from its rows, which are summed.

        Args:
            asked: the signal that asked this rank to stop, or 0.

        Returns:
            The task's tally of the batch, and the signal that asked any rank to stop.

        Raises:
            DivergedError: the loss is not finite, or above `loss_limit`.
        """
        net, ranks, task = self.net, self.ranks, self.task
        N = self.batches.count(number)
        given, mine = self.rows_of(N), self._all_rows_of(N)
        if self.whole_batches:
            self._asked[ranks.rank] = asked
        self._draw_masks(given)
        batch = self._cut(order, number, N, mine, epoch)
        if self.attack:
            self._attack(self.attack, given, N, epoch, number)
        labelled = given if self.attack and self.attack.virtual else mine

        net.forward_pass(batch, drop=self._drops)
        task.fill_targets(labelled.y, labelled.Y)
        losses = net.evaluate_loss(mine)[: len(given.X)]
        counts = task.tally(given.outputs[-1], losses, given.y)
        if self.smoothing or self.mixup:  # what is counted is of the true targets
            task.fill_targets(labelled.y, labelled.Y, self.smoothing)
            if self.mixup:
                self.mixup.mix_targets(labelled.Y, self.smoothing)
            net.evaluate_loss(mine)
        loss = net.weigh_loss(mine, self._copies * N)
        if not self._shared:
            net.propagate_back(batch, drop=self._drops)
        used = batch.X.shape[1]
        loss, counts, stop, used = self._sum_up(loss, counts, asked, used)  # all deltas are there
        if not loss <= self.loss_limit:  # also when it is not a number
            raise DivergedError(f"the loss became {loss:.4g} in epoch {epoch + 1}")
        if self._shared:
            net.propagate_back(batch, drop=self._drops)
        if ranks.shared and not self._shared:
            batch = self._buffers.first(self._copies * N).narrow(used)
        net.collect_gradient(batch, self.optimizer.gradient, self._pieces, drop=self._drops)
        if net.parameters.scale is not None:
            ranks.settle()  # each has the scale's gradient for its rows of W1
        ranks.sum_gradient(self.optimizer.gradient.flat)
        self._update(lr, momentum)
        return counts, stop

    def average_in(self, steps: int) -> int:
        """Fold the weights into the average if it is due after `steps` steps; return its count."""
        if self.average is None:
            return 0
        if self.average.update(self.net.parameters.flat, steps, self.part):
            self.ranks.settle()
        return self.average.count

    def _share(self, N: int) -> slice:
        """Which of N rows this rank cuts, and has the loss of."""
        return slice(0, N) if self.whole_batches else self.ranks.share(N)

    def rows_of(self, N: int, copies: int = 1) -> Buffers:
        """The buffers for this rank's share of N samples."""
        share = self._share(N)
        first = self._copies * share.start if self.ranks.shared else 0
        return self._buffers.rows(slice(first, first + copies * (share.stop - share.start)))

    def _all_rows_of(self, N: int) -> Buffers:
        """Those, and their moved copies."""
        return self.rows_of(N, self._copies)

    def _attack(self, attack: Attack, given: Buffers, N: int, epoch: int, number: int) -> None:
        """Write the moved copies of this rank's share of batch `number`, of N samples."""
        n, share = len(given.X), self.ranks.share(N)
        moved = self._all_rows_of(N).rows(slice(n, 2 * n))
        self.task.fill_targets(given.y, given.Y)
        rng = np.random.default_rng([self.seed, _ATTACK_STREAM, epoch, number])
        attack.move(self.net, given, moved, rng, first=share.start, drop=self._drops)

    def _draw_masks(self, mine: Buffers) -> None:
        if self._drops:
            draw_dropout_masks(mine.masks, self.net.dropout_rates, self._masks)

    def send_forward(self, order: Array, number: int, N: int) -> Buffers:
        """Send batch `number` of an order, of N samples, through this rank's `units`."""
        batch = self._cut(order, number, N, self.rows_of(N))
        self.net.forward_pass(batch)
        return batch

    def _cut(
        self, order: Array, number: int, N: int, mine: Buffers, epoch: int | None = None
    ) -> Buffers:
        """Cut `mine` of a batch of N samples; return what goes through the network here.

        If that is some units of all rows, wait for the rows that others cut.
        """
        self.batches.cut(
            *(order, number, mine.X, mine.y, self._share(N)),
            weights=mine.weights,
            hot=mine.hot,
            epoch=epoch,
        )
        if self.mixup and epoch is not None:
            self.mixup.mix_inputs(mine.X, order, number, self._share(N), epoch)
        used = self.batches.count_used(mine.X)
        if not self._shared:
            return mine.narrow(used)
        if not self.whole_batches:
            of_each = self._of_each(used)
            self.ranks.total(of_each)
            used = int(of_each.max())
        return self._shared.first(N).narrow(used)

    def _of_each(self, number: int) -> Array:
        """This rank's number, at its place; the sum over the ranks has those of all."""
        numbers = np.zeros(self.ranks.size)
        numbers[self.ranks.rank] = number
        return numbers

    def _sum_up(
        self, loss: float, counts: Array, asked: int, used: int
    ) -> tuple[float, Array, int, int]:
        """Return loss, tally and signal of the whole batch, and how many inputs any row uses.

        That waits for every rank, unless each has all rows: then only the signals are of others,
        and have been there since the scores were added up.
        """
        if self.whole_batches:
            signals = self._asked.tolist()
            return loss, counts, signal.SIGINT if signal.SIGINT in signals else max(signals), used
        signals = asked == signal.SIGINT, asked == signal.SIGTERM
        figures = np.array([loss, *signals, *self._of_each(used), *counts])
        self.ranks.total(figures)
        stop = signal.SIGINT if figures[1] else signal.SIGTERM if figures[2] else 0
        end = 3 + self.ranks.size
        return float(figures[0]), figures[end:], stop, int(max(figures[3:end]))

    def _update(self, lr: float, momentum: float) -> None:
        """Turn the gradient into new weights, within their limits."""
        if self.clip_norm is not None:
            gradient = self.optimizer.gradient.flat[self.part]
            square = self.ranks.over_parts(float(np.dot(gradient, gradient)))
            clip_norm(gradient, self.clip_norm, math.sqrt(square))
        self.optimizer.step(lr, momentum)
        self.ranks.settle()
        if self.max_norm is not None:
            self._limit_norms(self.max_norm)
            self.ranks.settle()

    def _limit_norms(self, limits: Sequence[float]) -> None:
        W, ranks = self.net.parameters.W, self.ranks
        if not self._shared:
            for layer, limit in enumerate(limits):
                limit_norms(W[layer][:, ranks.part(W[layer].shape[1])], limit)
            return
        for layer, limit in enumerate(limits[:-1]):
            limit_norms(W[layer], limit)
        limit_norms(W[-1], limits[-1], ranks.total)  # each rank has some of its rows


Interruption = Callable[[], int]
"""Says which of SIGINT and SIGTERM asks training to end, or 0."""
