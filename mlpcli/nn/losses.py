"""Losses of one sample, and their derivatives with respect to its scores.

Averaging over samples and weighting them is left to the network.
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np

from mlpcli.arrays import Array
from mlpcli.nn.activations import Sigmoid


class Loss(Protocol):
    """A loss of scores (N, C) against targets Y (N, C)."""

    output: str
    """What `probabilities` are of the scores: "softmax", "sigmoid", or "number", as they are."""

    def evaluate(self, scores: Array, Y: Array, losses: Array, delta: Array) -> None:
        """losses ← L of each sample, (N,); delta ← ∂L/∂scores, (N, C). `scores` are only read."""

    def probabilities(self, scores: Array, probs: Array) -> None:
        """probs ← what the scores say of each class, (N, C), in [0, 1]."""

    def of_probabilities(self, probs: Array, Y: Array) -> Array:
        """L of each sample, (N,), if only probabilities are known, as for a committee."""

    def at_chance(self, C: int) -> float:
        """L when every score is 0, as expected for one-hot targets, or for standardised numbers."""

    def at_zero(self, Y: Array) -> float:
        """The mean of L over these targets (N, C) when every score is 0."""

    def sides(self, scores: Array, Y: Array) -> Array | None:
        """(N, C) on which side of its kink each score is; None if there is no kink."""


class _OfClasses:
    """Losses that are smooth, and the same for every target when all scores are 0."""

    def at_chance(self, C: int) -> float:
        raise NotImplementedError

    def at_zero(self, Y: Array) -> float:
        return self.at_chance(Y.shape[1])

    def sides(self, scores: Array, Y: Array) -> Array | None:
        return None


class CrossEntropy(_OfClasses):
    """Softmax cross-entropy: L = −Σₖ Yₖ log pₖ, p = softmax(scores); ∂L/∂scores = p − Y.

    With the scores shifted by their maximum, log pₖ = sₖ − log Σⱼ eˢʲ: nothing overflows, and no
    logarithm of a vanishing probability is taken. Rows of Y sum to 1.
    """

    output = "softmax"

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


class _OfSigmoid(_OfClasses):
    """Losses of p = σ(scores), each output on its own."""

    output = "sigmoid"

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
        np.multiply(Sigmoid().derivative(delta, delta, delta), error, out=delta)

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


class _OfNumbers:
    """Losses of the outputs themselves against standardised numbers, each output on its own.

    Their kinks are where |s − Y| = `kink`.
    """

    output = "number"
    kink: float | None = None

    def probabilities(self, scores: Array, probs: Array) -> None:
        np.copyto(probs, scores)

    def evaluate(self, scores: Array, Y: Array, losses: Array, delta: Array) -> None:
        raise NotImplementedError

    def of_probabilities(self, probs: Array, Y: Array) -> Array:
        losses, delta = np.empty(len(probs), probs.dtype), np.empty_like(probs)
        self.evaluate(probs, Y, losses, delta)
        return losses

    def at_zero(self, Y: Array) -> float:
        return float(self.of_probabilities(np.zeros_like(Y), Y).mean())

    def sides(self, scores: Array, Y: Array) -> Array | None:
        if self.kink is None:
            return None
        error = scores - Y
        above: Array = (error > self.kink).astype(np.int8) - (error < -self.kink)
        return above


class SquaredError(_OfNumbers):
    """L = ½Σₖ (sₖ − Yₖ)²; ∂L/∂s = s − Y. At chance it is ½ per output, as targets vary by 1."""

    def evaluate(self, scores: Array, Y: Array, losses: Array, delta: Array) -> None:
        np.subtract(scores, Y, out=delta)
        np.einsum("ij,ij->i", delta, delta, out=losses)
        np.multiply(losses, 0.5, out=losses)

    def at_chance(self, C: int) -> float:
        return 0.5 * C


class AbsoluteError(_OfNumbers):
    """L = Σₖ |sₖ − Yₖ|; ∂L/∂s = sign(s − Y), 0 at the kink. At chance √(2/π) of a normal target."""

    kink = 0.0

    def evaluate(self, scores: Array, Y: Array, losses: Array, delta: Array) -> None:
        np.subtract(scores, Y, out=delta)
        np.add.reduce(np.abs(delta), axis=1, out=losses)
        np.sign(delta, out=delta)

    def at_chance(self, C: int) -> float:
        return C * math.sqrt(2 / math.pi)


class Huber(_OfNumbers):
    """L = Σₖ h(sₖ − Yₖ), h(e) = ½e² up to |e| = 1 and |e| − ½ beyond (Huber 1964); h′ = e in ±1.

    At chance, of a normal target: E h = ½ − 2Q(1) + φ(1), by h = ½e² − ½(|e| − 1)₊², Q its tail.
    """

    kink = 1.0

    def evaluate(self, scores: Array, Y: Array, losses: Array, delta: Array) -> None:
        error = scores - Y
        np.clip(error, -1, 1, out=delta)
        error -= 0.5 * delta  # h(e) = h′·(e − ½h′)
        np.einsum("ij,ij->i", error, delta, out=losses)

    def at_chance(self, C: int) -> float:
        density = math.exp(-0.5) / math.sqrt(2 * math.pi)
        return C * (0.5 - math.erfc(math.sqrt(0.5)) + density)


def _log(probs: Array) -> Array:
    """log p, bounded where p has vanished."""
    logs: Array = np.log(np.maximum(probs, np.finfo(probs.dtype).tiny))
    return logs


LOSSES: dict[str, Loss] = {
    "cross-entropy": CrossEntropy(),
    "mse": MeanSquaredError(),
    "bce": BinaryCrossEntropy(),
    "squared-error": SquaredError(),
    "absolute-error": AbsoluteError(),
    "huber": Huber(),
}
"""The losses, by their names in `--loss`."""

OF_TASK = {
    "classification": ("cross-entropy", "mse", "bce"),
    "regression": ("squared-error", "absolute-error", "huber"),
}
"""The losses of each kind of task; the first is its default."""
