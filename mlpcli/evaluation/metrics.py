"""Loss, accuracy and the figures of each class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mlpcli.arrays import Array
from mlpcli.data.batches import Batches
from mlpcli.data.encoding import Encoding
from mlpcli.data.split import Split
from mlpcli.nn.network import CHUNK, MLP
from mlpcli.parallel.ranks import Alone, Ranks
from mlpcli.tasks.classification import Scores, fill_one_hot


class Scorer:
    """Scores a network on a split, chunk by chunk, in buffers that are made once.

    Args:
        ranks: processes that score a share of each chunk; `score` is called by all of them.
    """

    def __init__(
        self, net: MLP, split: Split, encoding: Encoding, ranks: Ranks | None = None
    ) -> None:
        self._net = net
        self._ranks = ranks or Alone()
        self._chunks = Batches(split, encoding, CHUNK, net.dtype)
        self._buffers = net.buffers(-(-self._chunks.size // self._ranks.size))

    def score(self) -> Scores:
        """The scores with the network's weights as they are now."""
        net, C = self._net, self._net.sizes[-1]
        sums = np.zeros(1 + C * C)  # the loss, and the counts of the confusion matrix
        order = self._chunks.in_order()
        for step in range(self._chunks.steps):
            share = self._ranks.share(self._chunks.count(step))
            n = self._chunks.cut(order, step, self._buffers.X, self._buffers.y, share)
            batch = self._buffers.first(n)
            scores = net.forward_pass(batch)
            fill_one_hot(batch.Y, batch.y)
            sums[0] += net.mean_loss(batch, of=1)
            sums[1:] += np.bincount(batch.y * C + scores.argmax(axis=1), minlength=C * C)
        self._ranks.total(sums)
        return Scores(
            float(sums[0]) / len(self._chunks), sums[1:].reshape(C, C).round().astype(np.int64)
        )


def score_committee(
    members: Sequence[tuple[MLP, Encoding]], split: Split
) -> tuple[list[Scores], Scores]:
    """The scores of each (network, encoding), and of the mean of their probabilities.

    All have the same inputs and classes. The loss of the committee is of the first one's kind.
    """
    each = [Scorer(net, split, encoding).score() for net, encoding in members]
    if len(each) == 1:  # its own loss is exact, where probabilities have vanished, too
        return each, each[0]
    first = members[0][0]
    C = first.sizes[-1]
    loss, confusion = 0.0, np.zeros(C * C, np.int64)
    for y, probs in _probabilities(members, split):
        Y = np.zeros_like(probs)
        fill_one_hot(Y, y)
        loss += float(first.loss.of_probabilities(probs, Y).sum())
        confusion += np.bincount(y * C + probs.argmax(axis=1), minlength=C * C)
    return each, Scores(loss / len(split), confusion.reshape(C, C))


@dataclass(frozen=True)
class Predictions:
    """What is said of each sample of a split, in its order.

    Attributes:
        y: (N,) true class indices.
        predicted: (N,) class indices.
        confidence: (N,) the probability of the predicted class.
    """

    y: Array
    predicted: Array
    confidence: Array

    def mistakes(self, count: int) -> Array:
        """Positions in the split of at most `count` mistakes, the most confident first."""
        wrong = np.flatnonzero(self.predicted != self.y)
        return wrong[np.argsort(-self.confidence[wrong], kind="stable")][:count]


def predict_split(members: Sequence[tuple[MLP, Encoding]], split: Split) -> Predictions:
    """The predictions of one (network, encoding), or of several by the mean of their probabilities.

    All have the same inputs and classes.
    """
    y, predicted, confidence = [], [], []
    for true, probs in _probabilities(members, split):
        y.append(true)
        predicted.append(probs.argmax(axis=1))
        confidence.append(probs.max(axis=1))
    return Predictions(*(np.concatenate(parts) for parts in (y, predicted, confidence)))


def probabilities_of(net: MLP, encoding: Encoding, X: Array) -> Iterator[Array]:
    """The class probabilities (n, C) float64 of rows of X (N, D), chunk by chunk."""
    N = len(X)
    split = Split("input", X, np.zeros(N, np.intp), np.arange(N))
    return (probs for _, probs in _probabilities([(net, encoding)], split))


def _probabilities(
    members: Sequence[tuple[MLP, Encoding]], split: Split
) -> Iterator[tuple[Array, Array]]:
    """(y (n,), mean probabilities (n, C) float64), chunk by chunk."""
    C = members[0][0].sizes[-1]
    chunks = [Batches(split, encoding, CHUNK, net.dtype) for net, encoding in members]
    X = [np.empty((chunks[0].size, encoding.width), net.dtype) for net, encoding in members]
    y = np.empty(chunks[0].size, np.intp)
    for step in range(chunks[0].steps):
        n = 0
        probs: Array = np.zeros((chunks[0].size, C))
        for (net, _), cutter, inputs in zip(members, chunks, X, strict=True):
            n = cutter.cut(cutter.in_order(), step, inputs, y)
            probs[:n] += net.predict_proba(inputs[:n])
        yield y[:n].copy(), probs[:n] / len(members)
