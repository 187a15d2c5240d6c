"""Rows for a model to predict, from whatever file they are in, with labels or without."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import field, replace
from pathlib import Path

import numpy as np

from mlpcli.arrays import Array
from mlpcli.data.catalog import FILL_THEIR_FRAME
from mlpcli.data.columns import Column, LabelColumn, Layout, TableOptions
from mlpcli.data.dataset import lacking_pixels
from mlpcli.data.formats import idx, pictures
from mlpcli.data.formats.collect import RawTable, collect
from mlpcli.data.formats.header import find_column
from mlpcli.data.formats.registry import STDIN, format_of, is_table, prediction_kinds, why_not
from mlpcli.data.formats.rows import refuse_options
from mlpcli.data.formats.tables import open_tables
from mlpcli.errors import DataError
from mlpcli.records import record


@record
class Wanted:
    """What a model takes, as its checkpoint has it.

    Attributes:
        model: its file, for messages.
        D: raw columns per row.
        source: what it was trained on.
        layout: of a table; None of images.
        image_shape, full_scale: of images.
        numeric: columns of a table in which what is no number is missing.
    """

    model: Path
    D: int
    source: str
    layout: Layout | None
    image_shape: tuple[int, int] | None
    full_scale: float | None
    numeric: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...] | None:
        """The names of its columns, if they have any."""
        return (self.layout.names or None) if self.layout is not None else None


@record
class Inputs:
    """Rows to predict.

    Attributes:
        X: (N, R).
        labels: (N,), if they have any.
        labelled: (N,) bool, which rows have one; None if all have.
        notices: what there is to say of the file.
        bad: {row from 0: why it could not be read}.
    """

    X: Array
    labels: Array | None = None
    labelled: Array | None = None
    notices: tuple[str, ...] = ()
    bad: Mapping[int, str] = field(default_factory=dict)


@record
class Opened:
    """An open file of rows.

    Attributes:
        source: what to call it in messages.
        inputs: the rows as each of the models takes them.
        names: of all its columns, made up if it has none.
        header: the names that it has.
        cells: returns an iterator of all rows' cells, as they are written.
    """

    source: str
    inputs: Sequence[Inputs]
    names: Sequence[str]
    header: Sequence[str] | None
    cells: Callable[[], Iterator[Sequence[str]]]

    def find(self, wanted: str) -> int:
        """The position of a column by its name or index; see `find_column`."""
        return find_column(wanted, self.header, len(self.names), self.source)


@contextmanager
def open_inputs(
    source: str, wanted: Sequence[Wanted], options: TableOptions | None = None
) -> Iterator[Opened]:
    """Open a table or arrays, for one model or for several.

    Columns are matched with a model's, see `match_layout`; labels may be missing.

    Args:
        source: a path, or - for a table on standard input.
        wanted: what the models take.
        options: a table's column of labels, and whether it has a header.

    Raises:
        DataError: it cannot be read, or does not fit a model; rows that cannot be read are told in
            `Inputs.bad`, if others can.
        UsageError: a label column was given for something that is no table.
    """
    with ExitStack() as stack:
        try:
            opened = _open(source, wanted, options, stack)
        except FileNotFoundError:
            raise DataError(f"{source}: does not exist; give {prediction_kinds()}") from None
        except OSError as error:
            raise DataError(f"{source}: cannot be read: {error.strerror or error}") from error
        yield opened


def _open(
    source: str, wanted: Sequence[Wanted], options: TableOptions | None, stack: ExitStack
) -> Opened:
    path = Path(source).expanduser()
    if source != STDIN and path.is_dir():
        raise DataError(f"{source}: is a folder; give {prediction_kinds()}")
    if is_table(source):
        ways = [(w.layout or numbers_only(w.D, str(w.model)), w.numeric) for w in wanted]
        known = [name for layout, _ in ways for name in layout.names]
        numeric = tuple(name for _, names in ways for name in names)
        options = replace(options or TableOptions(), numeric=numeric)
        (table,) = stack.enter_context(open_tables([source], options, known))
        table.bad_rows = {}
        first = [ways.index(way) for way in ways]  # of those that are equal
        read = {
            k: _of_table(table, replace(options, numeric=ways[k][1]), ways[k][0])
            for k in dict.fromkeys(first)
        }
        inputs = [_complete(read[k], w) for k, w in zip(first, wanted, strict=True)]
        names = table.header or [f"column {j + 1}" for j in range(table.width)]
        return Opened(source, inputs, names, table.header, lambda: (c for _, c in table.rows()))
    path.stat()  # whether it is there is what to say first
    if reason := why_not(source):
        raise DataError(f"{source}: {reason}")
    refuse_options(options, source)
    found = _arrays(path, source)
    R = found.X.shape[1]
    for model in wanted:
        if R != model.D:
            raise DataError(f"{source}: has {R} columns of inputs, {model.model} takes {model.D}")
    names = [f"x{j + 1}" for j in range(R)]
    return Opened(source, [found] * len(wanted), names, names, lambda: _texts(found.X))


def _of_table(table: RawTable, options: TableOptions, layout: Layout) -> Inputs:
    read = collect([table], options, layout, labelled=False)
    bad = dict(table.bad_rows or {})
    if len(bad) == len(read.X):
        raise DataError(bad[0])
    return Inputs(read.X, read.labels, read.labelled, read.notices, bad)


def _complete(inputs: Inputs, wanted: Wanted) -> Inputs:
    """The same, where images that lack a pixel cannot be read."""
    lacking = lacking_pixels(inputs.X) if wanted.image_shape else {}
    return replace(inputs, bad={**lacking, **inputs.bad}) if lacking else inputs


def _texts(X: Array) -> Iterator[list[str]]:
    return (list(map(str, row.tolist())) for row in X)


def numbers_only(R: int, model: str) -> Layout:
    """The layout of a model of R numbers without names, such as arrays are."""
    columns = tuple(Column(None, j) for j in range(R))
    return Layout(columns, LabelColumn(None, R), R + 1, model=model, double=True)


def frame_of(source: str) -> float:
    """The share of an image's side that its object takes in the images of `source`."""
    return 1.0 if source in FILL_THEIR_FRAME else pictures.FRAME


