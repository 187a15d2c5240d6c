"""What labels are: classes as they were written, or numbers; and how their cells are read."""

from __future__ import annotations

import itertools
import math
import re
import shlex
from collections.abc import Sequence

import numpy as np

from mlpcli.arrays import Array
from mlpcli.data.cells import MISSING, common_unit, find_decimal_comma, is_missing, parse_written
from mlpcli.data.columns import UNSEEN, DecimalMark
from mlpcli.data.left_out import is_index
from mlpcli.data.readings import MAX_TEXTS, CategoryCells, NumberCells, Reading
from mlpcli.errors import DataError
from mlpcli.text import CONTROL, quoted

MAX_NUMERIC_CLASSES = 20
"""More different numbers than these, some of them fractional, are measurements and not classes."""

_MAX_LABEL = 200  # characters; an array of text is as wide as its longest

_CANONICAL = re.compile(r"0|-?[1-9][0-9]{0,18}")
_PADDED = re.compile(r"[+-]?0[0-9]")
_MAY_BE_A_CLASS = frozenset(("-", ".", "none"))
_TYPO = 0.2  # the share of texts that are an error among numbers
_CALLED = ("label", "labels", "class", "target", "outcome")


class LabelCells(CategoryCells):
    """Labels, as they are written.

    Args:
        classes: the model's; another text that is the same number as one of them is that one.
        said: whether a person said that they are classes.
    """

    kind = "label"

    def __init__(
        self,
        classes: Sequence[str] = (),
        decimal_comma: bool = False,
        *,
        said: bool = False,
        tried: NumberCells | None = None,
    ) -> None:
        super().__init__(classes, decimal_comma, tried=tried)
        self.said = said
        self._of_model = bool(classes)

    @property
    def decimal(self) -> DecimalMark:
        grouped = any("," in name for name in self.names)
        return "," if self.decimal_comma else "." if grouped else ""

    @property
    def unit(self) -> str:
        return common_unit(self.names)

    def _new(self, text: str) -> float:
        if not text:
            return math.nan
        code = self._same_number(text)
        if code is not None:
            return code
        if CONTROL.search(text):
            raise ValueError(f"the label {quoted(text)} has a control character; remove it")
        if len(text) > _MAX_LABEL:
            raise ValueError(
                f"a label of {len(text):,} characters; name the column of labels by --label-column"
            )
        if len(self.names) == MAX_TEXTS:
            if self.tried or parse_written(text, self.decimal_comma) is None:
                raise ValueError(
                    f"more than {MAX_TEXTS:,} different labels; "
                    "name the column of labels by --label-column"
                )
            self.beyond += 1
            return UNSEEN
        return self._append(text)

    def revise(self, values: Array) -> Reading | None:
        comma = find_decimal_comma(self.names, self.decimal_comma)
        if comma != self.decimal_comma and not self._of_model:
            return LabelCells(decimal_comma=comma, said=self.said, tried=self.tried)
        return NumberCells(self.decimal_comma) if self.beyond else None


def suit_labels(cells: Sequence[str], decimal_comma: bool) -> Reading:
    """The reading that suits the labels: as numbers only if they plainly are measurements."""
    texts = {cell.strip() for cell in cells if not is_missing(cell)}
    unit = common_unit(texts)
    values = {parse_written(text, decimal_comma, unit) for text in texts}
    fractional = any(value is not None and value % 1 for value in values)
    if len(values) > MAX_NUMERIC_CLASSES and fractional and None not in values:
        return NumberCells(decimal_comma, unit)
    return LabelCells(decimal_comma=decimal_comma)


def labels_of(
    reading: Reading, values: Array, where: str, classes: Sequence[str] | None
) -> tuple[Array, Array]:
    """(labels (N,), which rows have one (N,) bool) from a column's values.

    Whole numbers are int64. Text, and numbers that were written otherwise (`007`, `1.0`), are text
    as it was written, the same number always in one way; but more than 20 different numbers,
    unless they begin with a 0 or were said to be classes, are float64.

    Args:
        reading: by which the labels were read.
        values: (N,) their numbers or codes; NaN if missing.
        where: the column, for messages.
        classes: a model's, as text: a label that is one of them, or the same number, is that one.

    Raises:
        DataError: a few texts among many different numbers.
    """
    present = ~np.isnan(values)
    if not isinstance(reading, LabelCells):
        whole = bool((values[present] == np.rint(values[present])).all())
        exact = whole and bool((np.abs(values[present]) < 2.0**53).all())
        return (np.where(present, values, 0).astype(np.int64) if exact else values), present
    names = reading.names
    codes = np.where(present, values, 0).astype(np.intp)
    known = set(names) - texts_for_missing(names, classes)
    there = np.array([*(name in known for name in names), False])
    present &= there[np.where(present, codes, -1)]
    counts = np.bincount(codes[present], minlength=len(names))
    texts = [name if n else "" for name, n in zip(names, counts.tolist(), strict=True)]
    if classes:
        canonical = all(_CANONICAL.fullmatch(text) for text in (*filter(None, texts), *classes))
        labels = _integers(texts) if canonical else np.array(texts)
    else:
        labels = _as_written(reading, texts, counts, where)
    return (labels if len(labels) else np.zeros(1, np.int64))[codes], present


