"""What keeps weights small and units independent: L2, dropout, max-norm, clipping."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from mlpcli.arrays import Array


def l2_penalty(weights: Array, reg: float) -> float:
    """½λΣw² over all weights (biases are not penalised); its gradient is λw."""
    return 0.5 * reg * float(np.dot(weights, weights))


def draw_dropout_masks(
    masks: Sequence[Array | None], rates: Sequence[float], rng: np.random.Generator
) -> None:
    """Fill each mask with 0 (probability p) or 1/(1 − p), layer by layer.

    "Inverted" dropout: the expected input of a unit is unchanged, so nothing needs scaling when
    the network is used (Srivastava et al. 2014, section 10).
    """
    for mask, p in zip(masks, rates, strict=True):
        if mask is not None:
            rng.random(dtype=mask.dtype, out=mask)
            np.greater_equal(mask, p, out=mask)
            np.multiply(mask, 1 / (1 - p), out=mask)


def limit_norms(W: Array, limit: float, total: Callable[[Array], None] | None = None) -> None:
    """Scale the incoming weights of a unit, a column of W, to norm ≤ `limit`, in place.

    Srivastava et al. 2014, section 5.1.

    Args:
        total: sums float64 numbers over the ranks in place, if W has only some of the rows.
    """
    squares = np.einsum("ij,ij->j", W, W)
    if total is not None:
        squares = squares.astype(np.float64)
        total(squares)
    norms = np.sqrt(squares)
    if np.any(norms > limit):
        np.multiply(W, np.minimum(limit / np.maximum(norms, limit), 1).astype(W.dtype), out=W)


def clip_norm(gradient: Array, limit: float, norm: float | None = None) -> None:
    """Scale a whole gradient to norm ≤ `limit`, in place (Pascanu et al. 2013).

    If `gradient` is only a part of it, `norm` is that of the whole.
    """
    if norm is None:
        norm = math.sqrt(np.dot(gradient, gradient))
    if norm > limit:
        np.multiply(gradient, limit / norm, out=gradient)
