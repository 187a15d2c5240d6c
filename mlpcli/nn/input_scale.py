"""A learned scale: a factor for each input of the first layer, from 1 on.

The first layer is (A ⊙ s)·W₁ + b₁ = A·V + b₁ with V = diag(s)·W₁, for inputs A (N, D) and s (D,).
With G = ∂loss/∂V = Aᵀ·δ₁, by the chain rule

    ∂loss/∂W₁ = diag(s)·G,   ∂loss/∂s = (W₁ ⊙ G)·1

It is that of RealMLP (Holzmüller, Grinsztajn & Steinwart 2024, arXiv 2407.04491): six times the
learning rate, and no decay. Without one, V is W₁.
"""

from __future__ import annotations

import numpy as np

from mlpcli.arrays import Array

RATE = 6.0
"""Factor on the learning rate."""

NAME = "s1"
"""Of the array s in `MLP.params` and in checkpoints."""


def scale_rows(s: Array, W: Array, out: Array) -> Array:
    """out (D, H) ← V."""
    return np.multiply(s[:, None], W, out=out)


def collect_gradient(s: Array, W: Array, rows: slice, of_W: Array, of_s: Array) -> None:
    """of_W (D, H), which holds G in these rows → the gradients there; so of_s (D,)."""
    G = of_W[rows]
    np.einsum("ij,ij->i", W[rows], G, out=of_s[rows])
    np.multiply(G, s[rows, None], out=G)


def without(params: dict[str, Array]) -> dict[str, Array]:
    """The same network without a scale of its own: V for W1, and no s1."""
    if NAME not in params:
        return params
    others = {name: array for name, array in params.items() if name != NAME}
    return others | {"W1": params[NAME][:, None] * params["W1"]}
