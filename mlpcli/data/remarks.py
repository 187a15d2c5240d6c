"""What a person should know of data: what was made of them, and what looks odd."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Iterable
from unicodedata import normalize

import numpy as np

from mlpcli.arrays import Array, distinct, thinned
from mlpcli.data.cells import parse_written
from mlpcli.data.columns import describe_columns
from mlpcli.data.copies import count_copies
from mlpcli.data.dataset import Dataset
from mlpcli.data.left_out import counts_rows, is_id
from mlpcli.data.telling import find_telling
from mlpcli.records import record
from mlpcli.tasks.classification import Classification
from mlpcli.text import cut_list, printable, quoted

_SQUARE = 16  # columns of bytes, from which on a square number of them may be pixels
_MARKS = 10  # what answers to questions and the like go up to
_MANY = 20  # different numbers that are hardly categories
_NAMES = 30  # rows, from which on classes of one or two each are odd
_SEEN = 1000  # rows that are looked at for pixels
_SAMPLE = 10_000  # and for dates and what stands for a gap
_FAR = 3  # times the span of all other values


@record
class Facts:
    """A data set, and what all remarks ask of it.

    Attributes:
        data: the data set.
        classes: whether its labels are taken for classes.
        names, counts: (C,) the different labels, and how many rows have each.
    """

    data: Dataset
    classes: bool
    names: Array
    counts: Array


def remarks(data: Dataset, kind: str) -> list[str]:
    """All there is to say where data are for that kind of task, a line each."""
    labels = np.unique(data.y, return_counts=True)
    facts = Facts(data, kind == Classification.kind, *labels)
    lines = filter(None, (say(facts) for say in REMARKS))
    said = [*data.notices, *(f"{data.source}: {line}" for line in lines)]
    if data.columns is not None:
        columns = describe_columns(data.columns, data.left_out)
        label = f"; label: {printable(data.label.shown)}" if data.label.shown else ""
        said.insert(0, f"columns: {columns}{label}")
    return said


def _say_pixels(facts: Facts) -> str:
    data = facts.data
    R = data.X.shape[1] + sum(column.reason == "constant" for column in data.left_out)
    side = math.isqrt(R)
    if side * side != R or R < _SQUARE or not _may_be_pixels(data):
        return ""
    after = _may_begin_with_label(data)
    return (
        f"its {R:,} columns of bytes are taken for a table's; if each row is "
        f"{'a label and its image' if after else 'an image'}, give "
        f"{'--label-column 0 ' * after}--image-shape {side},{side}"
    )


def _may_begin_with_label(data: Dataset) -> bool:
    """Whether most labels are 0, as a pixel of the border is, and the first column is not."""
    return bool(
        data.label.position not in (None, 0)
        and np.count_nonzero(data.y) < len(data.y) / 2 < np.count_nonzero(data.X[:, 0])
    )


def _may_be_pixels(data: Dataset) -> bool:
    """Whether its columns hold bytes, though they are a table's."""
    odd = any(column.kind != "number" for column in data.columns or ())
    if data.image_shape is not None or odd:
        return False
    if data.X.dtype == np.uint8:
        return True
    X = thinned(data.X, _SEEN)
    return bool((np.rint(X) == X).all() and X.min() == 0 and _MARKS < X.max() <= 255)


def _say_label(facts: Facts) -> str:
    """Of labels that name or count the rows."""
    data = facts.data
    N = facts.counts.sum()
    if facts.classes and _NAMES <= N < 2 * len(facts.names):
        what = f"has {len(facts.names):,} classes in {N:,} rows"
    elif not facts.classes and counts_rows(data.y):
        what = "counts the rows"
    else:
        return ""
    other = "; if it is another column, give --label-column" if data.columns is not None else ""
    name = f", {printable(data.label.shown)}," if data.label.shown else ""
    return f"the label{name} {what}{other}"


def _say_single(facts: Facts) -> str:
    """Of a class or a few that one row has."""
    data, names, counts = facts.data, facts.names, facts.counts
    if not facts.classes or data.columns is None or counts.mean() < _NAMES or counts.min() > 1:
        return ""
    single = [quoted(str(name)) for name in names[counts == 1].tolist()]
    has = "has" if len(single) == 1 else "each has"
    return (
        f"one row {has} the label {cut_list(single)}; correct it if it is misspelt, as a class of "
        "one row is not both learned and tested"
    )


def _say_twins(facts: Facts) -> str:
    data = facts.data
    texts = [(column.shown, column.categories) for column in data.columns or ()]
    if data.y.dtype.kind == "U":
        texts.append((data.label.shown or "label", facts.names.tolist()))
    found = [(name, pair) for name, each in texts if (pair := find_twins(each))]
    if not found:
        return ""
    shown = [f"{quoted(a)} and {quoted(b)} ({printable(name)})" for name, (a, b) in found]
    return (
        f"{cut_list(shown)} differ only in case or spaces, and are kept apart; write alike what is "
        "the same"
    )


