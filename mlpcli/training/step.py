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
from mlpcli.nn.layout import Layout
from mlpcli.nn.network import MLP
from mlpcli.nn.optimizers import Optimizer
from mlpcli.nn.parameters import Buffers, Pieces
from mlpcli.nn.regularisation import clip_norm, draw_dropout_masks, limit_norms
from mlpcli.parallel.ranks import Alone, Ranks
from mlpcli.tasks.task import Task
from mlpcli.training.average import Average

DIVERGED = 10_000
"""A loss of more than this many times the loss at chance has diverged."""

_DROPOUT_STREAM = 2  # which of the streams of random numbers under a seed


@dataclass
class Step:
    """A step, and what it needs, made once.

    Attributes:
        net: its parameters live beside the optimizer's state.
        whole: the same network as a checkpoint has it; `net` itself if `layout` is plain.
        layout: how the parameters of `net` lie.
        optimizer: of `net`.
        batches: of the training rows.
        task: what the targets are, and what is counted.
        smoothing: the share of a target that is spread over all classes.
        dropout_seed: of the masks.
        max_norm: the limit of each layer, or None.
        clip_norm: the gradient's, or None.
        average: of the weights over the steps, or None.
        ranks: the processes that train together.
        part: the parameters that this rank updates.
        loss_limit: a loss above it has diverged.
    """

    net: MLP
    whole: MLP
    layout: Layout
    optimizer: Optimizer
    batches: Batches
    task: Task
    smoothing: float = 0.0
    dropout_seed: int = 0
    max_norm: Sequence[float] | None = None
    clip_norm: float | None = None
    average: Average | None = None
    ranks: Ranks = field(default_factory=Alone)

    def __post_init__(self) -> None:
        net, ranks = self.net, self.ranks
        rows = self.batches.size if ranks.shared else -(-self.batches.size // ranks.size)
        self._buffers = net.buffers(
            rows,
            self.task.target_dtype,
            weighted=self.batches.weighted,
            widths=self.batches.widths,
            zeros=ranks.zeros,
        )
        self._drops = any(rate > 0 for rate in net.dropout_rates)
        self.loss_limit = DIVERGED * net.loss.at_chance(net.sizes[-1])
        self.part = slice(0, len(net.parameters.flat))
        self._pieces: Pieces | None = None

    def share_out(self) -> None:
        """Take this rank's part of the parameters; call it once the ranks work together."""
        parameters = self.net.parameters
        self.part = parameters.whole_rows(self.ranks.part(len(parameters.flat)))
        self._pieces = parameters.pieces(self.part)
        self.optimizer.update_only(self.part)

    def load_weights(self) -> None:
        """Take the weights of `whole`."""
        self.layout.arrange(self.whole.parameters.flat, out=self.net.parameters.flat)

    def judged_weights(self) -> Array:
        """Return the weights that an epoch's end is judged by, (P,) as a checkpoint has them."""
        average = self.average
        flat = average.flat if average and average.count else self.net.parameters.flat
        if self.layout.plain:
            return flat
        weights = self.whole.parameters.flat
        if not (self.ranks.shared and self.ranks.rank):
            self.layout.restore(flat, out=weights)
        self.ranks.settle()
        return weights

    def begin_epoch(self, epoch: int, batch: int) -> None:
        """Begin the epoch's stream of dropout masks, at the batch that comes next."""
        stream = [self.dropout_seed, _DROPOUT_STREAM, epoch, self.ranks.rank]
        self._masks = np.random.default_rng(stream)
        for done in range(batch):
            self._draw_masks(self.rows_of(self.batches.count(done)))

    def take(
        self, order: Array, epoch: int, number: int, lr: float, momentum: float, asked: int
    ) -> tuple[Array, int]:
        """Cut batch `number` of an epoch; forward, loss, backward, update.

        Every rank goes forward and back through its own rows. If the ranks share memory, each then
        has the gradient of its part of the parameters from all rows; else each has that of all
        parameters from its rows, which are summed.

        Args:
            asked: the signal that asked this rank to stop, or 0.

        Returns:
            The task's tally of the batch, and the signal that asked any rank to stop.

        Raises:
            DivergedError: the loss is not finite, or above `loss_limit`.
        """
        net, ranks, task = self.net, self.ranks, self.task
        N = self.batches.count(number)
        share, mine = ranks.share(N), self.rows_of(N)
        self.batches.cut(
            *(order, number, mine.X, mine.y, share),
            weights=mine.weights,
            hot=mine.hot,
            epoch=epoch,
        )
        self._draw_masks(mine)
        used = self.batches.count_used(mine.X)
        mine = mine.narrow(used)

        task.fill_targets(mine.y, mine.Y)
        scores = net.forward_pass(mine, drop=self._drops)
        counts = task.tally(scores, net.evaluate_loss(mine), mine.y)
        if self.smoothing:  # what is counted is of the true targets
            task.fill_targets(mine.y, mine.Y, self.smoothing)
            net.evaluate_loss(mine)
        loss = net.weigh_loss(mine, N)
        net.propagate_back(mine, drop=self._drops)
        loss, counts, stop, used = self._sum_up(loss, counts, asked, used)
        if not loss <= self.loss_limit:  # also when it is not a number
            raise DivergedError(f"the loss became {loss:.4g} in epoch {epoch + 1}")
        seen = self._buffers.first(N).narrow(used) if ranks.shared else mine
        net.collect_gradient(seen, self.optimizer.gradient, self._pieces, drop=self._drops)
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

    def rows_of(self, N: int) -> Buffers:
        """The buffers for this rank's share of N samples."""
        share = self.ranks.share(N)
        n = share.stop - share.start
        return self._buffers.rows(share) if self.ranks.shared else self._buffers.first(n)

    def _draw_masks(self, mine: Buffers) -> None:
        if self._drops:
            draw_dropout_masks(mine.masks, self.net.dropout_rates, self._masks)

    def _sum_up(
        self, loss: float, counts: Array, asked: int, used: int
    ) -> tuple[float, Array, int, int]:
        """Loss, tally, signal and used inputs of the whole batch; this waits for every rank."""
        ranks = self.ranks
        of_each = [0] * (ranks.size if ranks.shared else 1)
        of_each[ranks.rank if ranks.shared else 0] = used
        n = len(of_each)
        interrupts = asked == signal.SIGINT, asked == signal.SIGTERM
        figures = np.array([loss, *interrupts, *of_each, *counts])
        ranks.total(figures)
        stop = signal.SIGINT if figures[1] else signal.SIGTERM if figures[2] else 0
        return float(figures[0]), figures[3 + n :], stop, int(figures[3 : 3 + n].max())

    def _update(self, lr: float, momentum: float) -> None:
        """Turn the gradient into new weights, within their limits."""
        if self.clip_norm is not None:
            gradient = self.optimizer.gradient.flat[self.part]
            square = self.ranks.over_parts(float(np.dot(gradient, gradient)))
            clip_norm(gradient, self.clip_norm, math.sqrt(square))
        self.optimizer.step(lr, momentum)
        self.ranks.settle()
        if self.max_norm is not None:
            for W, limit in zip(self.net.parameters.W, self.max_norm, strict=True):
                limit_norms(W[:, self.ranks.part(W.shape[1])], limit)
            self.ranks.settle()


Interruption = Callable[[], int]
"""Says which of SIGINT and SIGTERM asks training to end, or 0."""
