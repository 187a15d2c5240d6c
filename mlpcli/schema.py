"""The shape of JSON that anybody may have written: declared once as types, checked on reading.

A dataclass is an object: its fields are the keys, those with a default may be missing, others may
not be there. `tuple[T, ...]` is a list, `tuple[A, B]` one of that length, `dict[str, T]` an object
with any keys, `Literal` one of some words, `T | None` may be null. In a union of dataclasses the
object's "kind" chooses, which each of them has as `kind: Literal["…"]`. `Annotated[T, Bounds(…)]`
bounds a number, or the length of a text, list or object. `Any` is left for others to check.

    @record
    class Layer:
        kind: Literal["dense"]
        inputs: Annotated[int, Bounds(1, 1_000_000)]
        activation: str | None = None

    read(Layer, {"kind": "dense", "inputs": 0})  # ShapeError: inputs is 0, expected a whole …

What depends on several fields is checked by the dataclass's `__post_init__`, by a ValueError.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable, Hashable
from dataclasses import MISSING
from functools import cache
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from mlpcli.records import record
from mlpcli.text import quoted

T = TypeVar("T")


class ShapeError(ValueError):
    """JSON of another shape than the declared one; its text names the place, and what is wrong."""

    def __init__(self, problem: str, place: tuple[str | int, ...] = ()) -> None:
        super().__init__(problem, place)
        self.problem, self.place = problem, place

    def __str__(self) -> str:
        steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.place)
        return f"{''.join(steps).removeprefix('.') or 'it'} {self.problem}"

    def inside(self, *place: str | int) -> ShapeError:
        """The same, seen from further out."""
        return ShapeError(self.problem, (*place, *self.place))


@record
class Bounds:
    """The least and the greatest value of a number, or length of anything else; both may occur."""

    low: float
    high: float


@record
class FileName:
    """In `Annotated[str, FileName()]`: the text may hold bytes that are no UTF-8, as names may."""


Count = Annotated[int, Bounds(0, 2**53)]
"""A whole number that is not negative, and that every reader of JSON has exactly."""

_NUMBERS = {int: Bounds(-(2**63), 2**63 - 1), float: Bounds(-1e300, 1e300)}  # if none are said
_LONGEST = 1 << 26

Reader = Callable[[Any], Any]


def read(shape: type[T], value: Any) -> T:
    """`value`, which `json.loads` made, as the dataclass or other type that it is declared to be.

    Raises:
        ShapeError: it is of another shape; where and how.
    """
    checked: Any = shape
    result: T = reader(checked)(value)
    return result


def write(value: Any) -> Any:
    """The inverse of `read`: what `json.dumps` makes the same JSON of."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: write(getattr(value, field.name)) for field in _fields(type(value))}
    if isinstance(value, dict):
        return {key: write(item) for key, item in value.items()}
    return [write(item) for item in value] if isinstance(value, list | tuple) else value


@cache
def _fields(shape: type[Any]) -> tuple[dataclasses.Field[Any], ...]:
    return tuple(field for field in dataclasses.fields(shape) if field.init)


@cache
def _hints(shape: type[Any]) -> dict[str, Any]:
    return get_type_hints(shape, include_extras=True)


@cache
def reader(shape: Hashable) -> Reader:
    """What `read` applies; the shape may also be a union or `Annotated`."""
    return _reader_of(shape)


def _reader_of(shape: Any) -> Reader:
    origin, arguments = get_origin(shape), get_args(shape)
    marks: tuple[Any, ...] = ()
    if origin is Annotated:
        shape, *rest = arguments
        marks, origin, arguments = tuple(rest), get_origin(shape), get_args(shape)
    if shape is Any:
        return lambda value: value
    if dataclasses.is_dataclass(shape):
        return _object_reader(shape)
    if origin is Literal:
        return _word_reader(arguments)
    if origin in (Union, types.UnionType):
        return _union_reader(arguments)
    bounds = next((mark for mark in marks if isinstance(mark, Bounds)), None)
    if shape in _NUMBERS:
        return _number_reader(shape, bounds or _NUMBERS[shape])
    bounds = bounds or Bounds(0, _LONGEST)
    if shape is str:
        return _text_reader(bounds, "surrogateescape" if FileName() in marks else "strict")
    if origin in (list, tuple):
        return _list_reader(origin, arguments, bounds)
    if origin is dict:
        return _mapping_reader(arguments[1], bounds)
    if shape in (bool, type(None)):
        return _constant_reader(shape)
    raise TypeError(f"{shape} cannot be declared as the shape of JSON")


def _number_reader(kind: type, bounds: Bounds) -> Reader:
    expected = f"a {'whole ' if kind is int else ''}number from {bounds.low:g} to {bounds.high:g}"
    accepted = int if kind is int else (int, float)

    def number(value: Any) -> Any:
        if not isinstance(value, accepted) or isinstance(value, bool):
            raise _unexpected(value, expected)
        if not bounds.low <= value <= bounds.high:  # of whole numbers of any size, and of NaN
            raise _unexpected(value, expected)
        return kind(value)

    return number


