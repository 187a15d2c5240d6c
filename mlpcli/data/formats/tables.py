"""Tables opened from paths or standard input, each by the reader of its format."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from mlpcli.data.cells import decimal_mark
from mlpcli.data.columns import Layout, TableOptions
from mlpcli.data.formats.collect import RawTable, Table, collect
from mlpcli.data.formats.registry import FORMATS, STDIN, format_of
from mlpcli.data.formats.table import TableReader
from mlpcli.errors import DataError
from mlpcli.files import open_input

_SUFFIXES_OF_TABS = (".tsv", ".tsv.gz")


def read_tables(
    sources: Sequence[str],
    options: TableOptions | None = None,
    layout: Layout | None = None,
    *,
    labelled: bool = True,
) -> Table:
    """Read files, or `-` for standard input, as one table; for the arguments see `collect`.

    Raises:
        DataError: one cannot be read, or has another decimal mark than the first.
        OSError: one cannot be opened.
    """
    with open_tables(sources, options, () if layout is None else layout.names) as tables:
        for table in tables[1:]:
            _refuse_other_decimals(table, tables[0])
        return collect(tables, options, layout, labelled=labelled)


def _refuse_other_decimals(table: RawTable, first: RawTable) -> None:
    """Refuse tables of one run whose numbers have, plainly, other decimal marks."""
    if table.decimal_comma == first.decimal_comma:
        return
    if all(any(decimal_mark(c) for row in t.head for c in row) for t in (table, first)):
        marks = ("comma", "point") if table.decimal_comma else ("point", "comma")
        raise DataError(
            f"{table.source}: its numbers have a decimal {marks[0]}, those of {first.source} a "
            f"{marks[1]}; write them alike"
        )


@contextmanager
def open_tables(
    sources: Sequence[str], options: TableOptions | None = None, known: Iterable[str] = ()
) -> Iterator[list[RawTable]]:
    """The tables of some files, whose heads have been read."""
    with ExitStack() as stack:
        formats = [format_of(source) or FORMATS[0] for source in sources]
        yield [
            form.opener("table")(source, options, known, stack)
            for form, source in zip(formats, sources, strict=True)
        ]


def open_text(
    source: str, options: TableOptions | None, known: Iterable[str], stack: ExitStack
) -> RawTable:
    """Open a text table, or standard input for `-`."""
    if source == STDIN:
        stream, name = _seekable(stack, sys.stdin.buffer), "stdin"
    else:
        stream = _seekable(
            stack, stack.enter_context(open_input(Path(source).expanduser(), pipes=True))
        )
        name = source
    tabs = source.lower().endswith(_SUFFIXES_OF_TABS)
    return TableReader(stream, name, options, known, "\t" if tabs else None)


def _seekable(stack: ExitStack, stream: IO[bytes]) -> IO[bytes]:
    """The stream, or if it is a pipe, a file of all that came out of it."""
    if stream.seekable():
        return stream
    copy: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
    stack.enter_context(copy)
    shutil.copyfileobj(stream, copy)
    copy.seek(0)
    return copy
