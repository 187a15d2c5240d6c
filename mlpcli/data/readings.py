"""How the cells of a column become values: as numbers, categories, dates or labels.

A reading turns each cell into a float, NaN if it is missing. It counts what it sees, and after the
last row says by `revise` whether the whole column is better read otherwise.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import compress

import numpy as np

from mlpcli.arrays import Array
from mlpcli.data.cells import (
    DATES,
    MISSING,
    ORDERS,
    common_unit,
    find_decimal_comma,
    is_date,
    is_missing,
    parse_dates,
    parse_number,
    parse_written,
    read_date,
    read_number,
    split_unit,
)
from mlpcli.data.columns import UNSEEN, Column, DecimalMark

MAX_TEXTS = 1 << 16
"""Different texts of a column that are told apart; others are read as `UNSEEN`."""

_MAX_CHARACTERS = 1 << 24  # in all the texts that are kept of a column
_MAJORITY = 0.8  # a column is of numbers, or dates, if more of its present cells are


class OddCellError(ValueError):
    """A cell that is not of its column's kind."""


class Reading:
    """The base of all readings.

    Attributes:
        kind: "number", "category", "date" or "label".
        wanted: what its cells must be, in messages.
        fixed: whether the kind was asked for, or is the model's, and is not to be revised.
        in_digits: whether a cell of digits, with a sign and a point at most, is that number.
        all_texts: whether any two different texts are told apart, as those of groups are.
        odd: how many cells were not of this kind.
        first_odd: (where it is, the first of them).
    """

    kind = ""
    wanted = ""
    in_digits = False
    all_texts = False
    _unit = ""

    def __init__(self, *, fixed: bool = False) -> None:
        self.fixed = fixed
        self.odd = 0
        self.first_odd: tuple[str, str] | None = None

    def read(self, cell: str) -> float:
        """The value of a cell.

        Raises:
            OddCellError: it is not of this kind.
            ValueError: it can be of no kind; why, and what to do.
        """
        raise NotImplementedError

    @property
    def converter(self) -> Callable[[str], float]:
        """The same as `read`, as fast as it can be called."""
        return self.read

    @property
    def decimal(self) -> DecimalMark:
        """What decimals come after."""
        return ""

    @property
    def unit(self) -> str:
        """What may stand after numbers."""
        return self._unit

    def note_odd(self, where: str, cell: str, count: int = 1) -> None:
        """Count cells, all the same, at which `read` raised OddCellError."""
        self.odd += count
        self.first_odd = self.first_odd or (where, cell.strip())

    def revise(self, values: Array) -> Reading | None:
        """Another reading that suits the whole column (its values (N,)) better, or None."""
        return None


class NumberCells(Reading):
    """Numbers as people write them, see `parse_written`, and perhaps with a unit."""

    kind = "number"
    wanted = "a number"

    def __init__(
        self,
        decimal_comma: bool = False,
        unit: str = "",
        *,
        fixed: bool = False,
        lenient: bool = False,
    ) -> None:
        super().__init__(fixed=fixed)
        self._unit = unit
        self.decimal_comma = decimal_comma
        self.lenient = lenient  # what is no number counts as missing
        self.in_digits = not decimal_comma
        self._grouped = False  # whether commas set thousands apart

    @property
    def decimal(self) -> DecimalMark:
        return "," if self.decimal_comma else "." if self._grouped else ""

    def read(self, cell: str) -> float:
        value = read_number(cell, self.decimal_comma, self._unit)
        if value is None:
            if self.lenient:
                return math.nan
            raise OddCellError(f"is not {self.wanted}")
        self._grouped = self._grouped or "," in cell
        return value

    def is_as(self, other: Reading) -> bool:
        """Whether another reading is of numbers that are written like these."""
        how = self.decimal_comma, self._unit
        return isinstance(other, NumberCells) and (other.decimal_comma, other.unit) == how

    def revise(self, values: Array) -> Reading | None:
        if self.all_texts and np.nanmax(np.abs(values), initial=0) > 2.0**53:
            return CategoryCells(fixed=True)
        if self.fixed or not self.odd:
            return None
        numbers = len(values) - int(np.isnan(values).sum())
        most = numbers > _MAJORITY * (numbers + self.odd) and not self._unit  # which all must have
        return None if most else CategoryCells(decimal_comma=self.decimal_comma, tried=self)


