# Made by mlp export: a trained model in one file, to be used and changed as one likes.
"""Labels rows. Python's standard library is all that this needs; with NumPy it is faster.

On the command line, a table in, a table out; --help says more:

    python model.py < rows.csv > labels.csv

In Python, with this file's name for `model`:

    from model import predict, predict_proba
    predict([[5.1, 3.5, 1.4, 0.2]])               # values in the order of columns()
    predict([{"width": 5.1, "height": 3.5, …}])   # or by the name of the column
"""

from __future__ import annotations

import argparse
import csv
import io
import itertools
import math
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from types import SimpleNamespace
from typing import Any

from mlpcli.data.cells import (
    DATES,
    FLOAT32_OVERFLOW,
    find_decimal_comma,
    is_missing,
    read_date,
    read_number,
)
from mlpcli.data.formats.matching import find_columns
from mlpcli.data.formats.text_table import TextTable
from mlpcli.errors import DataError
from mlpcli.export.predictor_inputs import encoder_of
from mlpcli.export.predictor_network import forward, say, unpack
from mlpcli.text import quoted

CHUNK = 1024  # rows at a time


def predict(rows: Iterable[Any]) -> list[Any]:
    """The answer for each row: its label, or a number.

    A row is a sequence of values, or a dict by column.
    """
    return [answer for answer, _ in _answers(_read(rows))]


def predict_proba(rows: Iterable[Any]) -> list[list[float]]:
    """The probabilities of each row, in the order of classes()."""
    if not MODEL["classes"]:
        raise ValueError("the model predicts numbers, which have no probabilities")
    return [probs for _, probs in _answers(_read(rows))]


def classes() -> list[Any]:
    """The labels that there are."""
    return list(MODEL["classes"])


def columns() -> list[str] | None:
    """The names of the columns, in order; None if they have none."""
    names = [column["name"] for column in MODEL["columns"]]
    return None if not names or None in names else names


def _answers(rows: Iterable[list[Any]]) -> Iterator[tuple[Any, list[float]]]:
    """(answer, probabilities) of each row of values; a number stands for itself."""
    numbered = enumerate(rows, 1)
    while chunk := list(itertools.islice(numbered, CHUNK)):
        said = _ask([row for _, row in chunk])
        for (number, row), (values, scores) in zip(chunk, said):
            if not all(map(math.isfinite, values)):
                lacks = any(value != value for value in row)  # of a table, a gap is filled
                what = "lacks a pixel" if lacks else "is too large: its scores overflow"
                raise ValueError(f"row {number}: {what}")
            classes = MODEL["classes"]
            yield classes[scores.index(max(scores))] if classes else values[0], values


# Rows to values: numbers, days since 1970-01-01, or texts; NaN is missing


@cache
def _columns() -> list[dict[str, Any]]:
    """The columns, also those of pixels, which are numbers."""
    positions = MODEL["table"]["positions"]
    plain = {"name": None, "kind": "number", "order": "", "decimal": "", "unit": "", "lenient": 0}
    named = MODEL["columns"] or [plain] * len(positions)
    return [{**plain, **column, "position": j} for column, j in zip(named, positions)]


def _read(rows: Iterable[Any]) -> Iterator[list[Any]]:
    """The values of each row, in the order of the columns."""
    names = columns()
    plain = [(column, column["kind"] == "number") for column in _columns()]
    for number, row in enumerate(rows, 1):
        keys = row if isinstance(row, dict) else getattr(getattr(row, "dtype", 0), "names", None)
        if keys is not None:
            if not names:
                raise ValueError("the columns have no names; give the values of a row in order")
            for name in names:
                if name not in keys:
                    raise ValueError(f"row {number}: has no column {name!r}")
            row = [row[name] for name in names]
        listed = hasattr(row, "__len__") and not isinstance(row, (str, bytes, set))
        if not listed or len(row) != MODEL["inputs"]:
            has = f"has {len(row)} values" if listed else f"is {row!r}"
            raise ValueError(f"row {number}: {has}, expected {MODEL['inputs']}")
        row = row.tolist() if hasattr(row, "tolist") else row  # as Python's numbers
        yield [
            value
            if is_number and type(value) in (float, int) and abs(value) < FLOAT32_OVERFLOW
            else _value(value, number, column)
            for value, (column, is_number) in zip(row, plain)
        ]


def _value(value: Any, number: int, column: dict[str, Any]) -> Any:
    try:
        cell, mark = str(value), column["decimal"] if isinstance(value, str) else "."
        read = _read_cell(cell, column, find_decimal_comma([cell], False, mark))
    except ValueError:  # it is not finite
        read = None
    if read is None:
        name = column["name"]
        place = column["position"] + 1 if name is None else repr(name)
        raise ValueError(f"row {number}, column {place}: {value!r} is not {_wanted(column)}")
    return read


