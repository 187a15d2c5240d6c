"""Data to train on or to evaluate on, from whatever file they are in."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mlpcli.data.columns import Layout, TableOptions
from mlpcli.data.dataset import Dataset
from mlpcli.data.formats import idx, numpy_files
from mlpcli.data.formats.collect import Table
from mlpcli.data.formats.registry import (
    STDIN,
    format_of,
    is_table,
    table_formats,
    training_kinds,
    why_not,
)
from mlpcli.data.formats.tables import read_tables
from mlpcli.errors import DataError, UsageError
from mlpcli.text import quoted


def open_paths(
    sources: Sequence[str],
    options: TableOptions | None = None,
    layout: Layout | None = None,
    *,
    test: str | None = None,
    val: str | None = None,
) -> Dataset:
    """Open a person's own data.

    Args:
        sources: a table (see `collect`), or several of the same columns; or an `.npz` file or a
            folder with `X.npy` and `y.npy` (see `numpy_files`), or a folder of four IDX files (see
            `idx`).
        options: what a person says of a table.
        layout: how a model reads a table.
        test, val: tables whose rows are for testing, and for validation.

    Returns:
        The data set, X (N, R) and y (N,). Labels of one class only are left for `split` to refuse:
        they are no fault in a file to evaluate on.

    Raises:
        DataError: there is nothing there, or it cannot be used: where and why, and what to do.
        UsageError: options of tables were given for something that is none.
    """
    try:
        beside = [path for path in (test, val) if path is not None]
        for source in (*sources, *beside):
            if source != STDIN and not Path(source).expanduser().exists():
                kinds = table_formats() if source in beside else training_kinds()
                raise DataError(f"{source}: does not exist; give {kinds}")
        odd = [source for source in (*sources, *beside) if not _is_table(source)]
        if not odd:
            return _open_tables(sources, options, layout, test, val)
        for source in odd:
            if reason := why_not(source):
                raise DataError(f"{source}: {reason}")
        if odd[0] in beside:
            raise DataError(f"{odd[0]}: is no table beside a table; give {table_formats()}")
        if len(sources) > 1:
            raise UsageError(
                "several --data can only be tables of the same columns, or one test set of them"
            )
        refuse_options(options, sources[0])
        if beside:
            raise UsageError(
                "--test-data and --val-data are tables beside a table; "
                "put X_test and y_test into an .npz"
            )
        return _open_arrays(Path(sources[0]).expanduser(), sources[0])
    except OSError as error:
        where = error.filename or sources[0]
        raise DataError(f"{where}: cannot be read: {error.strerror or error}") from error


def _is_table(source: str) -> bool:
    folder = source != STDIN and Path(source).expanduser().is_dir()
    return is_table(source) and not folder


def refuse_options(options: TableOptions | None, source: str) -> None:
    """Refuse options of tables for something that is none."""
    for name in options.given() if options else []:
        flag = "--" + name.replace("_", "-")
        raise UsageError(f"{flag} is for tables, and {source} is not one")


def _open_tables(
    sources: Sequence[str],
    options: TableOptions | None,
    layout: Layout | None,
    test: str | None,
    val: str | None,
) -> Dataset:
    table = read_tables(sources, options, layout)
    beside = {name: path for name, path in (("test", test), ("val", val)) if path is not None}
    data = replace(as_dataset(table, sources), beside=beside)
    own = layout
    if layout is None and beside:
        asked = options or TableOptions()
        own = data.layout(data.kind(asked.task, images=asked.images))
    if test is not None:
        rows, data = _beside(data, test, _for_other_rows(options), own)
        data = replace(data, X_test=rows.X, y_test=rows.labels, file_rows_test=rows.file_rows)
        data = replace(data, digests_test=rows.digests)
    if val is not None:
        weight = options.sample_weight if options else None
        said = replace(_for_other_rows(options), sample_weight=weight)
        rows, data = _beside(data, val, said, own)
        data = replace(data, X_val=rows.X, y_val=rows.labels, file_rows_val=rows.file_rows)
        data = replace(data, weights_val=rows.weights, digests_val=rows.digests)
        if weight is not None and rows.weights is None:
            missing = f"{val}: has no column {quoted(weight)}: its rows weigh the same"
            data = replace(data, notices=(*data.notices, missing))
    return data


def _beside(
    data: Dataset, source: str, options: TableOptions, layout: Layout | None
) -> tuple[Table, Dataset]:
    """The rows of a table that is read like the data set's, which knows of it by its digest."""
    rows = read_tables([source], options, layout)
    notices = (*data.notices, *rows.notices, *_count_dropped(rows, source))
    digest = _joined([data.digest, _joined(rows.digests)])
    return rows, replace(data, digest=digest, notices=notices)


def _for_other_rows(options: TableOptions | None) -> TableOptions:
    """What is said of the training table, so far as it goes for a test set."""
    return TableOptions() if options is None else TableOptions(numeric=options.numeric)


def _count_dropped(table: Table, source: str) -> list[str]:
    if not table.dropped:
        return []
    rows = "1 row" if table.dropped == 1 else f"{table.dropped:,} rows"
    written = f" ({', '.join(map(quoted, table.dropped_as))})" if table.dropped_as else ""
    return [f"{source}: {rows} without a label left out{written}"]


def as_dataset(table: Table, sources: Sequence[str]) -> Dataset:
    """A table with labels as a data set."""
    assert table.labels is not None
    source = ", ".join(sources)
    return Dataset(
        source=source,
        files=tuple(sources) if len(sources) > 1 else (),
        X=table.X,
        y=table.labels,
        of_classes=table.of_classes,
        digest=_joined(table.digests),
        digests=table.digests,
        columns=table.columns,
        left_out=table.left_out,
        label=table.label,
        file_width=table.width,
        groups=table.groups,
        weights=table.weights,
        file_rows=table.file_rows,
        unseen=table.unseen,
        notices=(*table.notices, *_count_dropped(table, source)),
    )


def _joined(digests: Sequence[str]) -> str:
    """SHA-256 of several SHA-256 digests; one alone is itself."""
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def holds_images(path: Path) -> bool:
    """Whether an .npz or a folder holds images; False also of what `open_paths` refuses."""
    try:
        if path.is_dir() and not (path / "X.npy").exists():
            return idx.holds_idx(path)
        return numpy_files.holds_images(path)
    except (DataError, OSError):
        return False


def _open_arrays(path: Path, source: str) -> Dataset:
    if not path.is_dir():
        form = format_of(source)
        if form is not None and form.data:
            data: Dataset = form.opener("data")(path, source)
            return data
        raise DataError(f"{source}: not a kind of file that can be read; give {training_kinds()}")
    if (path / "X.npy").exists() or (path / "y.npy").exists():
        return numpy_files.open_folder(path, source)
    if idx.holds_idx(path):
        return idx.open_folder(path, source)
    raise DataError(
        f"{source}: a folder with neither X.npy and y.npy nor IDX files; give {training_kinds()}"
    )
