"""What a network sees of a row: learned on the training rows, kept in the checkpoint.

A reader delivers raw columns, X (N, R); the network takes inputs, (n, D), which exist only in the
batch: first every number (and date, as days), in the order of the columns, then what is 0 or 1:
the indicators of missing numbers, and the one-hot blocks of categories and of what a date falls on.
Large blocks come last: of these a network needs only which input is 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Annotated, Any, Literal

import numpy as np

from mlpcli import schema
from mlpcli.arrays import Array
from mlpcli.data.columns import Column, DecimalMark, name_column
from mlpcli.data.pose import Pose
from mlpcli.data.scalings import SCALINGS
from mlpcli.records import record
from mlpcli.schema import Bounds

Position = Annotated[int, Bounds(0, 2**40)]
Share = Annotated[float, Bounds(0, 1)]
Unit = Annotated[str, Bounds(0, 80)]
Side = Annotated[int, Bounds(1, 2**40)]
Calendar = tuple[Annotated[int, Bounds(0, 23)], ...]


@record
class Pixels:
    """All columns of images: every pixel times `factor`.

    `largest` is the largest value, without its sign, that the training images have.
    """

    kind: Literal["pixels"]
    count: Annotated[int, Bounds(1, 2**40)]
    factor: float = 1.0
    largest: float | None = None

    @property
    def pose(self) -> Pose | None:
        """What images are brought into before, if they are."""
        return None


@record
class Posed(Pixels):
    """Pixels of images that are brought into a pose before; see `mlpcli.data.pose`."""

    kind: Literal["upright"]  # type: ignore[assignment]
    shape: tuple[Side, Side] = (1, 1)
    deslant: bool = True
    width: Annotated[float, Bounds(0.5, 2**40)] | None = None

    def __post_init__(self) -> None:
        if math.prod(self.shape) != self.count:
            raise ValueError(f"has images of {self.shape} in rows of {self.count} pixels")

    @property
    def pose(self) -> Pose | None:
        return Pose(self.shape, self.deslant, self.width)


@record
class Number:
    """A column of numbers: (x − shift)·factor, then what `scale` does besides.

    A missing one is taken for the median of the training rows, and an input says so if any of
    these misses one. `low` and `high` are their range; None in a checkpoint that does not say.
    `decimal` and `unit` are the column's; see `Column`.
    """

    kind: Literal["number"]
    column: str | None
    position: Position
    scale: str = "standard"
    shift: float = 0.0
    factor: float = 1.0
    median: float = 0.0
    missing: Share = 0.0
    low: float | None = None
    high: float | None = None
    decimal: DecimalMark = ""
    unit: Unit = ""


@record
class Date(Number):
    """A column of dates: as a `Number`, days since 1970; and what varies in the training rows.

    `months` (0 to 11), `weekdays` (from Monday, 0 to 6) and `hours` are one-hot: those that the
    training rows have, or none if it is one alone. `order` is the column's; see `Column`.
    """

    kind: Literal["date"]  # type: ignore[assignment]
    months: Calendar = ()
    weekdays: Calendar = ()
    hours: Calendar = ()
    order: Literal["", "day", "month", "year"] = ""

    def calendar(self, of: str) -> Calendar:
        """The months, weekdays or hours that are one-hot, by the singular."""
        return {"month": self.months, "weekday": self.weekdays, "hour": self.hours}[of]


@record
class Category:
    """A column of categories: an input for each, for all `rare` ones together, for a missing one.

    All are of the training rows. Any other is 0 in every input.
    """

    kind: Literal["category"]
    column: str | None
    position: Position
    categories: tuple[str, ...]
    rare: tuple[str, ...] = ()
    missing: Share = 0.0


Part = Pixels | Posed | Number | Date | Category


@record
class Block:
    """Inputs that belong together: a single number, or some of which at most one is 1.

    Attributes:
        part: the position in `Encoding.parts` of the column that they are of.
        of: "number", "indicator", "category", "month", "weekday" or "hour".
        values: what each input stands for, for a person; "" for the number itself.
        start: the first input.
    """

    part: int
    of: str
    values: tuple[str, ...]
    start: int


@record
class Encoding:
    """What becomes of every raw column: one part for all pixels, or one for each column of X.

    Attributes:
        parts: in the order of X's columns.
        read: X's columns as they were read, if their categories are numbered otherwise than those
            of `columns`.

    Raises:
        ValueError: there are no parts, or pixels among others.
    """

    parts: tuple[Part, ...]
    read: tuple[Column, ...] | None = None

    def __post_init__(self) -> None:
        if not self.parts or (len(self.parts) > 1 and self.pixels):
            raise ValueError("encodes nothing, or pixels beside columns")
        scales = {part.scale for part in self.parts if isinstance(part, Number)}
        if not scales <= SCALINGS.keys():
            raise ValueError(f"scales by {min(scales - SCALINGS.keys())!r}, which is not known")

    @cached_property
    def pixels(self) -> Pixels | None:
        """The only part, if it is of images."""
        return next((part for part in self.parts if isinstance(part, Pixels)), None)

    @property
    def pose(self) -> Pose | None:
        """What images are brought into before; None if they stay as they are."""
        return self.pixels.pose if self.pixels else None

    @property
    def raw_width(self) -> int:
        """R, the columns that a reader delivers."""
        return self.pixels.count if self.pixels else len(self.parts)

    @property
    def width(self) -> int:
        """D, the network's inputs."""
        if self.pixels:
            return self.pixels.count
        last = self.blocks[-1]
        return last.start + len(last.values)

    @cached_property
    def columns(self) -> tuple[Column, ...] | None:
        """The columns as a reader needs them to read other rows like X; None for pixels."""
        if self.pixels:
            return None
        return tuple(
            Column(
                part.column, part.position, part.kind, _known(part), _order(part), *_written(part)
            )
            for part in self.parts
            if not isinstance(part, Pixels)
        )

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """The inputs, in order, by what they are of; none for pixels."""
        if self.pixels:
            return ()
        blocks: list[Block] = []
        start = 0
        for part, of, values in sorted(self._unplaced(), key=_place):
            blocks.append(Block(part, of, values, start))
            start += len(values)
        return tuple(blocks)

    @property
    def numbers(self) -> int:
        """How many of the inputs, the first ones, are numbers of columns."""
        return sum(block.of == "number" for block in self.blocks)

    @property
    def large(self) -> list[Block]:
        """The last blocks, of more than `LARGE` inputs each."""
        return [block for block in self.blocks if len(block.values) > LARGE]

    def _unplaced(self) -> Iterator[tuple[int, str, tuple[str, ...]]]:
        for j, part in enumerate(self.parts):
            if isinstance(part, Number):
                yield j, "number", ("",)
                if part.missing:
                    yield j, "indicator", ("missing",)
            if isinstance(part, Category):
                rest = ("rare",) * bool(part.rare) + ("missing",) * bool(part.missing)
                yield j, "category", (*part.categories, *rest)
            if isinstance(part, Date):
                yield from ((j, of, tuple(map(str, part.calendar(of)))) for of in CALENDAR)

    @property
    def largest(self) -> float | None:
        """The largest value of the training rows, without its sign; None if that is not known."""
        if self.pixels:
            return self.pixels.largest
        bounds = [
            bound
            for part in self.parts
            if isinstance(part, Number)
            for bound in (part.low, part.high)
        ]
        return max((abs(bound) for bound in bounds if bound is not None), default=None)

    def describe(self, row: Array) -> list[str]:
        """The values of a raw row (R,) for a person."""
        columns = self.read or self.columns or [Column(None, j) for j in range(len(row))]
        return [_shown(c, float(value)) for c, value in zip(columns, row, strict=True)]

    def affine(self) -> tuple[Array | None, Array | float]:
        """(shift (M,), or None for 0; factor (M,), or one for all) of the numbers, float64."""
        if self.pixels:
            return None, self.pixels.factor
        numbers = [part for part in self.parts if isinstance(part, Number)]
        shift = np.array([part.shift for part in numbers], np.float64)
        return shift, np.array([part.factor for part in numbers], np.float64)

    def to_json(self) -> Any:
        """As `meta` in a checkpoint has it: a list of parts."""
        return schema.write(self.parts)

    @classmethod
    def from_json(cls, value: Any) -> Encoding:
        """The inverse of `to_json`; ValueError says what does not fit."""
        return cls(schema.read(tuple[Part, ...], value))


