"""What a cell of a table is: a number as people write them, a date, missing, or text."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable
from datetime import date
from functools import cache

from mlpcli.text import quoted

_ERRORS = ("#div/0!", "#value!", "#num!", "#ref!", "#name?", "#null!")  # a spreadsheet's
_NULLS = ("na", "n/a", "nan", "nat", "-nan", "null", "none", "<na>", "<null>", "#n/a", "#na", "\\n")
MISSING = frozenset(("", "?", "-", ".", *_NULLS, *_ERRORS))
"""What stands for a missing value, in lower case."""

FLOAT32_OVERFLOW = 2.0**128 - 2.0**103
"""What rounds to infinity in float32, as does all that is larger."""

_SPACES = dict.fromkeys(map(ord, "\u00a0\u2007\u2009\u202f"), " ") | {ord("−"): "-", ord("’"): "'"}
_MONEY = (
    "(?:[A-Z]{0,2}[$¢£¤¥\u20a0-\u20cf]|USD|EUR|GBP|CHF|JPY|CNY|RMB|INR|CAD|AUD|NZD|BRL|MXN|SEK|NOK"
    "|DKK|PLN|CZK|HUF|RUB|TRY|ZAR|KRW|Rs\\.?|kr\\.?|Fr\\.|zł|Kč)"
)


def _written(point: str, marks: str) -> str:
    """The pattern of a number; who sets thousands apart writes no power of ten."""
    grouped = rf"[1-9][0-9]{{0,2}}(?P<mark>[{marks}' ])[0-9]{{3}}(?:(?P=mark)[0-9]{{3}})*"
    digits = rf"(?:{grouped}|[0-9]+)(?:{point}[0-9]*)?|{point}[0-9]+"
    power = "(?(mark)|(?P<power>[eE][+-]?[0-9]+)?)"
    before = rf"(?P<sign>[+-]?) ?(?P<open>\(?){_MONEY}? ?(?P<inner>[+-]?|\()"
    after = rf" ?%? ?{_MONEY}?(?P<close>\)?) ?{_MONEY}?(?P<last>-?)"
    return rf"{before}(?P<digits>{digits}){power}{after}"


_compiled = cache(re.compile)  # when the first cell asks for it: many a run has no such cell

_UNIT = r"(.*?[0-9][.,]?|null) ?((?:[^\W\d_]|[°'\"])[^\d,;|\t^~]{0,19}[23]?)"
_FACTORS = {"k": 1e3, "K": 1e3, "M": 1e6, "B": 1e9}

_POINT, _COMMA = _written(r"\.", ","), _written(",", r"\.")

_TIME = (
    r"(?:(?:T| +)(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})"
    r"(?:[.,](?P<part>[0-9]{1,9}))?)? ?(?P<half>[AaPp][Mm])?"
    r" ?(?P<zone>Z|UTC|[+-][0-9]{2}:?[0-9]{2})?)?"
)
_BASIC = r"^([0-9]{4})([0-9]{2})([0-9]{2}T[0-9]{2})([0-9]{2})([0-9]{2})"  # as ISO 8601 has it
_YEAR_FIRST = (
    r"(?P<year>[0-9]{4})(?P<mark>[-/.])(?P<month>[0-9]{1,2})(?:(?P=mark)(?P<day>[0-9]{1,2})"
    + _TIME
    + ")?"
)
_YEAR_LAST = (
    r"(?P<first>[0-9]{1,2})(?P<mark>[-/.]) ?(?P<second_>[0-9]{1,2})(?P=mark) ?"
    r"(?P<year>[0-9]{4}|[0-9]{2})" + _TIME
)
_NAMED = (
    r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? +)?"
    r"(?:(?P<day>[0-9]{1,2})[- .]+(?P<name>[A-Za-z]{3,9})"
    r"|(?P<name_>[A-Za-z]{3,9}|Q[1-4])\.?(?: +(?P<day_>[0-9]{1,2}))?)[- .,]+"
    r"(?P<year>[0-9]{4}|[0-9]{2})" + _TIME
)
# As in 2024Q1 and 2024 Jan.
_YEAR_NAME = r"^([0-9]{4}),?[- ]*([A-Z]\w+)$"
_MONTHS = "january february march april may june july august september october november december"
_EPOCH = date(1970, 1, 1).toordinal()

# Years of two digits are from 1969 to 2068, as POSIX has it.
_PIVOT = 69

ORDERS = ("day", "month", "year")
"""What comes first in a date of three numbers, the year being the last unless it is the first."""

DATES = {
    "": "a date that can be read in one way only",
    "day": "a date whose day comes before its month",
    "month": "a date whose month comes before its day",
    "year": "a date whose year comes first",
}
"""What a date must be by the order that a model's training rows have; "" if they have none."""


