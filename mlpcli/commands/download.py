"""What `mlp download` does."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Self

from mlpcli.commands.console import Bar, Console
from mlpcli.data import catalog
from mlpcli.data.download import fetch
from mlpcli.errors import UsageError


def _fetch(
    data_set: catalog.RemoteSet,
    directory: Path,
    mirrors: tuple[str, ...],
    force: bool,
    console: Console,
) -> None:

    with _Progress(data_set, console) as progress:
        fetched = fetch(
            data_set,
            directory,
            mirrors=mirrors,
            force=force,
            progress=progress.show,
            notice=progress.notice,
        )
    where = directory / data_set.name
    if fetched:
        console.notice(f"{data_set.name}: downloaded to {where}, {_megabytes(data_set.size)}")
    else:
        console.notice(f"{data_set.name}: already in {where}, digests right")


class _Progress:
    """A bar over the bytes of all files, which is taken down for a notice and put up again."""

    def __init__(self, data_set: catalog.RemoteSet, console: Console) -> None:
        self._data_set = data_set
        self._console = console
        self._received = dict.fromkeys(data_set.files, 0)
        self._bar: Bar | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def show(self, file: catalog.RemoteFile, received: int) -> None:
        """`received` bytes of the file's .gz are here."""
        if self._bar is None:
            total, start = self._data_set.gz_size, sum(self._received.values())
            self._bar = self._stack.enter_context(
                self._console.bar(total, self._data_set.name, "B", start)
            )
        self._bar.update(received - self._received[file])
        self._received[file] = received

    def notice(self, text: str) -> None:
        """A line on stderr, with no bar in its way."""
        self._stack.close()
        self._bar = None
        self._console.notice(text)


def _listing(directory: Path) -> str:
    """A table: name, state, size, where it is or would be."""
    rows = []
    for name in catalog.NAMES:
        if name in catalog.BUILT_IN:
            rows.append((name, "built in", "", catalog.BUILT_IN[name]))
            continue
        data_set = catalog.DOWNLOADS[name]
        here = sum(catalog.is_stored(file, directory / name) for file in data_set.files)
        if here == len(data_set.files):
            state, size = "downloaded", _megabytes(data_set.size)
        else:
            state = f"{here} of {len(data_set.files)} files" if here else "not downloaded"
            size = f"{_megabytes(data_set.gz_size)} to fetch"
        rows.append((name, state, size, str(directory / name)))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]])
        for row in rows
    )


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def download(
    console: Console,
    names: tuple[str, ...],
    *,
    mirrors: tuple[str, ...],
    force: bool,
    listing: bool,
    data_dir: Path | None,
) -> None:
    """Fetch data sets, or list what there is."""
    directory = catalog.data_dir(data_dir)
    if listing:
        console.result(_listing(directory))
        return
    names = names or ("mnist",)
    if mirrors and len(names) > 1:
        raise UsageError(
            "--mirror: every data set has files of the same names, so a mirror serves only one; "
            "download one data set at a time"
        )
    for name in names:
        if name in catalog.BUILT_IN:
            console.notice(f"{name}: comes with mlp; nothing to download")
        else:
            _fetch(catalog.DOWNLOADS[name], directory, mirrors, force, console)