def _read_cell(cell: str, column: dict[str, Any], comma: bool = False) -> Any:
    """The value of a cell, or None if it is not what the column wants."""
    if column["kind"] == "category":
        return math.nan if is_missing(cell) else cell.strip()
    if column["kind"] != "date":
        value = read_number(cell, comma, column["unit"])
    else:
        value = read_date(cell, column["order"])
    return math.nan if value is None and column["lenient"] else value


def _wanted(column: dict[str, Any]) -> str:
    return DATES[column["order"]] if column["kind"] == "date" else "a number"


# Networks


def _ask(rows: list[list[Any]]) -> list[tuple[list[float], list[float]]]:
    """What is said of each row, and the scores that tell equal probabilities apart."""
    said = []
    for network, encode, layers in _networks():
        scores = forward([encode(row) for row in rows], layers)
        said.append([(say(network, each), each) for each in scores])
    if len(said) == 1:
        return said[0]
    answers = []
    for each in zip(*said):  # what each network says of a row
        mean = [sum(values) / len(said) for values in zip(*(values for values, _ in each))]
        answers.append((mean, mean))
    return answers


@cache
def _networks() -> list[tuple[Any, Any, Any]]:
    """Each network, with what encodes its inputs, and its layers."""
    return [(each, encoder_of(each["encoding"]), unpack(each)) for each in MODEL["networks"]]


# Tables, which are read as mlp predict reads them


def _open(stream: Any, source: str, has_header: str) -> tuple[TextTable, Sequence[int]]:
    """A table, and where the columns are in it."""
    about = MODEL["table"]
    layout: Any = SimpleNamespace(
        **about,
        columns=[SimpleNamespace(**column) for column in _columns()],
        names=columns() or (),
        model=os.path.basename(sys.argv[0]),
    )
    layout.label = SimpleNamespace(**layout.label)
    table = TextTable(
        io.BytesIO(stream.read()),
        source,
        known=layout.names,
        named=about["numeric"],
        has_header=has_header,
        delimiter="\t" if source.lower().endswith((".tsv", ".tsv.gz")) else None,
    )
    return table, find_columns(table, layout, None, labelled=False)[0]


def _rows(table: TextTable, places: Sequence[int]) -> Iterator[list[Any]]:
    """The values of each row."""
    columns = []
    for j, column in zip(places, _columns()):
        head = (row[j] for row in table.head if j < len(row))
        comma = find_decimal_comma(head, table.decimal_comma, column["decimal"])
        columns.append((j, column, comma))
    for number, cells in table.rows():
        values = []
        for place, column, comma in columns:
            try:
                value = _read_cell(cells[place], column, comma)
                if value is None:
                    what = f"{quoted(cells[place].strip())} is not {_wanted(column)}"
                    raise ValueError(f"{what}; correct it, or leave it empty")
            except ValueError as error:
                raise DataError(f"{table.where(number, place)}: {error}") from None
            values.append(value)
        yield values


def main() -> None:
    """Read a table on standard input, write one on standard output."""
    parser = argparse.ArgumentParser(description="Label the rows of a CSV table.")
    parser.add_argument("table", nargs="?", metavar="FILE.csv", help="the table [standard input]")
    parser.add_argument(
        "--probabilities", action="store_true", help="add a column for each class: p_ and its label"
    )
    parser.add_argument(
        "--header", choices=("auto", "yes", "no"), default="auto", help="does it name the columns?"
    )
    arguments = parser.parse_args()
    source, text = arguments.table or "stdin", io.StringIO()
    try:
        with open(arguments.table, "rb") if arguments.table else sys.stdin.buffer as stream:
            table, places = _open(stream, source, arguments.header)
        _write(text, _answers(_rows(table, places)), arguments.probabilities)
    except OSError as error:
        sys.exit(_say(f"{source}: cannot be read: {error.strerror or error}"))
    except (DataError, ValueError) as error:
        sys.exit(_say(str(error)))
    for notice in table.notices:
        _say(f"{source}: {notice}")
    try:
        sys.stdout.buffer.write(text.getvalue().encode())
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read the answers has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _write(file: Any, answers: Iterable[tuple[Any, list[float]]], probabilities: bool) -> None:
    """Write a table of answers."""
    labels, names = MODEL["classes"], MODEL["names"]
    out = csv.writer(file, lineterminator="\n")
    head = (["label"] if labels else ["value"]) + (["name"] if names else [])
    out.writerow(head + [f"p_{label}" for label in labels if probabilities])
    for answer, values in answers:
        line = [answer if labels else f"{answer:.{MODEL['digits']}g}"]
        if names:
            named = isinstance(answer, int) and 0 <= answer < len(names)
            line.append(names[answer] if named else "")
        out.writerow(line + [f"{p:.6g}" for p in values if labels and probabilities])


def _say(text: str) -> int:
    """Tell a person a line; returns the exit code of what cannot be read."""
    print(f"{os.path.basename(sys.argv[0])}: {text}", file=sys.stderr)
    return 3


MODEL: dict[str, Any] = {}  # filled in by mlp export

if __name__ == "__main__":
    main()
