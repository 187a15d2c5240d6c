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
import array
import base64
import csv
import functools
import io
import itertools
import math
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

try:
    import numpy
except ImportError:
    numpy = None  # type: ignore[assignment]

CHUNK = 1024  # rows at a time


def predict(rows: Iterable[Any]) -> list[Any]:
    """The label of each row; a row is a sequence of values, or a dict by column."""
    return [label for _, label in _answers(rows)]


def predict_proba(rows: Iterable[Any]) -> list[list[float]]:
    """The probabilities of each row, in the order of classes()."""
    return [probs for probs, _ in _answers(rows)]


def classes() -> list[Any]:
    """The labels that there are."""
    return list(MODEL["classes"])


def columns() -> list[str] | None:
    """The names of the columns, in order; None if they have none."""
    return MODEL["columns"] and list(MODEL["columns"])


def _answers(rows: Iterable[Any]) -> Iterator[tuple[list[float], Any]]:
    """(probabilities, label) of each row."""
    numbered = enumerate(rows, 1)
    while chunk := list(itertools.islice(numbered, CHUNK)):
        raw = [_values(row, number) for number, row in chunk]
        for (number, _), probs in zip(chunk, _probabilities(raw)):
            if not all(map(math.isfinite, probs)):
                raise ValueError(f"row {number}: is too large: its scores overflow")
            yield probs, MODEL["classes"][probs.index(max(probs))]


def _values(row: Any, number: int) -> list[float]:
    """The numbers of a row, in order."""
    if isinstance(row, dict):
        if not MODEL["columns"]:
            raise ValueError("the columns have no names; give the values of a row in order")
        for name in MODEL["columns"]:
            if name not in row:
                raise ValueError(f"row {number}: has no column {name!r}")
        row = [row[name] for name in MODEL["columns"]]
    if len(row) != MODEL["inputs"]:
        raise ValueError(f"row {number}: has {len(row)} values, expected {MODEL['inputs']}")
    return [_number(value, number, j) for j, value in enumerate(row)]


def _number(value: Any, number: int, j: int) -> float:
    try:
        x = float(value)
    except (TypeError, ValueError):
        x = math.nan
    if not math.isfinite(x):
        raise ValueError(f"row {number}, {_column(j)}: {value!r} is not a number")
    return x


def _column(j: int) -> str:
    return f"column {MODEL['columns'][j]!r}" if MODEL["columns"] else f"column {j + 1}"


# Numbers to the inputs of a network


def _encode(parts: list[dict[str, Any]], row: list[float]) -> list[float]:
    """The inputs of a network for one row."""
    if parts[0]["kind"] == "pixels":
        factor = parts[0]["factor"]
        return [factor * x for x in row]
    inputs: list[float] = []
    for part, x in zip(parts, row):
        inputs += ENCODERS[part["kind"]](part, x)
    return inputs


def _encode_number(part: dict[str, Any], x: float) -> list[float]:
    return [(x - part["shift"]) * part["factor"]]


ENCODERS = {"number": _encode_number}


# Networks


def _probabilities(raw: list[list[float]]) -> list[list[float]]:
    """The mean of the networks' probabilities for each row."""
    answers = []
    for network, layers in zip(MODEL["networks"], _weights()):
        X = [_encode(network["encoding"], row) for row in raw]
        f, output = ACTIVATIONS[network["activation"]], OUTPUTS[network["output"]]
        if numpy:
            answers.append(_forward_all(X, layers, f, output))
        else:
            answers.append([_forward(row, layers, f, output) for row in X])
    return [[sum(ps) / len(ps) for ps in zip(*each)] for each in zip(*answers)]


@functools.cache
def _weights() -> list[list[tuple[Any, Any]]]:
    """W (a row per input) and b of each layer of each network."""
    return [
        [_layer(network["type"], *layer) for layer in network["layers"]]
        for network in MODEL["networks"]
    ]


def _layer(kind: str, fan_in: int, fan_out: int, weights: str, biases: str) -> tuple[Any, Any]:
    W, b = _numbers(kind, weights), _numbers(kind, biases)
    if numpy:
        return W.reshape(fan_in, fan_out), b
    return [W[i * fan_out : (i + 1) * fan_out] for i in range(fan_in)], b


