"""A table from its files: kinds found, useless columns left out, unlabelled rows dropped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import field
from typing import Protocol

import numpy as np

from mlpcli.arrays import WHOLE, Array, FileRows
from mlpcli.data.cells import common_unit, find_decimal_comma, is_missing, parse_written
from mlpcli.data.columns import UNSEEN, Column, LabelColumn, Layout, LeftOut, TableOptions
from mlpcli.data.dataset import count_unseen
from mlpcli.data.formats.matching import Named, Places, match_layout, match_options
from mlpcli.data.growing import SAMPLE, GrowingRows, is_too_coarse
from mlpcli.data.labels import (
    LabelCells,
    labels_of,
    suit_labels,
    tell_assumed,
    tell_doubtful,
    texts_for_missing,
)
from mlpcli.data.left_out import USABLE, find_reason, is_index
from mlpcli.data.readings import CategoryCells, DateCells, NumberCells, Reading, reading_of, suit
from mlpcli.errors import DataError
from mlpcli.records import record
from mlpcli.text import cut, printable, quoted


class RawTable(Named, Protocol):
    """What the readers of tables have in common; for the attributes see `TableReader`."""

    head: list[list[str]]
    notices: list[str]
    bad_rows: dict[int, str] | None

    @property
    def decimal_comma(self) -> bool: ...
    @property
    def unnamed(self) -> frozenset[int]: ...
    @property
    def digest(self) -> str: ...
    @property
    def may_have_header(self) -> bool: ...
    def take_first_row_for_header(self) -> None: ...
    def blocks(self, positions: Sequence[int], readings: Sequence[Reading]) -> Iterator[Array]: ...
    def rows(self) -> Iterator[tuple[int, list[str]]]: ...


@record
class Table:
    """What a table holds.

    Attributes:
        X: (N, R) float32 features, or float64 if float32 would make different values equal.
        labels: (N,) int64, float64 or text (`<U…`); None if no label was asked for.
        labelled: (N,) bool, which rows have a label; None if all have.
        of_classes: whether the labels were said to be classes.
        columns: the R features.
        label: the column of the labels, if any were asked for.
        width: how many columns the (first) file has.
        left_out: the other columns.
        groups: (N,) codes of the groups, or None.
        weights: (N,) float64 sample weights, or None.
        dropped: how many rows were left out as they have no label.
        file_rows: which rows of their files the others are.
        dropped_as: what is written there instead, if anything is.
        unseen: cells of categories that the model does not know.
        notices: what there is to say of it.
        digests: SHA-256 of the bytes read, of each file.
    """

    X: Array
    labels: Array | None
    columns: tuple[Column, ...]
    digests: tuple[str, ...]
    labelled: Array | None = None
    of_classes: bool = False
    label: LabelColumn = field(default_factory=LabelColumn)
    width: int = 0
    left_out: tuple[LeftOut, ...] = ()
    groups: Array | None = None
    weights: Array | None = None
    dropped: int = 0
    file_rows: FileRows = WHOLE
    dropped_as: tuple[str, ...] = ()
    unseen: int = 0
    notices: tuple[str, ...] = ()


def collect(
    tables: Sequence[RawTable],
    options: TableOptions | None = None,
    layout: Layout | None = None,
    *,
    labelled: bool = True,
) -> Table:
    """Read tables of the same columns as one.

    Args:
        tables: their readers.
        options: what a person says of the columns.
        layout: a model's columns, which decide kinds and codes; None if they are to be found out.
        labelled: whether rows without a label are dropped, and a label is needed at all.

    Raises:
        DataError: columns that are not there, cells that cannot be read.
    """
    options = options or TableOptions()
    first = tables[0]
    if layout is None:
        places = [match_options(table, options, first) for table in tables]
    else:
        places = [match_layout(table, options, layout, labelled=labelled) for table in tables]
    collector = _Collector(tables, places, options, layout)
    collector.read()
    if layout is None and first.may_have_header and collector.first_label_is_a_name():
        for table in tables:
            if table.may_have_header:
                table.take_first_row_for_header()
        return collect(tables, options, layout, labelled=labelled)
    return collector.table(keep_unlabelled=not labelled)


class _Collector:
    """Reads all columns by their readings, again if these turn out not to suit."""

    def __init__(
        self,
        tables: Sequence[RawTable],
        places: Sequence[Places],
        options: TableOptions,
        layout: Layout | None,
    ) -> None:
        self.tables, self.places, self.layout = tables, places, layout
        self.first, self.place = tables[0], places[0]
        self.decimal_comma = self.first.decimal_comma
        self.readings = [self._choose(j, options) for j in range(len(self.place.features))]
        self.extra = self._choose_extra(options)
        self.double = layout is not None and layout.double
        self.dropped_as: tuple[str, ...] = ()
        self.notices: list[str] = []
        if layout is None and options.label_column is None and self.first.header is not None:
            inputs = [self.first.header[position] for position in self.place.features]
            said = tell_assumed(self.first.header[-1], inputs)
            self.notices += [f"{self.first.source}: {line}" for line in said]

    def _cells(self, of: int) -> list[str]:
        """The first cells of a column that is the `of`-th of all that are read."""
        return [
            row[position]
            for table, place in zip(self.tables, self.places, strict=True)
            for position in (place.all[of],)
            for row in table.head
            if position < len(row)
        ]

    def _choose(self, j: int, options: TableOptions) -> Reading:
        """The reading of feature j."""
        position, cells = self.place.features[j], self._cells(j)
        mark = self.layout.columns[j].decimal if self.layout is not None else ""
        comma = find_decimal_comma(cells, self.decimal_comma, mark)
        if self.layout is not None:
            return reading_of(self.layout.columns[j], comma, lenient=position in self.place.numeric)
        if position in self.place.categorical:
            return CategoryCells(fixed=True)
        if position in self.place.numeric:
            return NumberCells(comma, common_unit(cells), fixed=True, lenient=True)
        return suit(cells, comma)

    def _choose_extra(self, options: TableOptions) -> list[Reading]:
        """The readings of label, group and weight, of those that there are."""
        place, count = self.place, len(self.place.features)
        readings = [] if place.label is None else [self._choose_label(self._cells(count), options)]
        if place.group is not None:
            cells = self._cells(count + len(readings))
            readings.append(suit(cells, self.decimal_comma))
        if place.weight is not None:
            readings.append(NumberCells(self.decimal_comma, fixed=True))
        return readings

    def _choose_label(self, cells: Sequence[str], options: TableOptions) -> Reading:
        mark = self.layout.label.decimal if self.layout is not None else ""
        label, comma = self.place.label, find_decimal_comma(cells, self.decimal_comma, mark)
        if self.layout is not None:
            if self.layout.classes is not None:
                return LabelCells(self.layout.classes, comma)
            asked = self.first.bad_rows is not None  # a row to be answered needs no label
            return NumberCells(comma, self.layout.label.unit, fixed=True, lenient=asked)
        if options.task == "classification" or label in self.place.categorical:
            return LabelCells(decimal_comma=comma, said=True)
        if options.task == "regression" or label in self.place.numeric:
            return NumberCells(comma, common_unit(cells))
        return suit_labels(cells, comma)

    def read(self) -> None:
        """Read until every reading suits its column."""
        while self._pass() or self._revise():
            pass

    def _pass(self) -> bool:
        """Read all rows once; whether it must be done again in double precision."""
        R = len(self.readings)
        self.X = GrowingRows(R, np.float64 if self.double else np.float32)
        self.rest = GrowingRows(len(self.extra), np.float64)
        self.starts = []
        readings = [*self.readings, *self.extra]
        for position, reading in zip(self.place.all, readings, strict=True):
            reading.odd, reading.all_texts = 0, position == self.place.group
        with np.errstate(over="ignore", under="ignore"):
            for table, place in zip(self.tables, self.places, strict=True):
                self.starts.append(self.X.count)
                for block in table.blocks(place.all, readings):
                    if not self.double and self._needs_double(block):
                        self.double = True
                        return True
                    self.X.append(block[:, :R])
                    self.rest.append(block[:, R:])
        return False

    def _needs_double(self, block: Array) -> bool:
        """Whether float32 would lose what matters of the features: a time of day, for one."""
        dates = [j for j, reading in enumerate(self.readings) if isinstance(reading, DateCells)]
        days = block[:, dates]
        whole = (np.isnan(days) | (days == np.rint(days))).all()
        few = self.X.count > 0 and len(block) < SAMPLE  # of which nearly equal ones tell nothing
        return not whole or (not few and is_too_coarse(block[:, : len(self.readings)]))

    def _revise(self) -> bool:
        """Replace readings that do not suit their columns; whether there were any."""
        again, labels = False, self.extra[:1] if self.place.label is not None else []
        for readings, rows in ((self.readings, self.X), (self.extra, self.rest)):
            for j, reading in enumerate(readings):
                better = reading.revise(rows.array[:, j])
                if isinstance(better, CategoryCells) and reading in labels:
                    better = LabelCells(decimal_comma=better.decimal_comma, tried=better.tried)
                if better is not None:
                    readings[j], again = better, True
        return again

    def first_label_is_a_name(self) -> bool:
        """Whether the first row alone has its label, others repeat, and not all are numbers."""
        label = self.extra[0] if self.place.label is not None else None
        if not isinstance(label, LabelCells) or self.rest.count < 3:
            return False
        codes = self.rest.array[:, 0]
        counts = label.count(codes)
        code = codes[0]
        numbers = all(parse_written(name, self.decimal_comma) is not None for name in label.names)
        if not code >= 0 or numbers or is_missing(label.names[int(code)]):
            return False
        others = np.delete(counts, int(code))
        return bool(counts[int(code)] == 1 and len(others) and others.min() > 1)

    def table(self, *, keep_unlabelled: bool) -> Table:
        """What was read, once the columns and rows that are of no use are gone."""
        self._refuse_odd_cells()
        extra = [self.rest.array[:, j] for j in range(len(self.extra))]
        labels, labelled = self._labels(extra)
        left_out = [] if self.layout is not None else self._find_left_out()
        gone = {column.position for column in left_out}
        kept = [j for j, position in enumerate(self.place.features) if position not in gone]
        dropped = 0
        if labelled is not None and not keep_unlabelled:
            dropped = int(np.count_nonzero(~labelled))
            assert labels is not None
            labels, extra = labels[labelled], [values[labelled] for values in extra]
        X = self.X.finish(labelled if dropped else None, kept)
        columns = tuple(self._column(X, i, j) for i, j in enumerate(kept))
        weights = extra.pop() if self.place.weight is not None else None
        groups = None
        if self.place.group is not None:  # rows without a value belong together
            groups = np.unique(np.nan_to_num(extra.pop(), nan=-2.0), return_inverse=True)[1]
        return Table(
            X=X,
            labels=labels,
            labelled=labelled if keep_unlabelled else None,
            of_classes=any(isinstance(r, LabelCells) and r.said for r in self.extra),
            columns=columns,
            digests=tuple(table.digest for table in self.tables),
            label=self._label_column(),
            width=self.first.width,
            left_out=(*left_out, *self.place.ignored),
            groups=groups,
            weights=weights,
            dropped=dropped,
            file_rows=self._file_rows(labelled if dropped else None),
            unseen=count_unseen(X, columns) if self.layout else 0,
            dropped_as=self.dropped_as if dropped else (),
            notices=(*(f"{t.source}: {s}" for t in self.tables for s in t.notices), *self.notices),
        )

    def _file_rows(self, kept: Array | None) -> FileRows:
        rows = None if kept is None else np.flatnonzero(kept)
        if len(self.tables) == 1:
            return FileRows(rows)
        files = tuple(printable(table.source) for table in self.tables)
        return FileRows(rows, files, tuple(self.starts))

    def _labels(self, extra: list[Array]) -> tuple[Array | None, Array | None]:
        """(labels, which rows have one, or None if all), of the first of the `extra` columns."""
        if self.place.label is None:
            return None, None
        known = self.layout.classes if self.layout is not None else None
        column = self.first.show(self.place.label)
        reading, where = self.extra[0], f"{self.first.source}: {column}"
        labels, labelled = labels_of(reading, extra.pop(0), where, known)
        if isinstance(reading, LabelCells):
            self.dropped_as = tuple(sorted(texts_for_missing(reading.names, known)))
            if known is None:
                self.notices += tell_doubtful(labels, reading.names, where)
        if not labelled.any() and self.layout is None:
            raise DataError(
                f"{self.first.source}: no row has a label in {column}; "
                "name another by --label-column"
            )
        return labels, None if labelled.all() else labelled

    def _refuse_odd_cells(self) -> None:
        for position, reading in zip(self.place.all, [*self.readings, *self.extra], strict=True):
            if reading.first_odd is not None and reading.odd:
                where, cell = reading.first_odd
                name = self.first.header[position] if self.first.header else str(position)
                remedy = "" if position == self.place.weight else ", or leave it empty"
                if self.first.may_have_header and cell == self.first.head[0][position].strip():
                    remedy = ", or, if the first row is the header, --header yes"
                elif remedy and self.layout is None:
                    remedy = (
                        f", or read the column otherwise: --categorical {cut(name)}, or --numeric "
                        f"{cut(name)}, which takes it for missing"
                    )
                raise DataError(
                    f"{where}: {quoted(cell)} is not {reading.wanted}, as most are; "
                    f"correct it{remedy}"
                )

    def _find_left_out(self) -> list[LeftOut]:
        """The features that tell nothing."""
        found = []
        names = self.first.unnamed
        first_named = next(j for j in range(self.first.width + 1) if j not in names)
        for j, position in enumerate(self.place.features):
            if position in self.place.asked_for:
                continue
            called = is_index(self._name(position) or "")
            reason = find_reason(
                self.X.array[:, j],
                self.readings[j],
                self.starts,
                ascending=called or position in names,
                shuffled=called or position < first_named,
            )
            if reason:
                found.append(LeftOut(self._name(position), position, reason))
        if len(found) < len(self.readings):
            return found
        found = [column for column in found if column.reason not in USABLE]
        if len(found) == len(self.readings):
            raise DataError(
                f"{self.first.source}: no column is left to learn from: {found[0].shown} "
                f"({found[0].reason}) …; take columns all the same by --only"
            )
        return found

    def _column(self, X: Array, i: int, j: int) -> Column:
        """What feature j, column i of X, is; brings the codes of categories to sorted order."""
        reading, position = self.readings[j], self.place.features[j]
        if self.layout is not None:
            return self.layout.columns[j]
        name, kind = self._name(position), reading.kind
        if not isinstance(reading, CategoryCells):
            first = reading.order if isinstance(reading, DateCells) else ""
            return Column(name, position, kind, (), first, reading.decimal, reading.unit)
        codes = X[:, i]
        used = np.flatnonzero(reading.count(codes)).tolist()
        by_name = sorted(used, key=reading.names.__getitem__)
        new = np.full(len(reading.names) + 1, UNSEEN)  # the last one is for UNSEEN itself
        new[by_name] = np.arange(len(by_name))
        known = ~np.isnan(codes)
        codes[known] = new[codes[known].astype(np.intp)]
        names = tuple(reading.names[code] for code in by_name)
        return Column(name, position, kind, names)

    def _label_column(self) -> LabelColumn:
        position = self.place.label
        if position is None:
            return LabelColumn()
        reading = self.extra[0]
        return LabelColumn(self._name(position), position, reading.decimal, reading.unit)

    def _name(self, position: int) -> str | None:
        return self.first.header[position] if self.first.header is not None else None
