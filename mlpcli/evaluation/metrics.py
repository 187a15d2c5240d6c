"""Loss, accuracy and the figures of each class."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlpcli.data.batches import Batches
from mlpcli.data.dataset import Array, Split
from mlpcli.data.scaling import Scaling
from mlpcli.nn.network import CHUNK, MLP
from mlpcli.ranks import Alone, Ranks


@dataclass(frozen=True)
class Scores:
    """How a model does on some samples.

    Attributes:
        loss: the mean loss of the data, without the penalty.
        confusion: (C, C) int64 counts; rows are true classes, columns predicted ones.
    """

    loss: float
    confusion: Array

    @property
    def samples(self) -> int:
        return int(self.confusion.sum())

    @property
    def correct(self) -> int:
        return int(np.trace(self.confusion))

    @property
    def accuracy(self) -> float:
        """The share of samples that are predicted right."""
        return self.correct / self.samples

    def per_class(self) -> list[dict[str, Any]]:
        """Precision, recall, F1 and support of each class; a ratio without a denominator is 0."""
        hits = np.diagonal(self.confusion)
        predicted = self.confusion.sum(axis=0)
        support = self.confusion.sum(axis=1)
        return [
            {
                "precision": _ratio(hit, of_predicted),
                "recall": _ratio(hit, of_true),
                "f1": _ratio(2 * hit, of_predicted + of_true),
                "support": int(of_true),
            }
            for hit, of_predicted, of_true in zip(hits, predicted, support, strict=True)
        ]

    def interval(self) -> tuple[float, float]:
        """A 95 % confidence interval of the accuracy (Wilson 1927)."""
        z, n, p = 1.96, self.samples, self.accuracy
        centre = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        return centre - half, centre + half


class Scorer:
    """Scores a network on a split, chunk by chunk, in buffers that are made once.

    Args:
        ranks: processes that score a share of each chunk; `score` is called by all of them.
    """

    def __init__(
        self, net: MLP, split: Split, scaling: Scaling, ranks: Ranks | None = None
    ) -> None:
        self._net = net
        self._ranks = ranks or Alone()
        self._chunks = Batches(split, scaling, CHUNK, net.dtype)
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
    members: Sequence[tuple[MLP, Scaling]], split: Split
) -> tuple[list[Scores], Scores]:
    """The scores of each (network, scaling), and of the mean of their probabilities.

    All have the same inputs and classes. The loss of the committee is of the first one's kind.
    """
    each = [Scorer(net, split, scaling).score() for net, scaling in members]
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


def predict_split(members: Sequence[tuple[MLP, Scaling]], split: Split) -> Predictions:
    """The predictions of one (network, scaling), or of several by the mean of their probabilities.

    All have the same inputs and classes.
    """
    y, predicted, confidence = [], [], []
    for true, probs in _probabilities(members, split):
        y.append(true)
        predicted.append(probs.argmax(axis=1))
        confidence.append(probs.max(axis=1))
    return Predictions(*(np.concatenate(parts) for parts in (y, predicted, confidence)))


def probabilities_of(net: MLP, scaling: Scaling, X: Array) -> Iterator[Array]:
    """The class probabilities (n, C) float64 of rows of X (N, D), chunk by chunk."""
    N = len(X)
    split = Split("input", X, np.zeros(N, np.intp), np.arange(N))
    return (probs for _, probs in _probabilities([(net, scaling)], split))


def _probabilities(
    members: Sequence[tuple[MLP, Scaling]], split: Split
) -> Iterator[tuple[Array, Array]]:
    """(y (n,), mean probabilities (n, C) float64), chunk by chunk."""
    C = members[0][0].sizes[-1]
    chunks = [Batches(split, scaling, CHUNK, net.dtype) for net, scaling in members]
    X = [np.empty((chunks[0].size, split.X.shape[1]), net.dtype) for net, _ in members]
    y = np.empty(chunks[0].size, np.intp)
    for step in range(chunks[0].steps):
        n = 0
        probs: Array = np.zeros((chunks[0].size, C))
        for (net, _), cutter, inputs in zip(members, chunks, X, strict=True):
            n = cutter.cut(cutter.in_order(), step, inputs, y)
            probs[:n] += net.predict_proba(inputs[:n])
        yield y[:n].copy(), probs[:n] / len(members)


@dataclass(frozen=True)
class Calibration:
    """Whether a model that is 90 % sure is right nine times out of ten.

    Samples are sorted into M bins of equal width by their confidence, the probability of the
    predicted class: bin m has those above (m − 1)/M and up to m/M.

    Attributes:
        counts: (M,) samples of each bin.
        confidence: (M,) their mean confidence, 0 in an empty bin.
        accuracy: (M,) the share of them that is right, 0 in an empty bin.
    """

    counts: Array
    confidence: Array
    accuracy: Array

    @property
    def error(self) -> float:
        """The expected calibration error, Σₘ nₘ/N · |accuracyₘ − confidenceₘ|.

        Naeini, Cooper & Hauskrecht 2015; as Guo, Pleiss, Sun & Weinberger 2017 define it (On
        Calibration of Modern Neural Networks, equation 3).
        """
        gaps = np.abs(self.accuracy - self.confidence)
        return float(np.dot(self.counts, gaps) / self.counts.sum())


def calibration(predictions: Predictions, bins: int = 15) -> Calibration:
    """Sort predictions into bins of confidence; 15 are what Guo et al. 2017 use."""
    confidence = predictions.confidence
    chosen = np.clip(np.ceil(confidence * bins).astype(np.intp) - 1, 0, bins - 1)
    counts = np.bincount(chosen, minlength=bins)
    right = np.bincount(chosen, predictions.predicted == predictions.y, minlength=bins)
    total = np.bincount(chosen, confidence, minlength=bins)
    filled = np.maximum(counts, 1)
    return Calibration(counts, total / filled, right / filled)


def fill_one_hot(Y: Array, y: Array) -> None:
    """Y (N, C) ← 1 in each sample's class, else 0."""
    Y.fill(0)
    Y[np.arange(len(y)), y] = 1


def _ratio(part: Any, whole: Any) -> float:
    return float(part / whole) if whole else 0.0
