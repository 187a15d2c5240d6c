"""Scoring networks on rows, and what they say of each of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np

from mlpcli.arrays import Array
from mlpcli.data.batches import Batches
from mlpcli.data.encoding import Encoding
from mlpcli.data.split import Split
from mlpcli.nn.adversarial import Attack
from mlpcli.nn.network import MLP
from mlpcli.nn.parameters import Buffers
from mlpcli.parallel.ranks import Alone, Ranks
from mlpcli.records import record
from mlpcli.tasks.task import Predictions, Scores, Task

_PARTS = 10
_FEW = 1000  # rows; of more, the optimism is a small part of the standard error


class Scorer:
    """Scores a network on a split, chunk by chunk, in buffers that are made once.

    Args:
        task: what is counted.
        ranks: processes that score a share of each chunk; `score` is called by all of them.
        crossed: also tally parts of few rows, each by itself; see `training/crossed.py`.

    Attributes:
        of_parts: (2, parts, K) these tallies after `score`: plain, and as rows are weighed. Row i
            is in part i mod parts; there are none of many rows, or of one.
    """

    def __init__(
        self,
        net: MLP,
        split: Split,
        encoding: Encoding,
        task: Task,
        ranks: Ranks | None = None,
        *,
        crossed: bool = False,
    ) -> None:
        self._net = net
        self._task = task
        self._ranks = ranks or Alone()
        self._chunks = Batches(split, encoding, net.chunk, net.dtype, repeated=True)
        self._weighted = split.weights is not None
        self._parts = _PARTS if crossed and 1 < len(split) <= _FEW else 0
        self.of_parts: Array = np.zeros((2, self._parts, 0))

    @cached_property
    def _buffers(self) -> Buffers:
        """For this rank's share: made with the first scores, as only then all ranks are there."""
        rows = -(-self._chunks.size // self._ranks.size)
        return self._net.buffers(
            rows, self._task.target_dtype, weighted=self._weighted, widths=self._chunks.widths
        )

    def score(self) -> tuple[Scores, Scores]:
        """The scores with the network's weights as they are now: plain, and as rows are weighed."""
        net, task = self._net, self._task
        sums: Array = np.zeros(0)
        order = self._chunks.in_order()
        for step in range(self._chunks.steps):
            share = self._ranks.share(self._chunks.count(step))
            whole = self._buffers
            n = self._chunks.cut(
                *(order, step, whole.X, whole.y, share), weights=whole.weights, hot=whole.hot
            )
            batch = whole.first(n)
            scores = net.forward_pass(batch)
            task.fill_targets(batch.y, batch.Y)
            losses = net.evaluate_loss(batch)
            first = step * self._chunks.size + share.start
            tallies = [self._tally(scores, losses, batch.y, first)]
            if batch.weights is not None:
                tallies.append(self._tally(scores, losses, batch.y, first, batch.weights[:, 0]))
            sums = np.stack(tallies) + (sums if sums.size else 0)
        self._ranks.total(sums.reshape(-1))
        plain, weighed = sums[0], sums[-1]
        self.of_parts = np.stack((plain[1:], weighed[1:]))
        return task.score(plain[0]), task.score(weighed[0])

    def _tally(
        self, scores: Array, losses: Array, y: Array, first: int, weights: Array | None = None
    ) -> Array:
        """(1 + parts, K) tallies of rows from row `first` on: of all of them, and of each part."""
        parts = [slice((k - first) % self._parts, None, self._parts) for k in range(self._parts)]
        return np.stack([
            self._task.tally(scores[i], losses[i], y[i], None if weights is None else weights[i])
            for i in (slice(None), *parts)
        ])  # fmt: skip


@record
class Outputs:
    """What a network, or a committee, says of a chunk of rows.

    Attributes:
        values: (n, C) float64 probabilities, or standardised numbers.
        scores: (n, C) what tells equal probabilities apart, as 1 is of all that saturate; those of
            a committee are its probabilities.
        losses: (n,) float64 each row's loss; of no meaning without a task.
    """

    values: Array
    scores: Array
    losses: Array


def predict_members(
    members: Sequence[tuple[MLP, Encoding]],
    splits: Split | Sequence[Split],
    task: Task,
    attack: Attack | None = None,
) -> tuple[list[Predictions], Predictions]:
    """The predictions of each (network, encoding), and of the committee of them all.

    All have the same task and take the same rows, or each those of its own split, which are the
    same rows in other columns. The committee's outputs are the mean of theirs,
    its loss is of the first one's kind. Of one alone they are the same, and an `attack` moves
    the rows.
    """
    parts = [
        [_predictions(task, y, said) for said in each]
        for y, each in _say(members, splits, task, attack)
    ]
    joined = [join_predictions(chunks) for chunks in zip(*parts, strict=True)]
    return (joined[:-1] if len(members) > 1 else joined), joined[-1]


def score_members(
    members: Sequence[tuple[MLP, Encoding]], splits: Split | Sequence[Split], task: Task
) -> Scores:
    """The scores of a network, or of the committee; for the arguments see `predict_members`."""
    sums = [task.tally(e[-1].scores, e[-1].losses, y) for y, e in _say(members, splits, task)]
    return task.score(np.sum(sums, axis=0))


def outputs_of(
    members: Sequence[tuple[MLP, Encoding]], X: Array | Sequence[Array]
) -> Iterator[Outputs]:
    """What a network, or a committee, says of rows of X (N, R), chunk by chunk.

    X is the same for all, or each has its own.
    """
    arrays = [X] * len(members) if isinstance(X, np.ndarray) else X
    N = len(arrays[0])
    if N == 0:
        return iter(())
    splits = [Split("input", array, np.zeros(N), np.arange(N)) for array in arrays]
    return (each[-1] for _, each in _say(members, splits, None))


def _say(
    members: Sequence[tuple[MLP, Encoding]],
    splits: Split | Sequence[Split],
    task: Task | None,
    attack: Attack | None = None,
) -> Iterator[tuple[Array, list[Outputs]]]:
    """(y (n,), what each member says, and the committee if there are several), by chunk."""
    chunk = min(net.chunk for net, _ in members)
    each_split = [splits] * len(members) if isinstance(splits, Split) else splits
    chunks = [
        Batches(split, encoding, chunk, net.dtype)
        for (net, encoding), split in zip(members, each_split, strict=True)
    ]
    dtype = task.target_dtype if task else each_split[0].y.dtype
    buffers = [
        net.buffers(chunks[0].size, dtype, widths=cutter.widths)
        for (net, _), cutter in zip(members, chunks, strict=True)
    ]
    spare = members[0][0].buffers(chunks[0].size if attack else 0, dtype)
    order = chunks[0].in_order()
    for step in range(chunks[0].steps):
        each = []
        for (net, _), cutter, whole in zip(members, chunks, buffers, strict=True):
            batch = whole.first(cutter.cut(order, step, whole.X, whole.y, hot=whole.hot))
            if task:
                task.fill_targets(batch.y, batch.Y)
            if task and attack:
                moved = spare.first(len(batch.X))
                attack.move(net, batch, moved, np.random.default_rng(step))
                batch = moved
                task.fill_targets(batch.y, batch.Y)
            scores = net.forward_pass(batch)
            if task:
                net.evaluate_loss(batch)
            probs = np.empty_like(scores)
            net.loss.probabilities(scores, probs)
            values, losses = probs.astype(np.float64), batch.losses.astype(np.float64)
            each.append(Outputs(values, scores.copy(), losses))
        if len(members) > 1:  # the loss of one alone is exact, where probabilities have vanished
            mean = np.mean([said.values for said in each], axis=0)
            losses = members[0][0].loss.of_probabilities(mean, batch.Y)
            each.append(Outputs(mean, mean, losses))
        yield batch.y.copy(), each


def _predictions(task: Task, y: Array, said: Outputs) -> Predictions:
    answers, certainty = task.answer(said.values, said.scores)
    kept = said.values.astype(np.float32) if said.values.shape[1] == 2 else None
    return Predictions(y, answers, certainty, said.losses, kept)


def join_predictions(chunks: Sequence[Predictions]) -> Predictions:
    """The predictions of several sets of rows, one after the other."""

    def join(name: str) -> Array:
        return np.concatenate([getattr(chunk, name) for chunk in chunks])

    certain, outputs = chunks[0].certainty is not None, chunks[0].outputs is not None
    return Predictions(
        y=join("y"),
        answers=join("answers"),
        certainty=join("certainty") if certain else None,
        losses=join("losses"),
        outputs=join("outputs") if outputs else None,
    )
