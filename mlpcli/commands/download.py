"""What `mlp download` does."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from mlpcli.commands.console import Bar, Console
from mlpcli.data import catalog
from mlpcli.data.download import fetch
from mlpcli.data.stored import wrong_files
from mlpcli.errors import UsageError


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
        _list(names or catalog.NAMES, directory, console)
        return
    names = names or ("mnist",)
    if mirrors and len(names) > 1:
        raise UsageError(
            "--mirror: every data set has files of the same names, so a mirror serves only one; "
            "download one data set at a time"
        )
    outcome: list[dict[str, str]] = []
    for name in names:
        if name in catalog.BUILT_IN:
            console.notice(f"{name}: comes with mlp; nothing to download")
        else:
            data_set = catalog.DOWNLOADS[name]
            fetched = _fetch(data_set, directory, mirrors, force, console)
            status = {file.name: "downloaded" for file in fetched}
            outcome += _describe(data_set, directory, status)
    if console.verbose:
        for file in outcome:
            console.notice(f"{file['path']}: {file['status']}")
    console.json({"files": outcome})


def _fetch(
    data_set: catalog.RemoteSet,
    directory: Path,
    mirrors: tuple[str, ...],
    force: bool,
    console: Console,
) -> tuple[catalog.RemoteFile, ...]:
    """Fetch a data set, and say so; the files that came."""
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
        console.notice(f"{data_set.name}: already in {where}, digests verified")
    return fetched


def _list(names: Sequence[str], directory: Path, console: Console) -> None:
    """A table: name, state, size, where it is or would be."""
    rows = []
    outcome: list[dict[str, str]] = []
    for name in names:
        if name in catalog.BUILT_IN:
            rows.append((name, "built in", "", catalog.BUILT_IN[name]))
            continue
        data_set, folder = catalog.DOWNLOADS[name], directory / name
        wrong = wrong_files(data_set.files, folder)
        here = len(data_set.files) - len(wrong)
        if wrong:
            state = f"{here} of {len(data_set.files)} files" if here else "not downloaded"
            size = f"{_megabytes(sum(file.gz_size for file in wrong))} to fetch"
        else:
            state, size = "downloaded", _megabytes(data_set.size)
        rows.append((name, state, size, str(folder)))
        status = {f.name: "damaged" if (folder / f.name).exists() else "missing" for f in wrong}
        outcome += _describe(data_set, directory, status)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)][:-1]
    for *cells, where in rows:
        padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
        console.result("  ".join([*padded, where]))
    console.json({"files": outcome})


def _describe(
    data_set: catalog.RemoteSet, directory: Path, status: dict[str, str]
) -> list[dict[str, str]]:
    """The files of a data set for a script; one that has no other status is present."""
    return [
        {
            "name": file.name,
            "path": str(directory / data_set.name / file.name),
            "status": status.get(file.name, "present"),
        }
        for file in data_set.files
    ]


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
