"""Rows whose number is not known before the last one is read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlpcli.arrays import Array, thinned

SAMPLE = 100
"""Rows of a block that tell whether float32 is enough."""

_CHUNK = 8192  # rows moved at a time
_MERGED = 0.02  # the share of different values that float32 may make equal, as one by chance …
_COARSE = 1e-5  # … and how far it may be off, in deviations of the column


class GrowingRows:
    """An array (count, width) that grows at its end, without a copy if the system can."""

    def __init__(self, width: int, dtype: type[np.float32 | np.float64]) -> None:
        self.width = width
        self.count = 0
        self._flat = np.empty(0, dtype)

    @property
    def array(self) -> Array:
        return self._flat[: self.count * self.width].reshape(self.count, self.width)

    def append(self, block: Array) -> None:
        start, end = self.count * self.width, (self.count + len(block)) * self.width
        if end > self._flat.size:
            self._flat.resize(max(end, self._flat.size * 9 // 8), refcheck=False)
        self._flat[start:end].reshape(block.shape)[:] = block
        self.count += len(block)

    def finish(self, rows: Array | None, columns: Sequence[int]) -> Array:
        """Some rows (None: all) and columns, moved within the memory they are in; used up after."""
        source, end = self.array, 0
        if rows is not None or len(columns) < self.width:
            for start in range(0, self.count, _CHUNK):
                part = source[start : start + _CHUNK]
                if rows is not None:
                    part = part[rows[start : start + _CHUNK]]
                part = part[:, columns]
                self._flat[end : end + part.size] = part.ravel()
                end += part.size
            count = self.count if rows is None else int(np.count_nonzero(rows))
        else:
            end, count = self.count * self.width, self.count
        del source
        self._flat.resize(end, refcheck=False)
        return self._flat.reshape(count, len(columns))


def is_too_coarse(block: Array) -> bool:
    """Whether float32 would make values of a column equal that are not, or too coarse for it."""
    sample = np.sort(thinned(block, SAMPLE), axis=0)  # missing ones come last
    single = sample.astype(np.float32)
    differ = (np.diff(sample, axis=0) > 0).sum(axis=0)
    still = (np.diff(single, axis=0) > 0).sum(axis=0)
    if (differ - still > _MERGED * differ).any():
        return True
    there = np.nan_to_num(sample - sample[:1])  # cheap, and near enough for a deviation
    off = np.abs(np.nan_to_num(sample - single)).max(axis=0, initial=0)
    return bool((off > _COARSE * there.std(axis=0)).any()) if len(sample) > 1 else False