def texts_for_missing(names: Sequence[str], classes: Sequence[str] | None = None) -> set[str]:
    """Which texts of a column of labels say that there is no label.

    All that do so elsewhere (`MISSING`), but for a model's classes; for "none" beside other words
    (none, mild, severe); for signs beside other signs (-, +); and for what would leave one class.
    """
    doubtful = {name for name in names if name.lower() in MISSING} - set(classes or ())
    others = [name for name in names if name not in doubtful]
    may_be: set[str] = set()
    if classes is None and any(parse_written(name) is None for name in others):
        may_be.add("none")
    if classes is None and not any(character.isalnum() for name in others for character in name):
        may_be.update("-.")
    if len(others) < 2:
        may_be.update(_MAY_BE_A_CLASS)
    return {name for name in doubtful if name.lower() not in may_be}


def tell_assumed(last: str, others: Sequence[str]) -> list[str]:
    """A line if the last column is taken for the label, and the first one is called so.

    Args:
        last: its name.
        others: the names of the inputs.
    """
    first = next(itertools.filterfalse(is_index, others), "")
    if first.strip().casefold() not in _CALLED or last.strip().casefold() in _CALLED:
        return []
    return [
        f"the last column, {quoted(last)}, is taken for the label; if it is {quoted(first)}, "
        f"give --label-column {shlex.quote(first)}"
    ]


def tell_doubtful(labels: Array, names: Sequence[str], where: str) -> list[str]:
    """A line if a class has a name that stands for a missing value elsewhere."""
    found = [name for name in names if name.lower() in MISSING and (labels == name).any()]
    return [f"{where}: {quoted(name)} is taken for a class" for name in found]


def _as_written(reading: LabelCells, texts: list[str], counts: Array, where: str) -> Array:
    """(len(texts),) the label of each code; anything of one that is not used ("")."""
    used = [text for text in texts if text]
    unit = reading.unit
    values = {text: _value(text, reading.decimal_comma, unit) for text in used}
    numbers = {text: value for text, value in values.items() if value is not None}
    if len(numbers) < len(used):
        if not reading.said:
            _refuse_typo(texts, numbers, counts, where)
        return np.array(texts)
    spelling: dict[float | int, str] = {}
    for text in sorted(used, key=lambda text: _CANONICAL.fullmatch(text) is None):
        spelling.setdefault(numbers[text], text)
    if all(
        _CANONICAL.fullmatch(text) and -(2**63) <= int(text) < 2**63 for text in spelling.values()
    ):
        return _integers([spelling[numbers[text]] if text else "" for text in texts])
    few = math.isqrt(counts.sum()) if unit else 0  # then they are classes as they are written
    many = len(spelling) > max(MAX_NUMERIC_CLASSES, few) and not any(map(_PADDED.match, used))
    if many and not reading.said:
        return np.array([float(numbers.get(text, 0)) for text in texts])
    return np.array([spelling[numbers[text]] if text else "" for text in texts])


def _integers(texts: Sequence[str]) -> Array:
    return np.array([int(text) if text else 0 for text in texts], np.int64)


def _value(text: str, decimal_comma: bool, unit: str = "") -> float | int | None:
    """The number that a text is, exactly if it is whole and has no point; None if it is none."""
    if re.fullmatch(r"[+-]?[0-9]{1,300}", text):
        return int(text)
    value = parse_written(text, decimal_comma, unit)
    return int(value) if value is not None and math.isfinite(value) and value % 1 == 0 else value


def _refuse_typo(
    texts: Sequence[str], numbers: dict[str, float | int], counts: Array, where: str
) -> None:
    """Refuse a few texts among many different numbers."""
    odd = [
        (text, n)
        for text, n in zip(texts, counts.tolist(), strict=True)
        if text and text not in numbers
    ]
    few = sum(n for _, n in odd) < _TYPO * counts.sum()
    if few and len(set(numbers.values())) > MAX_NUMERIC_CLASSES:
        column = where.rsplit(": ", 1)[-1]
        raise DataError(
            f"{where} has {quoted(odd[0][0])} among {len(numbers):,} different numbers; correct it "
            f"or leave it empty, or name {column} by --categorical if they are classes"
        )
