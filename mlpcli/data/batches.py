"""Cutting rows into batches, in an order drawn anew for every epoch."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mlpcli.arrays import Array
from mlpcli.data.augment import Augmenter, Distortions
from mlpcli.data.encoder import Encoder
from mlpcli.data.encoding import Encoding
from mlpcli.data.input_order import InputOrder, choose_order, count_used
from mlpcli.data.pose import PoseNormaliser
from mlpcli.data.split import Split

_ORDER_STREAM = 1  # which of the streams of random numbers under a seed
_AUGMENT_STREAM = 3

_SMALL = 1 << 24  # bytes: as few, encoded, are kept if they are cut again and again


class Batches:
    """The batches of a split: encoded inputs and targets, written into given arrays.

    Pixels stay uint8 until their batch is cut; memory-mapped rows stay on the disk.

    Args:
        split: the rows to cut.
        encoding: of the inputs.
        size: samples per batch; the last batch of an epoch has the remainder.
        dtype: of the inputs that are written.
        seed: the order of epoch e is a function of (seed, e) alone.
        distortions: of images, in the batches of an epoch; those of batch b of epoch e are a
            function of (seed, e, b) alone.
        image_shape: (height, width), if there are distortions.
        repeated: whether the rows of the split are cut again and again: then few are encoded once.
        dense: whether all inputs are written as they are, also those of large blocks.

    Attributes:
        input_order: of the inputs as they are written, or None: as the encoding has them.
    """

    def __init__(
        self,
        split: Split,
        encoding: Encoding,
        size: int,
        dtype: Any,
        seed: int = 0,
        *,
        distortions: Distortions | None = None,
        image_shape: tuple[int, int] | None = None,
        repeated: bool = False,
        dense: bool = False,
    ) -> None:
        self.size = min(size, len(split))
        self.steps = math.ceil(len(split) / self.size)
        self.split = split
        self.encoding = encoding
        self._encoder = Encoder(encoding, split.X.dtype, dtype, may_miss=_has_gaps(split.X))
        self._seed = seed
        self._dtype = np.dtype(dtype)
        self._raw = np.empty((self.size, split.X.shape[1]), split.X.dtype)
        pose = encoding.pose
        self._normaliser = PoseNormaliser(pose, self.size, dtype) if pose else None
        self._unsorted: Array | None = None
        self._dense = dense
        D, K = self.widths
        small = not K and len(split.X) * D * self._dtype.itemsize <= _SMALL
        self._encode_once = repeated and small and distortions is None
        self._encoded: Array | None = None
        self.input_order: InputOrder | None = None
        self._augmenter: Augmenter | None = None
        if distortions is not None:
            assert image_shape is not None
            self._augmenter = Augmenter(image_shape, distortions, self.size, dtype)

    @property
    def weighted(self) -> bool:
        """Whether rows have weights of their own."""
        return self.split.weights is not None

    @property
    def cut_quickly(self) -> bool:
        """Whether to cut a row costs no more than to read what another process has cut."""
        return self._augmenter is None and self._normaliser is None

    @property
    def widths(self) -> tuple[int, int]:
        """(how many inputs are written as they are, of how many blocks only which is 1)."""
        large = [] if self._dense else self.encoding.large
        return (large[0].start if large else self.encoding.width), len(large)

    def __len__(self) -> int:
        return len(self.split)

    def sort_inputs(self, units: int) -> InputOrder | None:
        """Write inputs that are often 0 last from now on, if a first layer of `units` gains by it.

        Returns the order, if so. Distorted images have their own zeros, and are left alone.
        """
        D = self.widths[0]
        if self._augmenter is None and D:
            self.input_order = choose_order(
                *(self._find_used, self.in_order(), D),
                size=self.size,
                units=units,
                itemsize=self._dtype.itemsize,
            )
        if self.input_order is not None:
            self._unsorted = np.empty((self.size, D), self._dtype)
        return self.input_order

    def _find_used(self, rows: Array) -> Array:
        """(n, D) bool: which inputs of these rows are not 0."""
        D, K = self.widths
        used = np.empty((len(rows), D), bool)
        X, hot = np.empty((self.size, D), self._dtype), np.empty((self.size, K), np.intp)
        for start in range(0, len(rows), self.size):
            part = used[start : start + self.size]
            n = len(part)
            raw = self._take(rows[start : start + n])
            self._encoder.apply(raw, X[:n], hot[:n] if K else None)
            np.not_equal(X[:n], 0, out=part)
        return used

    def _take(self, rows: Array) -> Array:
        """(n, R) these rows, until the next call; images in their pose."""
        raw = self._raw[: len(rows)]
        # "clip" writes to `out` directly, where "raise" would go through a copy; rows are valid
        np.take(self.split.X, rows, axis=0, out=raw, mode="clip")
        return self._normaliser.apply(raw) if self._normaliser else raw

    def count_used(self, X: Array) -> int:
        """Return k, of which X (n, D) as it was cut is 0 from column k on; D in no order."""
        return X.shape[1] if self.input_order is None else count_used(X)

    def order(self, epoch: int) -> Array:
        """(N,) the split's rows in the order of an epoch."""
        rng = np.random.default_rng([self._seed, _ORDER_STREAM, epoch])
        return rng.permutation(self.split.rows)

    def in_order(self) -> Array:
        """(N,) the split's rows as they come."""
        return self.split.rows

    def count(self, step: int) -> int:
        """How many samples batch `step` of an epoch has."""
        return min(self.size, len(self) - step * self.size)

    def cut(
        self,
        order: Array,
        step: int,
        X: Array,
        y: Array,
        share: slice = slice(None),
        *,
        weights: Array | None = None,
        hot: Array | None = None,
        epoch: int | None = None,
        shift: int = 0,
    ) -> int:
        """Write a `share` of batch `step` of an order to the first n rows of X and y; return n.

        X is (≥ n, D), y (≥ n,), weights (≥ n, 1); or, with hot (≥ n, K), X and hot are as wide as
        `widths` says. Images are distorted if it is for training in an
        `epoch`. With a `shift`, each row is the one that many places on in the batch, after whose
        last comes its first, distorted in a way of its own.
        """
        rows = order[step * self.size : (step + 1) * self.size]
        rows = (np.roll(rows, -shift) if shift else rows)[share]
        n = len(rows)
        np.take(self.split.y, rows, out=y[:n], mode="clip")
        if weights is not None and self.split.weights is not None:
            weights[:n, 0] = self.split.weights[rows]
        if self._augmenter is not None and epoch is not None:
            stream = [self._seed, _AUGMENT_STREAM, epoch, step, *([shift] if shift else [])]
            rng = np.random.default_rng(stream)
            raw, out = self._take(rows), X[:n]
            self._augmenter.apply(raw, y[:n], rng, out, first=share.start or 0)
            self._encoder.apply(out, out)
        elif self._encode_once:
            np.take(self._all_encoded(), rows, axis=0, out=X[:n], mode="clip")
        else:
            self._encode(rows, X[:n], None if hot is None else hot[:n])
        return n

    def _all_encoded(self) -> Array:
        """(M, D) the inputs, in the split's rows alone."""
        if self._encoded is None:
            self._encoded = np.empty((len(self.split.X), self.widths[0]), self._dtype)
            inputs = np.empty((self.size, self.widths[0]), self._dtype)
            for start in range(0, len(self.split), self.size):
                rows = self.split.rows[start : start + self.size]
                self._encode(rows, inputs[: len(rows)])
                self._encoded[rows] = inputs[: len(rows)]
        return self._encoded

    def _encode(self, rows: Array, out: Array, hot: Array | None = None) -> None:
        """out (n, D), hot (n, K) ← these rows, in `input_order`."""
        written = out if self._unsorted is None else self._unsorted[: len(rows)]
        self._encoder.apply(self._take(rows), written, hot)
        if self.input_order is not None:
            self.input_order.sort(written, out)


def _has_gaps(X: Array) -> bool:
    """Whether a number of a table is missing. Mapped arrays have been searched for NaN before."""
    mapped = isinstance(X, np.memmap)
    return X.dtype.kind == "f" and not mapped and X.size > 0 and bool(np.isnan(X.min()))
