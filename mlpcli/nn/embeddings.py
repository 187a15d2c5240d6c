"""Periodic embeddings: an input layer by which each number of a row becomes four.

    x → (e(x), x),   e(x) = cos(θ)·V + c,   θ = 2π·x·w + b

Each column has its own frequencies w (F,), phases b (F,), weights V (F, 3) and biases c (3,). With
δ = ∂loss/∂e and ε = ∂loss/∂θ, by the chain rule, for a batch of rows:

    ε = −sin(θ) ⊙ (δ·Vᵀ),   ∂loss/∂V = cos(θ)ᵀ·δ,   ∂loss/∂c = 1ᵀ·δ,
                            ∂loss/∂w = 2π·xᵀ·ε,     ∂loss/∂b = 1ᵀ·ε

They are the PBLD embeddings of RealMLP (Holzmüller, Grinsztajn & Steinwart 2024, arXiv 2407.04491),
after Gorishniy, Rubachev & Babenko 2022 (arXiv 2203.05556): w ~ N(0, 0.1²), b uniform in ±π, V and
c uniform in ±1/√F. They learn at half of the rate, where RealMLP has a tenth: see tests/bench.

As (2πx, 1)·(w; b) and (cos θ, 1)·(V; c) both layers are one product per column, with their biases.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from mlpcli.arrays import Array

FREQUENCIES = 16
"""F, of each column."""

OUTPUTS = 3
"""What the embedding adds to each number."""

RATE = 0.5
"""Factor on the learning rate."""

SIZE = 2 * FREQUENCIES + (FREQUENCIES + 1) * OUTPUTS
"""Parameters of a column."""

_SIGMA = 0.1  # of the initial frequencies


class Embeddings:
    """The parameters of M columns, as views of a block (M, SIZE), a row per column.

    Attributes:
        angle: (M, 2, F) what makes the angles: frequencies, then phases.
        wave: (M, F + 1, 3) what makes inputs of the cosines: V, then c.
    """

    def __init__(self, block: Array) -> None:
        M, ends = len(block), 2 * FREQUENCIES
        self.angle = block[:, :ends].reshape(M, 2, FREQUENCIES)
        self.wave = block[:, ends:].reshape(M, FREQUENCIES + 1, OUTPUTS)

    def named(self) -> dict[str, Array]:
        """{"E1": w (M, F), "E2": b (M, F), "E3": V (M, F, 3), "E4": c (M, 3)}."""
        return {
            "E1": self.angle[:, 0],
            "E2": self.angle[:, 1],
            "E3": self.wave[:, :FREQUENCIES],
            "E4": self.wave[:, FREQUENCIES],
        }

    def draw(self, rng: np.random.Generator) -> None:
        """Draw the initial values."""
        w, b, V, c = self.named().values()
        bound = 1 / math.sqrt(FREQUENCIES)
        w[:] = _SIGMA * rng.standard_normal(w.shape)
        b[:] = rng.uniform(-math.pi, math.pi, b.shape)
        V[:] = rng.uniform(-bound, bound, V.shape)
        c[:] = rng.uniform(-bound, bound, c.shape)


@dataclass
class Waves:
    """What a pass of the embeddings over N rows writes to; the rows come last.

    Attributes:
        numbers: (M, 2, N) 2π·x, and 1.
        angles: (M, F, N) θ; after the backward pass sin(θ).
        cosines: (M, F + 1, N) cos(θ), and 1.
        deltas: (3M, N) δ.
        slopes: (M, F, N) ε.
    """

    numbers: Array
    angles: Array
    cosines: Array
    deltas: Array
    slopes: Array

    @classmethod
    def allocate(cls, M: int, N: int, dtype: Any, zeros: Callable[..., Array]) -> Waves:
        """Those of M columns and N rows, by `zeros`."""
        waves = cls(
            numbers=zeros((M, 2, N), dtype),
            angles=zeros((M, FREQUENCIES, N), dtype),
            cosines=zeros((M, FREQUENCIES + 1, N), dtype),
            deltas=zeros((OUTPUTS * M, N), dtype),
            slopes=zeros((M, FREQUENCIES, N), dtype),
        )
        waves.numbers[:, 1] = 1
        waves.cosines[:, FREQUENCIES] = 1
        return waves

    def rows(self, rows: slice) -> Waves:
        """Views of some of the rows."""
        return Waves(*(getattr(self, field.name)[..., rows] for field in fields(self)))


def embed(parameters: Embeddings, x: Array, waves: Waves, out: Array) -> None:
    """out (N, 3M) ← e(x) of x (N, M), column by column."""
    np.multiply(x.T, 2 * math.pi, out=waves.numbers[:, 0])
    np.matmul(parameters.angle.transpose(0, 2, 1), waves.numbers, out=waves.angles)
    np.cos(waves.angles, out=waves.cosines[:, :FREQUENCIES])
    e = out.reshape(*x.shape, OUTPUTS).transpose(1, 0, 2)
    np.matmul(waves.cosines.transpose(0, 2, 1), parameters.wave, out=e)


def propagate_back(parameters: Embeddings, waves: Waves) -> None:
    """waves.deltas → waves.slopes."""
    np.matmul(parameters.wave[:, :FREQUENCIES], _by_column(waves.deltas), out=waves.slopes)
    np.sin(waves.angles, out=waves.angles)
    np.multiply(waves.slopes, waves.angles, out=waves.slopes)
    np.multiply(waves.slopes, -1, out=waves.slopes)


def collect_gradient(waves: Waves, gradient: Embeddings, columns: slice) -> None:
    """waves.slopes and waves.deltas → the gradient of some of the columns' parameters."""
    slopes, deltas = waves.slopes[columns], _by_column(waves.deltas)[columns]
    np.matmul(waves.numbers[columns], slopes.transpose(0, 2, 1), out=gradient.angle[columns])
    np.matmul(waves.cosines[columns], deltas.transpose(0, 2, 1), out=gradient.wave[columns])


def _by_column(deltas: Array) -> Array:
    """(M, 3, N) of (3M, N)."""
    return deltas.reshape(len(deltas) // OUTPUTS, OUTPUTS, deltas.shape[1])