def _text_reader(bounds: Bounds, errors: str) -> Reader:
    def text(value: Any) -> str:
        if not isinstance(value, str):
            raise _unexpected(value, "text")
        _check_length(value, bounds, "characters")
        try:
            value.encode(errors=errors)
        except UnicodeEncodeError:
            raise ShapeError(f"is {quoted(value)}, which is not Unicode") from None
        return value

    return text


def _constant_reader(kind: Any) -> Reader:
    def constant(value: Any) -> Any:
        if not isinstance(value, kind):
            raise _unexpected(value, "true or false" if kind is bool else "null")
        return value

    return constant


def _word_reader(words: tuple[Any, ...]) -> Reader:
    def word(value: Any) -> Any:
        for known in words:
            if type(value) is type(known) and value == known:
                return known
        raise _unexpected(value, " or ".join(map(repr, words)))

    return word


def _list_reader(kind: Any, arguments: tuple[Any, ...], bounds: Bounds) -> Reader:
    fixed = kind is tuple and arguments[-1:] != (...,)
    readers = [reader(a) for a in arguments if a is not ...]
    if fixed:
        bounds = Bounds(len(readers), len(readers))

    def items(value: Any) -> Any:
        if not isinstance(value, list):
            raise _unexpected(value, "a list")
        _check_length(value, bounds, "items")
        result: list[Any] = []
        try:
            for item in value:
                result.append(readers[len(result) if fixed else 0](item))
        except ShapeError as error:
            raise error.inside(len(result)) from None
        return kind(result)

    return items


def _mapping_reader(of: Any, bounds: Bounds) -> Reader:
    read_key, read_item = reader(str), reader(of)

    def mapping(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _unexpected(value, "an object")
        _check_length(value, bounds, "keys")
        result: dict[str, Any] = {}
        for key, item in value.items():
            try:
                result[read_key(key)] = read_item(item)
            except ShapeError as error:
                raise error.inside(quoted(key)[1:-1]) from None
        return result

    return mapping


def _object_reader(shape: Any) -> Reader:
    hints = _hints(shape)
    readers = {field.name: reader(hints[field.name]) for field in _fields(shape)}
    needed = {
        field.name
        for field in _fields(shape)
        if field.default is MISSING and field.default_factory is MISSING
    }

    def read_object(value: Any) -> Any:
        if not isinstance(value, dict):
            raise _unexpected(value, "an object")
        values: dict[str, Any] = {}
        for key, item in value.items():
            if key not in readers:
                raise ShapeError(f"has an unknown key {quoted(key)}")
            try:
                values[key] = readers[key](item)
            except ShapeError as error:
                raise error.inside(key) from None
        if missing := sorted(needed - values.keys()):
            raise ShapeError(f"has no {missing[0]!r}")
        try:
            return shape(**values)
        except ShapeError:
            raise
        except ValueError as error:  # of its __post_init__
            raise ShapeError(str(error)) from None

    return read_object


def _union_reader(shapes: tuple[Any, ...]) -> Reader:
    kinds: dict[str, Reader] = {}
    others: list[Reader] = []
    for shape in shapes:
        is_object = isinstance(shape, type) and dataclasses.is_dataclass(shape)
        words = _hints(shape).get("kind") if is_object else None
        kinds |= {word: reader(shape) for word in get_args(words)}
        if words is None and shape is not type(None):
            others.append(reader(shape))

    def union(value: Any) -> Any:
        if value is None and type(None) in shapes:
            return None
        if kinds and (not others or isinstance(value, dict)):
            kind = value.get("kind") if isinstance(value, dict) else value
            if not isinstance(kind, str) or kind not in kinds:
                expected = " or ".join(map(repr, kinds))
                raise _unexpected(kind, f"the kind {expected}").inside("kind")
            return kinds[kind](value)
        failed: list[ShapeError] = []
        for other in others:
            try:
                return other(value)
            except ShapeError as error:
                failed.append(error)
        # What went furthest into the value was meant.
        raise max(failed, key=lambda error: error.place)

    return union


def _check_length(value: Any, bounds: Bounds, unit: str) -> None:
    if not bounds.low <= len(value) <= bounds.high:
        wanted = (
            f"{bounds.low:,}"
            if bounds.low == bounds.high
            else (f"{bounds.low:,} to {bounds.high:,}")
        )
        raise ShapeError(f"has {len(value):,} {unit}, expected {wanted}")


def _unexpected(value: Any, expected: str) -> ShapeError:
    names = {dict: "an object", list: "a list", type(None): "null", bool: str(value).lower()}
    shown = names.get(type(value)) or (
        quoted(value) if isinstance(value, str) else f"{value!r:.40}"
    )
    return ShapeError(f"is {shown}, expected {expected}")
