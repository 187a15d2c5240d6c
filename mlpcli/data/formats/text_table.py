"""A table in text as cells: CSV, TSV and their like, from a file or a stream.

It needs Python's standard library alone, as a model's exported Python file reads tables by it.
"""

from __future__ import annotations

import csv
import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import IO

from mlpcli.data.cells import parse_written
from mlpcli.data.formats.header import (
    WHITE_SPACE,
    clean_names,
    find_column,
    find_unnamed,
    folded,
    guess_delimiter,
    has_decimal_comma,
    has_names,
    is_header,
    is_index,
    requoted,
    split_rows,
    tabbed,
    try_split,
    unescaped,
    unmarked,
)
from mlpcli.data.formats.text_lines import TextLines, count_lines, split_lines
from mlpcli.errors import DataError
from mlpcli.text import name_columns, quoted

_HEAD_ROWS = 200  # that tell what the table is like …
_HEAD_CELLS = 100_000  # … or fewer, when they are very wide
_HEAD_LINES = 100  # that tell what separates cells
_COMMENT = ("#", "%")
# The head of an ARFF file (Weka), and what KEEL makes of it.
_DECLARES = re.compile(r"\s*@(?:relation|attribute|inputs?|outputs?|data)(?:\s|$)", re.IGNORECASE)
_DECLARED = re.compile(
    r"""\s*@attribute\s+(?:(['"])((?:[^\\]|\\.)*?)\1|([^\s{]+))\s*(\{)?""", re.IGNORECASE
)