def is_missing(cell: str) -> bool:
    """Whether a cell says that there is no value."""
    return cell.strip().lower() in MISSING


def parse_number(cell: str) -> float | None:
    """The number that a cell is, by NumPy's rules, which are narrower than Python's; or None."""
    text = cell.strip()
    if not text.isascii() or "_" in text:
        return None
    try:
        return float(text)
    except ValueError:
        return None


def parse_written(cell: str, decimal_comma: bool = False, unit: str = "") -> float | None:
    """The number that a person wrote, or None; NaN if it is missing.

    Thousands may be set apart by commas (points, with a decimal comma), spaces or apostrophes; a
    sign of money or "%" may stand beside it, and is dropped, and a column's `unit` after it, see
    `split_unit`; parentheses are a minus, which may also stand last.
    """
    text = cell.strip()
    if text.lower() in MISSING:
        return math.nan
    if not decimal_comma:
        value = parse_number(text)
        if value is not None:
            return value
    if unit:
        number, own, factor = split_unit(text)
        if own == unit:
            value = parse_written(number, decimal_comma)
            return value and value * factor
    text = text.translate(_SPACES)
    match = _match(text, decimal_comma)
    if match is None:
        value = parse_number(text) or 0.0
        return value if math.isinf(value) else None
    digits = match["digits"].replace(match["mark"] or " ", "").replace(",", ".")
    value = float(digits + (match["power"] or ""))
    return -value if {"-", "("} & {match[part] for part in _SIGNS} else value


_SIGNS = ("sign", "open", "inner", "last")


def _match(text: str, decimal_comma: bool) -> re.Match[str] | None:
    """The parts of a number as it is written, if it has one sign at most, or parentheses."""
    match = _compiled(_COMMA if decimal_comma else _POINT).fullmatch(text)
    if match is None:
        return None
    signs = [match[part] for part in _SIGNS if match[part]]
    return match if len(signs) <= 1 and ("(" in signs) == bool(match["close"]) else None


def split_unit(cell: str) -> tuple[str, str, float]:
    """(a number as it is written, the unit after it, 1) of "80 kg"; (the text, "", 1) without one.

    Upper and lower case are alike in units. Thousands, millions and billions are one unit, "k", and
    the last is what they count for: ("1.5", "k", 1e6) of "1.5M". The unit of times of day is ":",
    and they are hours: ("5400000", ":", 1/3,600,000) of "1:30".
    """
    text = cell.strip().translate(_SPACES)
    clock = _compiled(_TIME).fullmatch(" " + text)
    days = _days(clock, "1970", "1", "1") if clock else None
    if days is not None:
        return str(round(days * 864e5)), ":", 1 / 36e5
    match = _compiled(_UNIT).fullmatch(text)
    if not match:
        return text, "", 1.0
    factor = _FACTORS.get(match[2], 1.0)
    return match[1], "k" if factor > 1 else match[2].casefold(), factor


def common_unit(cells: Iterable[str]) -> str:
    """The unit that half of the cells have, or more, if no other one is there; else "".

    For "k" a fifth is enough: 2 and 2k are different numbers, where 2 and 2a may be classes.
    """
    counts = Counter(split_unit(cell)[1] for cell in cells if not is_missing(cell))
    without, units = counts.pop("", 0), [*counts]
    enough = without / 4 if "k" in units else without
    return units[0] if len(units) == 1 and counts[units[0]] >= enough else ""


def several_units(cells: Iterable[str]) -> str:
    """The units, as "g, kg", if all cells are numbers with a unit, of two to five; else ""."""
    parts = [split_unit(cell) for cell in cells]
    units = {unit for _, unit, _ in parts}
    numbers = all(_match(n, False) or _match(n, True) for n, _, _ in parts)
    return ", ".join(sorted(units)) if numbers and "" not in units and 1 < len(units) <= 5 else ""


def read_number(cell: str, decimal_comma: bool = False, unit: str = "") -> float | None:
    """The number that a person wrote, or None; NaN if it is missing; see `parse_written`.

    Raises:
        ValueError: it is not finite in float32.
    """
    if not decimal_comma:
        try:
            value = float(cell)
        except ValueError:
            pass
        else:
            if abs(value) < FLOAT32_OVERFLOW and "_" not in cell and cell.isascii():
                return value
    written = parse_written(cell, decimal_comma, unit)
    if written is not None and abs(written) >= FLOAT32_OVERFLOW:
        raise ValueError(
            f"{quoted(cell.strip())} is not finite in float32; "
            "correct it, drop the row, or rescale the column"
        )
    return written


