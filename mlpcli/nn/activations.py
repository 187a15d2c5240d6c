"""Activation functions and their derivatives, in place.

A derivative is written in terms of the output A = f(Z) where that is possible, so that Z itself
need not be kept; an activation that needs Z says so, and gets it in `out`.
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np

from mlpcli.arrays import Array


class Activation(Protocol):
    """An element-wise function f."""

    kinked: bool
    """Whether f has a kink at 0, across which central differences mean nothing."""

    needs_input: bool
    """Whether the derivative needs Z."""

    def forward(self, Z: Array, scratch: Array) -> None:
        """Z ← f(Z). `scratch` has the shape and dtype of Z and is overwritten."""

    def derivative(self, A: Array, out: Array, scratch: Array) -> Array:
        """Write f′(Z) to `out`, where A = f(Z), and return it.

        `out` holds Z if it is needed, else it may be A itself; `scratch`, of the same shape, is
        overwritten.
        """


class _OfOutput:
    """An activation whose derivative needs A alone."""

    kinked = False
    needs_input = False


class _OfInput:
    """An activation whose derivative also needs Z."""

    kinked = False
    needs_input = True


class ReLU(_OfOutput):
    """f(z) = max(z, 0); f′(z) = 1 where f(z) > 0, else 0 (also at the kink, by convention)."""

    kinked = True

    def forward(self, Z: Array, scratch: Array) -> None:
        zeros = scratch[:1]  # a row: NumPy's maximum is three times slower against a scalar
        zeros.fill(0)
        np.maximum(Z, zeros, out=Z)

    def derivative(self, A: Array, out: Array, scratch: Array) -> Array:
        return np.greater(A, 0, out=out)


class LeakyReLU(_OfOutput):
    """f(z) = max(z, 0.01 z); f′(z) = 1 where f(z) > 0, else 0.01."""

    kinked = True
    slope = 0.01

    def forward(self, Z: Array, scratch: Array) -> None:
        np.multiply(Z, self.slope, out=scratch)
        np.maximum(Z, scratch, out=Z)

    def derivative(self, A: Array, out: Array, scratch: Array) -> Array:
        np.greater(A, 0, out=out)
        return np.maximum(out, self.slope, out=out)


class Tanh(_OfOutput):
    """f(z) = tanh z; f′(z) = 1 − f(z)²."""

    def forward(self, Z: Array, scratch: Array) -> None:
        np.tanh(Z, out=Z)

    def derivative(self, A: Array, out: Array, scratch: Array) -> Array:
        np.multiply(A, A, out=out)
        return np.subtract(1, out, out=out)


class Sigmoid(_OfOutput):
    """f(z) = 1/(1 + e⁻ᶻ) = ½(1 + tanh ½z), which does not overflow; f′(z) = f(z)(1 − f(z))."""

    def forward(self, Z: Array, scratch: Array) -> None:
        np.multiply(Z, 0.5, out=Z)
        np.tanh(Z, out=Z)
        np.add(Z, 1, out=Z)
        np.multiply(Z, 0.5, out=Z)

    def derivative(self, A: Array, out: Array, scratch: Array) -> Array:
        np.subtract(A, 0.5, out=out)  # a(1 − a) = ¼ − (a − ½)²
        np.multiply(out, out, out=out)
        return np.subtract(0.25, out, out=out)


class GELU(_OfInput):
    """f(z) = ½z(1 + t), t = tanh(c(z + 0.044715 z³)), c = √(2/π); near z·Φ(z).

    Hendrycks & Gimpel 2016, the approximation by tanh. f′(z) = ½(1 + t) + ½z(1 − t²)·u′ with
    u′ = c(1 + 0.134145 z²); as ½z(1 + t) is A, that is ½(1 + t) + A(1 − t)·u′.
    """

    c = math.sqrt(2 / math.pi)

    def forward(self, Z: Array, scratch: Array) -> None:
        self._tanh(Z, scratch)
        np.add(scratch, 1, out=scratch)
        np.multiply(scratch, 0.5, out=scratch)
        np.multiply(Z, scratch, out=Z)

    def derivative(self, A: Array, out: Array, scratch: Array) -> Array:
        np.clip(out, -100, 100, out=out)  # further out f′ is 0 or 1, and z² could overflow
        self._tanh(out, scratch)
        np.multiply(out, out, out=out)
        np.multiply(out, 3 * 0.044715 * self.c, out=out)
        np.add(out, self.c, out=out)
        np.multiply(out, A, out=out)  # q = A·u′, and f′ = q + ½ − t(q − ½)
        np.subtract(out, 0.5, out=out)
        np.multiply(scratch, out, out=scratch)
        np.subtract(out, scratch, out=out)
        return np.add(out, 1, out=out)

    def _tanh(self, Z: Array, out: Array) -> None:
        np.multiply(Z, Z, out=out)
        np.multiply(out, 0.044715, out=out)
        np.add(out, 1, out=out)
        np.multiply(out, Z, out=out)
        np.multiply(out, self.c, out=out)
        np.tanh(out, out=out)


class SiLU(_OfInput):
    """f(z) = z·σ(z) (Elfwing, Uchibe & Doya 2018); f′(z) = σ(z) + f(z)(1 − σ(z))."""

    def forward(self, Z: Array, scratch: Array) -> None:
        np.copyto(scratch, Z)
        Sigmoid().forward(scratch, scratch)
        np.multiply(Z, scratch, out=Z)

    def derivative(self, A: Array, out: Array, scratch: Array) -> Array:
        Sigmoid().forward(out, scratch)
        np.multiply(A, out, out=scratch)
        np.subtract(A, scratch, out=scratch)
        return np.add(out, scratch, out=out)


class SELU(_OfOutput):
    """f(z) = λz where z > 0, else λα(eᶻ − 1) (Klambauer et al. 2017); f′ = λ, or f(z) + λα.

    The slope jumps at 0, from λα to λ.
    """

    kinked = True
    scale = 1.0507009873554805
    alpha = 1.6732632423543772

    def forward(self, Z: Array, scratch: Array) -> None:
        np.minimum(Z, 0, out=scratch)
        np.expm1(scratch, out=scratch)
        np.multiply(scratch, self.alpha, out=scratch)
        np.maximum(Z, 0, out=Z)
        np.add(Z, scratch, out=Z)
        np.multiply(Z, self.scale, out=Z)

    def derivative(self, A: Array, out: Array, scratch: Array) -> Array:
        np.greater(A, 0, out=scratch)
        np.multiply(scratch, self.scale * (1 - self.alpha), out=scratch)
        np.minimum(A, 0, out=out)
        np.add(out, self.scale * self.alpha, out=out)
        return np.add(out, scratch, out=out)


class Mish(_OfInput):
    """f(z) = z·tanh(ln(1 + eᶻ)) (Misra 2019) = z(1 − 2/D), D = s² + 1, s = 1 + eᶻ.

    f′(z) = 1 − 2/D + 4zs(s − 1)/D². Beyond z = 20, tanh is 1 to the last digit.
    """

    def forward(self, Z: Array, scratch: Array) -> None:
        self._s(Z, scratch)
        np.multiply(scratch, scratch, out=scratch)
        np.add(scratch, 1, out=scratch)
        np.divide(-2, scratch, out=scratch)
        np.add(scratch, 1, out=scratch)
        np.multiply(Z, scratch, out=Z)

    def derivative(self, A: Array, out: Array, scratch: Array) -> Array:
        self._s(out, scratch)
        np.clip(out, -100, 100, out=out)  # further out the second term is 0
        np.multiply(out, 4, out=out)
        np.multiply(out, scratch, out=out)
        np.subtract(scratch, 1, out=scratch)
        np.multiply(out, scratch, out=out)
        np.add(scratch, 1, out=scratch)
        np.multiply(scratch, scratch, out=scratch)
        np.add(scratch, 1, out=scratch)
        np.divide(out, scratch, out=out)
        np.subtract(out, 2, out=out)
        np.divide(out, scratch, out=out)
        return np.add(out, 1, out=out)

    def _s(self, Z: Array, out: Array) -> None:
        np.minimum(Z, 20, out=out)
        np.exp(out, out=out)
        np.add(out, 1, out=out)


ACTIVATIONS: dict[str, Activation] = {
    "relu": ReLU(),
    "leaky-relu": LeakyReLU(),
    "tanh": Tanh(),
    "sigmoid": Sigmoid(),
    "gelu": GELU(),
    "silu": SiLU(),
    "selu": SELU(),
    "mish": Mish(),
}
"""The activations, by their names in `--activation` (also listed in `mlpcli.config.kinds`)."""
