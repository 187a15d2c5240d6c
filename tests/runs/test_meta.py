"""`meta` of a checkpoint: what is refused, by hand and by a generator from its declared shape."""

from __future__ import annotations

import copy
import dataclasses
import json
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlpcli.runs.meta import Meta
from mlpcli.schema import Bounds


@pytest.fixture
def model(mlp) -> Path:
    """The checkpoint of a run that was stopped after its first of three epochs."""
    mlp.ok("train", "--data", "digits", "--hidden", "4", "--epochs", "3", "-q", "--stop-after", "1")
    return Path("model.npz")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "is not a checkpoint of mlp: it has no `meta`"),
        ("not JSON", "`meta` is not JSON: Expecting value: line 1 column 1 (char 0)"),
        ("[" * 100_000, "`meta` is not JSON: maximum recursion depth exceeded"),
        ("[]", "`meta` names no format version"),
        ("{}", "`meta` names no format version"),
        ('{"format": "1"}', "`meta` names no format version"),
        ('{"format": true}', "`meta` names no format version"),
        ('{"format": 99}', "is of format 99; this mlp reads up to 2; read it with a newer one"),
        ('{"format": 0}', "is of format 0, which does not exist"),
        ('{"format": 1}', "`meta` is damaged: it has no configuration of the model"),
        ('{"format": 2}', "`meta` is damaged: it has no configuration of the model"),
    ],
)
def test_a_meta_that_says_nothing_is_refused(
    mlp, model: Path, checkpoints, text: str | None, said: str
) -> None:
    checkpoints.rewrite(model, meta=text)
    for command in (("evaluate", model), ("train", "--resume", model, "-q")):
        code, answer = mlp.error(*command)
        assert code == 3
        assert answer.startswith(f"model.npz: {said}")


def test_a_meta_that_is_no_text_is_refused(mlp, model: Path, checkpoints) -> None:
    checkpoints.rewrite(model, meta=np.zeros(3))
    assert mlp.error("evaluate", model) == (3, "model.npz: meta is no text")


DEEP: Any = 0
for _ in range(300):
    DEEP = [DEEP]

PARTS = [
    {"kind": "number", "column": None, "position": j, "shift": 0.0, "factor": 1.0}
    for j in range(64)
]


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("config.model.activation", "no", "config.model has an unknown activation 'no'"),
        ("config.model.loss", [], "config.model.loss is a list, expected text"),
        ("config.model.loss", "no", "config.model has an unknown loss 'no'"),
        ("config.model.dropout", 2, "config.model.dropout is 2, expected a number from 0 to 1"),
        ("config.model.dropout", 1, "config.model drops everything"),
        ("config.train.lr", -1, "model.npz: `meta`: [train] lr = -1: expected"),
        ("config.train.epochs", DEEP, "model.npz: `meta`: [train] epochs = [[["),
        ("config.future", {}, "model.npz: `meta`: there is no section [future]"),
        ("layers", None, "layers is null, expected a list"),
        ("layers", [], "layers has 0 items, expected 1 to 1,002"),
        (
            "layers.0.kind",
            "sparse",
            "layers[0].kind is 'sparse', expected the kind 'dense' or 'periodic'",
        ),
        ("layers.0.activation", "no", "layers[0] has an unknown activation 'no'"),
        ("task.classes", [0, 1], "it has 2 classes for 10 outputs"),
        ("task.classes", [0.5] * 10, "task.classes[0] is 0.5, expected a whole number"),
        ("task.classes", [10**30] * 10, f"task.classes[0] is {10**30}, expected a whole number"),
        ("task.classes", [0] * 10, "task has classes that are not sorted, or twice the same"),
        ("task.classes", [[]], "task.classes has 1 items, expected 2 to 1,048,576"),
        ("task.classes", ["a", "\ud800"] * 5, "task.classes[1] is '\\ud800', which is not Unicode"),
        (
            "task.classes",
            [*"abcdefghi", "j" * 7_000_000],
            "task has 10 classes of up to 7000000 characters",
        ),
        ("task", 7, "task.kind is 7, expected the kind 'classification' or 'regression'"),
        ("task.kind", "dancing", "task.kind is 'dancing', expected the kind"),
        ("encoding", [], "it encodes nothing"),
        ("encoding.0.count", 63, "it encodes rows as 63 inputs, but the first layer takes 64"),
        ("encoding.0.factor", float("nan"), "encoding[0].factor is nan, expected a number"),
        ("encoding", PARTS[:3], "it encodes rows as 3 inputs, but the first layer takes 64"),
        ("history", [[]], "history[0] is a list, expected an object"),
        ("history.0.val_loss", "low", "history[0].val_loss is 'low', expected a number"),
        ("history.0.seconds", 10**400, "history[0].seconds is 1000"),
        ("history.0.train_accuracy", None, "history[0].train_score is null, expected a number"),
        ("data.source", 5, "data.source is 5, expected text"),
        ("data.source", "", "data.source has 0 characters, expected 1 to 65,536"),
        ("data.image_shape", [8], "data.image_shape has 1 items, expected 2"),
        ("data.image_shape", [8, 9], "it has images of 8 × 9 pixels in rows of 64"),
        ("data.class_names", [None], "data.class_names[0] is null, expected text"),
        ("data.surplus", 5, "data has an unknown key 'surplus'"),
        ("epoch", "many", "epoch is 'many', expected a whole number"),
        ("threads", 1e400, "threads is inf, expected a whole number"),
        ("threads", 0, "threads is 0, expected a whole number"),
        ("ancestors", [{"path": "a", "saw": "train"}], "ancestors[0] says what it saw without"),
        ("surplus", 1, "it has an unknown key 'surplus'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_meta_of_another_shape_is_refused_with_the_reason(
    mlp, model: Path, checkpoints, path: str, value: Any, said: str
) -> None:
    meta = checkpoints.meta(model)
    put(meta, path.split("."), value)
    checkpoints.rewrite(model, meta=json.dumps(meta))
    answers = {mlp.error("evaluate", model), mlp.error("train", "--resume", model, "-q")}
    ((code, text),) = answers
    assert code == 3
    assert text.startswith(f"model.npz: `meta` is damaged: {said}")


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("layers.0.outputs", 5, "`meta` says of layer 1 that its outputs is 5, expected 4"),
        ("layers.1.activation", "relu", "`meta` says of layer 2 that its activation is relu, exp"),
        ("config.model.activation", "tanh", "`meta` says of layer 1 that its activation is relu"),
        ("config.model.hidden", [5], "`meta` says hidden layers [5], the weights are of [4]"),
        ("task.classes", list("abcdefghij"), "its classes are not those of its data, digits"),
        ("data.rows", 1796, "was trained on 1,796 rows of digits, and 1,797 are read now; eval"),
    ],
)
def test_a_meta_that_does_not_fit_weights_or_data_is_refused_with_the_reason(
    mlp, model: Path, checkpoints, path: str, value: Any, said: str
) -> None:
    meta = checkpoints.meta(model)
    put(meta, path.split("."), value)
    checkpoints.rewrite(model, meta=json.dumps(meta))
    code, text = mlp.error("evaluate", model)
    assert code == 3
    assert text.startswith(f"model.npz: {said}")


