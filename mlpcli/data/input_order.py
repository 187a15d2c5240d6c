"""An order of a row's inputs in which products can leave out most of those that are 0.

Sorted by how often they are not 0 in the training rows, all inputs of a batch from some k on are 0:

    X·W₁ = X[:, :k]·W₁[:k],   (Xᵀ·δ)[k:] = 0

Of MNIST, a fifth of whose pixels are not 0, k is 651 of 784 on average for a batch of 128.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mlpcli.arrays import Array, thinned

_FEW, _MANY = 1024, 16_384  # at most so many training rows decide whether, and give the order
_CELLS = 1 << 24  # and so many inputs of them
_STEP = 16  # k is a multiple of it: products of odd widths are slow
_MOVED = 32  # the most bytes that are moved at once

# Nanoseconds of a core: to move neighbouring inputs, to look whether an input is 0, and to multiply
# and add it forward and back.
_MOVE, _LOOK, _PRODUCT = 0.75, 0.15, 0.03
_WORTH = 2  # what is saved must be so much more than what it costs


class InputOrder:
    """In which order the inputs are written; neighbours that are alike may move together.

    Args:
        groups: (D/n,) which n neighbouring inputs come at each place.
        D: how many inputs there are.
    """

    def __init__(self, groups: Array, D: int) -> None:
        self._groups, self._neighbours = groups, D // len(groups)
        first = groups[:, np.newaxis] * self._neighbours
        self.inputs: Array = (first + np.arange(self._neighbours)).reshape(-1)
        """(D,) which input comes at each place."""

    def sort(self, X: Array, out: Array) -> None:
        """out (n, D) ← X (n, D), its columns sorted; rows lie side by side."""
        together = np.dtype(f"V{self._neighbours * X.itemsize}")
        # "clip" writes to `out` directly, where "raise" would go through a copy
        np.take(X.view(together), self._groups, axis=1, out=out.view(together), mode="clip")


def count_used(X: Array) -> int:
    """k, a multiple of 16 or D: X (n, D) is 0 from column k on."""
    D = int(X.shape[1])
    bits = X.view(f"u{X.itemsize}")
    for start in (D // 2, 0):  # mostly the second half tells
        used = np.flatnonzero(np.bitwise_or.reduce(bits[:, start:], axis=0))
        if len(used):
            return min(-(-(start + int(used[-1]) + 1) // _STEP) * _STEP, D)
    return min(_STEP, D)


def choose_order(
    find_used: Callable[[Array], Array],
    rows: Array,
    D: int,
    *,
    size: int,
    units: int,
    itemsize: int,
) -> InputOrder | None:
    """The order of D inputs that pays best, or None if none does.

    Args:
        find_used: (n,) some of the rows → (n, D) bool which of their inputs are not 0.
        rows: the training rows.
        size: samples per batch.
        units: of the first layer.
        itemsize: of an input.
    """

    def gain(used: Array, groups: Array) -> float:
        """Nanoseconds per row, as such rows have it."""
        neighbours = D // len(groups)
        together = _join(thinned(used, _FEW), neighbours)
        saved = (D - neighbours * _mean_used(together[:, groups], size)) * units * _PRODUCT
        cost = D * (_MOVE / neighbours + _LOOK)
        return saved - cost if saved > _WORTH * cost else 0.0

    together = [n for n in (1, 2, 4, 8) if D % n == 0 and n * itemsize <= _MOVED]
    few = find_used(thinned(rows, _FEW))
    if not any(gain(few, _sort(few, n)) for n in together):
        return None
    # Which inputs hardly any row uses is seen in many rows.
    many = find_used(thinned(rows, min(_MANY, _CELLS // D + 1)))
    best = max((_sort(many, n) for n in together), key=lambda groups: gain(many, groups))
    return InputOrder(best, D) if gain(many, best) else None


def _sort(used: Array, neighbours: int) -> Array:
    """The groups of so many neighbouring inputs, in order of use."""
    together = _join(used, neighbours)
    counts = sum(
        np.add.reduce(together[start : start + 255], axis=0, dtype=np.uint8).astype(np.intp)
        for start in range(0, len(used), 255)
    )
    return np.argsort(-counts, kind="stable")


def _join(used: Array, neighbours: int) -> Array:
    """(n, D / neighbours) bool: which groups of inputs have one that a row uses."""
    return used if neighbours == 1 else used.view(f"u{neighbours}") != 0


def _mean_used(used: Array, size: int) -> float:
    """The mean of k in batches of `size` rows like these (n, D)."""
    D = used.shape[1]
    last = np.where(used.any(axis=1), D - np.argmax(used[:, ::-1], axis=1), 0)
    within = np.cumsum(np.bincount(last, minlength=D + 1))[:D] / len(used)  # P(k ≤ j)
    return float(np.sum(1 - within**size))
