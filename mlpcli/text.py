"""Small words: how numbers, names and tables are written for a person."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
"""Characters that would garble printed text."""

_BLOCKS = "▁▂▃▄▅▆▇█"


def cut(text: str, most: int = 80) -> str:
    """`text`, or its beginning if it is longer than `most` characters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def cut_list(words: Sequence[str], most: int = 5) -> str:
    """The first of several, and how many more there are."""
    shown = ", ".join(words[:most])
    return shown if len(words) <= most else f"{shown} and {len(words) - most} more"


def quoted(text: str) -> str:
    """A text from a file, quoted and cut so that it fits into one line of a message."""
    return repr(cut(text, 40))


def printable(text: str) -> str:
    """`text` with every character escaped that would control a terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def printable_lines(text: str) -> str:
    """The same of text with line breaks, which stay."""
    return "\n".join(map(printable, text.split("\n")))


def one_line(error: BaseException | str, most: int = 200) -> str:
    """The message of a library's exception, in one line of at most `most` characters."""
    return " ".join(str(error).split())[:most] or type(error).__name__


def percent(share: float, digits: int = 2) -> str:
    """0.97531 as "97.53 %"."""
    return f"{100 * share:.{digits}f} %"


def span(low: float, high: float) -> str:
    """An interval of numbers, as "1.25 to 3.5"."""
    return f"{low:.4g} to {high:.4g}"


def percent_span(low: float, high: float) -> str:
    """An interval of shares, in per cent, as "94.25 to 98.08"."""
    return f"{100 * low:.2f} to {100 * high:.2f}"


def name_ranks(count: int) -> str:
    """ "1 process" or "8 ranks"."""
    return "1 process" if count == 1 else f"{count} ranks"


def name_columns(count: int) -> str:
    """ "1 column" or "8 columns"."""
    return f"{count} column{'s' if count != 1 else ''}"


def dashed(sizes: Iterable[int]) -> str:
    """The layers of a network: "784-100-10"."""
    return "-".join(map(str, sizes))


def times(shape: Iterable[int]) -> str:
    """The shape of an array: "28 × 28"."""
    return " × ".join(map(str, shape)) or "one value"


def as_typed(value: Any) -> str:
    """An option's value as one would type it; "–" for None."""
    if isinstance(value, tuple | list):
        return ",".join(map(str, value)) or "none"
    if value is None:
        return "–"
    return f"{value:g}" if isinstance(value, float) else str(value)


def join_words(words: Sequence[str], conjunction: str = "and") -> str:
    """ "a", "a and b", "a, b and c"."""
    *most, last = words
    return f"{', '.join(most)} {conjunction} {last}" if most else last


def nearest(word: str, words: Iterable[str]) -> str:
    """ "; did you mean …?" for the nearest of `words`, or nothing."""
    found = find_nearest(word, words)
    return f"; did you mean {found}?" if found else ""


def find_nearest(word: str, words: Iterable[str]) -> str | None:
    """The nearest of `words`, or None: no wild guess is made.

    Near is what one word begins with that begins so, what has the same parts in another order, or
    what is alike by its letters; a short word has to be more alike than a long one.
    """
    bare = {other.lstrip("-").lower(): other for other in words}
    wanted = word.lstrip("-").lower().replace("_", "-")
    begun = [other for other in bare if len(wanted) > 2 and other.startswith(wanted)]
    parts = [other for other in bare if sorted(other.split("-")) == sorted(wanted.split("-"))]
    alike = difflib.get_close_matches(wanted, bare, n=1, cutoff=0.75 if len(wanted) < 5 else 0.65)
    found = parts or (begun if len(begun) == 1 else alike)
    return bare[found[0]] if found else None


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows as aligned columns, the first one to the left, the others to the right."""
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def sparkline(values: Sequence[float], width: int = 40) -> str:
    """A curve in at most `width` characters, each as high as the mean of its share of `values`.

    Positive values over one power of ten, up to four, are drawn by their logarithm.
    """
    if 10 * min(values) < max(values) < 1e4 * min(values):
        values = [math.log(value) for value in values]
    columns = min(width, len(values))
    edges = [round(i * len(values) / columns) for i in range(columns + 1)]
    means = [sum(values[a:b]) / (b - a) for a, b in pairwise(edges)]
    low, span = min(means), max(means) - min(means)
    top = len(_BLOCKS) - 1
    return "".join(_BLOCKS[round((m - low) / span * top) if span else top // 2] for m in means)
