"""Tables of numbers in text, CSV or TSV, from a file or a stream, with or without labels.

Rows are parsed in blocks by NumPy's C parser. A block that it cannot take is parsed again cell by
cell, which gives the same values or the row and column of what is wrong.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import IO

import numpy as np

from mlpcli.arrays import Array
from mlpcli.data.columns import MISSING, Codes, has_decimal_comma, parse_number
from mlpcli.errors import DataError
from mlpcli.text import CONTROL, name_columns, quoted

_BLOCK = 1 << 20  # bytes read at a time
_MAX_LINE = 1 << 22  # bytes; 300,000 columns fit, a file without line ends does not
_MAX_FRACTIONAL_CLASSES = 20
_HEAD_ROWS = 20  # rows below the first that tell whether it is a header …
_HEAD_CELLS = 100_000  # … or fewer, when they are very wide
_FLOAT32_OVERFLOW = 2.0**128 - 2.0**103  # rounds to infinity, as does all that is larger


@dataclass(frozen=True)
class Table:
    """What a table holds.

    Attributes:
        X: (N, D) float32 features, finite.
        labels: (N,) int64 or text (`<U…`); None where no label was asked for.
        positions: the D features' places in the file, from 0.
        columns: the D features' names, where there is a header.
        label_name: the name of the label's column, where there is a header.
        digest: SHA-256 of the bytes read.
    """

    X: Array
    labels: Array | None
    positions: tuple[int, ...]
    columns: tuple[str, ...] | None
    label_name: str | None
    digest: str


class TableReader:
    """A table whose head has been read: its columns are known, its rows are still to come.

    The text is UTF-8, with or without a byte order mark. Cells are separated by commas; or by
    semicolons or tabs, if the first line has those and no comma. They may be quoted by `"`, where
    `""` is a quote; a quoted cell ends on its line. Blank lines don't count as rows.

    The first row is a header if it has a cell that is no number above cells that are (most of the
    next twenty).

    Attributes:
        source: what to call the table in messages.
        header: the columns' names, or None.
        width: the number of columns.

    Args:
        stream: opened for reading bytes; it is read in order, once.
        source: see above.
        delimiter: what separates cells, if it is known.

    Raises:
        DataError: the head is empty, not UTF-8 text, or its names are not unique.
    """

    def __init__(self, stream: IO[bytes], source: str, delimiter: str | None = None) -> None:
        self.source = source
        self._sha256 = hashlib.sha256()
        self._blocks = self._read_blocks(stream)
        self._pending = self._read_head()
        first, lines = self._pending[0]
        self._delimiter = delimiter or _guess_delimiter(
            next(line for line in lines if line.strip())
        )
        rows = self._head_rows()
        head_line, names = rows[0]
        self.width = len(names)
        self.header: tuple[str, ...] | None = None
        if _is_header([cells for _, cells in rows]):
            self.header = tuple(name.strip() for name in names)
            self._check_names()
            lines[head_line - first] = ""  # keeps the numbers of the lines below
            if len(rows) == 1:
                raise DataError(f"{source}: has a header and no rows")
        self._first_row = rows[0 if self.header is None else 1][0]

    def find(self, wanted: str) -> int:
        """The position of a column given as `--label-column` is: by its name or its index.

        Indices count from 0, negative ones from the end. A name in the header wins over an index.

        Raises:
            DataError: there is no such column.
        """
        if self.header is not None and wanted in self.header:
            return self.find_name(wanted)
        if re.fullmatch(r"[+-]?[0-9]{1,9}", wanted):
            index = int(wanted)
            if not -self.width <= index < self.width:
                raise DataError(
                    f"{self.source}: no column {wanted}: it has {self.width} columns, "
                    f"0 to {self.width - 1} (or -{self.width} to -1)"
                )
            return index % self.width
        if self.header is None:
            raise DataError(
                f"{self.source}: no column {quoted(wanted)}: it has no header; "
                f"give the column's index, 0 to {self.width - 1} (or -1 for the last)"
            )
        return self.find_name(wanted)

    def find_name(self, name: str) -> int:
        """The position of a column of the header, by its name alone.

        Raises:
            DataError: the header does not have it; the nearest that it has.
        """
        header = self.header or ()
        if name in header:
            return header.index(name)
        near = get_close_matches(name, header, n=1, cutoff=0.5)
        if near:
            found = f"did you mean {quoted(near[0])}?"
        else:
            some = ", ".join(quoted(other) for other in header[:10])
            found = f"there is {some}{' …' if len(header) > 10 else ''}"
        raise DataError(f"{self.source}: no column {quoted(name)}; {found}")

    def read(self, *, label: int | None = None, features: Sequence[int] | None = None) -> Table:
        """Read the rows.

        Args:
            label: the position of the label's column; None if there is none to read.
            features: the positions of the columns that become X's, in that order; None for all but
                the label's. Other columns may hold anything.

        Labels that are all integral numbers become int64, so that "3" and "3.0" are one class.
        Otherwise they are text as it was written, stripped. Numbers some of which are fractional
        are float64; up to 20 different ones are text, which is the same for the same number.

        Raises:
            DataError: a row of another width, a feature that is missing, no number, not finite or
                too large for float32; a label that is missing or over-long. Row numbers are those
                of the file's lines, from 1.
        """
        if features is None:
            features = [j for j in range(self.width) if j != label]
        if not features:
            raise DataError(
                f"{self.source}: has a single column, but a label and at least one feature are "
                "needed; are its cells separated by commas (or tabs, in a .tsv)?"
            )
        codes_of = Codes()
        X_blocks, code_blocks = [], []
        for first, lines in self._rest():
            X, codes = self._parse(first, lines, list(features), label, codes_of)
            X_blocks.append(X)
            code_blocks.append(codes)
        return Table(
            X=np.concatenate(X_blocks),
            labels=None if label is None else self._labels(codes_of.names, code_blocks, label),
            positions=tuple(features),
            columns=self.header and tuple(self.header[j] for j in features),
            label_name=self.header[label] if self.header and label is not None else None,
            digest=self._sha256.hexdigest(),
        )

    # ------------------------------------------------------------------ bytes to lines

    def _read_blocks(self, stream: IO[bytes]) -> Iterator[tuple[int, list[str]]]:
        """Whole lines, some at a time, with the number of the first."""
        first, offset, rest, more = 1, 0, b"", True
        while more:
            chunk = self._read(stream)
            more = bool(chunk)
            self._sha256.update(chunk)
            data = rest + chunk
            # A carriage return at the very end may be half of a CRLF.
            end = max(data.rfind(b"\n"), data.rfind(b"\r", 0, -1)) + 1 if more else len(data)
            whole, rest = data[:end], data[end:]
            if len(rest) > _MAX_LINE:
                raise self._line_too_long(first + _count_lines(whole))
            if not whole:
                continue
            lines = self._decode(whole, first, offset)
            if len(whole) > _MAX_LINE:
                for number, line in enumerate(lines, first):
                    if len(line) > _MAX_LINE:
                        raise self._line_too_long(number)
            yield first, lines
            first += len(lines)
            offset += len(whole)

    def _read(self, stream: IO[bytes]) -> bytes:
        try:
            return stream.read(_BLOCK)
        except OSError as error:
            raise DataError(f"{self.source}: cannot be read: {error.strerror or error}") from error

    def _decode(self, data: bytes, first: int, offset: int) -> list[str]:
        """The lines of `data`, which starts at line `first` and byte `offset` of the file."""
        if offset == 0 and data.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise DataError(f"{self.source}: is UTF-16 text; save it as UTF-8")
        bad = data.find(b"\0")
        if bad >= 0:
            raise DataError(
                f"{self.source}: row {first + _count_lines(data[:bad])} has a NUL byte "
                f"(byte {offset + bad}); this is not a text file"
            )
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            raise DataError(
                f"{self.source}: row {first + _count_lines(data[: error.start])} is not UTF-8 "
                f"(byte {offset + error.start} is {data[error.start]:#04x}); save the file as UTF-8"
            ) from error
        if offset == 0:
            text = text.removeprefix("\ufeff")
        lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        if not lines[-1]:
            lines.pop()
        return lines

    def _line_too_long(self, number: int) -> DataError:
        return DataError(
            f"{self.source}: row {number} has more than {_MAX_LINE >> 20} MiB; "
            "this is not a table with one row per sample"
        )

    # ------------------------------------------------------------------ the head

    def _read_head(self) -> list[tuple[int, list[str]]]:
        """The blocks up to the second row."""
        head: list[tuple[int, list[str]]] = []
        rows = 0
        for first, lines in self._blocks:
            here = sum(map(bool, map(str.strip, lines)))
            if here:
                head.append((first, lines))
                rows += here
            if rows > 1:
                break
        if not head:
            raise DataError(f"{self.source}: is empty; one row per sample is expected")
        return head

    def _head_rows(self) -> list[tuple[int, list[str]]]:
        rows: list[tuple[int, list[str]]] = []
        cells = 0
        for first, lines in self._pending:
            for number, row in self._rows(first, lines):
                rows.append((number, row))
                cells += len(row)
                if len(rows) > _HEAD_ROWS or (cells > _HEAD_CELLS and len(rows) > 1):
                    return rows
        return rows

    def _check_names(self) -> None:
        assert self.header is not None
        seen: set[str] = set()
        for j, name in enumerate(self.header):
            if not name:
                raise DataError(
                    f"{self.source}: column {j + 1} has no name in the header; "
                    "name it, or drop it if it only counts the rows"
                )
            if CONTROL.search(name):
                raise DataError(
                    f"{self.source}: column {j + 1} has a control character in its name, "
                    f"{quoted(name)}; take it out"
                )
            if name in seen:
                raise DataError(
                    f"{self.source}: the header has {quoted(name)} twice; "
                    "give each column a name of its own"
                )
            seen.add(name)

    # ------------------------------------------------------------------ lines to values

    def _rest(self) -> Iterator[tuple[int, list[str]]]:
        yield from self._pending
        self._pending = []
        yield from self._blocks

    def _parse(
        self,
        first: int,
        lines: list[str],
        features: list[int],
        label: int | None,
        codes_of: Codes,
    ) -> tuple[Array, Array]:
        """(n, D) float32 features and (n,) int32 label codes of a block."""
        values = self._parse_fast(lines, features, label, codes_of)
        if values is not None:
            with np.errstate(over="ignore"):
                X = values[:, features].astype(np.float32)
            if np.isfinite(X).all():
                codes = values[:, label] if label is not None else np.zeros(len(X))
                return X, codes.astype(np.int32)
        return self._parse_exactly(first, lines, features, label, codes_of)

    def _parse_fast(
        self, lines: list[str], features: list[int], label: int | None, codes_of: Codes
    ) -> Array | None:
        """(n, width) float64 values of all columns, the label's as codes; None if in doubt."""
        n = len(lines) - lines.count("")
        # NumPy knows no quoted cell after a space.
        if n == 0 or any(' "' in line for line in lines):
            return None
        converters: dict[int | str, Callable[[str], float]] = dict.fromkeys(
            set(range(self.width)).difference(features), _ignore
        )
        if label is not None:
            converters[label] = codes_of.__getitem__
        try:
            values = np.loadtxt(
                lines,
                dtype=np.float64,
                comments=None,
                delimiter=self._delimiter,
                converters=converters or None,
                quotechar='"',
                ndmin=2,
            )
        except ValueError:
            return None
        # A quote that was not closed on its line has joined lines.
        return values if values.shape == (n, self.width) else None

    def _parse_exactly(
        self,
        first: int,
        lines: list[str],
        features: list[int],
        label: int | None,
        codes_of: Codes,
    ) -> tuple[Array, Array]:
        """As `_parse`, cell by cell, to say where it is that something is wrong."""
        X, codes = [], []
        for number, cells in self._rows(first, lines):
            if len(cells) != self.width:
                raise DataError(
                    f"{self.source}: row {number} has {name_columns(len(cells))}, "
                    f"expected {self.width} as in the first row; "
                    f"fill it up, or quote the cells that hold a {quoted(self._delimiter)}"
                )
            X.append([self._feature(cells[j], number, j, label) for j in features])
            if label is not None:
                try:
                    codes.append(codes_of[cells[label]])
                except ValueError as error:
                    raise DataError(f"{self._where(number, label)}: {error}") from error
        shape = len(X), len(features)
        return np.array(X, np.float32).reshape(shape), np.array(codes, np.int32)

    def _rows(self, first: int, lines: list[str]) -> Iterator[tuple[int, list[str]]]:
        """The cells of each line that is not blank, with its number."""
        # The empty line shows a quote that is open at the end, as a row that took two lines.
        reader = csv.reader([*lines, ""], delimiter=self._delimiter, skipinitialspace=True)
        done = 0
        try:
            for cells in reader:
                if reader.line_num > done + 1:
                    raise csv.Error
                if done < len(lines) and lines[done].strip():
                    yield first + done, cells
                done += 1
        except csv.Error as error:
            raise DataError(
                f"{self.source}: row {first + done} has a quote that is not closed on its line, "
                f"or a cell of more than {csv.field_size_limit():,} characters; "
                "close the quote, or write a quote within a cell as two"
            ) from error

    def _feature(self, cell: str, number: int, column: int, label: int | None) -> float:
        value = parse_number(cell)
        if value is not None and abs(value) < _FLOAT32_OVERFLOW:
            return value
        where, text = self._where(number, column), cell.strip()
        if not text:
            raise DataError(f"{where}: the value is missing; fill it in or drop the row")
        if text.lower() in MISSING:
            raise DataError(
                f"{where}: {quoted(text)} is a missing value; fill it in or drop the row"
            )
        if value is not None:
            raise DataError(
                f"{where}: {quoted(text)} is not finite in float32; "
                "correct it, drop the row, or rescale the column"
            )
        if has_decimal_comma(text):
            raise DataError(f"{where}: {quoted(text)} is not a number; write a decimal point")
        if number > self._first_row:
            raise DataError(
                f"{where}: {quoted(text)} is not a number; correct it, drop the row, "
                "or one-hot encode or drop the column"
            )
        flag = f"; if it is the label, --label-column {self._flag_value(column)}"
        raise DataError(
            f"{where}: {quoted(text)} is not a number; one-hot encode the column or drop it"
            + ("" if label is None else flag)
        )

    def _labels(self, names: list[str], code_blocks: list[Array], label: int) -> Array:
        """(N,) labels, from the names of the codes, as written, and the codes."""
        codes = np.concatenate(code_blocks)
        numbers = [parse_number(name) for name in names]
        values = [number for number in numbers if number is not None]
        fractional = [
            name for name, value in zip(names, numbers, strict=True) if value and value % 1
        ]
        labels: Array
        if len(values) < len(names):
            labels = np.array(names)
        elif not fractional:
            labels = np.array([self._integer(name, label) for name in names], np.int64)
        else:
            labels = np.array(values)
            if len(set(values)) <= _MAX_FRACTIONAL_CLASSES:
                labels = np.array([repr(value).removesuffix(".0") for value in values])
        y: Array = labels[codes]
        return y

    def _integer(self, name: str, column: int) -> int:
        """The class that an integral number is, exactly if it has no point or exponent."""
        integer = int(name) if re.fullmatch(r"[+-]?[0-9]+", name) else int(float(name))
        if not -(2**63) <= integer < 2**63:
            raise DataError(
                f"{self.source}: the label {quoted(name)} in {self._name(column)} is too large; "
                "number the classes from 0, or name them in words"
            )
        return integer

    def _where(self, number: int, column: int) -> str:
        return f"{self.source}: row {number}, {self._name(column)}"

    def _name(self, column: int) -> str:
        return f"column {column + 1 if self.header is None else quoted(self.header[column])}"

    def _flag_value(self, column: int) -> str:
        return str(column) if self.header is None else quoted(self.header[column])


def _guess_delimiter(line: str) -> str:
    unquoted = re.sub(r'"[^"]*"', "", line)
    return next((mark for mark in ",;\t" if mark in unquoted), ",")


def _is_header(rows: list[list[str]]) -> bool:
    """Whether the first of these rows is one of names."""
    first, below = rows[0], rows[1:]
    if not below:
        return all(parse_number(cell) is None for cell in first)
    for j, name in enumerate(first):
        if parse_number(name) is None and name.strip().lower() not in MISSING:
            column = [row[j] for row in below if j < len(row)]
            present = [cell for cell in column if cell.strip().lower() not in MISSING]
            numeric = [
                cell
                for cell in present
                if parse_number(cell) is not None or has_decimal_comma(cell)
            ]
            if 2 * len(numeric) > len(present):
                return True
    return False


def _ignore(_cell: str) -> float:
    return 0.0


def _count_lines(data: bytes) -> int:
    return data.count(b"\n") + data.count(b"\r") - data.count(b"\r\n")
