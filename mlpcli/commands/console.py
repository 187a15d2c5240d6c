"""What a person sees: results on stdout, everything else on stderr, a bar only on a terminal."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

import click

from mlpcli.errors import UsageError
from mlpcli.records import record
from mlpcli.text import printable, printable_lines


class Bar(Protocol):
    """A progress bar, or a no-op off a terminal."""

    def update(self, n: float = 1) -> Any: ...
    def set_description_str(self, desc: str | None = None, refresh: bool = True) -> Any: ...


class _NoBar:
    def update(self, n: float = 1) -> None: ...
    def set_description_str(self, desc: str | None = None, refresh: bool = True) -> None: ...


@record
class Console:
    """The streams of one command.

    Attributes:
        quiet: only errors are shown on stderr.
        verbose: diagnostics are shown too.
        as_json: stdout is one JSON object and nothing else.
        silent: nothing is shown on either: another process speaks.
    """

    quiet: bool = False
    verbose: bool = False
    as_json: bool = False
    silent: bool = False

    @property
    def moves(self) -> bool:
        """Whether a bar is shown: stderr is a terminal."""
        return not self.quiet and not self.silent and sys.stderr.isatty()

    def notice(self, text: str) -> None:
        """A line on stderr, unless quiet."""
        if self.quiet or self.silent:
            return
        self._say(printable(text))

    def _say(self, text: str) -> None:
        if "tqdm" not in sys.modules:
            click.echo(text, err=True)
            return
        from tqdm import tqdm

        with tqdm.external_write_mode(sys.stderr):  # takes a bar away for the moment
            click.echo(text, err=True)

    def tell_terminal(self, text: str) -> None:
        """A line on the terminal itself, where there is one and stderr does not lead to it."""
        if self.silent or sys.stderr.isatty():
            return
        with suppress(OSError), open("/dev/tty", "w", encoding="utf-8") as terminal:
            terminal.write(f"mlp: {printable(text)}\n")

    def warning(self, text: str) -> None:
        """A line on stderr that asks for attention, unless quiet."""
        if not self.quiet and not self.silent:
            mark = self.styled("warning:", fg="yellow", stream=sys.stderr)
            self._say(f"{mark} {printable(text)}")

    def result(self, text: str) -> None:
        """A line of results for a person on stdout, unless a script asked for JSON."""
        self.block(printable(text))

    def block(self, text: str) -> None:
        """Lines of results, such as a table, in which no name breaks a line."""
        if not self.as_json and not self.silent:
            click.echo(printable_lines(text))

    def json(self, value: object) -> None:
        """The results for a script: one JSON object on stdout, where it was asked for."""
        if self.as_json and not self.silent:
            click.echo(json.dumps(value, allow_nan=False))

    def refuse_stdout(self, flag: str, path: Path | None) -> None:
        """Refuse `-` for a file if standard output is for JSON."""
        if self.as_json and str(path) == "-":
            raise UsageError(f"{flag} -: standard output is for --json; name a file")

    @staticmethod
    def styled(text: str, *, fg: str, stream: Any = None) -> str:
        """`text` in colour where `stream` (default stdout) is a terminal that wants it."""
        plain = "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb"
        stream = stream or sys.stdout
        return text if plain or not stream.isatty() else click.style(text, fg=fg)

    @contextmanager
    def bar(
        self,
        total: float | None,
        description: str,
        unit: str,
        start: float = 0,
        *,
        layout: str | None = None,
    ) -> Iterator[Bar]:
        """A bar on stderr while the block runs: on a terminal only, and gone afterwards."""
        if not self.moves:
            yield _NoBar()
            return
        from tqdm import tqdm

        with tqdm(
            total=total,
            desc=description,
            unit=unit,
            unit_scale=True,
            bar_format=layout,
            initial=start,
            leave=False,
            dynamic_ncols=True,
            file=sys.stderr,
        ) as bar:
            yield bar
