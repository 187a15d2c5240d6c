"""Losses of one sample, and their derivatives with respect to its scores.

Averaging over samples and weighting them is the network's business, not theirs.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from mlpcli.arrays import Array
from mlpcli.nn.activations import Sigmoid


class Loss(Protocol):
    """A loss of scores (N, C) against targets Y (N, C)."""

    def evaluate(self, scores: Array, Y: Array, losses: Array, delta: Array) -> None:
        """losses ← L of each sample, (N,); delta ← ∂L/∂scores, (N, C). `scores` are only read."""

    def probabilities(self, scores: Array, probs: Array) -> None:
        """probs ← what the scores say of each class, (N, C), in [0, 1]."""

    def of_probabilities(self, probs: Array, Y: Array) -> Array:
        """L of each sample, (N,), where only probabilities are known, as of a committee."""

    def at_chance(self, C: int) -> float:
        """L when every score is 0, for a one-hot target among C classes."""


class CrossEntropy:
    """Softmax cross-entropy: L = −Σₖ Yₖ log pₖ, p = softmax(scores); ∂L/∂scores = p − Y.

    With the scores shifted by their maximum, log pₖ = sₖ − log Σⱼ eˢʲ: nothing overflows, and no
    logarithm of a vanishing probability is taken. Rows of Y sum to 1.
    """

    def evaluate(self, scores: Array, Y: Array, losses: Array, delta: Array) -> None:
        self._shift(scores, delta)
        target_score = np.einsum("ij,ij->i", Y, delta)
        np.exp(delta, out=delta)
        np.add.reduce(delta, axis=1, out=losses)
        np.divide(delta, losses[:, None], out=delta)
        np.subtract(delta, Y, out=delta)
        np.log(losses, out=losses)
        np.subtract(losses, target_score, out=losses)

    def probabilities(self, scores: Array, probs: Array) -> None:
        self._shift(scores, probs)
        np.exp(probs, out=probs)
        np.divide(probs, np.add.reduce(probs, axis=1, keepdims=True), out=probs)

    def of_probabilities(self, probs: Array, Y: Array) -> Array:
        losses: Array = -np.sum(Y * _log(probs), axis=1)
        return losses

    def at_chance(self, C: int) -> float:
        return float(np.log(C))

    @staticmethod
    def _shift(scores: Array, shifted: Array) -> None:
        np.subtract(scores, np.maximum.reduce(scores, axis=1, keepdims=True), out=shifted)


class _OfSigmoid:
    """Losses of p = σ(scores), each output on its own."""

    def probabilities(self, scores: Array, probs: Array) -> None:
        np.copyto(probs, scores)
        Sigmoid().forward(probs, probs)


class MeanSquaredError(_OfSigmoid):
    """Nielsen's quadratic cost: L = ½Σₖ (pₖ − Yₖ)², p = σ(scores); ∂L/∂s = (p − Y)·p(1 − p)."""

    def evaluate(self, scores: Array, Y: Array, losses: Array, delta: Array) -> None:
        self.probabilities(scores, delta)
        error = delta - Y
        np.einsum("ij,ij->i", error, error, out=losses)
        np.multiply(losses, 0.5, out=losses)
        np.multiply(Sigmoid().derivative(delta, out=delta), error, out=delta)

    def of_probabilities(self, probs: Array, Y: Array) -> Array:
        losses: Array = 0.5 * np.sum((probs - Y) ** 2, axis=1)
        return losses

    def at_chance(self, C: int) -> float:
        return C / 8


class BinaryCrossEntropy(_OfSigmoid):
    """Nielsen's cross-entropy: L = −Σₖ [Yₖ log pₖ + (1 − Yₖ) log(1 − pₖ)]; ∂L/∂s = p − Y.

    Computed as Σₖ [max(s, 0) + log(1 + e^−|s|) − Y s], which does not overflow.
    """

    def evaluate(self, scores: Array, Y: Array, losses: Array, delta: Array) -> None:
        np.logaddexp(0, scores, out=delta)
        np.add.reduce(delta, axis=1, out=losses)
        np.subtract(losses, np.einsum("ij,ij->i", Y, scores), out=losses)
        self.probabilities(scores, delta)
        np.subtract(delta, Y, out=delta)

    def of_probabilities(self, probs: Array, Y: Array) -> Array:
        losses: Array = -np.sum(Y * _log(probs) + (1 - Y) * _log(1 - probs), axis=1)
        return losses

    def at_chance(self, C: int) -> float:
        return float(C * np.log(2))


def _log(probs: Array) -> Array:
    """log p, bounded where p has vanished."""
    logs: Array = np.log(np.maximum(probs, np.finfo(probs.dtype).tiny))
    return logs


LOSSES: dict[str, Loss] = {
    "cross-entropy": CrossEntropy(),
    "mse": MeanSquaredError(),
    "bce": BinaryCrossEntropy(),
}
