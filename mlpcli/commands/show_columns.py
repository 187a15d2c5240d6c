"""What `mlp show` says of the columns that a model takes."""

from __future__ import annotations

import numpy as np

from mlpcli.data.columns import name_column
from mlpcli.data.encoding import Category, Date, Encoding, Number, Pixels
from mlpcli.text import aligned, cut, percent, printable

_MOST = 40  # columns of a table
_WIDEST = 56  # characters of what is said of one


def column_table(encoding: Encoding) -> list[str]:
    """A line per column: name, kind, how often it was missing, and what was learned of it."""
    if encoding.pixels:
        return [_pixels(encoding.pixels)]
    rows: list[tuple[str, ...]] = []
    learned = ["in the training rows"]
    for part in encoding.parts[:_MOST]:
        if isinstance(part, Pixels):
            continue
        name = cut(printable(name_column(part.column, part.position)), 20)
        rows.append((name, part.kind, percent(part.missing) if part.missing else ""))
        learned.append(cut(_learned(part), _WIDEST))
    table = aligned([("column", "kind", "missing"), *rows]).splitlines()
    width = max(map(len, table))
    lines = [f"{line:{width}}  {said}" for line, said in zip(table, learned, strict=True)]
    rest = len(encoding.parts) - _MOST
    return lines + ([f"… and {rest:,} more, which --json has"] if rest > 0 else [])


def _pixels(pixels: Pixels) -> str:
    largest = "" if pixels.largest is None else f" from 0 to {pixels.largest:g}"
    scaled = "" if pixels.factor == 1 else f", times {pixels.factor:.6g}"
    pose = pixels.pose
    deslanted = ", deslanted" if pose and pose.deslant else ""
    width = f", brought to a width of {pose.width:g}" if pose and pose.width else ""
    return f"{pixels.count:,} pixels{largest}{scaled}{deslanted}{width}"


def _learned(part: Number | Date | Category) -> str:
    if isinstance(part, Category):
        count = len(part.categories) + len(part.rare)
        rare = f", {len(part.rare):,} rare ones as one" if part.rare else ""
        return f"{count:,}{rare}: {', '.join(part.categories)}"
    bounds = [part.median, part.low, part.high]
    middle, low, high = (_shown(part, value) for value in bounds)
    unit = {"": "", "k": "", ":": " h"}.get(part.unit, f" {printable(part.unit)}")
    known = f"median {middle}, from {low} to {high}{unit}" if part.low is not None else ""
    if isinstance(part, Date):
        falls = [of for of in ("month", "weekday", "hour") if part.calendar(of)]
        return ", ".join([f"from {low} to {high}", *falls])
    if part.scale == "none":
        return known
    scaled = f"(x − {part.shift:.4g})·{part.factor:.4g}" if part.factor else "constant"
    return ", ".join(filter(None, (known, scaled)))


def _shown(part: Number, value: float | None) -> str:
    if value is None:
        return "?"
    if isinstance(part, Date) and abs(value) < 1e6:
        return str(np.datetime64(int(np.floor(value)), "D"))
    return f"{value:.6g}"
