"""Paths as arguments, and their completion in the shell: checkpoints, config files, data."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from mlpcli.config.toml import own_configs
from mlpcli.data.catalog import NAMES
from mlpcli.data.formats.registry import suffixes
from mlpcli.errors import UsageError
from mlpcli.export import EXPORTERS

_FOLDERS = 50  # folders searched for files to offer


class AnyPath(click.Path):
    """A path; an empty one, as of a variable that is not set, would be the folder here."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        if value == "":
            name = param.opts[-1] if isinstance(param, click.Option) else param.make_metavar(ctx)
            raise UsageError(f"{name} is empty; give a path")
        return super().convert(value, param, ctx)


class FilePath(AnyPath):
    """A path; the shell offers files with one of some suffixes, here and in the folders here.

    If there is none, it offers every file. Click's protocol cannot ask a shell for files by their
    suffix, nor for a folder without a space after it, so files in folders are named.

    Args:
        words: returns names that can be given in place of a file, and are offered first.
    """

    def __init__(self, *suffixes: str, words: Callable[[], Iterable[str]] = tuple) -> None:
        super().__init__()
        self._suffixes = suffixes
        self._words = words

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        folder, start = os.path.split(incomplete)
        found = [word for word in self._words() if word.startswith(incomplete)]
        found += self._in(folder, start)
        for name in _names(folder)[:_FOLDERS]:
            if name.startswith(start) and (start or not name.startswith(".")):
                found += self._in(os.path.join(folder, name), "")
        items: list[Any] = [CompletionItem(path) for path in found]
        return items or [CompletionItem(incomplete, type="file")]

    def _in(self, folder: str, start: str) -> list[str]:
        return [
            os.path.join(folder, name)
            for name in _names(folder)
            if name.startswith(start) and name.endswith(self._suffixes)
        ]


class _ExportPath(FilePath):
    """A model, or after one the target of its export."""

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        given = [Path(path) for path in ctx.params.get(param.name or "") or ()]
        targets = [given[-1].with_suffix(suffix) for suffix in EXPORTERS] if given else []
        items: list[Any] = [
            CompletionItem(str(path)) for path in targets if str(path).startswith(incomplete)
        ]
        models = super().shell_complete(ctx, param, incomplete)
        return items + [item for item in models if not items or item.type == "plain"]


def _names(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(os.path.expanduser(folder) or "."))
    except OSError:
        return []


PATH = AnyPath()
CHECKPOINT = FilePath(".npz")
CONFIG_FILE = FilePath(".toml", words=own_configs)
EXPORT = _ExportPath(".npz")
DATA_FILE = FilePath(*suffixes(training=True), words=lambda: NAMES)
INPUT_FILE = FilePath(*suffixes(training=False))
