"""Cutting rows into batches, in an order drawn anew for every epoch."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mlpcli.data.dataset import Array, Split
from mlpcli.data.scaling import Scaling

_ORDER_STREAM = 1  # which of the streams of random numbers under a seed


class Batches:
    """The batches of a split: scaled inputs and class indices, written into arrays given.

    Pixels stay uint8 until their batch is cut; memory-mapped rows stay on the disk.

    Args:
        split: the rows to cut.
        scaling: of the inputs.
        size: samples a batch; the last batch of an epoch has the remainder.
        dtype: of the inputs that are written.
        seed: the order of epoch e is a function of (seed, e) alone.
    """

    def __init__(
        self, split: Split, scaling: Scaling, size: int, dtype: Any, seed: int = 0
    ) -> None:
        self.size = min(size, len(split))
        self.steps = math.ceil(len(split) / self.size)
        self._split = split
        self._scaling = scaling.fitted_to(split.X.dtype, dtype)
        self._seed = seed
        self._raw = np.empty((self.size, split.X.shape[1]), split.X.dtype)

    def __len__(self) -> int:
        return len(self._split)

    def order(self, epoch: int) -> Array:
        """(N,) the split's rows in the order of an epoch."""
        rng = np.random.default_rng([self._seed, _ORDER_STREAM, epoch])
        return rng.permutation(self._split.rows)

    def in_order(self) -> Array:
        """(N,) the split's rows as they come."""
        return self._split.rows

    def count(self, step: int) -> int:
        """How many samples batch `step` of an epoch has."""
        return min(self.size, len(self) - step * self.size)

    def cut(self, order: Array, step: int, X: Array, y: Array, share: slice = slice(None)) -> int:
        """Write a `share` of batch `step` of an epoch to the first n rows of X and y; n.

        X is (≥ n, D), y (≥ n,).
        """
        rows = order[step * self.size : (step + 1) * self.size][share]
        n = len(rows)
        raw = self._raw[:n]
        # "clip" writes to `out` directly, where "raise" would go through a copy; rows are valid
        np.take(self._split.X, rows, axis=0, out=raw, mode="clip")
        np.take(self._split.y, rows, out=y[:n], mode="clip")
        self._scaling.apply(raw, X[:n])
        return n
