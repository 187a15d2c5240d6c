"""What the columns of a table are, and its cells: numbers, missing values, labels."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from mlpcli.text import CONTROL, quoted

UNSEEN = -1.0
"""The code of a category that the model does not know; a missing one is NaN."""


@dataclass(frozen=True)
class Column:
    """A column of X as a file has it, before anything is learned of it.

    In X a number is itself, a date days since 1970-01-01 (with a fraction if it has a time of day),
    a category the position of its text in `categories`, or `UNSEEN`. NaN is missing.

    Attributes:
        name: the header's, or None without a header.
        position: in the file, from 0.
        kind: "number", "category" or "date".
        categories: of a category, all that the file has, sorted; of one read for a model, those
            that the model has.
    """

    name: str | None
    position: int
    kind: str = "number"
    categories: tuple[str, ...] = ()


@dataclass(frozen=True)
class LeftOut:
    """A column of a file that is not one of X, and why: "counts the rows", "constant", …"""

    name: str | None
    position: int
    reason: str


_MAX_LABEL = 200  # characters; an array of text is as wide as its longest


_MAX_CLASSES = 1 << 16


MISSING = frozenset(("", "?", "-", "na", "n/a", "nan", "null", "none"))


class Codes(dict[str, int]):
    """Codes 0, 1, 2, … for labels, in the order in which they are first met.

    Looking up a label that cannot be one raises a ValueError that says why.
    """

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __missing__(self, cell: str) -> int:
        text = cell.strip()
        if text != cell:
            return self[text]
        value = parse_number(text)
        if not text or (value is not None and not np.isfinite(value)):
            raise ValueError("the label is missing; fill it in or drop the row")
        if CONTROL.search(text):
            raise ValueError(f"the label {quoted(text)} has a control character; remove it")
        if len(text) > _MAX_LABEL:
            raise ValueError(
                f"a label of {len(text):,} characters; name the column of labels by --label-column"
            )
        if len(self) == _MAX_CLASSES:
            raise ValueError(
                f"more than {_MAX_CLASSES:,} different labels; "
                "name the column of labels by --label-column"
            )
        self[text] = len(self.names)
        self.names.append(text)
        return self[text]


def parse_number(cell: str) -> float | None:
    """The number that a cell is, by NumPy's rules, which are narrower than Python's; or None."""
    text = cell.strip()
    if not text.isascii() or "_" in text:
        return None
    try:
        return float(text)
    except ValueError:
        return None


def has_decimal_comma(cell: str) -> bool:
    """Whether a cell is a number but for its decimal comma."""
    return re.fullmatch(r"\s*[+-]?[0-9]+,[0-9]+\s*", cell) is not None
