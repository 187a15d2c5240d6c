"""Mixup: each sample of a batch is mixed with another, inputs and targets alike.

    x̃ = λ·x + (1 − λ)·x′,   ỹ = λ·y + (1 − λ)·y′,   λ ~ Beta(α, α)

(Zhang, Cisse, Dauphin & Lopez-Paz 2018, arXiv 1710.09412). x′ is the next sample of the batch, and
the first one for the last. λ is drawn for each batch. As 1 − λ is as likely and the order random,
the larger of both is taken for λ: x is at least half of what is counted under its label.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mlpcli.arrays import Array
from mlpcli.data.batches import Batches
from mlpcli.tasks.task import Task

_STREAM = 5  # which of the streams of random numbers under a seed


class Mixup:
    """Mixes what is cut from `batches`.

    Args:
        alpha: α > 0; the smaller, the less is mixed.
        batches: of the training rows; all their inputs are written as they are.
        task: what the targets are.
        dtype: of inputs and targets.
        seed: λ of batch b of epoch e is a function of (seed, e, b) alone.
    """

    def __init__(self, alpha: float, batches: Batches, task: Task, dtype: Any, seed: int) -> None:
        self._alpha, self._batches, self._task, self._seed = alpha, batches, task, seed
        self._X = np.empty((batches.size, batches.widths[0]), dtype)
        self._y = np.empty(batches.size, task.target_dtype)
        self._Y = np.empty((batches.size, task.outputs), dtype)
        self._ratio = 1.0  # λ

    def mix_inputs(self, X: Array, order: Array, number: int, share: slice, epoch: int) -> None:
        """X (n, D) ← X̃; it is a `share` of batch `number` of an epoch, in its `order`."""
        drawn = np.random.default_rng([self._seed, _STREAM, epoch, number]).beta(
            self._alpha, self._alpha
        )
        self._ratio = max(drawn, 1 - drawn)
        n = self._batches.cut(order, number, self._X, self._y, share, epoch=epoch, shift=1)
        self._mix(X, self._X[:n])

    def mix_targets(self, Y: Array, smoothing: float) -> None:
        """Y (n, C) ← Ỹ, of the samples whose inputs were mixed last."""
        n = len(Y)
        self._task.fill_targets(self._y[:n], self._Y[:n], smoothing)
        self._mix(Y, self._Y[:n])

    def _mix(self, own: Array, other: Array) -> None:
        np.multiply(own, self._ratio, out=own)
        np.multiply(other, 1 - self._ratio, out=other)
        np.add(own, other, out=own)
