"""Tables in text whose cells become values.

Rows are parsed in blocks, all their cells at once. A block that leaves a doubt is parsed again cell
by cell, which gives the same values or the row and column of what is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import IO

import numpy as np

from mlpcli.arrays import Array
from mlpcli.data.columns import TableOptions
from mlpcli.data.formats.byte_cells import KnownTexts, split_block
from mlpcli.data.formats.registry import SPARSE
from mlpcli.data.formats.text_lines import split_lines
from mlpcli.data.formats.text_table import TextTable
from mlpcli.data.readings import OddCellError, Reading
from mlpcli.errors import DataError
from mlpcli.text import quoted

_KEPT = 1 << 22  # bytes
_PAIR = re.compile(r"(\d+):[-+.\deE]+")
_TIME = re.compile(r"\d+:\d\d(:|$)")
# What Orange's tables say of their columns, in the second line and in the third.
_TYPES = frozenset(("continuous", "discrete", "string", "time", "c", "d", "s", "t"))
_ROLES = frozenset(("class", "meta", "ignore", "weight", "c", "m", "i", "w"))


class TableReader(TextTable):
    """A text table whose columns are read by readings.

    Args:
        stream, source, known, delimiter: see `TextTable`.
        options: whether there is a header, and the columns that are named.
    """

    def __init__(
        self,
        stream: IO[bytes],
        source: str,
        options: TableOptions | None = None,
        known: Iterable[str] = (),
        delimiter: str | None = None,
    ) -> None:
        options = options or TableOptions()
        super().__init__(
            stream,
            source,
            known=known,
            named=options.mentioned(),
            label=options.label_column,
            has_header=options.header,
            delimiter=delimiter,
        )
        if _is_sparse(list(map(" ".join, self.head))):
            raise DataError(f"{source}: {SPARSE}")
        if self.header and _is_of_orange(self.head):
            raise DataError(
                f"{source}: its second and third lines say what its columns are, as in tables of "
                "Orange; remove them, as by: sed 2,3d, and name the label by --label-column"
            )

    @property
    def digest(self) -> str:
        """SHA-256 of the text, once all of it was read."""
        return self.lines.digest

    def take_first_row_for_header(self) -> None:
        """Take for names what was the first sample."""
        names, self.head = self.head[0], self.head[1:]
        rows = self.rows()
        next(rows)
        self.first_row = next(rows)[0]
        self.may_have_header = False
        self.set_names(names)
        self.notices.append("the first row is taken for the header; if it is a sample, --header no")

    def blocks(self, positions: Sequence[int], readings: Sequence[Reading]) -> Iterator[Array]:
        """Every row's values in some columns, (n, len(positions)) float64 of some rows at a time.

        Raises:
            DataError: a row of another width, or a cell that its reading refuses; row numbers are
                those of the file's lines, from 1.
        """
        known = [KnownTexts() for _ in readings]
        # glibc keeps freed arrays up to this size for the next ones from now on, and does not give
        # them back to the system after every operation, which would take half of the time.
        np.empty(_KEPT, np.uint8)
        done = 0
        if self.bad_rows is not None:
            self.bad_rows.clear()
        for first, block in self.row_blocks():
            odd = [reading.odd for reading in readings]
            values = self._parse_fast(block, positions, readings, known)
            if self.bad_rows is not None and odd != [reading.odd for reading in readings]:
                values = None  # in which rows are they?
                for reading in readings:
                    reading.odd, reading.first_odd = 0, None
            if values is None:
                values = self._parse_exactly(first, split_lines(block), positions, readings, done)
            yield values
            done += len(values)

    def _parse_fast(
        self,
        block: bytes,
        positions: Sequence[int],
        readings: Sequence[Reading],
        known: Sequence[KnownTexts],
    ) -> Array | None:
        """(n, len(positions)) float64 values; None if in doubt."""
        cells = split_block(block, self.delimiter, self.cells)
        if cells is None or not all(map(cells.is_blank, range(self.width, self.cells))):
            return None
        values = np.empty((cells.rows, len(positions)))
        plain = [i for i, reading in enumerate(readings) if reading.in_digits]
        try:
            if plain:
                columns = [positions[i] for i in plain]
                values[:, plain] = cells.numbers(columns, [readings[i] for i in plain])
            for i, reading in enumerate(readings):
                if not reading.in_digits:
                    parse = cells.dates if reading.kind == "date" else cells.texts
                    values[:, i] = parse(positions[i], reading, known[i])
        except ValueError:
            return None
        return values

    def _parse_exactly(
        self,
        first: int,
        lines: list[str],
        positions: Sequence[int],
        readings: Sequence[Reading],
        done: int,
    ) -> Array:
        """As `_parse_fast`, cell by cell, to say where it is that something is wrong."""
        values: list[list[float]] = []
        for offset, cells in self.split(lines, first):
            try:
                values.append(self._parse_row(first + offset, cells, positions, readings))
            except DataError as error:
                if self.bad_rows is None:
                    raise
                self.bad_rows[done + len(values)] = str(error)
                values.append([np.nan] * len(positions))
        return np.array(values, np.float64).reshape(len(values), len(positions))

    def _parse_row(
        self, number: int, cells: list[str], positions: Sequence[int], readings: Sequence[Reading]
    ) -> list[float]:
        cells = self.checked(cells, number)
        row = []
        for j, reading in zip(positions, readings, strict=True):
            try:
                row.append(reading.read(cells[j]))
            except OddCellError as error:
                if self.bad_rows is not None:
                    what = f"{self.where(number, j)}: {quoted(cells[j].strip())}"
                    raise DataError(f"{what} {error}; correct it, or leave it empty") from error
                reading.note_odd(self.where(number, j), cells[j])
                row.append(np.nan)
            except ValueError as error:
                raise DataError(f"{self.where(number, j)}: {error}") from error
        return row


def _is_sparse(lines: Sequence[str]) -> bool:
    """Whether each is a label and pairs `index:value`, as index rises, and not just times."""
    if not any(":" in line for line in lines[:2]):
        return False
    rows = [line.partition(" #")[0].split() for line in lines]
    pairs = [list(map(_PAIR.fullmatch, row[1:])) for row in rows]
    found = [[int(pair[1]) for pair in row if pair] for row in pairs]
    return (
        max(map(len, pairs)) > 1
        and all(map(all, pairs))
        and all(a < b for row in found for a, b in pairwise(row))
        and not all(_TIME.match(cell) for row in rows for cell in row[1:])
    )


def _is_of_orange(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row has a type for most columns, and the second the roles of some."""
    if len(rows) < 2:
        return False
    types, roles = ([cell.strip() for cell in row if cell.strip()] for row in rows[:2])
    typed = sum(cell in _TYPES for cell in types)
    some = 0 < len(roles) < len(rows[1])
    return 2 * typed > len(types) and some and _ROLES.issuperset(roles)
