"""A person's own data: what a path given as `--data` leads to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mlpcli.data.dataset import Dataset
from mlpcli.data.table import TableReader
from mlpcli.errors import DataError, UsageError

_KINDS = (
    "a .csv or .tsv table, an .npz with X and y, a folder with X.npy and y.npy, "
    "or a folder of four IDX files"
)
_DELIMITERS = {".csv": None, ".tsv": "\t"}


def open_path(
    path: Path,
    source: str,
    *,
    label_column: str | None = None,
    columns: Sequence[str] | None = None,
    label_name: str | None = None,
) -> Dataset:
    """Open a person's own data.

    Args:
        path: a `.csv` or `.tsv` file (see `table.TableReader`), an `.npz` file or a folder with
            `X.npy` and `y.npy` (see `numpyfiles`), or a folder of four IDX files (see `idx`).
        source: what was given as `--data`.
        label_column: of a table, the name or index of the label's column (see
            `TableReader.find`); None for the last.
        columns, label_name: of a table with a header, the names of the features and of the label
            that a model was trained on; other columns are left out. Ignored without a header.

    Returns:
        The data set, X (N, D) and y (N,); of a table, X is float32, and named by its header if it
        has one. Labels of one class only are left for `dataset.split` to refuse: they are no fault
        in a file to evaluate on.

    Raises:
        DataError: there is nothing there, or it cannot be used: where and why, and what to do.
        UsageError: a label's column was given for something that is not a table.
    """
    suffix = path.suffix.lower()
    try:
        if not path.exists():
            raise DataError(f"{source}: does not exist; give {_KINDS}")
        if suffix in _DELIMITERS and not path.is_dir():
            return _open_table(path, source, label_column, _DELIMITERS[suffix], columns, label_name)
        if label_column is not None:
            raise UsageError(f"--label-column is for .csv and .tsv tables, and {source} is not one")
        return _open_arrays(path, source)
    except OSError as error:
        raise DataError(f"{source}: cannot be read: {error.strerror or error}") from error


def _open_table(
    path: Path,
    source: str,
    label_column: str | None,
    delimiter: str | None,
    columns: Sequence[str] | None,
    label_name: str | None,
) -> Dataset:
    with path.open("rb") as file:
        reader = TableReader(file, source, delimiter)
        label = reader.width - 1
        if label_column is not None:
            label = reader.find(label_column)
        elif label_name is not None and reader.header is not None:
            label = reader.find_name(label_name)
        features = None
        if columns is not None and reader.header is not None:
            features = [reader.find_name(name) for name in columns]
        table = reader.read(label=label, features=features)
    assert table.labels is not None
    return Dataset(
        source=source,
        X=table.X,
        y=table.labels,
        digest=table.digest,
        columns=table.columns,
        label_name=table.label_name,
    )


def _open_arrays(path: Path, source: str) -> Dataset:
    from mlpcli.data import idx, numpyfiles

    if not path.is_dir():
        if path.suffix.lower() == ".npz":
            return numpyfiles.open_npz(path, source)
        raise DataError(f"{source}: not a kind of file that can be read; give {_KINDS}")
    if (path / "X.npy").exists() or (path / "y.npy").exists():
        return numpyfiles.open_folder(path, source)
    if idx.holds_idx(path):
        return idx.open_folder(path, source)
    raise DataError(f"{source}: a folder with neither X.npy and y.npy nor IDX files; give {_KINDS}")
