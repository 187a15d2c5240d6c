"""Columns of a table: what they are, where a model finds its own, what a person says of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field, fields
from typing import Literal

from mlpcli.records import record
from mlpcli.text import cut, cut_list, printable

DecimalMark = Literal["", ".", ","]
"""What a column's numbers have before their decimals; "" if its rows do not tell."""

UNSEEN = -1.0
"""The code of a category that the model does not know; a missing one is NaN."""


def name_column(name: str | None, position: int) -> str:
    """What to call a column in messages."""
    return f"column {position + 1}" if name is None else name


@record
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
        order: of a date of three numbers, what comes first: "day", "month" or "year"; "" if the
            rows do not tell.
        decimal: of a number, what its decimals come after.
        unit: of a number, what may stand after it; see `split_unit`.
    """

    name: str | None
    position: int
    kind: str = "number"
    categories: tuple[str, ...] = ()
    order: str = ""
    decimal: DecimalMark = ""
    unit: str = ""

    @property
    def shown(self) -> str:
        """What to call it in messages."""
        return name_column(self.name, self.position)

    def is_among(self, wanted: Sequence[str]) -> bool:
        """Whether it is one of those that these names and indices are of."""
        return self.name in wanted or str(self.position) in wanted


@record
class LabelColumn:
    """The column of a table's labels; for the attributes see `Column`.

    `position` is None if it is not known, as where there is no such column.
    """

    name: str | None = None
    position: int | None = None
    decimal: DecimalMark = ""
    unit: str = ""

    @property
    def shown(self) -> str:
        """What to call it in messages; "" if nothing is known of it."""
        return self.name or ("" if self.position is None else name_column(None, self.position))


@record
class LeftOut:
    """A column of a file that is not one of X, and why: "counts the rows", "constant", …"""

    name: str | None
    position: int
    reason: str

    @property
    def shown(self) -> str:
        """What to call it in messages."""
        return name_column(self.name, self.position)


@record
class Layout:
    """Where a model finds its columns in a table, and how it reads them.

    Attributes:
        columns: its raw columns, in their order.
        label: the column of the labels.
        width: how many columns the table had that it was trained on; None if not known.
        classes: its labels as text; None if they are numbers to predict.
        model: what to call it in messages.
        double: whether its numbers need float64.
    """

    columns: tuple[Column, ...]
    label: LabelColumn = field(default_factory=LabelColumn)
    width: int | None = None
    classes: tuple[str, ...] | None = ()
    model: str = "the model"
    double: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its columns, or () if it has none."""
        named = tuple(column.name for column in self.columns if column.name is not None)
        return named if len(named) == len(self.columns) else ()


@record
class TableOptions:
    """What a person says of a table, as name or index of columns.

    Attributes:
        label_column: the labels'; None for the last, or where the model had it.
        header: "auto", "yes" or "no".
        categorical, numeric: columns whose kind is not to be found out. What is no number in a
            numeric one is missing.
        ignore: columns to leave out.
        only: the columns to take, if any are given.
        group: a column whose rows of one value stay in one part of the split.
        sample_weight: a column of weights.
        task: what the labels ask for: "classification", "regression", or "auto".
        images: whether the columns are pixels, of which none is left out unasked.
    """

    label_column: str | None = None
    header: str = "auto"
    categorical: tuple[str, ...] = ()
    numeric: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    group: str | None = None
    sample_weight: str | None = None
    task: str = "auto"
    images: bool = False

    def given(self) -> list[str]:
        """The names of the options that are not at their defaults."""
        names = [f.name for f in fields(self) if getattr(self, f.name) != f.default]
        return [name for name in names if name not in ("task", "images")]

    def mentioned(self) -> list[str]:
        """Every column that is named or numbered."""
        lists: list[Sequence[str]] = [self.categorical, self.numeric, self.ignore, self.only]
        single = (self.label_column, self.group, self.sample_weight)
        return [name for part in lists for name in part] + [n for n in single if n is not None]


def describe_columns(columns: Sequence[Column], left_out: Sequence[LeftOut]) -> str:
    """How many columns of each kind there are, and which were left out and why, in a line."""
    said = []
    for kind, plural in (("number", "numbers"), ("category", "categories"), ("date", "dates")):
        of_kind = [column.shown for column in columns if column.kind == kind]
        if of_kind:
            names = "" if kind == "number" else f" ({_named(of_kind)})"
            said.append(f"{len(of_kind)} {kind if len(of_kind) == 1 else plural}{names}")
    reasons: dict[str, list[str]] = {}
    for column in left_out:
        reasons.setdefault(column.reason, []).append(column.shown)
    left = [f"{_named(names)} ({reason})" for reason, names in reasons.items()]
    return ", ".join(said) + (f"; left out: {', '.join(left)}" if left else "")


def _named(names: Sequence[str]) -> str:
    return cut_list([cut(printable(name), 30) for name in names])