def _numbers(kind: str, text: str) -> Any:
    """The numbers that a text holds: little-endian, in base 64."""
    numbers = array.array(kind, base64.b64decode(text))
    if sys.byteorder == "big":
        numbers.byteswap()
    if numpy:
        return numpy.array(numbers)
    return numbers


def _forward_all(rows: list[list[float]], layers: Any, f: Any, output: Any) -> list[list[float]]:
    """What the network says of each row, with NumPy."""
    with numpy.errstate(all="ignore"):
        A = numpy.array(rows).astype(layers[0][0].dtype)
        for layer, (W, b) in enumerate(layers, 1):
            A = A @ W + b
            if layer < len(layers):
                A = f(_Arrays, A)
        return [output(row) for row in A.tolist()]


def _forward(A: list[float], layers: Any, f: Any, output: Any) -> list[float]:
    """What the network says of one row, without NumPy."""
    for layer, (W, b) in enumerate(layers, 1):
        Z = b
        for a, weights in zip(A, W):
            if a:  # many are 0: pixels, and what ReLU made
                Z = [z + a * w for z, w in zip(Z, weights)]
        A = [f(_Numbers, z) for z in Z] if layer < len(layers) else list(Z)
    return output(A)  # type: ignore[no-any-return]


def _softmax(scores: list[float]) -> list[float]:
    most = max(scores)
    E = [math.exp(z - most) for z in scores]
    total = sum(E)
    return [e / total for e in E]


def _sigmoid(scores: list[float]) -> list[float]:
    return [0.5 + 0.5 * math.tanh(0.5 * z) for z in scores]


OUTPUTS = {"softmax": _softmax, "sigmoid": _sigmoid}


class _Numbers:
    """The functions that activations are made of, for a number."""

    maximum, minimum, exp, tanh = max, min, math.exp, math.tanh


class _Arrays:
    """The same for an array."""

    if numpy:
        maximum, minimum, exp, tanh = numpy.maximum, numpy.minimum, numpy.exp, numpy.tanh


ACTIVATIONS = {
    "relu": lambda of, z: of.maximum(z, 0),
    "leaky-relu": lambda of, z: of.maximum(z, 0.01 * z),
    "tanh": lambda of, z: of.tanh(z),
    "sigmoid": lambda of, z: 0.5 + 0.5 * of.tanh(0.5 * z),
}


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
    chosen: Sequence[int] = range(MODEL["inputs"])
    names = [cell.strip() for cell in head[0]]
    if _is_header(names, head[1:]):
        head.pop(0)
        if MODEL["columns"]:
            chosen = [_find(name, names) for name in MODEL["columns"]]
    elif len(names) == MODEL["inputs"] + 1:  # a label, too
        label = MODEL["label"] % len(names)
        chosen = [j for j in range(len(names)) if j != label]
    for number, row in enumerate(itertools.chain(head, rows), 1):
        if len(row) != len(names):
            raise ValueError(f"row {number}: has {len(row)} cells, expected {len(names)}")
        yield [row[j] for j in chosen] if len(names) > max(chosen) else row


def _find(name: str, names: list[str]) -> int:
    if name not in names:
        raise ValueError(f"the table has no column {name!r}")
    return names.index(name)


def _is_header(names: list[str], below: list[list[str]]) -> bool:
    """Whether a first row is one of names: it has one above cells that are mostly numbers."""
    if MODEL["columns"] and set(MODEL["columns"]) <= set(names):
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
    out = csv.writer(sys.stdout, lineterminator="\n")
    try:
        with open(arguments.table, "rb") if arguments.table else sys.stdin.buffer as stream:
            head = ["label", "name"] if names else ["label"]
            out.writerow(head + [f"p_{k}" for k in labels] if arguments.probabilities else head)
            for probs, label in _answers(_read(stream)):
                line = [label]
                if names:
                    line.append(names[label] if 0 <= label < len(names) else "")
                if arguments.probabilities:
                    line += [f"{p:.6g}" for p in probs]
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
