"""Records are what frozen dataclasses are."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError, asdict, dataclass, field, fields, replace
from functools import cached_property
from typing import Any

import pytest

from mlpcli.records import record


@dataclass(frozen=True)
class Theirs:
    a: int
    b: tuple[str, ...] = ("x",)
    c: list[int] = field(default_factory=list, compare=False, repr=False)


@record
class Ours:
    a: int
    b: tuple[str, ...] = ("x",)
    c: list[int] = field(default_factory=list, compare=False, repr=False)

    @cached_property
    def double(self) -> int:
        return 2 * self.a


@record
class More(Ours):
    d: float = 0.5

    def __post_init__(self) -> None:
        if self.d < 0:
            raise ValueError("is negative")


@record(kw_only=True)
class Named:
    a: int
    b: int = 0


VALUES: list[tuple[Any, ...]] = [(1,), (1, ("y",)), (2, ("y",), [3])]


@pytest.mark.parametrize("values", VALUES)
def test_a_record_is_made_shown_compared_and_hashed_as_a_frozen_dataclass(values: Any) -> None:
    ours, theirs = Ours(*values), Theirs(*values)
    assert repr(ours) == repr(theirs).replace("Theirs", "Ours")
    assert hash(ours) == hash(theirs)
    assert asdict(ours) == asdict(theirs)
    assert [f.name for f in fields(ours)] == [f.name for f in fields(theirs)]
    for other in VALUES:
        assert (ours == Ours(*other)) == (theirs == Theirs(*other))
    assert ours != theirs
    assert ours != values


def test_its_fields_are_set_once() -> None:
    ours = More(1)
    with pytest.raises(FrozenInstanceError, match="cannot assign to field 'a'"):
        ours.a = 2  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError, match="cannot delete field 'a'"):
        del ours.a
    assert (ours.a, ours.double, ours.double) == (1, 2, 2)
    assert ours == More(1)  # what is kept beside the fields does not count


def test_it_is_copied_changed_and_inherited() -> None:
    ours = More(1, d=2.0)
    assert replace(ours, a=5) == More(5, d=2.0)
    assert copy.deepcopy(ours) == copy.copy(ours) == pickle.loads(pickle.dumps(ours)) == ours
    assert ours != Ours(1)
    assert repr(ours) == "More(a=1, b=('x',), d=2.0)"
    with pytest.raises(ValueError, match="is negative"):
        replace(ours, d=-1)


def test_its_fields_may_be_given_by_name_alone() -> None:
    assert Named(a=1) == Named(b=0, a=1)
    with pytest.raises(TypeError):
        Named(1)  # type: ignore[misc]


@pytest.mark.parametrize(
    ("values", "named"),
    [((), {}), ((1, ("y",), [2], 3), {}), ((1,), {"a": 1}), ((1,), {"e": 1}), ((), {"b": ()})],
)
def test_a_field_that_is_missing_unknown_or_given_twice_is_refused(
    values: tuple[Any, ...], named: dict[str, Any]
) -> None:
    with pytest.raises(TypeError, match=r"Ours\(\) takes a, b, c, each once"):
        Ours(*values, **named)
    with pytest.raises(TypeError):
        Theirs(*values, **named)


def test_each_record_has_defaults_of_its_own_in_the_order_of_the_fields() -> None:
    one, other = Ours(1), Ours(c=[3], a=1)
    assert one.c == []
    assert one.c is not Ours(1).c
    assert list(vars(other)) == ["a", "b", "c"]
