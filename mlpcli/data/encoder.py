"""Encoding: raw rows become the network's inputs."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlpcli.arrays import Array
from mlpcli.data.encoding import CALENDAR, Block, Category, Date, Encoding, Number
from mlpcli.data.scalings import SCALINGS

_NONE = -1  # the input of what is unseen
_UNSEEN, _MISSING = 0, 1  # where a table of inputs begins; a category's code k is at k + 2
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
        self._may_miss = may_miss and encoding.pixels is None
        self._numbers = [j for j, part in enumerate(encoding.parts) if isinstance(part, Number)]
        self._only_numbers = encoding.pixels is not None or not _hot(encoding)
        shift, factor = encoding.affine()
        self._shift, self._factor = _cast(shift, factor, np.dtype(raw_dtype), np.dtype(dtype))
        self._clip = next(
            (SCALINGS[p.scale].clip for p in encoding.parts if isinstance(p, Number)), None
        )
        self._fill = self._filling(encoding).astype(dtype)
        self._hot = HotInputs(encoding)

    def apply(self, raw: Array, out: Array) -> None:
        """out (n, D) ← the encoded `raw` (n, R)."""
        if self._only_numbers:
            self._scale(raw, out)
            return
        M = len(self._numbers)
        self._scale(raw[:, self._numbers], out[:, :M])
        ones = out[:, M:]
        ones.fill(0)
        inputs = self._hot.find(raw)
        rows, groups = np.nonzero(inputs != _NONE)
        ones[rows, inputs[rows, groups] - M] = 1

    def _scale(self, raw: Array, out: Array) -> None:
        """The numbers; without a clip no array is made."""
        if self._shift is None:
            np.copyto(out, raw, casting="unsafe")
        else:
            np.subtract(raw, self._shift, out=out, casting="unsafe")  # before precision is cut
        if self._factor is not None:
            np.multiply(out, self._factor, out=out, casting="unsafe")
        if self._clip is not None:
            self._clip(out)
        if self._may_miss:
            np.copyto(out, self._fill, where=np.isnan(out))

    def _filling(self, encoding: Encoding) -> Array:
        """(M,) float64 the scaled medians."""
        numbers = [part for part in encoding.parts if isinstance(part, Number)]
        scaled = np.array([(p.median - p.shift) * p.factor for p in numbers], np.float64)
        if self._clip is not None:
            self._clip(scaled)
        return scaled


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


def _hot(encoding: Encoding) -> list[Block]:
    return [block for block in encoding.blocks if block.of != "number"]


class HotInputs:
    """Which inputs are 1: at most one of each group, K groups, found in tables.

    A group's table has the input of what is unseen (none), of what is missing, and of each code.
    """

    def __init__(self, encoding: Encoding) -> None:
        groups = _hot(encoding)
        self._by_kind = {
            kind: [group.part for group in groups if group.of == kind]
            for kind in ("indicator", "category", *CALENDAR)
        }
        tables = [_table(encoding, group) for group in groups]
        lengths = [len(table) for table in tables]
        self._inputs = np.array([i for table in tables for i in table], np.intp)
        self._starts = np.cumsum([0, *lengths[:-1]], dtype=np.intp)[: len(groups)]

    def find(self, raw: Array) -> Array:
        """(n, K) intp the inputs that are 1 in raw rows (n, R), -1 where a group has none."""
        gaps = np.isnan(raw[:, self._by_kind["indicator"]])
        places = [np.where(gaps, _MISSING, _UNSEEN), _place(raw[:, self._by_kind["category"]])]
        for kind in CALENDAR:
            days = raw[:, self._by_kind[kind]]
            gaps = np.isnan(days)
            codes = fall_on(kind, np.where(gaps, 0.0, days))
            places.append(np.where(gaps, _MISSING, codes + 2))
        inputs: Array = self._inputs[np.concatenate(places, axis=1) + self._starts]
        return inputs


def _place(codes: Array) -> Array:
    """Where in its table a category's code is; NaN is missing, a negative one unseen."""
    known = np.where(codes >= 0, codes + 2, _UNSEEN)  # no comparison with NaN is true
    return np.where(np.isnan(codes), _MISSING, known).astype(np.intp)


def fall_on(kind: str, days: Array) -> Array:
    """int64 the month (0 to 11), the weekday (Monday is 0) or the hour of days since 1970-01-01."""
    whole = np.floor(days)
    if kind == "hour":
        return np.minimum((days - whole) * 24 + 1e-6, 23).astype(np.int64)
    date = whole.astype(np.int64)
    if kind == "weekday":
        return (date + 3) % 7  # 1970 began with a Thursday
    return date.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % 12


def _table(encoding: Encoding, group: Block) -> list[int]:
    """The inputs of a group: of what is unseen, of what is missing, and of each code."""
    part, first = encoding.parts[group.part], group.start
    if isinstance(part, Category):
        rare = first + len(part.categories)
        inputs = {text: first + k for k, text in enumerate(part.categories)}
        inputs |= dict.fromkeys(part.rare, rare)
        columns = encoding.read or encoding.columns
        assert columns is not None
        missing = rare + bool(part.rare) if part.missing else _NONE
        codes = columns[group.part].categories
        return [_NONE, missing, *(inputs.get(text, _NONE) for text in codes)]
    if group.of == "indicator":
        return [_NONE, first]
    assert isinstance(part, Date)
    seen = part.calendar(group.of)
    codes_of = range(24)
    return [_NONE, _NONE, *(first + seen.index(c) if c in seen else _NONE for c in codes_of)]
