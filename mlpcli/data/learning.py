"""What is learned of the training rows to encode inputs. No other row changes any of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlpcli.arrays import LARGE, Array, distinct
from mlpcli.data.cells import FLOAT32_OVERFLOW
from mlpcli.data.columns import Column
from mlpcli.data.dataset import Dataset
from mlpcli.data.encoder import fall_on
from mlpcli.data.encoding import CALENDAR, Category, Date, Encoding, Number, Part, Pixels, Posed
from mlpcli.data.pose import Pose
from mlpcli.data.scalings import SCALINGS, Numbers
from mlpcli.data.split import Split
from mlpcli.errors import DataError

MOST_CATEGORIES = 1000
"""Inputs of a column of categories; if the training rows have more, the rarest are taken as one."""

_CHUNK = 8192  # rows at a time
_LEAST = float(np.finfo(np.float32).tiny)  # smaller numbers lose digits in float32


def learn_encoding(kind: str, data: Dataset, train: Split, pose: Pose | None = None) -> Encoding:
    """The encoding of a data set's columns, as `--scale kind` asks for; of images in a pose.

    "auto" divides images by the largest value of the training images, leaves alone what is not to
    be standardised, and standardises other numbers.

    Raises:
        DataError: numbers that are too large, or images that are too dark, to compute with.
    """
    R = train.X.shape[1]
    if kind in ("auto", "none") and data.image_shape is not None:
        largest = _largest(train)
        if 0 < largest < _LEAST or largest >= FLOAT32_OVERFLOW:
            raise DataError(
                f"{data.source}: the training images reach {largest:.4g}, which float32 cannot "
                "hold; rescale them"
            )
        factor = 1 / largest if kind == "auto" and largest > 0 else 1.0
        if pose:
            return Encoding(
                (Posed("upright", R, factor, largest, pose.shape, pose.deslant, pose.width),)
            )
        return Encoding((Pixels("pixels", R, factor, largest),))
    if kind == "auto":
        kind = "standard" if data.standardise else "none"
    columns = data.columns or tuple(Column(None, j) for j in range(R))
    numeric = [j for j, column in enumerate(columns) if column.kind != "category"]
    parts: list[Part | None] = [None] * R
    numbers = _learn_numbers(kind, train, columns, numeric, data.source)
    for j, number in zip(numeric, numbers, strict=True):
        parts[j] = number
    for j, column in enumerate(columns):
        if column.kind == "category":
            parts[j] = _learn_category(column, train.X[train.rows, j])
    return Encoding(tuple(part for part in parts if part is not None), data.columns)


def _largest(train: Split) -> float:
    """The largest value of the training images, without its sign; no more are read than needed."""
    dtype, largest = train.X.dtype, 0.0
    limit = np.iinfo(dtype).max if dtype.kind == "u" else np.inf
    for start in range(0, len(train.rows), _CHUNK):
        chunk = train.X[train.rows[start : start + _CHUNK]]
        largest = max(
            largest, float(chunk.max()), -float(chunk.min()) if dtype.kind != "u" else 0.0
        )
        if largest >= limit:
            break
    return largest


def _learn_numbers(
    kind: str, train: Split, columns: Sequence[Column], numeric: Sequence[int], source: str
) -> list[Number]:
    if not numeric:
        return []
    numbers = Numbers(train.X, train.rows, numeric)
    reach = np.maximum(-numbers.low, numbers.high)
    if reach.max() > LARGE:
        raise DataError(
            f"{source}: {columns[numeric[int(reach.argmax())]].shown} reaches {reach.max():.4g}, "
            "where squares cannot be computed; rescale it"
        )
    shift, factor = SCALINGS[kind].learn(numbers)
    parts: list[Number] = []
    for k, j in enumerate(numeric):
        column = columns[j]
        number = Number(
            "number",
            column.name,
            column.position,
            scale=kind,
            shift=float(shift[k]),
            factor=float(factor[k]),
            median=float(numbers.median[k]),
            missing=int(numbers.missing[k]) / len(train),
            low=float(numbers.low[k]),
            high=float(numbers.high[k]),
            decimal=column.decimal,
            unit=column.unit,
        )
        if column.kind == "date":
            falls = _learn_calendar(train.X[train.rows, j])
            number = Date(**{**vars(number), "kind": "date", "order": column.order, **falls})
        parts.append(number)
    return parts


def _learn_calendar(days: Array) -> dict[str, tuple[int, ...]]:
    """The months, weekdays and hours that there are, of each () if it is one alone."""
    seen: dict[str, set[int]] = {of: set() for of in CALENDAR}
    for start in range(0, len(days), _CHUNK):
        part = days[start : start + _CHUNK].astype(np.float64)
        for of, values in seen.items():
            values.update(distinct(fall_on(of, part[~np.isnan(part)])).tolist())
    return {f"{of}s": tuple(sorted(v)) if len(v) > 1 else () for of, v in seen.items()}


def _learn_category(column: Column, codes: Array) -> Category:
    gaps = np.isnan(codes)
    counts = np.bincount(
        codes[~gaps & (codes >= 0)].astype(np.intp), minlength=len(column.categories)
    )
    there = np.flatnonzero(counts)
    # The most frequent are kept; of those as frequent, the first in the alphabet.
    by_count = there[np.argsort(-counts[there], kind="stable")]
    kept, rare = np.sort(by_count[:MOST_CATEGORIES]), np.sort(by_count[MOST_CATEGORIES:])
    return Category(
        "category",
        column.name,
        column.position,
        tuple(column.categories[k] for k in kept),
        tuple(column.categories[k] for k in rare),
        float(gaps.mean()),
    )
