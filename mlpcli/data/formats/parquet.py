"""Tables in Parquet files, read by pyarrow, with the kinds that text tables have."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlpcli.arrays import Array
from mlpcli.data.cells import FLOAT32_OVERFLOW
from mlpcli.data.formats.header import clean_names, find_column, find_unnamed
from mlpcli.data.readings import NumberCells, OddCellError, Reading
from mlpcli.errors import DataError, MlpError, suggest_install
from mlpcli.files import open_input
from mlpcli.text import one_line, quoted

_ROWS = 65_536  # read at a time
_HEAD_ROWS = 200


def open_parquet(source: str, *_: object) -> ParquetTable:
    """Open a Parquet file, whose kinds and names of columns nothing else has to tell."""
    return ParquetTable(Path(source).expanduser(), source)


class ParquetTable:
    """A Parquet file whose schema has been read; for the attributes see `TableReader`.

    Booleans and text are categories, dates and times are dates, as days from UTC.

    Raises:
        MlpError: pyarrow is not installed.
        DataError: it is no Parquet file.
    """

    decimal_comma = False
    may_have_header = False
    nominal: frozenset[int] = frozenset()

    def __init__(self, path: Path, source: str) -> None:
        try:
            import pyarrow.parquet as parquet
        except ImportError:
            raise MlpError(
                f"{source}: reading Parquet needs pyarrow; install it by: "
                f"{suggest_install('pyarrow')}"
            ) from None
        self.source = source
        self.bad_rows: dict[int, str] | None = None
        with open_input(path) as file:
            self.digest = hashlib.file_digest(file, "sha256").hexdigest()
        try:
            self._file = parquet.ParquetFile(path)
            schema = self._file.schema_arrow
            head = next(self._file.iter_batches(_HEAD_ROWS), None)
        except Exception as error:  # pyarrow's own, of many kinds
            raise DataError(
                f"{source}: not a Parquet file, or a damaged one ({one_line(error, 100)})"
            ) from error
        self.header, numbered = clean_names(list(schema.names), source)
        self.width = len(self.header)
        self.unnamed = find_unnamed(schema.names)
        self.notices = [f"has {quoted(name)} more than once; numbered" for name in numbered]
        if head is None or not head.num_rows or not self.width:
            raise DataError(f"{source}: has no rows")
        texts = [["" if t is None else t for t in _texts(column)] for column in head.columns]
        self.head = [list(row) for row in zip(*texts, strict=True)]

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """(number from 1, cells) of every row, as text; missing ones are empty."""
        done = 0
        for batch in self._file.iter_batches(_ROWS):
            columns = [["" if text is None else text for text in _texts(c)] for c in batch.columns]
            yield from enumerate(map(list, zip(*columns, strict=True)), done + 1)
            done += batch.num_rows

    def take_first_row_for_header(self) -> None:
        """There is always a header."""

    def find(self, wanted: str) -> int:
        """The position of a column, by name or index; see `find_column`."""
        return find_column(wanted, self.header, self.width, self.source)

    def find_name(self, name: str) -> int:
        """The position of a column, by name."""
        return find_column(name, self.header, self.width, self.source, by_index=False)

    def show(self, column: int) -> str:
        """What to call a column in messages."""
        return f"column {quoted(self.header[column])}"

    def blocks(self, positions: Sequence[int], readings: Sequence[Reading]) -> Iterator[Array]:
        """Every row's values in some columns, (n, len(positions)) float64 of some rows at a time.

        Raises:
            DataError: a column that is no plain values, or a value that its reading refuses.
        """
        done = 0
        try:
            for batch in self._file.iter_batches(_ROWS):
                values = np.empty((batch.num_rows, len(positions)))
                for i, (position, reading) in enumerate(zip(positions, readings, strict=True)):
                    values[:, i] = self._values(batch.column(position), position, reading, done)
                yield values
                done += batch.num_rows
        except OSError as error:
            raise DataError(f"{self.source}: is damaged ({one_line(error, 100)})") from error

    def _values(self, column: Any, position: int, reading: Reading, done: int) -> Array:
        import pyarrow as pa

        kind = column.type
        is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
        if isinstance(reading, NumberCells) and is_number:
            cast = column.cast(pa.float64(), safe=False)
            numbers: Array = cast.to_numpy(zero_copy_only=False)
            with np.errstate(invalid="ignore"):
                bad = np.flatnonzero(np.abs(numbers) >= FLOAT32_OVERFLOW)
            if len(bad):
                row = done + int(bad[0]) + 1
                raise DataError(
                    f"{self.source}: row {row}, {self.show(position)}: "
                    f"{float(numbers[bad[0]])!r} is not finite in float32; "
                    "correct it, drop the row, or rescale the column"
                )
            return np.asarray(numbers)
        if pa.types.is_nested(kind) or _is_binary(kind):
            raise DataError(
                f"{self.source}: {self.show(position)} is of {kind}, not of plain values; "
                f"leave it out by --ignore {quoted(self.header[position])}"
            )
        encoded = column if pa.types.is_dictionary(kind) else column.dictionary_encode()
        texts = _texts(encoded.dictionary)
        indices = encoded.indices.fill_null(len(texts)).to_numpy(zero_copy_only=False)
        known = np.empty(len(texts) + 1)
        known[-1] = np.nan
        codes, first, counts = np.unique(indices, return_index=True, return_counts=True)
        for code, row, count in zip(codes.tolist(), first.tolist(), counts.tolist(), strict=True):
            if code < len(texts):
                where = f"{self.source}: row {done + row + 1}, {self.show(position)}"
                known[code] = _read(reading, texts[code] or "", where, count)
        values: Array = known[indices]
        return values


def _read(reading: Reading, text: str, where: str, count: int) -> float:
    try:
        return reading.read(text)
    except OddCellError:
        reading.note_odd(where, text, count)
        return np.nan
    except ValueError as error:
        raise DataError(f"{where}: {error}") from error


def _is_binary(kind: Any) -> bool:
    import pyarrow as pa

    tests = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary)
    return any(test(kind) for test in tests)


def _texts(column: Any) -> list[str | None]:
    """The values of an array, as a text table has them."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.dictionary_decode()
        kind = column.type
    if pa.types.is_timestamp(kind):
        moments = column.cast(pa.timestamp("us"), safe=False).to_numpy(zero_copy_only=False)
        return [None if np.isnat(moment) else str(moment) for moment in moments]
    if pa.types.is_date(kind):
        return [None if day is None else day.isoformat() for day in column.to_pylist()]
    return [None if value is None else str(value) for value in column.to_pylist()]
