"""Classification: what its targets are, what is counted, which of two results is better."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlpcli.arrays import Array
from mlpcli.errors import DataError


def class_indices(labels: Array, classes: Array) -> Array:
    """(N,) intp positions of `labels` in `classes` (sorted), -1 where a label is not among them."""
    if labels.dtype.kind != classes.dtype.kind:
        labels = labels.astype(str)
        order = np.argsort(classes.astype(str))
        return _lookup(labels, classes.astype(str)[order], order)
    return _lookup(labels, classes, np.arange(len(classes)))


def refuse_unseen(indices: Array, labels: Array, where: str) -> None:
    """Refuse labels that training has not seen (index -1), naming the first and its row."""
    unseen = np.flatnonzero(indices < 0)
    if len(unseen):
        row = int(unseen[0])
        raise DataError(
            f"{where} has the label {labels[row]!s} (sample {row + 1}), which no training row has; "
            "train on data with every class, or take those rows out"
        )


def _lookup(labels: Array, classes: Array, order: Array) -> Array:
    position = np.searchsorted(classes, labels)
    position[position == len(classes)] = 0
    return np.where(classes[position] == labels, order[position], -1).astype(np.intp)


def target_distributions(C: int, smoothing: float, dtype: Any) -> Array:
    """(C, C): row k is the target of class k, 1 − ε on it and ε/C on all (Szegedy et al. 2016)."""
    return ((1 - smoothing) * np.eye(C) + smoothing / C).astype(dtype)


def balanced_weights(y: Array, C: int, dtype: Any) -> Array:
    """(C,) weights with which every class counts as much as every other, N/(C·N_k)."""
    counts = np.bincount(y, minlength=C)
    return (len(y) / (C * counts)).astype(dtype)


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


def fill_one_hot(Y: Array, y: Array) -> None:
    """Y (N, C) ← 1 in each sample's class, else 0."""
    Y.fill(0)
    Y[np.arange(len(y)), y] = 1


def _ratio(part: Any, whole: Any) -> float:
    return float(part / whole) if whole else 0.0
