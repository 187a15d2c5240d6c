"""Categories, gaps, dates and scales are encoded elsewhere as they are here."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli import Model
from mlpcli.data.encoding import Category, Date, Encoding, Number
from mlpcli.data.scalings import SCALINGS
from mlpcli.export import onnx_encoding, onnx_model, predictor_inputs, predictor_network

COLOURS = Category("category", "colour", 2, ("blue", "green", "red"), ("teal", "ochre"), 0.1)
SIZES = Category("category", "size", 3, ("1", "2.5", "10"))
CELLS: list[tuple[str, float, str, str, str]] = [
    ("1.5", 20, "blue", "1", "2024-02-29"),
    ("", -3, "red", "10", "1969-12-31 23:59:59"),
    ("-7", 1e6, "teal", "10.0", "2000-03-01T00:00"),
    ("0", 0.125, "ochre", "1.0", "1900-01-01"),
    ("250", 4, "", "2.5", ""),
    ("1e3", 4, "NA", "3", "2023-12-25 07:05"),
    ("3", 4, "never seen", "", "1999-07-04"),
]
"""Rows of length, weight, colour, size and day."""
DAYS = [
    np.datetime64("2024-02-29"),
    np.datetime64("1969-12-31T23:59:59"),
    np.datetime64("2000-03-01T00:00"),
    np.datetime64("1900-01-01"),
    np.datetime64("NaT", "D"),
    np.datetime64("2023-12-25T07:05"),
    np.datetime64("1999-07-04"),
]


def encoding(scale: str, names: bool = True) -> Encoding:
    parts = (
        Number("number", "length", 0, scale, 2.0, 0.25, 1.5, 0.2),
        Number("number", "weight", 1, scale, 5.0, 0.5, 4.0),
        COLOURS,
        SIZES,
        Date(
            *("date", "day", 4, scale, 11_000.0, 1e-4, 12_000.0, 0.1),
            months=(1, 2, 6, 11),
            weekdays=(0, 3, 6),
            hours=(0, 7, 23),
        ),
    )
    if not names:
        parts = tuple(type(part)(**vars(part) | {"column": None}) for part in parts)
    return Encoding(parts)


def raw(columns: Encoding) -> Any:
    """The cells as a reader delivers them: numbers, codes and days; NaN is missing, -1 unseen."""
    colours = (*COLOURS.categories, *COLOURS.rare)
    sizes = [float(size) for size in SIZES.categories]
    rows = []
    for (length, weight, colour, size, _), day in zip(CELLS, DAYS, strict=True):
        days = (day - np.datetime64("1970-01-01")) / np.timedelta64(1, "D")
        code = colours.index(colour) if colour in colours else -1
        place = sizes.index(float(size)) if size and float(size) in sizes else -1
        rows.append(
            [
                float(length) if length else np.nan,
                weight,
                np.nan if colour in ("", "NA") else code,
                place if size else np.nan,
                days,
            ]
        )
    return np.array(rows)


@pytest.fixture
def make(mlp, checkpoints: Any) -> Callable[..., Model]:
    """A model with an encoding and weights drawn at random, at model.npz."""

    def make(columns: Encoding, *flags: object) -> Model:
        rng = np.random.default_rng(0)
        X = rng.normal(size=(60, columns.width))
        np.savez("data.npz", X=X, y=rng.integers(0, 3, 60))
        plain = ("--hidden", "7,5", "--embedding", "none", "--activation", "relu")
        mlp.ok("train", "--data", "data.npz", "--epochs", 3, *plain, "-q", *flags)
        meta = checkpoints.meta("model.npz")
        meta["encoding"] = columns.to_json()
        checkpoints.rewrite("model.npz", meta=json.dumps(meta))
        return Model.load("model.npz")

    return make


def expected(answers: Any, model: Model) -> Any:
    (said,) = [said for _, said in model.answer(raw(model.encoding))]
    labels = [str(label) for label in model.classes[said.values.argmax(axis=1)].tolist()]
    return answers(labels, said.values)


@pytest.mark.parametrize("names", [True, False], ids=["names", "no names"])
@pytest.mark.parametrize("scale", sorted(SCALINGS))
@pytest.mark.parametrize("suffix", [pytest.param(".onnx", marks=pytest.mark.peers), ".py"])
def test_every_kind_of_column(
    mlp, make: Any, ask_export: Any, table: Any, answers: Any, scale: str, suffix: str, names: bool
) -> None:
    if suffix == ".onnx":
        pytest.importorskip("onnx", reason="onnx is not installed (make test-peers)")
    model = make(encoding(scale, names))
    header = ["length", "weight", "colour", "size", "day"] if names else None
    mlp.ok("export", "model.npz", f"model{suffix}")
    rows = table(header, [[str(cell) for cell in row] for row in CELLS])
    for said in ask_export(Path(f"model{suffix}"), rows):
        said.assert_same(expected(answers, model))


@pytest.mark.parametrize(
    ("suffix", "known", "name", "flag"),
    [
        pytest.param(".onnx", onnx_model.ACTIVATIONS, "relu", "--activation relu"),
        pytest.param(".onnx", onnx_encoding.CLIPS, "robust", "--scale robust"),
        pytest.param(".py", predictor_network.ACTIVATIONS, "relu", "--activation relu"),
        pytest.param(".py", predictor_inputs.CLIPS, "robust", "--scale robust"),
    ],
)
def test_what_an_export_has_no_formula_for_is_refused(
    mlp, make: Any, monkeypatch: pytest.MonkeyPatch, suffix: str, known: Any, name: str, flag: str
) -> None:
    if suffix == ".onnx":
        pytest.importorskip("onnx", reason="onnx is not installed (make test-peers)")
    make(encoding("robust"))
    monkeypatch.delitem(known, name)
    assert mlp.error("export", "model.npz", f"model{suffix}") == (
        2,
        f"{flag} cannot be exported to {suffix}",
    )
    assert not Path(f"model{suffix}").exists()
