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
import datetime
import functools
import io
import itertools
import math
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from mlpcli.data.cells import MISSING, parse_number
from mlpcli.data.formats.header import find_name
from mlpcli.data.formats.matching import match_positions
from mlpcli.export.predictor_inputs import encoders_of
from mlpcli.export.predictor_network import forward, say, unpack

CHUNK = 1024  # rows at a time


def predict(rows: Iterable[Any]) -> list[Any]:
    """The answer for each row: its label, or a number.

    A row is a sequence of values, or a dict by column.
    """
    return [answer for answer, _ in _answers(rows)]


def predict_proba(rows: Iterable[Any]) -> list[list[float]]:
    """The probabilities of each row, in the order of classes()."""
    if not MODEL["classes"]:
        raise ValueError("the model predicts numbers, which have no probabilities")
    return [probs for _, probs in _answers(rows)]


def classes() -> list[Any]:
    """The labels that there are."""
    return list(MODEL["classes"])


def columns() -> list[str] | None:
    """The names of the columns, in order; None if they have none."""
    names = [column["name"] for column in MODEL["columns"]]
    return None if not names or None in names else names


def _answers(rows: Iterable[Any]) -> Iterator[tuple[Any, list[float]]]:
    """(answer, probabilities) of each row; a number stands for itself."""
    numbered = enumerate(rows, 1)
    while chunk := list(itertools.islice(numbered, CHUNK)):
        said = _ask([_values(row, number) for number, row in chunk])
        for (number, _), (values, scores) in zip(chunk, said):
            if not all(map(math.isfinite, values)):
                raise ValueError(f"row {number}: is too large: its scores overflow")
            classes = MODEL["classes"]
            yield classes[scores.index(max(scores))] if classes else values[0], values


# Cells to values: numbers, days since 1970-01-01, or texts; NaN or None is missing


def _values(row: Any, number: int) -> list[Any]:
    """The values of a row, in the order of the columns."""
    kinds = MODEL["columns"]
    if isinstance(row, dict):
        names = columns()
        if not names:
            raise ValueError("the columns have no names; give the values of a row in order")
        for name in names:
            if name not in row:
                raise ValueError(f"row {number}: has no column {name!r}")
        row = [row[name] for name in names]
    if len(row) != MODEL["inputs"]:
        raise ValueError(f"row {number}: has {len(row)} values, expected {MODEL['inputs']}")
    if not kinds:
        return [_pixel(value, number, j) for j, value in enumerate(row)]
    return [_value(value, number, j, kinds[j]) for j, value in enumerate(row)]


def _pixel(value: Any, number: int, j: int) -> float:
    try:
        x = float(value)
    except (TypeError, ValueError):
        x = math.nan
    if not math.isfinite(x):
        raise ValueError(f"row {number}, column {j + 1}: {value!r} is not a number")
    return x


def _value(value: Any, number: int, j: int, column: dict[str, Any]) -> Any:
    if type(value) is float and column["kind"] == "number" and math.isfinite(value):
        return value
    missing = value is None or value != value
    cell = "" if missing else (value if isinstance(value, str) else str(value)).strip()
    if cell.lower() in MISSING:
        return None if column["kind"] == "category" else math.nan
    if column["kind"] == "category":
        return cell
    x = parse_number(cell) if column["kind"] == "number" else _days(cell)
    if x is None or not math.isfinite(x):
        name = column["name"]
        place = MODEL["table"]["positions"][j] + 1 if name is None else repr(name)
        what = "number" if column["kind"] == "number" else "date"
        raise ValueError(f"row {number}, column {place}: {value!r} is not a {what}")
    return x


def _days(cell: str) -> float | None:
    try:
        moment = datetime.datetime.fromisoformat(cell).replace(tzinfo=None)
    except ValueError:
        return None
    return (moment - datetime.datetime(1970, 1, 1)) / datetime.timedelta(days=1)


# Networks


def _ask(rows: list[list[Any]]) -> list[tuple[list[float], list[float]]]:
    """What is said of each row, and the scores that tell equal probabilities apart."""
    said = []
    for network, encoders, layers in _networks():
        scores = forward([_encode(network, encoders, row) for row in rows], layers)
        said.append([(say(network, each), each) for each in scores])
    if len(said) == 1:
        return said[0]
    answers = []
    for each in zip(*said):  # what each network says of a row
        mean = [sum(values) / len(said) for values in zip(*(values for values, _ in each))]
        answers.append((mean, mean))
    return answers


