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
    return MODEL["columns"] and list(MODEL["columns"])


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


def _ask(raw: list[list[float]]) -> list[tuple[list[float], list[float]]]:
    """What is said of each row, and the scores that tell equal probabilities apart."""
    said = []
    for network, layers in zip(MODEL["networks"], _weights()):
        X = [_encode(network["encoding"], row) for row in raw]
        scores = _forward_all(X, layers) if numpy else [_forward(row, layers) for row in X]
        output = OUTPUTS[network["output"]]
        said.append([(output(network, each), each) for each in scores])
    if len(said) == 1:
        return said[0]
    answers = []
    for each in zip(*said):  # what each network says of a row
        mean = [sum(values) / len(said) for values in zip(*(values for values, _ in each))]
        answers.append((mean, mean))
    return answers


@functools.cache
def _weights() -> list[list[tuple[Any, Any, Any]]]:
    """W (a row per input), b and f of each layer of each network."""
    return [
        [_layer(network["type"], *layer) for layer in network["layers"]]
        for network in MODEL["networks"]
    ]


def _layer(
    kind: str, fan_in: int, fan_out: int, activation: str | None, weights: str, biases: str
) -> tuple[Any, Any, Any]:
    W, b, f = _numbers(kind, weights), _numbers(kind, biases), ACTIVATIONS[activation]
    if numpy:
        return W.reshape(fan_in, fan_out), b, f
    return [W[i * fan_out : (i + 1) * fan_out] for i in range(fan_in)], b, f


def _numbers(kind: str, text: str) -> Any:
    """The numbers that a text holds: little-endian, in base 64."""
    numbers = array.array(kind, base64.b64decode(text))
    if sys.byteorder == "big":
        numbers.byteswap()
    if numpy:
        return numpy.array(numbers)
    return numbers


def _forward_all(rows: list[list[float]], layers: Any) -> list[list[float]]:
    """The scores of each row, with NumPy."""
    with numpy.errstate(all="ignore"):
        A = numpy.array(rows).astype(layers[0][0].dtype)
        for W, b, f in layers:
            A = f(_Arrays, A @ W + b)
        return A.tolist()  # type: ignore[no-any-return]


def _forward(A: list[float], layers: Any) -> list[float]:
    """The scores of one row, without NumPy."""
    for W, b, f in layers:
        Z = b
        for a, weights in zip(A, W):
            if a:  # many are 0: pixels, and what ReLU made
                Z = [z + a * w for z, w in zip(Z, weights)]
        A = [f(_Numbers, z) for z in Z]
    return A


class _Numbers:
    """The functions that activations are made of, for a number."""

    maximum, minimum, exp, expm1, tanh = max, min, math.exp, math.expm1, math.tanh


class _Arrays:
    """The same for an array."""

    if numpy:
        maximum, minimum = numpy.maximum, numpy.minimum
        exp, expm1, tanh = numpy.exp, numpy.expm1, numpy.tanh


def _mish(of: Any, z: Any) -> Any:
    s = 1 + of.exp(of.minimum(z, 20.0))
    return z * (1 - 2 / (s * s + 1))


ACTIVATIONS: dict[str | None, Any] = {
    None: lambda of, z: z,
    "relu": lambda of, z: of.maximum(z, 0.0),
    "leaky-relu": lambda of, z: of.maximum(z, 0.01 * z),
    "tanh": lambda of, z: of.tanh(z),
    "sigmoid": lambda of, z: 0.5 + 0.5 * of.tanh(0.5 * z),
    "gelu": lambda of, z: 0.5 * z * (1 + of.tanh(0.7978845608028654 * (z + 0.044715 * z * z * z))),
    "silu": lambda of, z: z * (0.5 + 0.5 * of.tanh(0.5 * z)),
    "selu": lambda of, z: (
        1.0507009873554805
        * (of.maximum(z, 0.0) + 1.6732632423543772 * of.expm1(of.minimum(z, 0.0)))
    ),
    "mish": _mish,
}


def _softmax(network: dict[str, Any], scores: list[float]) -> list[float]:
    most = max(scores)
    E = [math.exp(z - most) for z in scores]
    total = sum(E)
    return [e / total for e in E]


def _sigmoid(network: dict[str, Any], scores: list[float]) -> list[float]:
    return [0.5 + 0.5 * math.tanh(0.5 * z) for z in scores]


def _rescaled(network: dict[str, Any], scores: list[float]) -> list[float]:
    return [z * network["deviation"] + network["mean"] for z in scores]


OUTPUTS = {"softmax": _softmax, "sigmoid": _sigmoid, "number": _rescaled}


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
    probabilities = arguments.probabilities and labels
    out = csv.writer(sys.stdout, lineterminator="\n")
    try:
        with open(arguments.table, "rb") if arguments.table else sys.stdin.buffer as stream:
            head = ["label"] if labels else ["value"]
            head += ["name"] if names else []
            out.writerow(head + [f"p_{label}" for label in labels] if probabilities else head)
            for answer, values in _answers(_read(stream)):
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
