"""Values to the inputs of a network, without NumPy, for `predictor`; see `mlpcli.data.encoder`.

A number or a date (days since 1970-01-01) is a float, a category is text; NaN is missing. What
becomes of a column is a dict, as `meta` of a checkpoint has it.
"""

from __future__ import annotations

import datetime
import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from mlpcli.data.cells import parse_number
from mlpcli.data.pose import MOST, STEEPEST

Part = dict[str, Any]


def encoder_of(parts: list[Part]) -> Callable[[list[Any]], list[float]]:
    """What makes a network's inputs of a row of values."""
    first = parts[0]
    if first["kind"] in ("pixels", "upright"):
        pose = posed if "shape" in first else (lambda row, _: row)
        return lambda row: [first["factor"] * x for x in pose(row, first)]
    found = [(j, block(part)) for block in BLOCKS for j, part in enumerate(parts)]
    blocks = [(j, encode) for j, encode in found if encode]
    return lambda row: [x for j, encode in blocks for x in encode(row[j])]


def posed(pixels: Sequence[float], part: Part) -> list[float]:
    """An image in its pose; the equations are in `mlpcli.data.pose`."""
    width, mass = part["shape"][1], sum(pixels) or math.nan
    places = [divmod(k, width) for k in range(len(pixels))]

    def mean(f: Callable[[int, int], float]) -> float:
        return sum(p * f(*place) for p, place in zip(pixels, places)) / mass

    x, y = mean(lambda r, c: c), mean(lambda r, c: r)
    slope = mean(lambda r, c: (c - x) * (r - y)) / (mean(lambda r, c: (r - y) ** 2) or math.nan)
    slope = slope if part["deslant"] and abs(slope) <= STEEPEST else 0
    square = mean(lambda r, c: (c - x - slope * (r - y)) ** 2)
    step = 4 * math.sqrt(max(square, 0)) / (part["width"] or math.nan)
    middle = (width - 1) / 2
    x, step = (x, min(max(step, 1 / MOST), MOST)) if step >= 0 else (middle, 1)
    moved = []
    for r, c in places:
        place = x + step * (c - middle) + (slope and slope * (r - y))
        left, share = divmod(min(max(place, 0), width - 1), 1)
        k = r * width + int(left)
        moved.append(pixels[k] + (share and share * (pixels[k + 1] - pixels[k])))
    return moved


def _number(part: Part) -> Any:
    """(x − shift)·factor, and what clips it; a missing number is the median."""
    if part["kind"] == "category":
        return None
    median, shift, factor = part["median"], part["shift"], part["factor"]
    clip, E = CLIPS[part["scale"]], part.get("embedding", [[]] * 3)
    return lambda x: _embed(clip(((x if x == x else median) - shift) * factor), *E)


def _embed(x: Any, w: Any, b: Any, Vc: Any) -> Any:
    """x, and cos(2πxw + b)·V + c: Vc has a row for each output. Infinity has no cosine."""
    z = math.tau * x if abs(x) < 1e300 else math.nan
    waves = [math.cos(z * f + p) for f, p in zip(w, b)] + [1]
    return [x] + [sum(v * a for v, a in zip(V, waves)) for V in Vc]


def _as_it_is(x: float) -> float:
    return x


def _smoothly(x: float) -> float:
    return x / math.sqrt(1 + (x / 3) ** 2)


CLIPS = {"none": _as_it_is, "standard": _as_it_is, "robust": _smoothly}


def _indicator(part: Part) -> Any:
    """1 if a number is missing, of a column in which training missed some."""
    if part["kind"] == "category" or not part["missing"]:
        return None
    return lambda x: [0.0 if x == x else 1.0]


def _category(part: Part) -> Any:
    """An input for each category, for the rare ones together, and for a missing one."""
    if part["kind"] != "category":
        return None
    rare = len(part["categories"])
    missing = rare + bool(part["rare"])
    width = missing + bool(part["missing"])
    places: dict[str, int] = {text: k for k, text in enumerate(part["categories"])}
    places.update(dict.fromkeys(part["rare"], rare))
    values = [parse_number(text) for text in places]
    once = Counter(values)
    numbers = {  # 1 and 1.0 are the same category
        x: place for x, place in zip(values, places.values()) if once[x] == 1
    }

    def encode(text: Any) -> list[float]:
        if text != text:
            return _one_hot(missing, width)
        place = places.get(text)
        x = parse_number(text) if place is None else None
        return _one_hot(numbers.get(x) if x is not None else place, width)

    return encode


def _month(part: Part) -> Any:
    return _calendar(part.get("months"), lambda x: _date(x).month - 1)


def _weekday(part: Part) -> Any:
    return _calendar(part.get("weekdays"), lambda x: _date(x).weekday())


def _hour(part: Part) -> Any:
    return _calendar(part.get("hours"), lambda x: min(int((x - math.floor(x)) * 24 + 1e-6), 23))


def _calendar(values: list[int] | None, find: Callable[[float], int]) -> Any:
    """1 for the one of the values that a date falls on, if it is one of them."""
    if not values:
        return None
    places = {value: k for k, value in enumerate(values)}
    return lambda x: _one_hot(places.get(find(x)) if x == x else None, len(places))


def _date(x: float) -> datetime.date:
    return datetime.date(1970, 1, 1) + datetime.timedelta(math.floor(x))


def _one_hot(place: int | None, width: int) -> list[float]:
    inputs = [0.0] * width
    if place is not None and place < width:
        inputs[place] = 1.0
    return inputs


BLOCKS = (_number, _indicator, _category, _month, _weekday, _hour)