def test_data_with_a_name_of_an_unknown_home_are_gone(mlp, model: Path, checkpoints) -> None:
    meta = checkpoints.meta(model)
    meta["data"] |= {"source": "~no-such-user/points.csv", "path": "\0"}
    checkpoints.rewrite(model, meta=json.dumps(meta))
    code, text = mlp.error("evaluate", model)
    assert code == 3
    assert "are gone; name them with --data" in text


@pytest.mark.parametrize(
    ("path", "value", "command"),
    [
        ("history.0.seconds", 1e300, ("train", "--resume", "model.npz", "-q")),
        ("encoding.0.largest", 5e-324, ("evaluate", "model.npz", "--report", "report.html")),
        ("encoding.0.largest", 1e300, ("evaluate", "model.npz", "--report", "report.html")),
    ],
)
def test_numbers_at_the_ends_of_their_bounds_are_no_defect(
    mlp, model: Path, checkpoints, path: str, value: Any, command: tuple[str, ...]
) -> None:
    meta = checkpoints.meta(model)
    put(meta, path.split("."), value)
    checkpoints.rewrite(model, meta=json.dumps(meta))
    mlp.ok(*command)


# Hostile ones, generated from the declared shape

Place = list[str | int]

JUNK = st.one_of(
    st.sampled_from([None, True, 0, -1, 1e300, 2**70, 0.5, "", "\0", "\x1b[2J", "\udcff", [], {}]),
    st.sampled_from([[[]], {"kind": "dense"}, {"kind": []}, "x" * 300, float("nan"), -1e-300]),
)


def values_of(shape: Any) -> st.SearchStrategy[Any]:
    """JSON of a declared shape, within its bounds and often at their edges."""
    marks: tuple[Any, ...] = ()
    if get_origin(shape) is Annotated:
        shape, *rest = get_args(shape)
        marks = tuple(rest)
    bounds = next((m for m in marks if isinstance(m, Bounds)), None)
    origin, arguments = get_origin(shape), get_args(shape)
    if dataclasses.is_dataclass(shape):
        return st.fixed_dictionaries({name: values_of(s) for name, s in fields_of(shape).items()})
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin in (Union, types.UnionType):
        return st.one_of(*map(values_of, arguments))
    if shape is int:
        low, high = (int(bounds.low), int(bounds.high)) if bounds else (-(2**63) + 1, 2**63 - 1)
        return st.sampled_from([low, high]) | st.integers(low, high) | st.integers(low, low + 9)
    if shape is float:
        low_, high_ = (bounds.low, bounds.high) if bounds else (-1e300, 1e300)
        return st.sampled_from([low_, high_]) | st.floats(low_, high_)
    if shape is str:
        return st.text(min_size=int(bounds.low) if bounds else 0, max_size=8)
    if shape is bool or shape is type(None):
        return st.just(None) if shape is not bool else st.booleans()
    if origin is tuple and arguments[-1] is not ...:
        return st.tuples(*map(values_of, arguments)).map(list)
    if origin in (tuple, list):
        return st.lists(values_of(arguments[0]), max_size=3)
    return JUNK


