"""Opens what `--data` can be: the name of a data set, the path of a file or folder, or several."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mlpcli.data import builtin, stored
from mlpcli.data.catalog import (
    BUILT_IN,
    DOWNLOADS,
    NAMES,
    TABLES,
    download_command,
    is_downloaded,
    require_home,
)
from mlpcli.data.columns import Layout, TableOptions
from mlpcli.data.dataset import Dataset
from mlpcli.data.formats import idx, registry, rows
from mlpcli.errors import DataError, UsageError
from mlpcli.text import nearest


def open_data(
    source: str | Sequence[str],
    *,
    data_dir: Path,
    options: TableOptions | None = None,
    layout: Layout | None = None,
    test: str | None = None,
    val: str | None = None,
) -> Dataset:
    """Open what was given as `--data`: the name of a data set, or else a path, or several.

    A name wins over a file of that name, which is `./mnist`. A downloaded data set is mapped, and
    its digests are taken when they are not known: opening it again costs no time.

    Args:
        source: one of `NAMES`, or the path of a file or folder, or paths of tables.
        data_dir: where downloads lie.
        options: what a person says of a table.
        layout: how a model reads a table; its columns are matched with it.
        test, val: tables for testing and for validation, beside a table.

    Raises:
        DataError: there is no such data set, it has not been downloaded, or its files are
            malformed or not those that were published.
        UsageError: options of tables were given for a data set that is none.
    """
    sources = [source] if isinstance(source, str) else list(source)
    if len(sources) == 1 and sources[0] in NAMES:
        given = options.given() if options else []
        given += [name for name, path in (("test_data", test), ("val_data", val)) if path]
        if given and (sources[0] not in TABLES or {"test_data", "val_data"} & set(given)):
            raise UsageError(
                f"--{given[0].replace('_', '-')} is for a table of your own; {sources[0]} has its "
                "labels and its rows: leave it out"
            )
        return _open_named(sources[0], data_dir, options, layout)
    for path in sources:
        # a config file has no shell to expand it
        if path != registry.STDIN and not os.path.exists(os.path.expanduser(path)):
            raise DataError(
                f"{path or '(nothing)'}: no such data set or file"
                + (nearest(path, NAMES) or ";")
                + f" --data takes {', '.join(NAMES)}, or the path of {registry.training_kinds()}"
            )
    return rows.open_paths(sources, options, layout, test=test, val=val)


def _open_named(
    name: str, data_dir: Path, options: TableOptions | None, layout: Layout | None
) -> Dataset:
    if name in TABLES:
        return builtin.TABLES[name](options, layout)
    if name in BUILT_IN:
        return builtin.ARRAYS[name]()
    require_home(data_dir)
    published, folder = DOWNLOADS[name], data_dir / name
    if not is_downloaded(name, data_dir):
        raise DataError(
            f"{name}: not downloaded (looked in {folder}); get it by: "
            + download_command(name, data_dir)
        )
    if wrong := stored.wrong_files(published.files, folder):
        raise DataError(
            f"{folder / wrong[0].name}: damaged, its digest is not the published one; "
            f"get it again by: {download_command(name, data_dir)}"
        )
    digest = idx.combined_digest(file.sha256 for file in published.files)
    data = idx.open_folder(folder, name, digest=digest)
    return replace(data, class_names=published.class_names)
