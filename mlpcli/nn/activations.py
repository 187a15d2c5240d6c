"""Activation functions and their derivatives, in place.

A derivative is written in terms of the output A = f(Z), so that Z itself need not be kept.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class Activation(Protocol):
    """An element-wise function f. Both methods overwrite their first argument."""

    kinked: bool
    """Whether f has a kink at 0, across which central differences mean nothing."""

    def forward(self, Z: Array, scratch: Array) -> None:
        """Z ← f(Z). `scratch` has the shape and dtype of Z and is overwritten."""

    def derivative(self, A: Array) -> Array:
        """A ← f′(Z) where A = f(Z); the same array is returned."""


class ReLU:
    """f(z) = max(z, 0); f′(z) = 1 where f(z) > 0, else 0 (also at the kink, by convention)."""

    kinked = True

    def forward(self, Z: Array, scratch: Array) -> None:
        zeros = scratch[:1]  # a row: NumPy's maximum is three times slower against a scalar
        zeros.fill(0)
        np.maximum(Z, zeros, out=Z)

    def derivative(self, A: Array) -> Array:
        return np.greater(A, 0, out=A)


class LeakyReLU:
    """f(z) = max(z, 0.01 z); f′(z) = 1 where f(z) > 0, else 0.01."""

    kinked = True
    slope = 0.01

    def forward(self, Z: Array, scratch: Array) -> None:
        np.multiply(Z, self.slope, out=scratch)
        np.maximum(Z, scratch, out=Z)

    def derivative(self, A: Array) -> Array:
        np.greater(A, 0, out=A)
        return np.maximum(A, self.slope, out=A)


class Tanh:
    """f(z) = tanh z; f′(z) = 1 − f(z)²."""

    kinked = False

    def forward(self, Z: Array, scratch: Array) -> None:
        np.tanh(Z, out=Z)

    def derivative(self, A: Array) -> Array:
        np.multiply(A, A, out=A)
        return np.subtract(1, A, out=A)


class Sigmoid:
    """f(z) = 1/(1 + e⁻ᶻ) = ½(1 + tanh ½z), which does not overflow; f′(z) = f(z)(1 − f(z))."""

    kinked = False

    def forward(self, Z: Array, scratch: Array) -> None:
        np.multiply(Z, 0.5, out=Z)
        np.tanh(Z, out=Z)
        np.add(Z, 1, out=Z)
        np.multiply(Z, 0.5, out=Z)

    def derivative(self, A: Array) -> Array:
        np.subtract(A, 0.5, out=A)  # a(1 − a) = ¼ − (a − ½)²
        np.multiply(A, A, out=A)
        return np.subtract(0.25, A, out=A)


ACTIVATIONS: dict[str, Activation] = {
    "relu": ReLU(),
    "leaky-relu": LeakyReLU(),
    "tanh": Tanh(),
    "sigmoid": Sigmoid(),
}