def fields_of(shape: Any) -> dict[str, Any]:
    hints = get_type_hints(shape, include_extras=True)
    return {field.name: hints[field.name] for field in dataclasses.fields(shape) if field.init}


def places(shape: Any, value: Any, place: Place) -> Iterator[tuple[Place, Any]]:
    """Every place in a JSON value, with the shape that is declared for it."""
    yield place, shape
    if get_origin(shape) is Annotated:
        shape = get_args(shape)[0]
    origin, arguments = get_origin(shape), get_args(shape)
    if origin in (Union, types.UnionType):
        kind = value.get("kind") if isinstance(value, dict) else None
        for option in arguments:
            if dataclasses.is_dataclass(option):
                words = get_args(get_type_hints(option).get("kind"))
                if isinstance(value, dict) and (not words or kind in words):
                    yield from places(option, value, place)
            elif isinstance(value, list) and list in (get_origin(option), option):
                yield from places(option, value, place)
    elif dataclasses.is_dataclass(shape) and isinstance(value, dict):
        for name, inner in fields_of(shape).items():
            if name in value:
                yield from places(inner, value[name], [*place, name])
    elif origin in (tuple, list) and isinstance(value, list):
        for index, item in enumerate(value[:4]):
            fixed = arguments[-1] is not ... and origin is tuple
            yield from places(arguments[index if fixed else 0], item, [*place, index])
    elif isinstance(value, dict):  # of any keys
        for key, item in value.items():
            yield from places(Any, item, [*place, key])


def put(value: Any, place: Any, new: Any) -> None:
    *parents, last = [int(p) if isinstance(p, str) and p.isdigit() else p for p in place]
    for name in parents:
        value = value[name]
    value[last] = new


@st.composite
def mutations(draw: st.DrawFn, meta: dict[str, Any]) -> dict[str, Any]:
    """`meta` with some places changed: to what their shape allows, to junk, or taken out."""
    mutated: dict[str, Any] = json.loads(json.dumps(meta))
    for _ in range(draw(st.sampled_from([1, 1, 1, 2, 3]))):
        there = [(p, s) for p, s in places(Meta, mutated, []) if p]
        place, shape = draw(st.sampled_from(there))
        how = draw(st.sampled_from(["allowed", "allowed", "junk", "gone", "grown"]))
        *parents, last = place
        inner: Any = mutated
        for name in parents:
            inner = inner[name]
        if how == "gone":
            del inner[last]
        elif how == "grown" and isinstance(inner, list):
            inner.append(copy.deepcopy(inner[last]))
        elif how == "grown":
            inner["surplus"] = copy.deepcopy(inner[last])
        else:
            inner[last] = copy.deepcopy(draw(values_of(shape) if how == "allowed" else JUNK))
    return mutated


@pytest.fixture
def trained(mlp, points: Path) -> list[Path]:
    """Small checkpoints of a table, of images, and of numbers to predict."""
    rows = [f"{a},{b},{a / 3 + b + 0.25}" for a in range(6) for b in range(8)]
    Path("numbers.csv").write_text("a,b,target\n" + "\n".join(rows) + "\n")
    short = ("--hidden", "3", "--epochs", "2", "-q")
    for data in ("points.csv", "numbers.csv", "digits"):
        mlp.ok("train", "--data", data, *short, "-o", Path(data).with_suffix(".npz"))
    images = np.random.default_rng(0).integers(0, 256, (30, 4, 4)).astype(np.uint8)
    np.savez("images.npz", X=images, y=np.arange(30) % 2)
    mlp.ok("train", "--data", "images.npz", *short, "-o", "pictures.npz")
    return [Path(f"{name}.npz") for name in ("points", "numbers", "digits", "pictures")]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_every_meta_is_used_or_refused_in_one_line(
    mlp, trained: list[Path], checkpoints, data: st.DataObject
) -> None:
    original = data.draw(st.sampled_from(trained))
    meta = data.draw(mutations(checkpoints.meta(original)))
    Path("m.npz").write_bytes(original.read_bytes())
    checkpoints.rewrite("m.npz", meta=json.dumps(meta))
    table = {"points.npz": "points.csv", "numbers.npz": "numbers.csv"}.get(str(original))
    commands = [
        ("show", "m.npz"),
        ("show", "m.npz", "--json"),
        ("evaluate", "m.npz", "--json"),
        ("train", "--resume", "m.npz", "--print-config"),
        ("predict", "m.npz", table or "images.npz", "--probabilities"),
    ]
    for command in commands:
        outcome = mlp(*command)
        last = outcome.err.splitlines()[-1] if outcome.err else ""
        assert "a defect of mlp" not in outcome.err, (command, outcome.err)
        assert outcome.code in (0, 3), (command, outcome.err)
        if outcome.code == 3:
            assert last.startswith("mlp: "), (command, outcome.err)
            assert len(last) < 1000
