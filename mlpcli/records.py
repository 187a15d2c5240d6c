"""Records: what `@dataclass(frozen=True)` makes, at a small part of its price.

`dataclasses` writes and compiles six methods for each class; for a hundred classes that is a sixth
of all that `mlp` does before it begins. Here the same few functions serve all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, FrozenInstanceError, dataclass, field, fields
from typing import Any, TypeVar, dataclass_transform, overload

T = TypeVar("T")


@overload
def record(cls: type[T], /) -> type[T]: ...


@overload
def record(*, kw_only: bool) -> Callable[[type[T]], type[T]]: ...


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def record(
    cls: type[T] | None = None, /, *, kw_only: bool = False
) -> type[T] | Callable[[type[T]], type[T]]:
    """A dataclass whose fields are set once, and by which it is compared, hashed and shown."""
    if cls is None:
        return lambda cls: _make(cls, kw_only=kw_only)
    return _make(cls)


def _make(cls: type[T], *, kw_only: bool = False) -> type[T]:
    made: Any = dataclass(init=False, repr=False, eq=False, kw_only=kw_only)(cls)
    made._fields = tuple((f.name, f.default, f.default_factory) for f in fields(made))
    made._positional = tuple(f.name for f in fields(made) if not f.kw_only)
    made._compared = tuple(f.name for f in fields(made) if f.compare)
    made.__init__ = _initialise
    made.__setattr__, made.__delattr__ = _set_once, _delete
    made.__eq__, made.__hash__, made.__repr__ = _equal, _hash, _show
    return cls


def _initialise(self: Any, /, *values: Any, **named: Any) -> None:
    given, own = dict(zip(self._positional, values, strict=False)) | named, self.__dict__
    fits = len(given) == len(values) + len(named)
    for name, default, factory in self._fields:
        if name in given:
            own[name] = given.pop(name)
        elif factory is not MISSING:
            own[name] = factory()
        elif default is not MISSING:
            own[name] = default
        else:
            fits = False
    if given or not fits:
        names = ", ".join(name for name, *_ in self._fields)
        raise TypeError(f"{self.__class__.__qualname__}() takes {names}, each once")
    if hasattr(self, "__post_init__"):
        self.__post_init__()


def _set_once(self: Any, name: str, value: Any) -> None:
    own = self.__dict__
    if name in own:
        raise FrozenInstanceError(f"cannot assign to field {name!r}")
    own[name] = value


def _delete(self: Any, name: str) -> None:
    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _values(self: Any) -> tuple[Any, ...]:
    return tuple(getattr(self, name) for name in self._compared)


def _equal(self: Any, other: object) -> Any:
    if other.__class__ is not self.__class__:
        return NotImplemented
    return _values(self) == _values(other)


def _hash(self: Any) -> int:
    return hash(_values(self))


def _show(self: Any) -> str:
    shown = (f"{f.name}={getattr(self, f.name)!r}" for f in fields(self) if f.repr)
    return f"{self.__class__.__qualname__}({', '.join(shown)})"
