"""The pieces that a report's page is made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape


def section(title: str, body: str) -> str:
    """A part of the page under a title."""
    return f"<section><h2>{title}</h2>\n{body}</section>\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, total: bool = False) -> str:
    """A table whose first column names its rows; with `total`, the last row stands out."""
    cells = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    lines = [
        f'<tr><th scope="row">{escape(first)}</th>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in rest)
        + "</tr>"
        for first, *rest in rows
    ]
    css = "figures-of total" if total else "figures-of"
    return scrolled(
        f'<table class="{css}"><thead><tr>{cells}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table>"
    )


def tiles(items: Iterable[tuple[str, str, str]]) -> str:
    """Large figures side by side: (name, figure, note)."""
    cells = "".join(
        f"<div><dt>{name}</dt><dd><strong>{value}</strong><small>{note}</small></dd></div>"
        for name, value, note in items
    )
    return f'<dl class="tiles">{cells}</dl>\n'


def scrolled(body: str) -> str:
    """Something wide, which scrolls by itself, by keyboard too, on a narrow page."""
    return f'<div class="scrolled" tabindex="0" role="region" aria-label="table">{body}</div>\n'