@functools.cache
def _networks() -> list[tuple[Any, Any, Any]]:
    """Each network, with what encodes its inputs, and its layers."""
    result = []
    for network in MODEL["networks"]:
        pixels = network["encoding"][0]["kind"] == "pixels"
        encoders = None if pixels else encoders_of(network["encoding"])
        result.append((network, encoders, unpack(network)))
    return result


def _encode(network: dict[str, Any], encoders: Any, row: list[Any]) -> list[float]:
    """The inputs of a network for one row."""
    if encoders is None:
        factor = network["encoding"][0]["factor"]
        return [factor * x for x in row]
    inputs: list[float] = []
    for j, encode in encoders:
        inputs += encode(row[j])
    return inputs


# Tables


def _read(stream: Any) -> Iterator[list[str]]:
    """The rows of a CSV table, as lists of the D cells that the model takes."""
    text = io.TextIOWrapper(stream, "utf-8-sig", newline="")
    first = next((line for line in text if line.strip()), "")
    bare = re.sub('"[^"]*"', "", first)
    mark = next((mark for mark in ",;\t" if mark in bare), ",")
    lines = itertools.chain([first], text)
    reader = csv.reader(lines, delimiter=mark, skipinitialspace=True)
    rows = (row for row in reader if any(map(str.strip, row)))
    head = list(itertools.islice(rows, 21))
    if not head:
        raise ValueError("the table is empty")
    names = [cell.strip() for cell in head[0]]
    has_names = _is_header(names, head[1:])
    if has_names:
        head.pop(0)
    chosen = _places(names, has_names)
    for number, row in enumerate(itertools.chain(head, rows), 1):
        if len(row) != len(names):
            raise ValueError(f"row {number}: has {len(row)} cells, expected {len(names)}")
        yield [row[j] for j in chosen]


def _places(names: list[str], has_names: bool) -> Sequence[int]:
    """Where the model's columns are: by name if both have names, and else by position."""
    wanted, table = columns(), MODEL["table"]
    if has_names and wanted:
        return [_find(name, names) for name in wanted]
    matches = match_positions(table["positions"], table["label"], table["width"], len(names))
    if len(matches) != 1:
        what = "give it a header" if matches else f"the model takes {MODEL['inputs']}"
        raise ValueError(f"the table has {len(names)} columns; {what}")
    return matches[0][0]


def _find(name: str, names: list[str]) -> int:
    place = find_name(name, names)
    if place is None:
        raise ValueError(f"the table has no column {name!r}")
    return place


def _is_header(names: list[str], below: list[list[str]]) -> bool:
    """Whether a first row is one of names: it has one above cells that are mostly numbers."""
    wanted = columns()
    if wanted and all(find_name(name, names) is not None for name in wanted):
        return True
    for j, name in enumerate(names):
        cells = [row[j] for row in below if j < len(row) and row[j].strip()]
        if not _is_number(name) and 2 * sum(map(_is_number, cells)) > len(cells):
            return True
    return not below and not any(map(_is_number, names))


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def main() -> None:
    """Read a table on standard input, write one on standard output."""
    parser = argparse.ArgumentParser(description="Label the rows of a CSV table.")
    parser.add_argument("table", nargs="?", metavar="FILE.csv", help="the table [standard input]")
    parser.add_argument(
        "--probabilities", action="store_true", help="add a column for each class: p_ and its label"
    )
    arguments = parser.parse_args()
    labels, names = MODEL["classes"], MODEL["names"]
    probabilities = arguments.probabilities and labels
    out = csv.writer(sys.stdout, lineterminator="\n")
    try:
        with open(arguments.table, "rb") if arguments.table else sys.stdin.buffer as stream:
            answers = _answers(_read(stream))
            first = list(itertools.islice(answers, 1))  # or why there is none, before any output
            head = ["label"] if labels else ["value"]
            head += ["name"] if names else []
            out.writerow(head + [f"p_{label}" for label in labels] if probabilities else head)
            for answer, values in itertools.chain(first, answers):
                line = [answer if labels else f"{answer:.8g}"]
                if names:
                    line.append(names[answer] if 0 <= answer < len(names) else "")
                if probabilities:
                    line += [f"{p:.6g}" for p in values]
                out.writerow(line)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read the answers has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError, csv.Error) as error:
        text = "the table is not UTF-8 text" if isinstance(error, UnicodeError) else error
        print(f"{os.path.basename(sys.argv[0])}: {text}", file=sys.stderr)
        sys.exit(3)


MODEL: dict[str, Any] = {}  # filled in by mlp export

if __name__ == "__main__":
    main()
