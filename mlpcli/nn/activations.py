"""Activation functions and their derivatives, in place.

A derivative is written in terms of the output A = f(Z), so that Z itself need not be kept.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from mlpcli.arrays import Array


class Activation(Protocol):
    """An element-wise function f."""

    kinked: bool
    """Whether f has a kink at 0, across which central differences mean nothing."""

    def forward(self, Z: Array, scratch: Array) -> None:
        """Z ← f(Z). `scratch` has the shape and dtype of Z and is overwritten."""

    def derivative(self, A: Array, out: Array) -> Array:
        """out ← f′(Z) where A = f(Z), and returned; `out` may be A itself."""


class ReLU:
    """f(z) = max(z, 0); f′(z) = 1 where f(z) > 0, else 0 (also at the kink, by convention)."""

    kinked = True

    def forward(self, Z: Array, scratch: Array) -> None:
        zeros = scratch[:1]  # a row: NumPy's maximum is three times slower against a scalar
        zeros.fill(0)
        np.maximum(Z, zeros, out=Z)

    def derivative(self, A: Array, out: Array) -> Array:
        return np.greater(A, 0, out=out)


class LeakyReLU:
    """f(z) = max(z, 0.01 z); f′(z) = 1 where f(z) > 0, else 0.01."""

    kinked = True
    slope = 0.01

    def forward(self, Z: Array, scratch: Array) -> None:
        np.multiply(Z, self.slope, out=scratch)
        np.maximum(Z, scratch, out=Z)

    def derivative(self, A: Array, out: Array) -> Array:
        np.greater(A, 0, out=out)
        return np.maximum(out, self.slope, out=out)


class Tanh:
    """f(z) = tanh z; f′(z) = 1 − f(z)²."""

    kinked = False

    def forward(self, Z: Array, scratch: Array) -> None:
        np.tanh(Z, out=Z)

    def derivative(self, A: Array, out: Array) -> Array:
        np.multiply(A, A, out=out)
        return np.subtract(1, out, out=out)


class Sigmoid:
    """f(z) = 1/(1 + e⁻ᶻ) = ½(1 + tanh ½z), which does not overflow; f′(z) = f(z)(1 − f(z))."""

    kinked = False

    def forward(self, Z: Array, scratch: Array) -> None:
        np.multiply(Z, 0.5, out=Z)
        np.tanh(Z, out=Z)
        np.add(Z, 1, out=Z)
        np.multiply(Z, 0.5, out=Z)

    def derivative(self, A: Array, out: Array) -> Array:
        np.subtract(A, 0.5, out=out)  # a(1 − a) = ¼ − (a − ½)²
        np.multiply(out, out, out=out)
        return np.subtract(0.25, out, out=out)


ACTIVATIONS: dict[str, Activation] = {
    "relu": ReLU(),
    "leaky-relu": LeakyReLU(),
    "tanh": Tanh(),
    "sigmoid": Sigmoid(),
}