class TextTable:
    """A text table whose head has been read: its columns are known, its rows are still to come.

    Cells are separated by commas, semicolons, tabs, bars or white space, whatever the first lines
    agree on. They may be quoted by `"`, where `""` is a quote, and then hold line breaks. Blank
    lines, comments (`#`, `%`) and a delimiter after each row don't count.

    Attributes:
        source: what to call the table in messages.
        header: the columns' names, or None.
        unnamed: columns that have no name in the header.
        nominal: columns that an ARFF file declares as categories.
        may_have_header: whether the first row was taken for a sample though nobody said so.
        width: the number of columns.
        cells: how many of them a line has.
        delimiter: what separates them, once runs of white space have become tabs.
        head: the cells of the first rows.
        first_row: the number of the line on which the rows begin.
        decimal_comma: whether numbers have one.
        notices: what was assumed that is not obvious.
        bad_rows: {row from 0: why it could not be read} of the last pass, all of whose values are
            NaN; None if such a row is an error.

    Args:
        stream: opened for reading bytes, at its beginning; it must be able to seek back there.
        source: see above.
        known: the names that a model's columns have.
        named: names, and indices, of columns that it is said to have.
        label: that of the labels' column; None if nothing is said.
        has_header: "auto", "yes" or "no".
        delimiter: what separates cells, if it is known.

    Raises:
        DataError: the head is empty, or no text.
    """

    def __init__(
        self,
        stream: IO[bytes],
        source: str,
        *,
        known: Iterable[str] = (),
        named: Iterable[str] = (),
        label: str | None = None,
        has_header: str = "auto",
        delimiter: str | None = None,
    ) -> None:
        self.source = source
        self.notices: list[str] = []
        self.bad_rows: dict[int, str] | None = None
        self.header: tuple[str, ...] | None = None
        self.unnamed: frozenset[int] = frozenset()
        self.nominal: frozenset[int] = frozenset()
        self.may_have_header = False
        self.cells = 0
        self._declared: list[str] = []
        self._tidy: Callable[[str], str] | None = None
        self._known = [*known]
        self.lines = TextLines(stream, source)
        number, rows, comment = self._read_head(delimiter)
        texts = [cells for _, cells in rows]
        self._take_widths(texts)
        if len(self._declared) != self.width:
            self.nominal = frozenset()
        if has_header == "auto":
            names = self._find_names(texts, comment, named, label)
        else:
            names = texts[0] if has_header == "yes" else None
        if names is texts[0]:
            if len(rows) == 1:
                raise DataError(f"{source}: has a header and no rows")
            del rows[0]
        if names is not None:
            self.set_names(names)
        self.first_row = number + rows[0][0]
        self.head = [self._fit(cells) for _, cells in rows]

    def find(self, wanted: str) -> int:
        """The position of a column that is given as `--label-column` is; see `find_column`."""
        return find_column(wanted, self.header, self.width, self.source)

    def find_name(self, name: str) -> int:
        """The position of a column of the header, by its name alone."""
        return find_column(name, self.header or (), self.width, self.source, by_index=False)

    def show(self, column: int) -> str:
        """What to call a column in messages."""
        return f"column {column + 1 if self.header is None else quoted(self.header[column])}"

    def where(self, number: int, column: int) -> str:
        """A cell's place in messages."""
        return f"{self.source}: row {number}, {self.show(column)}"

    # The head

    def _read_head(self, delimiter: str | None) -> tuple[int, list[tuple[int, list[str]]], str]:
        """(number of a line, (offset from it, cells) of the first rows, the comment before)."""
        number, lines, comment = self._first_lines()
        if self._declared and lines[0].lstrip().startswith("{"):
            raise DataError(f"{self.source}: is a sparse ARFF file; save it as a dense one, or CSV")
        self._tidy = requoted if self._declared else None
        if match := re.fullmatch(r"sep=(.)", lines[0].strip(" ")):  # Excel's own way to say it
            delimiter = match[1]
            number, lines = number + 1, lines[1:]
        sample = [line for line in self._tidied(lines) if line.strip()][:_HEAD_LINES]
        if not sample:
            raise DataError(f"{self.source}: is empty; one row per sample is expected")
        if delimiter is None or not any(delimiter in line for line in sample):
            delimiter = guess_delimiter(sample, self._known, comment)
        self._tidy = tabbed if delimiter == WHITE_SPACE else self._tidy
        self._mark = delimiter
        self.delimiter = delimiter.replace(WHITE_SPACE, "\t")
        rows = self._without_title(self._head_rows(lines))
        self._refuse_quoted_rows([cells for _, cells in rows])
        self.decimal_comma = has_decimal_comma((cells for _, cells in rows), delimiter)
        return number, rows, comment

    def _refuse_quoted_rows(self, rows: Sequence[list[str]]) -> None:
        """Refuse rows of one cell each that are rows of several, all alike."""
        inner = [cells[0] for cells in rows if len(cells) == 1]
        mark = next((mark for mark in ",;\t|" if inner and mark in inner[0]), None)
        if mark is None or not len(inner) == len(rows) > 1 or inner[0] in self._known:
            return
        with suppress(csv.Error):  # then they are texts
            if len({len(cells) for _, cells in split_rows(inner, mark)}) == 1:
                raise DataError(
                    f"{self.source}: each row is quoted as a whole, and so is one cell; remove the "
                    """outer quotes, as sed 's/^"//; s/"$//; s/""/"/g' does"""
                )

    def _first_lines(self) -> tuple[int, list[str], str]:
        """(number of the first line that is no comment, lines from it on, the last comment)."""
        number, lines = 1, [""]
        for first, block in self.lines.blocks():
            if not any(map(str.strip, lines)):  # blank ones so far, which need not be kept
                number, lines = first, []
            lines += split_lines(block)
            if sum(1 for _ in itertools.islice(filter(str.strip, lines), 3)) > 1:
                break
        filled = [index for index, line in enumerate(lines) if line.strip()]
        if not filled:
            raise DataError(f"{self.source}: is empty; one row per sample is expected")
        rows = [index for index in filled if not _is_remark(lines[index])]
        start = rows[0] if rows else filled[0]
        comments = [lines[index] for index in filled if index < start]
        declared = list(filter(None, map(_DECLARED.match, comments)))
        self._declared = [unescaped(match[2] or match[3] or "") for match in declared]
        self.nominal = frozenset(j for j, match in enumerate(declared) if match[4])
        return number + start, lines[start:], comments[-1] if comments else ""

    def _head_rows(self, lines: list[str]) -> list[tuple[int, list[str]]]:
        rows: list[tuple[int, list[str]]] = []
        cells = 0
        for offset, row in self.split(self._tidied(lines), 1):
            rows.append((offset, row))
            cells += len(row)
            if len(rows) > _HEAD_ROWS or (cells > _HEAD_CELLS and len(rows) > 1):
                break
        return [row for row in rows if not _is_stray(row[1], len(rows[0][1]))]

    def _without_title(self, rows: list[tuple[int, list[str]]]) -> list[tuple[int, list[str]]]:
        """The rows from the header on, or the first sample, if lines of few cells stand before."""
        width = Counter(len(cells) for _, cells in rows).most_common(1)[0][0]
        few = [sum(map(bool, map(str.strip, cells))) <= width // 3 for _, cells in rows]
        first = [*few, False].index(False)
        titles, rest = rows[:first], rows[first:]
        if not titles or len(rest) < 2 or len(rest[0][1]) != width:
            return rows
        texts = [cells for _, cells in rest if len(cells) == width]
        named = is_header(texts, False, width - 1, ())[0]
        if not named and any(len(cells) == width for _, cells in titles):
            return rows  # they may be samples that lack much
        what = "line is" if len(titles) == 1 else f"{len(titles)} lines are"
        come = "columns' names" if named else "samples"
        self.notices.append(f"the first {what} left out: the {come} come after")
        return rest

    def _take_widths(self, rows: Sequence[list[str]]) -> None:
        """How many columns there are, and how many cells a line has."""
        first, below = rows[0], rows[1:]
        self.width = self.cells = len(first)
        self._unnamed_first = False
        longer = bool(below) and all(len(cells) == len(first) + 1 for cells in below)
        blank = longer and not any(cells[-1].strip() for cells in below)
        if longer and (blank or not any(parse_written(cell) is not None for cell in first)):
            self.cells += 1
            if not blank:
                self.width += 1
                self._unnamed_first = True  # as R writes the names of rows
            return
        full = [cells for cells in rows if len(cells) == len(first)]
        while self.width > 1 and not any(cells[self.width - 1].strip() for cells in full):
            self.width -= 1

    def _find_names(
        self,
        rows: list[list[str]],
        comment: str,
        named: Iterable[str],
        label: str | None,
    ) -> list[str] | None:
        """The first row, or the cells of the comment before it, or None."""
        first = rows[0]
        if len(self._declared) == self.width:
            return self._declared
        said = {folded(name) for name in named if not is_index(name)}
        if self._unnamed_first or said & set(map(folded, first)):
            found, obvious = True, True
        else:
            place = int(label) % self.width if label and is_index(label) else self.width - 1
            fitted = [self._fit(row) for row in rows]
            found, obvious = is_header(fitted, self.decimal_comma, place, self._known)
        if not has_names(first, self._known):
            for text in unmarked(comment):
                remark = next(iter(try_split(self._tidied([text]), self.delimiter)), [])
                if self.width <= len(remark) <= self.cells and has_names(remark, self._known):
                    self.width = len(remark)  # columns that are blank in the rows have names, too
                    return remark
            if len(remark) == self.width > 1 and not found:
                return remark
        self.may_have_header = not found
        if not obvious:
            self.notices.append(
                "the first row is taken for the header; if it is a sample, --header no"
                if found
                else "the first row is taken for a sample; if it is the header, --header yes"
            )
        return first if found else None

    def set_names(self, names: Sequence[str]) -> None:
        """Take these, which may be blank or alike, for the header."""
        names = ["", *names] if self._unnamed_first else names
        self.header, numbered = clean_names(names[: self.width], self.source)
        self.unnamed = find_unnamed(names[: self.width])
        if numbered:
            self.notices.append(
                f"the header has {', '.join(map(quoted, dict.fromkeys(numbered)))} more than once; "
                "those after the first are numbered"
            )

    # The rows

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """(line number, cells) of every row but the header, as they are written.

        Raises:
            DataError: a row of another width, if that is an error.
        """
        for first, block in self.row_blocks():
            for offset, cells in self.split(split_lines(block), first):
                if self.bad_rows is not None:
                    cells = [*cells, *[""] * self.width][: self.width]
                yield first + offset, self.checked(cells, first + offset)

    def row_blocks(self) -> Iterator[tuple[int, bytes]]:
        """The lines from the first row on, with the number of the first."""
        for first, block in self.lines.blocks():
            before = self.first_row - first
            if before > 0 and before >= count_lines(block):
                continue
            for _ in range(before):
                block = block[block.index(b"\n") + 1 :]
            if self._tidy:
                block = "\n".join(self._tidied(split_lines(block))).encode()
            yield first + max(before, 0), block

    def split(self, lines: Sequence[str], first: int) -> Iterator[tuple[int, list[str]]]:
        """(offset, cells) of each row of some lines from number `first` on."""
        try:
            for offset, cells in split_rows(lines, self.delimiter):
                if not (self.cells and _is_stray(cells, self.cells)):
                    yield offset, cells
        except csv.Error as error:
            raise DataError(
                f"{self.source}: row {first + int(str(error))} has a quote that is not closed, "
                f"or a cell of more than {csv.field_size_limit():,} characters; "
                "close the quote, or write a quote within a cell as two"
            ) from error

    def checked(self, cells: list[str], number: int) -> list[str]:
        """The cells of row `number`, which must be one per column."""
        cells = self._fit(cells)
        if len(cells) != self.width:
            raise DataError(
                f"{self.source}: row {number} has {name_columns(len(cells))}, "
                f"expected {self.width} as in the first row; "
                f"fill it up or remove it, or quote the cells that hold a {quoted(self._mark)}"
            )
        return cells

    def _tidied(self, lines: list[str]) -> list[str]:
        """The lines as CSV has them, but for the delimiter."""
        return list(map(self._tidy, lines)) if self._tidy else lines

    def _fit(self, cells: list[str]) -> list[str]:
        """The cells without blank ones beyond the last column."""
        if len(cells) > self.width and not any(map(str.strip, cells[self.width :])):
            return cells[: self.width]
        return cells


def _is_remark(line: str) -> bool:
    """Whether a line before the first row is none."""
    return line.lstrip().startswith(_COMMENT) or _DECLARES.match(line) is not None


def _is_stray(cells: list[str], width: int) -> bool:
    """Whether a row of a table of so many cells is a comment among the rows."""
    return len(cells) != width and cells[0].lstrip().startswith(_COMMENT)
