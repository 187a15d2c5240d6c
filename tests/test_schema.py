"""Declared shapes of JSON: what is read, what is refused, and in which words."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest

from mlpcli.schema import Bounds, Count, FileName, ShapeError, read, reader, write


@dataclass(frozen=True)
class Circle:
    kind: Literal["circle"]
    radius: Annotated[float, Bounds(0, 100)]


@dataclass(frozen=True)
class Box:
    kind: Literal["box"]
    sides: tuple[int, int]


@dataclass(frozen=True)
class Drawing:
    name: str
    shapes: tuple[Circle | Box, ...]
    layers: Count = 1
    path: Annotated[str, FileName()] | None = None
    labels: list[int] | list[str] | None = None
    notes: dict[str, float] | None = None
    shown: bool = True
    anything: Any = None

    def __post_init__(self) -> None:
        if self.labels is not None and len(self.labels) != len(self.shapes):
            raise ValueError(f"has {len(self.labels)} labels for {len(self.shapes)} shapes")


PLAIN: dict[str, Any] = {
    "name": "two",
    "shapes": [{"kind": "circle", "radius": 2}, {"kind": "box", "sides": [3, 4]}],
}


def test_json_becomes_typed_and_goes_back_to_the_same_json() -> None:
    drawing = read(Drawing, PLAIN | {"labels": ["a", "b"], "notes": {"x": 1}})
    assert drawing.shapes == (Circle("circle", 2.0), Box("box", (3, 4)))
    assert isinstance(drawing.shapes[0], Circle)
    assert type(drawing.shapes[0].radius) is float
    again = json.loads(json.dumps(write(drawing)))
    assert again["shapes"] == PLAIN["shapes"]
    assert read(Drawing, again) == drawing


def test_a_key_with_a_default_may_be_missing() -> None:
    assert read(Drawing, PLAIN).layers == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": 5}, "name is 5, expected text"),
        ({"name": None}, "name is null, expected text"),
        ({"name": "\ud800"}, "name is '\\ud800', which is not Unicode"),
        ({"layers": True}, "layers is true, expected a whole number from 0 to 9.0072e+15"),
        ({"layers": 1.5}, "layers is 1.5, expected a whole number"),
        ({"layers": -1}, "layers is -1, expected a whole number"),
        ({"layers": 2**53 + 1}, f"layers is {2**53 + 1}, expected a whole number"),
        ({"surplus": 1}, "it has an unknown key 'surplus'"),
        ({"shapes": {}}, "shapes is an object, expected a list"),
        ({"shapes": [[]]}, "shapes[0].kind is a list, expected the kind 'circle' or 'box'"),
        ({"shapes": [{"kind": "line"}]}, "shapes[0].kind is 'line', expected the kind 'circle'"),
        ({"shapes": [{"kind": []}]}, "shapes[0].kind is a list, expected the kind 'circle'"),
        ({"shapes": [{"kind": "circle"}]}, "shapes[0] has no 'radius'"),
        (
            {"shapes": [{"kind": "circle", "radius": 101}]},
            "shapes[0].radius is 101, expected a number from 0 to 100",
        ),
        ({"shapes": [{"kind": "circle", "radius": float("nan")}]}, "shapes[0].radius is nan"),
        ({"shapes": [{"kind": "circle", "radius": 10**400}]}, "shapes[0].radius is 1000000"),
        (
            {"shapes": [PLAIN["shapes"][0], {"kind": "box", "sides": [1]}]},
            "shapes[1].sides has 1 items, expected 2",
        ),
        ({"shapes": [{"kind": "box", "sides": [1, "2"]}]}, "shapes[0].sides[1] is '2', expected"),
        ({"labels": [1, "b"]}, "labels[1] is 'b', expected a whole number"),
        ({"labels": [1]}, "it has 1 labels for 2 shapes"),
        ({"labels": 7}, "labels is 7, expected a list"),
        ({"notes": {"x": "much"}}, "notes.x is 'much', expected a number"),
        ({"notes": []}, "notes is a list, expected an object"),
        ({"shown": 1}, "shown is 1, expected true or false"),
        ({"path": 1}, "path is 1, expected text"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_has_another_shape_is_refused_with_its_place(
    changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(ShapeError) as error:
        read(Drawing, PLAIN | changes)
    assert str(error.value).startswith(said)
    assert len(str(error.value)) < 200


def test_what_is_no_object_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"^it is a list, expected an object$"):
        read(Drawing, [])
    with pytest.raises(ShapeError, match=r"^it has no 'name'$"):
        read(Drawing, {})


def test_a_file_name_may_hold_bytes_that_are_no_utf_8() -> None:
    name = b"\xff.csv".decode(errors="surrogateescape")
    assert read(Drawing, PLAIN | {"path": name}).path == name
    with pytest.raises(ShapeError, match=r"^path is .*, which is not Unicode$"):
        read(Drawing, PLAIN | {"path": "\ud800"})


def test_lengths_are_bounded() -> None:
    pair = reader(Annotated[list[int], Bounds(1, 2)])
    assert pair([1, 2]) == [1, 2]
    with pytest.raises(ShapeError, match=r"^it has 3 items, expected 1 to 2$"):
        pair([1, 2, 3])
    with pytest.raises(ShapeError, match=r"^it has 0 items, expected 1 to 2$"):
        pair([])


def test_a_shape_that_json_cannot_have_is_refused_when_it_is_declared() -> None:
    with pytest.raises(TypeError, match="cannot be declared"):
        reader(complex)