def find_twins(texts: Iterable[str]) -> tuple[str, str] | None:
    """The first two that differ only in upper and lower case, in spaces or in their encoding."""
    seen: dict[str, str] = {}
    for text in texts:
        first = seen.setdefault(" ".join(normalize("NFKC", text).casefold().split()), text)
        if first != text:
            return first, text
    return None


def _say_mixed(facts: Facts) -> str:
    """Of categories most of which are numbers."""
    data = facts.data
    found = []
    for column in data.columns or ():
        texts = [text for text in column.categories if parse_written(text) is None]
        if texts and len(column.categories) > max(_MANY, 2 * len(texts)):
            found.append((column.shown, texts[0]))
    if not found:
        return ""
    columns = cut_list([f"{printable(name)} ({quoted(text)})" for name, text in found])
    return (
        f"{columns}: many numbers and other text are read as categories; --numeric "
        f"{shlex.quote(found[0][0])} takes the other text for missing"
    )


def _say_dates(facts: Facts) -> str:
    """Of numbers such as 20241231, whose differences are not in days."""
    data = facts.data
    found = [
        printable(column.shown)
        for j, column in enumerate(data.columns or ())
        if column.kind == "number" and _are_dates(data.X[:, j])
    ]
    if not found:
        return ""
    return (
        f"{cut_list(found)}: numbers that look like dates are read as numbers; as 2024-12-31, they "
        "would be dates"
    )


def _are_dates(values: Array) -> bool:
    """Whether values (N,) are years, months and days in eight digits."""
    known = thinned(values, _SAMPLE)
    known = known[~np.isnan(known)]
    if not len(known) or not 1900_01_01 <= known.min() <= known.max() <= 2100_12_31:
        return False
    months, days = known // 100 % 100, known % 100
    # float32 rounds them to even numbers
    dates = (known % 1 == 0) & (months >= 1) & (months <= 12) & (days >= 0) & (days <= 32)
    return bool(dates.all()) and len(distinct(known)) > _MARKS


def _say_sentinels(facts: Facts) -> str:
    data = facts.data
    numbers = [
        (column.shown, data.X[:, j])
        for j, column in enumerate(data.columns or ())
        if column.kind == "number"
    ]
    if data.columns is not None and not facts.classes:
        numbers.append((data.label.shown or "label", data.y))
    found = []
    for name, values in numbers:
        if (value := find_sentinel(values)) is not None:
            count = np.count_nonzero(values == value)
            found.append(f"{printable(name)} is {value:.9g} in {count:,} rows")
    if not found:
        return ""
    return (
        f"{cut_list(found)}, far from all other values; if that stands for a gap, leave these "
        "cells empty"
    )


def find_sentinel(values: Array) -> float | None:
    """What lies at an end of values (N,), more than once and far from all others, as -999 does."""
    values = thinned(values, _SAMPLE)
    values = values[~np.isnan(values)]
    for end in (values.min(), values.max()) if len(values) else ():
        others = values[values != end]
        if len(values) - len(others) < 3 or len(distinct(others)) < _MARKS:
            continue
        low, high = float(others.min()), float(others.max())
        if max(low - end, end - high) > _FAR * (high - low):
            return float(end)
    return None


def _say_copies(facts: Facts) -> str:
    """Of rows that repeat others, unless those of a group stay together."""
    data = facts.data
    if data.columns is None or data.groups is not None:
        return ""
    parts = [X for X, _, _ in data.parts if X is not None and len(X)]
    if not (copies := count_copies(parts)):
        return ""
    return (
        f"{copies:,} of {sum(map(len, parts)):,} rows repeat the inputs of another; a row that is "
        "held out is scored too well if its copy is trained on: drop the copies, or keep them "
        "together by --group"
    )


def _say_groups(facts: Facts) -> str:
    """Of columns that say whose a row is, and are inputs like others."""
    data = facts.data
    found = [
        column.shown
        for j, column in enumerate(data.columns or ())
        if data.groups is None
        and column.name is not None
        and is_id(column.name)
        and _MARKS < len(distinct(data.X[:, j])) < len(data.X)
    ]
    if not found:
        return ""
    return (
        f"rows of one {cut_list([printable(name) for name in found])} may belong together; a row "
        "that is held out is scored too well if others of its group are trained on: keep them "
        f"together by --group {shlex.quote(found[0])}"
    )


def _say_telling(facts: Facts) -> str:
    data = facts.data
    if data.columns is None or len(data.columns) < 2:
        return ""
    found = find_telling(data.X, data.y, classes=facts.classes)
    names = cut_list([printable(data.columns[j].shown) for j in found])
    return (
        f"every label can be told from {names} alone; if new rows will not have it, leave it out "
        "by --ignore"
        if found
        else ""
    )


REMARKS: tuple[Callable[[Facts], str], ...] = (
    _say_pixels,
    _say_label,
    _say_single,
    _say_twins,
    _say_mixed,
    _say_dates,
    _say_sentinels,
    _say_copies,
    _say_groups,
    _say_telling,
)
"""What looks for one thing each, and says it in a line; "" if it is not there."""
