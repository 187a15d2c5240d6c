"""Encoding: raw rows become the network's inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mlpcli.arrays import Array
from mlpcli.data.encoding import CALENDAR, Block, Category, Date, Encoding, Number
from mlpcli.data.scalings import SCALINGS

_NONE = -1  # the input of what is unseen
_UNSEEN, _MISSING = 0, 1  # where a table of inputs begins; a category's code k is at k + 2
_EXTREME = 1e30  # a factor beyond it, or 1/it, is of numbers that float32 may not hold
_HARMLESS = 2.0**-20  # of a deviation: what may be lost of it by a shift in float32


class Encoder:
    """An encoding in the arrays and dtypes in which it is fastest.

    Args:
        encoding: what becomes of the columns.
        raw_dtype: of the raw rows.
        dtype: of the inputs.
        may_miss: whether a number may be NaN.
    """

    def __init__(
        self, encoding: Encoding, raw_dtype: Any, dtype: Any, *, may_miss: bool = True
    ) -> None:
        numbers = [part for part in encoding.parts if isinstance(part, Number)]
        self._may_miss = may_miss and bool(numbers)
        self._clip = SCALINGS[numbers[0].scale].clip if numbers else None
        shift, factor = encoding.affine()
        self._extreme = _is_extreme(factor)
        wide = np.dtype(np.float64 if self._extreme else dtype)
        self._shift, self._factor = _cast(shift, factor, np.dtype(raw_dtype), wide)
        self._fill = _filling(numbers).astype(dtype)
        self._numbers = [b.part for b in encoding.blocks if b.of == "number"]
        self._indicators = [b.part for b in encoding.blocks if b.of == "indicator"]
        self._only_numbers = len(self._numbers) == len(encoding.blocks)
        hot = [b for b in encoding.blocks if b.of not in ("number", "indicator")]
        large = encoding.large
        self._small = _HotInputs(encoding, [b for b in hot if b not in large])
        self._large = _HotInputs(encoding, large)

    def apply(self, raw: Array, out: Array, hot: Array | None = None) -> None:
        """out (n, D) ← the encoded `raw` (n, R).

        Or `hot` (n, K) ← which input of each of the K large blocks is 1, -1 if none is; and out
        (n, …) has the inputs before these.
        """
        if self._only_numbers:
            self._scale(raw, out)
            return
        M, G = len(self._numbers), len(self._indicators)
        self._scale(raw[:, self._numbers], out[:, :M])
        if G:
            out[:, M : M + G] = np.isnan(raw[:, self._indicators])
        out[:, M + G :] = 0
        self._small.set(raw, out)
        if hot is None:
            self._large.set(raw, out)
        else:
            hot[:] = self._large.find(raw)

    def _scale(self, raw: Array, out: Array) -> None:
        """The numbers; no array is made, unless some are extreme, may be missing or are clipped."""
        scaled = np.empty(out.shape) if self._extreme else out
        if self._shift is None:
            np.copyto(scaled, raw, casting="unsafe")
        else:
            np.subtract(raw, self._shift, out=scaled, casting="unsafe")  # before precision is cut
        if self._factor is not None:
            np.multiply(scaled, self._factor, out=out, casting="unsafe")
        if self._clip is not None:
            self._clip(out)
        if self._may_miss:
            np.copyto(out, self._fill, where=np.isnan(raw))


def _filling(numbers: Sequence[Number]) -> Array:
    """(M,) float64 the scaled medians."""
    scaled = np.array([(p.median - p.shift) * p.factor for p in numbers], np.float64)
    clip = SCALINGS[numbers[0].scale].clip if numbers else None
    if clip is not None:
        clip(scaled)
    return scaled


def _is_extreme(factor: Array | float) -> bool:
    """Whether the differences of numbers that are scaled so may overflow, or vanish, in float32."""
    sizes = np.abs(np.atleast_1d(factor))
    return bool(((sizes > _EXTREME) | ((sizes > 0) & (sizes < 1 / _EXTREME))).any())


def _cast(
    shift: Array | None, factor: Array | float, raw: np.dtype[Any], dtype: np.dtype[Any]
) -> tuple[Array | None, Array | float | None]:
    """The same in the dtypes that are fastest, without loss; None for what changes nothing."""
    if shift is not None:
        exact = np.can_cast(raw, np.float32)
        error = np.abs(shift * factor) * np.finfo(np.float32).eps
        narrow = dtype == np.float32 and exact and bool(np.all(error <= _HARMLESS))
        shift = shift.astype(np.float32 if narrow else np.float64) if shift.any() else None
    if isinstance(factor, float):
        return shift, None if factor == 1 else factor
    return shift, None if np.all(factor == 1) else factor.astype(dtype)


class _HotInputs:
    """Which input of each of some blocks is 1, found in tables.

    A block's table has the input of what is unseen (none), of what is missing, and of each code.
    """

    def __init__(self, encoding: Encoding, blocks: Sequence[Block]) -> None:
        self._kinds = {
            kind: parts
            for kind in ("category", *CALENDAR)
            if (parts := [block.part for block in blocks if block.of == kind])
        }
        ordered = [block for kind in self._kinds for block in blocks if block.of == kind]
        tables = [_table(encoding, block) for block in ordered]
        self._inputs = np.array([i for table in tables for i in table], np.intp)
        lengths = [len(table) for table in tables]
        self._starts = np.cumsum([0, *lengths])[:-1].astype(np.intp)

    def find(self, raw: Array) -> Array:
        """(n, K) intp the inputs of raw rows (n, R), -1 where a block has none."""
        places = [self._place(kind, raw[:, parts]) for kind, parts in self._kinds.items()]
        place = places[0] if len(places) == 1 else np.concatenate(places, axis=1)
        inputs: Array = self._inputs[place + self._starts]
        return inputs

    def set(self, raw: Array, out: Array) -> None:
        """out[…, i] ← 1 for each input i that is found."""
        if not self._kinds:
            return
        inputs = self.find(raw)
        rows = np.arange(len(raw))[:, np.newaxis]
        if inputs.min(initial=0) > _NONE:
            out[rows, inputs] = 1
            return
        there = inputs != _NONE
        out[np.broadcast_to(rows, inputs.shape)[there], inputs[there]] = 1

    def _place(self, kind: str, values: Array) -> Array:
        """Where in their tables categories' codes, or days, are."""
        gaps = np.isnan(values)
        filled = np.where(gaps, 0.0, values)
        if kind == "category":
            places = np.where(filled >= 0, filled + 2, _UNSEEN).astype(np.intp)
        else:
            places = fall_on(kind, filled) + 2
        places[gaps] = _MISSING
        return places


def fall_on(kind: str, days: Array) -> Array:
    """int64 the month (0 to 11), the weekday (Monday is 0) or the hour of days since 1970-01-01."""
    whole = np.floor(days)
    if kind == "hour":
        return np.minimum((days - whole) * 24 + 1e-6, 23).astype(np.int64)
    date = whole.astype(np.int64)
    if kind == "weekday":
        return (date + 3) % 7  # 1970 began with a Thursday
    return date.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % 12


def _table(encoding: Encoding, block: Block) -> list[int]:
    """The inputs of a block: of what is unseen, of what is missing, and of each code."""
    part, first = encoding.parts[block.part], block.start
    if isinstance(part, Category):
        rare = first + len(part.categories)
        inputs = {text: first + k for k, text in enumerate(part.categories)}
        inputs |= dict.fromkeys(part.rare, rare)
        columns = encoding.read or encoding.columns
        assert columns is not None
        missing = rare + bool(part.rare) if part.missing else _NONE
        codes = columns[block.part].categories
        return [_NONE, missing, *(inputs.get(text, _NONE) for text in codes)]
    assert isinstance(part, Date)
    seen = part.calendar(block.of)
    return [_NONE, _NONE, *(first + seen.index(c) if c in seen else _NONE for c in range(24))]