def columns_of(encodings: Sequence[Encoding]) -> list[tuple[str, dict[int, int]]]:
    """(what to call it, {encoding: where it has it}) of every column that any of them has.

    They are the same by name; by position if one of them has no names. Pixels are none.
    """
    columns = [
        (number, j, part.column, part.position)
        for number, encoding in enumerate(encodings)
        for j, part in enumerate(encoding.parts)
        if not isinstance(part, Pixels)
    ]
    by_name = all(name is not None for *_, name, _ in columns)
    found: dict[int | str | None, tuple[str, dict[int, int]]] = {}
    for number, j, name, position in columns:
        key = name if by_name else position
        found.setdefault(key, (name_column(name, position), {}))[1][number] = j
    return list(found.values())


CALENDAR = ("month", "weekday", "hour")
BLOCK_KINDS = ("number", "indicator", "category", *CALENDAR)
"""What a block of inputs may be of, in the order of the blocks; but the large ones are the last."""

OTHER_SCALE = 8.0
"""By more than this factor largest values are taken to be of different scales."""

_DAYS = 1e6  # of what calendars have

LARGE = 64
"""A product with a one-hot block of more inputs than this is cheaper by looking up its rows."""


def _place(item: tuple[int, str, tuple[str, ...]]) -> tuple[bool, int]:
    """Where a block belongs among others."""
    _, of, values = item
    return len(values) > LARGE, BLOCK_KINDS.index(of)


def _known(part: Part) -> tuple[str, ...]:
    """The categories of the training rows, in the order of their codes."""
    return (*part.categories, *part.rare) if isinstance(part, Category) else ()


def _order(part: Part) -> str:
    return part.order if isinstance(part, Date) else ""


def _written(part: Part) -> tuple[DecimalMark, str]:
    return (part.decimal, part.unit) if isinstance(part, Number) else ("", "")


def _shown(column: Column, value: float) -> str:
    if np.isnan(value):
        return "–"
    if column.kind == "category":
        return column.categories[int(value)] if value >= 0 else "(new)"
    if column.kind == "date" and abs(value) < _DAYS:
        seconds = np.datetime64(round(value * 86_400), "s")
        return str(seconds).removesuffix("T00:00:00").replace("T", " ")
    return f"{value:.6g}"


def scales_differ(a: float | None, b: float | None) -> bool:
    """Whether images whose largest values are these are of different scales, as 0-255 and 0-1."""
    if not a or not b:
        return (a is None) != (b is None)
    return max(a, b) > OTHER_SCALE * min(a, b)


def encode_numbers(
    shift: Iterable[float], factor: Iterable[float], columns: Sequence[Column] | None = None
) -> Encoding:
    """The encoding of columns of numbers, (x − shift)·factor, of which nothing else is known."""
    pairs = list(zip(shift, factor, strict=True))
    columns = columns or [Column(None, j) for j in range(len(pairs))]
    return Encoding(
        tuple(
            Number("number", column.name, column.position, shift=float(s), factor=float(f))
            for column, (s, f) in zip(columns, pairs, strict=True)
        )
    )
