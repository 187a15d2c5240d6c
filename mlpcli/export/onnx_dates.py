"""Dates as ONNX: ISO 8601 to days since 1970-01-01, and what those fall on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mlpcli.export.onnx_graph import Graph

_DATE = "[0-9]{4}-(0?[1-9]|1[0-2])-(0?[1-9]|[12][0-9]|3[01])"
_TIME = r"([01]?[0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]+)?)?"
_NEVER = "1970-01-01"  # stands where there is no date


class Days:
    """A float64 value of a graph, in arithmetic with others and with numbers."""

    def __init__(self, graph: Graph, value: str) -> None:
        self.graph = graph
        self.value = value

    def __add__(self, other: Days | float) -> Days:
        return self._with("Add", other)

    def __sub__(self, other: Days | float) -> Days:
        return self._with("Sub", other)

    def __mul__(self, other: float) -> Days:
        return self._with("Mul", other)

    def __truediv__(self, other: float) -> Days:
        return self._with("Div", other)

    def __floordiv__(self, other: float) -> Days:
        return Days(self.graph, self.graph.add("Floor", (self / other).value))

    def __mod__(self, other: float) -> Days:
        return self - self // other * other

    def _with(self, operator: str, other: Days | float) -> Days:
        right = other.value if isinstance(other, Days) else self.graph.constant(other, np.float64)
        return Days(self.graph, self.graph.add(operator, self.value, right))


def parse(graph: Graph, text: str) -> str:
    """Days since 1970-01-01 of text (N, 1) such as 2024-03-05 or 2024-03-05 10:20:30; else NaN.

    Between date and time there is a space or a T.
    """
    is_date = graph.add("RegexFullMatch", text, pattern=f"{_DATE}([T ]{_TIME})?")
    date = graph.add("Where", is_date, text, graph.constant([[_NEVER]], object))
    by_space = _split(graph, date, " ", "00:00")
    by_letter = _split(graph, date, "T", "00:00")
    has_space = graph.add("RegexFullMatch", date, pattern=".* .*")
    day, time = (
        graph.add("Where", has_space, first, second)
        for first, second in zip(by_space, by_letter, strict=True)
    )
    hours, minutes, seconds = (_number(graph, part) for part in _split(graph, time, ":", "00", 3))
    days = _count(*(_number(graph, part) for part in _split(graph, day, "-", "", 3)))
    days += ((hours * 60 + minutes) * 60 + seconds) / 86400
    return graph.add("Where", is_date, days.value, graph.constant(np.nan, np.float64))


def _split(graph: Graph, text: str, mark: str, rest: str, count: int = 2) -> list[str]:
    """The first parts of a text between marks, which `rest` makes up for if they are missing."""
    longer = graph.add("StringConcat", text, graph.constant([[mark + rest]], object))
    parts = graph.split(longer, mark)
    return [graph.add("Gather", parts, graph.constant(k, np.int64), axis=-1) for k in range(count)]


def _number(graph: Graph, text: str) -> Days:
    return Days(graph, graph.cast(text, np.float64))


def _count(year: Days, month: Days, day: Days) -> Days:
    """Days since 1970-01-01 in the Gregorian calendar; its years are counted from March here."""
    before_march = (month * -1 + 14) // 12
    year -= before_march
    month += before_march * 12 - 3
    leap = year // 4 - year // 100 + year // 400
    return day + (month * 153 + 2) // 5 + year * 365 + leap - 719469


def _month(days: Days) -> Days:
    """0 to 11; by way of the day of an era of 400 years, which begins with March (H. Hinnant)."""
    day = (days // 1 + 719468) % 146097
    year = (day - day // 1460 + day // 36524 - day // 146096) // 365
    day = day - (year * 365 + year // 4 - year // 100)
    return ((day * 5 + 2) // 153 + 2) % 12


def _weekday(days: Days) -> Days:
    """0 to 6; Monday is 0, and 1970 began with a Thursday."""
    return (days // 1 + 3) % 7


def _hour(days: Days) -> Days:
    """0 to 23; what is lost of a second by counting in days is made up for."""
    graph = days.graph
    hour = ((days - days // 1) * 24 + 1e-6) // 1
    return Days(graph, graph.add("Min", hour.value, graph.constant(23, np.float64)))


FALL_ON: dict[str, Callable[[Days], Days]] = {"month": _month, "weekday": _weekday, "hour": _hour}
"""What days since 1970-01-01 fall on."""