class DateCells(Reading):
    """Dates, as days since 1970-01-01; see `parse_date`.

    Of a date of three numbers the same one comes first in the whole column, and in all that is read
    for the model. If training met none, what can be read in one way only is taken.
    """

    kind = "date"

    def __init__(self, order: str = "", *, fixed: bool = False) -> None:
        super().__init__(fixed=fixed)
        self.wanted = DATES[order] if fixed else "a date"
        self.orders = [order] if order else list(ORDERS)
        self._read_as = self.orders[0]
        self._known: dict[str, float] = {}

    def read(self, cell: str) -> float:
        days = self._known.get(cell)
        if days is None:
            days = self._parse(cell)
            if len(self._known) < MAX_TEXTS:
                self._known[cell] = days
        return days

    @property
    def order(self) -> str:
        """What comes first, see `ORDERS`; "" if no cell tells."""
        return self.orders[0] if len(self.orders) == 1 else ""

    def _parse(self, cell: str) -> float:
        if self.fixed:
            known = read_date(cell, self.order)
            if known is None:
                raise OddCellError(f"is not {self.wanted}")
            return known
        if is_missing(cell):
            return math.nan
        found = parse_dates(cell)
        possible = [order for order in self.orders if found[order] is not None]
        if not possible:
            raise OddCellError(f"is not {self.wanted}")
        if len({found[order] for order in possible}) > 1:
            self.doubtful = True
            self._firsts = [order for order in self._firsts if _is_first(found[order])]
        self.orders = possible
        days = found[self._read_as if self._read_as in possible else possible[0]]
        assert days is not None
        return days

    doubtful = False
    """Whether a date was met that depends on the order."""

    _firsts: Sequence[str] = ORDERS
    """The orders by which every date in doubt is the first of a month."""

    def revise(self, values: Array) -> Reading | None:
        if self.fixed:
            return None
        dates = len(values) - int(np.isnan(values).sum())
        in_doubt = self.doubtful and len(self.orders) > 1
        if in_doubt and len(self._firsts) == 1 and np.nanmax(values) - np.nanmin(values) > 366:
            return DateCells(self._firsts[0])  # of months, not of days in every January
        if in_doubt or dates <= _MAJORITY * (dates + self.odd):
            return CategoryCells(fixed=True, doubtful=in_doubt)
        if self.doubtful and self.orders[0] != self._read_as:
            return DateCells(self.orders[0])
        return None


