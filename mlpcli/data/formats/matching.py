"""Which columns of a table are features, label, group, weight: by a person's word or a model's."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Protocol

from mlpcli.data.columns import Layout, LeftOut, TableOptions
from mlpcli.data.formats.header import is_index
from mlpcli.errors import DataError, UsageError
from mlpcli.records import record
from mlpcli.text import name_columns

_WITHOUT_FEATURES = (
    "has a single column, but a label and at least one feature are needed; are its cells separated "
    "by commas, semicolons, tabs or bars?",
    "no column but the label is left to learn from",
)


class Named(Protocol):
    """A table whose columns can be found; for the attributes see `TableReader`."""

    source: str
    width: int
    nominal: frozenset[int]

    @property
    def header(self) -> tuple[str, ...] | None: ...
    def find(self, wanted: str) -> int: ...
    def find_name(self, name: str) -> int: ...
    def show(self, column: int) -> str: ...


@record
class Places:
    """Positions in a table.

    Attributes:
        features: of what may become X's columns, in X's order.
        label, group, weight: of these, or None.
        categorical, numeric: of columns whose kind was given, or declared in the file.
        asked_for: of features that a person named, so that they are not left out.
        ignored: what a person left out.
    """

    features: tuple[int, ...]
    label: int | None = None
    group: int | None = None
    weight: int | None = None
    categorical: frozenset[int] = frozenset()
    numeric: frozenset[int] = frozenset()
    asked_for: frozenset[int] = frozenset()
    ignored: tuple[LeftOut, ...] = ()

    @cached_property
    def all(self) -> list[int]:
        """Every position to read: features, then label, group and weight, of those there are."""
        rest = (self.label, self.group, self.weight)
        return [*self.features, *(position for position in rest if position is not None)]


def match_options(table: Named, options: TableOptions, first: Named) -> Places:
    """The places of a table to train on.

    Args:
        table: one of several of the same columns.
        options: what a person says of the columns of the first one.
        first: the first one.

    Raises:
        DataError: a column is not there, or the tables' columns are not the same.
        UsageError: a column is to be two things.
    """
    places = _places(first, options)
    if table is first:
        return places
    if table.width != first.width:
        raise DataError(
            f"{table.source}: has {name_columns(table.width)}, {first.source} has {first.width}; "
            "several tables must have the same columns"
        )
    if table.header is None or first.header is None:
        return places
    there = dict(enumerate(_find_names(table, first.header)))
    return Places(
        tuple(there[j] for j in places.features),
        None if places.label is None else there[places.label],
        None if places.group is None else there[places.group],
        None if places.weight is None else there[places.weight],
    )


def _places(table: Named, options: TableOptions) -> Places:
    label = table.width - 1 if options.label_column is None else table.find(options.label_column)
    group = None if options.group is None else table.find(options.group)
    weight = None if options.sample_weight is None else table.find(options.sample_weight)
    for flag, position in (("--group", group), ("--sample-weight", weight)):
        if position == label:
            raise UsageError(
                f"{flag} {table.show(label)}: is the label; name the labels by --label-column"
            )
    categorical = [table.find(name) for name in options.categorical]
    numeric = [table.find(name) for name in options.numeric]
    only = {table.find(name) for name in options.only}
    ignore = {table.find(name) for name in options.ignore}
    for one, ones, other, others in (
        ("--categorical", categorical, "--numeric", numeric),
        ("--ignore", ignore, "--only", only),
        ("--ignore", ignore, "--label-column", [label]),
    ):
        for position in set(ones) & set(others):
            raise UsageError(f"{table.show(position)} is named by both {one} and {other}")
    nominal = table.nominal.difference(numeric, [label] if options.task == "regression" else [])
    features = [j for j in range(table.width) if j not in (label, group, weight)]
    taken = [j for j in features if j not in ignore and (not only or j in only)]
    if not taken:
        raise DataError(f"{table.source}: {_WITHOUT_FEATURES[table.width > 1]}")
    names = table.header or (None,) * table.width
    unused = sorted(set(features).difference(taken))
    return Places(
        features=tuple(taken),
        label=label,
        group=group,
        weight=weight,
        categorical=nominal.union(categorical),
        numeric=frozenset(numeric),
        asked_for=frozenset((*categorical, *numeric, *only, *(taken if options.images else ()))),
        ignored=tuple(
            LeftOut(names[j], j, "--ignore" if j in ignore else "--only") for j in unused
        ),
    )


def match_layout(table: Named, options: TableOptions, layout: Layout, *, labelled: bool) -> Places:
    """The places of a table that is read for a model; see `find_columns`.

    Args:
        table: the table.
        options: the label's column, if it is not where the model had it.
        layout: the model's columns.
        labelled: whether a label is needed.

    Raises:
        DataError: a column is missing, or it cannot be told which is which.
    """
    label = None if options.label_column is None else table.find(options.label_column)
    features, label = find_columns(table, layout, label, labelled=labelled)
    group = None if options.group is None else _find_if_there(table, options.group, needed=False)
    lenient = {
        features[j] for j, column in enumerate(layout.columns) if column.is_among(options.numeric)
    }
    weight = None if options.sample_weight is None else _find_weight(table, options, layout)
    return Places(features, label, group, weight, numeric=frozenset(lenient))


def find_columns(
    table: Named, layout: Layout, label: int | None, *, labelled: bool
) -> tuple[tuple[int, ...], int | None]:
    """(the places of a model's columns, the label's or None) in a table.

    By name if both have names, and else by position: where the label is, and other columns that
    training left out, is told by how many columns there are.

    Raises:
        DataError: a column is missing, or it cannot be told which is which.
    """
    if table.header is not None and layout.names:
        features = _find_names(table, layout.names)
        if label is None and layout.label.name is not None:
            label = _find_if_there(table, layout.label.name, needed=labelled)
        if label in features:
            label = None
        if label is None and labelled:
            raise DataError(f"{table.source}: no labels beside the inputs; give --label-column")
        return features, label
    return _match_positions(table, layout, label, labelled=labelled)


def _find_weight(table: Named, options: TableOptions, layout: Layout) -> int | None:
    """The place of the weights, by name, or by index if the table is as wide as in training."""
    wanted = str(options.sample_weight)
    if is_index(wanted) and table.width != layout.width:
        return None
    return _find_if_there(table, wanted, needed=False)


def _find_names(table: Named, names: Sequence[str]) -> tuple[int, ...]:
    """The positions of columns by their names, of which there may be very many."""
    there = {name: j for j, name in enumerate(table.header or ())}
    return tuple(there[name] if name in there else table.find_name(name) for name in names)


def _find_if_there(table: Named, wanted: str, *, needed: bool) -> int | None:
    try:
        return table.find(wanted) if is_index(wanted) else table.find_name(wanted)
    except DataError:
        if needed:
            raise
        return None


def _match_positions(
    table: Named, layout: Layout, label: int | None, *, labelled: bool
) -> tuple[tuple[int, ...], int | None]:
    """(the places of the model's columns, the label's or None) of a table without names."""
    positions = [column.position for column in layout.columns]
    R, width = len(positions), table.width
    trained = R + 1 if layout.width is None else layout.width
    matches = match_positions(
        positions, layout.label.position, trained, width, label, labelled=labelled
    )
    if len(matches) == 1:
        return matches[0]
    there = f"has {name_columns(width)}" + (" and no header" if table.header is None else "")
    if matches:
        raise DataError(
            f"{table.source}: {there}, so that it cannot be told which of them are the {R} that "
            f"{layout.model} takes; give a header, or the same columns as in training"
        )
    needed = f"{R} columns of inputs" + (" and a label" if labelled else "")
    of = f", of the {trained} in training" if trained > R + 1 else ""
    raise DataError(f"{table.source}: {there}; {layout.model} takes {needed}{of}")


def match_positions(
    positions: Sequence[int],
    at: int | None,
    trained: int,
    width: int,
    label: int | None = None,
    *,
    labelled: bool = False,
) -> list[tuple[tuple[int, ...], int | None]]:
    """Every (places of the columns, the label's or None) that a table without names can have.

    Args:
        positions: of the columns, in training's table.
        at: of the label there.
        trained: how many columns that had.
        width: how many this one has.
        label: where the label is said to be here.
        labelled: whether it must be there.
    """
    # What the columns besides the label can be: all that training had, or those that it used.
    used = sorted(positions)
    everything = used if at is None else [j for j in range(trained) if j != at]
    choices = [] if labelled and label is None else [label]
    if label is None and at is not None:
        choices += [at] * (width == trained)
        choices += [sum(j < at for j in used)] * (width == len(used) + 1)
    found = {
        _by_rank(positions, among, width, place)
        for among in (everything, used)
        for place in choices
    }
    return sorted(filter(None, found), key=str)


def _by_rank(
    positions: Sequence[int], among: Sequence[int], width: int, label: int | None
) -> tuple[tuple[int, ...], int | None] | None:
    """The places of columns in order `among` others, if these are all the table's but the label."""
    rest = [j for j in range(width) if j != label]
    if len(rest) != len(among):
        return None
    where = {among[k]: place for k, place in enumerate(rest)}
    if not where.keys() >= set(positions):
        return None
    return tuple(where[position] for position in positions), label