def is_image(source: str) -> bool:
    """Whether a path is one of a picture, by its suffix."""
    return source.lower().endswith(pictures.SUFFIXES)


def open_images(sources: Sequence[str], wanted: Wanted, *, prepare: bool) -> Inputs:
    """Open pictures, a row each, made to look like the model's images unless told not to.

    Raises:
        DataError: none can be read, or the model was not trained on images.
    """
    shape, scale = wanted.image_shape, wanted.full_scale
    if shape is None or scale is None:
        kind = "no images" if shape is None else "images whose pixels have no known largest value"
        raise DataError(
            f"{sources[0]}: a picture, but {wanted.model} was trained on {kind} "
            f"({wanted.source}); give the rows as a table or as .npz"
        )
    frame = frame_of(wanted.source)
    X = np.zeros((len(sources), wanted.D), np.float32)
    bad: dict[int, str] = {}
    for number, (row, source) in enumerate(zip(X, sources, strict=True)):
        try:
            pixels = pictures.read_image(Path(source), shape, prepare_it=prepare, frame=frame)
        except DataError as error:
            bad[number] = str(error)
        else:
            row[:] = (pixels * (scale / 255)).ravel()
    if len(bad) == len(sources):
        raise DataError(bad[0])
    return Inputs(X, bad=bad)


def _arrays(path: Path, source: str) -> Inputs:
    form = format_of(source)
    if form is not None and form.rows:
        return Inputs(*form.opener("rows")(path, source))
    if "ubyte" not in path.name and ".idx" not in path.name.lower():
        raise DataError(f"{source}: not a kind of file that can be read; give {prediction_kinds()}")
    X = idx.read(path, 3)
    labels = idx.read_labels_beside(path)
    if labels is not None and len(labels) != len(X):
        raise DataError(
            f"{source}: has {len(X)} images, but the file of labels beside it has {len(labels)}"
        )
    return Inputs(X.reshape(len(X), -1), labels)