def decimal_mark(cell: str) -> str:
    """ "." or "," if the cell is a number with that decimal mark alone, else ""."""
    text = split_unit(cell)[0]
    point, comma = _match(text, decimal_comma=False), _match(text, decimal_comma=True)
    return "" if (point is None) == (comma is None) else "." if point else ","


def find_decimal_comma(cells: Iterable[str], otherwise: bool, decimal: str = "") -> bool:
    """Whether a column's numbers have a decimal comma; if they do not tell, `otherwise`.

    Before that goes `decimal`, by which a model's training rows were read; see `Column`. Money has
    no three decimals, so that the comma of $1,234 is none.
    """
    cells = [cell for cell in cells if "," in cell or "." in cell]
    marks = {decimal_mark(cell) for cell in cells} - {""}
    if not marks:
        marks = {"," if "." in cell else "." for cell in cells if _compiled(_MONEY).search(cell)}
    mark = marks.pop() if len(marks) == 1 else decimal
    return mark == "," if mark else otherwise


def parse_date(cell: str, order: str) -> float | None:
    """Days since 1970-01-01 of a date, with a fraction if it has a time; None if it is no date.

    The year comes first, or last with the day or the month (`order`) before the other one, or, of
    two digits, first by the `order`; or the month has an English name. A month or a quarter is its
    first day. A time that has a zone is brought to UTC.
    """
    text = _compiled(_BASIC).sub(r"\1-\2-\3:\4:\5", cell.strip())
    text = _compiled(_YEAR_NAME).sub(r"\2 \1", text)
    if match := _compiled(_YEAR_FIRST).fullmatch(text):
        return _days(match, match["year"], match["month"], match["day"] or "1")
    if match := _compiled(_YEAR_LAST).fullmatch(text):
        first, second, last = match["first"], match["second_"], match["year"]
        if order == "year":
            in_doubt = len(first) == len(last) == 2 and match["mark"] == "/"
            return _days(match, first, second, last) if in_doubt else None
        if len(last) == 2 and match["mark"] == "-":  # 10-20-30 may be anything
            return None
        return _days(match, last, *((second, first) if order == "day" else (first, second)))
    if match := _compiled(_NAMED).fullmatch(text):
        name = (match["name"] or match["name_"]).lower()
        # Jan 24 may be a day, as Jan-24 is not.
        day = match["day"] or match["day_"] or "1" * (len(match["year"]) > 2 or "-" in text)
        for number, month in enumerate(_MONTHS.split(), 1):
            if month.startswith(name) or name == f"q{(number + 2) // 3}":
                return _days(match, match["year"], str(number), day)
    return None


def parse_dates(cell: str) -> dict[str, float | None]:
    """{order: what `parse_date` says} for all `ORDERS`; it depends on them if the year is last."""
    if _compiled(_YEAR_LAST).fullmatch(cell.strip()):
        return {order: parse_date(cell, order) for order in ORDERS}
    return dict.fromkeys(ORDERS, parse_date(cell, ORDERS[0]))


def is_date(cell: str) -> bool:
    """Whether it is one in any order."""
    return any(days is not None for days in parse_dates(cell).values())


def read_date(cell: str, order: str) -> float | None:
    """Days since 1970-01-01 of a date in an order (or in any, if that is ""); NaN if missing.

    None if it is no date, or in any order, if that makes a difference.
    """
    if is_missing(cell):
        return math.nan
    found = {parse_date(cell, order)} if order else set(parse_dates(cell).values())
    found.discard(None)
    return found.pop() if len(found) == 1 else None


def _days(match: re.Match[str], year: str, month: str, day: str) -> float | None:
    century = 0 if len(year) == 4 else 1900 if int(year) >= _PIVOT else 2000
    try:
        days = float(date(century + int(year), int(month), int(day)).toordinal() - _EPOCH)
    except ValueError:
        return None
    if match["hour"] is None:
        return days
    hour, minute, second = int(match["hour"]), int(match["minute"]), int(match["second"] or 0)
    if match["half"]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + 12 * (match["half"].lower() == "pm")
    if hour > 23 or minute > 59 or second > 59:
        return None
    seconds = 3600.0 * hour + 60 * minute + second + float(f"0.{match['part'] or 0}")
    zone = match["zone"] or "Z"
    if zone[0] in "+-":
        shift = 3600 * int(zone[1:3]) + 60 * int(zone[-2:])
        seconds += -shift if zone[0] == "+" else shift
    return days + seconds / 86_400