class CategoryCells(Reading):
    """Text: code k stands for `names[k]`, in the order in which they are met.

    Args:
        names: the model's categories. Another text is `UNSEEN`, unless it is the same number as
            one of them (1 and 1.0).
        decimal_comma: of the numbers that the column may turn out to hold.
        doubtful: whether these are dates whose day and month cannot be told apart.
        tried: numbers that it was read as before, which did not suit it.
    """

    kind = "category"

    def __init__(
        self,
        names: Sequence[str] | None = None,
        decimal_comma: bool = False,
        *,
        fixed: bool = False,
        doubtful: bool = False,
        tried: NumberCells | None = None,
    ) -> None:
        super().__init__(fixed=fixed or names is not None)
        self.names: list[str] = list(names or ())
        self.decimal_comma = decimal_comma
        self.doubtful = doubtful
        self.tried = tried
        self.beyond = 0
        """Texts (at most so many different ones) that were not kept, as there were too many."""
        self._given = names is not None
        self._codes = _CodesByCell(self._code)
        self._by_text = {name: float(code) for code, name in enumerate(self.names)}
        self._by_number = _by_number(self.names)
        self._characters = 0

    def read(self, cell: str) -> float:
        return self._codes[cell]

    @property
    def converter(self) -> Callable[[str], float]:
        return self._codes.__getitem__

    def _code(self, cell: str) -> float:
        text = cell.strip()
        code = self._by_text.get(text)
        if code is None:
            code = self._new(text)
        if len(self._codes) < MAX_TEXTS:
            self._codes[cell] = code
        return code

    def _new(self, text: str) -> float:
        if text.lower() in MISSING:
            return math.nan
        if self._given:
            code = self._same_number(text)
            return UNSEEN if code is None else code
        self._characters += len(text)
        full = len(self.names) >= MAX_TEXTS or self._characters > _MAX_CHARACTERS
        if full and not self.all_texts:
            self.beyond += 1
            return UNSEEN
        return self._append(text)

    def _same_number(self, text: str) -> float | None:
        value = parse_number(text)
        return None if value is None else self._by_number.get(value)

    def _append(self, text: str) -> float:
        self.names.append(text)
        self._by_text[text] = code = float(len(self.names) - 1)
        return code

    def count(self, codes: Array) -> Array:
        """(len(names),) how often each text is there."""
        known = codes[codes >= 0].astype(np.intp)  # NaN compares as false
        counts: Array = np.bincount(known, minlength=len(self.names))
        return counts

    def revise(self, values: Array) -> Reading | None:
        if self.fixed or not self.names:
            return None
        comma = find_decimal_comma(self.names, self.decimal_comma)
        better = _suit(dict(zip(self.names, self.count(values).tolist(), strict=True)), comma)
        if isinstance(better, CategoryCells) or (self.tried and self.tried.is_as(better)):
            return None
        return better


class _CodesByCell(dict[str, float]):
    """Codes of cells as they are written, spaces and all."""

    def __init__(self, find: Callable[[str], float]) -> None:
        super().__init__()
        self._find = find

    def __missing__(self, cell: str) -> float:
        return self._find(cell)


def _by_number(names: Sequence[str]) -> dict[float, float]:
    """The code of each number that a single one of the names is."""
    found: dict[float, list[int]] = {}
    for code, name in enumerate(names):
        value = parse_number(name)
        if value is not None:
            found.setdefault(value, []).append(code)
    return {value: float(codes[0]) for value, codes in found.items() if len(codes) == 1}


def _is_first(days: float | None) -> bool:
    """Whether days since 1970-01-01 are the first of a month."""
    return days is not None and np.datetime64(int(days), "D").item().day == 1


def reading_of(column: Column, decimal_comma: bool = False, *, lenient: bool = False) -> Reading:
    """The reading of a model's column; `lenient` makes missing what is no number."""
    if column.kind == "category":
        return CategoryCells(column.categories)
    if column.kind == "date":
        return DateCells(column.order, fixed=True)
    return NumberCells(decimal_comma, column.unit, fixed=True, lenient=lenient)


def suit(cells: Sequence[str], decimal_comma: bool) -> Reading:
    """The reading that suits a column of which these are the first cells."""
    return _suit(Counter(cell for cell in cells if not is_missing(cell)), decimal_comma)


def _suit(counts: Mapping[str, int], decimal_comma: bool) -> Reading:
    """The reading that suits a column in which each text is so often."""
    most = _MAJORITY * sum(counts.values())
    numbers = [parse_written(text, decimal_comma) is not None for text in counts]
    if not counts or sum(compress(counts.values(), numbers)) > most:
        return NumberCells(decimal_comma)
    if sum(compress(counts.values(), map(is_date, counts))) > most:
        return DateCells()
    unit = max(split_unit(text)[1] for text in counts)
    all_have_it = all(parse_written(text, decimal_comma, unit) is not None for text in counts)
    if all_have_it and common_unit(Counter(counts).elements()):
        return NumberCells(decimal_comma, unit)
    return CategoryCells(decimal_comma=decimal_comma)
