"""Raw columns to the inputs of a network, as ONNX: what `mlpcli.data.encoder` does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mlpcli.data.cells import MISSING, parse_number
from mlpcli.data.encoding import Block, Category, Date, Encoding, Number
from mlpcli.data.pose import MOST, STEEPEST, Pose, powers
from mlpcli.errors import UsageError
from mlpcli.export.onnx_dates import FALL_ON, Days
from mlpcli.export.onnx_graph import Graph


class Columns:
    """Raw columns as a graph has them: (N, 1) each, or numbers in one value (N, R).

    Args:
        graph: where they are.
        values: one for each column: text for a category, days since 1970 for a date, else numbers;
            or a single one for all, which are numbers then.
    """

    def __init__(self, graph: Graph, values: Sequence[str]) -> None:
        self.graph = graph
        self._values = values

    @property
    def pixels(self) -> str:
        """All columns, (N, R)."""
        return self._values[0]

    def text(self, column: int) -> str:
        """A column of text."""
        return self._values[column]

    def numbers(self, columns: Sequence[int]) -> str:
        """Some columns of numbers, (N, len(columns)) float64."""
        if len(self._values) > 1:
            return self.graph.concat([self._values[j] for j in columns])
        return self.graph.add(
            "Gather", self._values[0], self.graph.constant(columns, np.int64), axis=1
        )


def encode(columns: Columns, encoding: Encoding, dtype: Any) -> str:
    """The inputs (N, D) of a network, in order."""
    if encoding.pixels:
        X, factor = columns.graph.cast(columns.pixels, dtype), encoding.pixels.factor
        if encoding.pose:
            X = _posed(columns.graph, X, encoding.pose, dtype)
        return X if factor == 1 else columns.graph.scaled(X, factor, dtype)
    numbers = [block.part for block in encoding.blocks if block.of == "number"]
    parts = [_scaled(columns, encoding, numbers, dtype)] if numbers else []
    for block in encoding.blocks:
        if block.of != "number" and block.values:
            hot = BLOCKS[block.of](columns, encoding, block)
            parts.append(columns.graph.cast(hot, dtype))
    return columns.graph.concat(parts)


def _posed(graph: Graph, X: str, pose: Pose, dtype: Any) -> str:
    """Images (N, D) in their pose; the equations are in `mlpcli.data.pose`."""
    (h, w), f64 = pose.shape, np.float64

    def number(value: Any) -> str:
        return graph.constant(value, f64)

    def product(a: str, b: str) -> str:
        return graph.add("Mul", a, b)

    def where(condition: str, value: str, otherwise: float) -> str:
        return graph.add("Where", condition, value, number(otherwise))

    sums = graph.add("MatMul", graph.cast(X, f64), number(powers(pose.shape)))
    sums = graph.add("Reshape", sums, graph.constant([-1, 6, 1, 1], np.int64))
    mass, *moments = (
        graph.add("Gather", sums, graph.constant(k, np.int64), axis=1) for k in range(6)
    )
    x, y, *squares = (graph.add("Div", moment, mass) for moment in moments)
    means = (product(x, x), product(x, y), product(y, y))
    xx, xy, yy = (graph.add("Sub", a, b) for a, b in zip(squares, means, strict=True))
    slope = graph.add("Div", xy, yy)
    there = graph.add("LessOrEqual", graph.add("Abs", slope), number(STEEPEST))  # NaN is not
    there = graph.add("And", there, graph.constant(pose.deslant, np.bool_))
    slope, y = where(there, slope, 0), where(there, y, 0)

    rows, columns = np.arange(h)[:, None] - (h - 1) / 2, np.arange(w) - (w - 1) / 2
    across = number(columns)
    if pose.width is not None:
        leaning = graph.add("Sub", product(slope, yy), product(number(2), xy))
        square = graph.add("Max", graph.add("Add", xx, product(slope, leaning)), number(0))
        has_width = graph.add("Not", graph.add("IsNaN", x))
        step = product(graph.add("Sqrt", square), number(4 / pose.width))
        step = graph.add("Min", graph.add("Max", step, number(1 / MOST)), number(MOST))
        across = product(across, where(has_width, step, 1))
        across = graph.add("Add", across, where(has_width, x, 0))
    away = product(slope, graph.add("Sub", number(rows), y))
    across = graph.add("Add", across, number((w - 1) / 2))
    return _sampled(graph, X, graph.add("Add", across, away), pose.shape, dtype)


def _sampled(graph: Graph, X: str, place: str, shape: tuple[int, int], dtype: Any) -> str:
    """Images (N, D) as they are at `place` (…, h, w) of their rows, between two of its pixels."""
    h, w = shape

    def number(value: Any) -> str:
        return graph.constant(value, np.float64)

    place = graph.add("Min", graph.add("Max", place, number(0)), number(w - 1))
    left = graph.add("Floor", place)
    share = graph.cast(graph.add("Sub", place, left), dtype)
    right = graph.add("Min", graph.add("Add", left, number(1)), number(w - 1))
    images = graph.add("Reshape", X, graph.constant([-1, h, w], np.int64))
    a, b = (
        graph.add("GatherElements", images, graph.cast(which, np.int64), axis=2)
        for which in (left, right)
    )
    moved = graph.add("Add", a, graph.add("Mul", graph.add("Sub", b, a), share))
    return graph.add("Reshape", moved, graph.constant([-1, h * w], np.int64))


def _scaled(columns: Columns, encoding: Encoding, which: Sequence[int], dtype: Any) -> str:
    """The numbers, scaled in float64; a missing one is the median."""
    graph = columns.graph
    parts = [part for part in (encoding.parts[j] for j in which) if isinstance(part, Number)]
    raw = columns.numbers(which)
    median = graph.constant([part.median for part in parts], np.float64)
    x = graph.add("Where", graph.add("IsNaN", raw), median, raw)
    x = graph.add("Sub", x, graph.constant([part.shift for part in parts], np.float64))
    x = graph.add("Mul", x, graph.constant([part.factor for part in parts], np.float64))
    scale = parts[0].scale
    if scale not in CLIPS:
        raise UsageError(f"--scale {scale} cannot be exported to .onnx")
    return graph.cast(CLIPS[scale](graph, x), dtype)


def _clip_smoothly(graph: Graph, x: str) -> str:
    """x/√(1 + (x/3)²)"""
    third = graph.scaled(x, 1 / 3, np.float64)
    square = graph.add("Add", graph.add("Mul", third, third), graph.constant(1, np.float64))
    return graph.add("Div", x, graph.add("Sqrt", square))


CLIPS: dict[str, Callable[[Graph, str], str]] = {
    "none": lambda graph, x: x,
    "standard": lambda graph, x: x,
    "robust": _clip_smoothly,
}
"""What each scale does after shift and factor."""


def _indicator(columns: Columns, encoding: Encoding, block: Block) -> str:
    return columns.graph.add("IsNaN", columns.numbers([block.part]))


def _category(columns: Columns, encoding: Encoding, block: Block) -> str:
    part = encoding.parts[block.part]
    assert isinstance(part, Category)
    inputs = _inputs_by_text(part)
    place = columns.graph.add(
        "LabelEncoder",
        columns.text(block.part),
        domain="ai.onnx.ml",
        keys_strings=list(inputs),
        values_int64s=list(inputs.values()),
        default_int64=-1,
    )
    return _equal(columns.graph, place, range(len(block.values)), np.int64)


def _inputs_by_text(part: Category) -> dict[str, int]:
    """Which input of its block a text sets, as far as a list of texts can say it.

    A number may be written otherwise than the category that it is, with a point or without one.
    """
    rare = len(part.categories)
    inputs = {text: k for k, text in enumerate(part.categories)} | dict.fromkeys(part.rare, rare)
    known = dict(inputs)
    if part.missing:
        missing = rare + bool(part.rare)
        spelled = [f(word) for word in MISSING for f in (str, str.upper, str.title, str.capitalize)]
        inputs |= {word: missing for word in sorted(spelled) if word not in known}
    values = [parse_number(text) for text in known]
    once = Counter(values)
    for (text, k), value in zip(known.items(), values, strict=True):
        if value is not None and np.isfinite(value) and once[value] == 1:
            for other in (repr(value), f"{value:g}", f"{value:.0f}" if value % 1 == 0 else text):
                inputs.setdefault(other, k)
    return inputs


def _calendar(columns: Columns, encoding: Encoding, block: Block) -> str:
    part = encoding.parts[block.part]
    assert isinstance(part, Date)
    days = columns.numbers([block.part])
    falls_on = FALL_ON[block.of](Days(columns.graph, days)).value
    return _equal(columns.graph, falls_on, part.calendar(block.of), np.float64)


def _equal(graph: Graph, value: str, values: Sequence[int], dtype: Any) -> str:
    """(N, len(values)): which of the values (N, 1) it is; NaN is none."""
    return graph.add("Equal", value, graph.constant([list(values)], dtype))


BLOCKS: dict[str, Callable[[Columns, Encoding, Block], str]] = {
    "indicator": _indicator,
    "category": _category,
    "month": _calendar,
    "weekday": _calendar,
    "hour": _calendar,
}
"""What is true of each input of a block, (N, K) bool."""
