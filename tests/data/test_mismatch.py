"""A warning if new rows are of another scale than the training rows, and none otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli.data.columns import Column
from mlpcli.data.dataset import Dataset
from mlpcli.data.encoding import Encoding
from mlpcli.data.learning import learn_encoding
from mlpcli.data.mismatch import compare_scale
from mlpcli.data.split import Split

MODEL = Path("m.npz")


def learned(X: Any, **more: Any) -> Encoding:
    rows = Split("train", X, np.zeros(len(X), np.intp), np.arange(len(X)))
    return learn_encoding("auto", Dataset("t", X, np.zeros(len(X)), "", **more), rows)


@pytest.fixture
def people() -> Any:
    """Height in cm, weight in kg, income."""
    rng = np.random.default_rng(0)
    X = [rng.normal(170, 10, 500), rng.normal(70, 12, 500), rng.lognormal(10, 1, 500)]
    return np.column_stack(X)


def columns(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name, j) for j, name in enumerate(names))


def said(encoding: Encoding, X: Any) -> str:
    return compare_scale(encoding, X, "new.csv", MODEL) or ""


@pytest.mark.parametrize("factor", [1 / 255, 16 / 255])
@pytest.mark.parametrize("image", [True, False])
def test_values_of_0_to_255_and_of_less_are_told_apart_both_ways(
    factor: float, image: bool
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (50, 16))
    pixels[0] = 255
    shape = {"image_shape": (4, 4)} if image else {}
    large, small = learned(pixels.astype(np.uint8), **shape), learned(pixels * factor, **shape)
    top = f"{255 * factor:.6g}"
    assert said(large, pixels * factor) == (
        f"new.csv: its values go up to {top}, those that m.npz was trained on to 255; multiply them"
    )
    text = said(small, pixels.astype(np.uint8))
    if image:
        assert text == (
            "new.csv: its values go up to 255, those that m.npz was trained on to "
            f"{top}; divide them"
        )
    else:
        assert "goes from" in text
        assert "(and so do 15 other columns); give it in the same unit" in text
    assert not said(large, pixels)
    assert not said(small, pixels[:1] * factor)


def test_one_column_in_another_unit_is_named(people: Any) -> None:
    encoding = learned(people, columns=columns("height", "weight", "income"))
    for factor in (0.01, 10, 1000):
        text = said(encoding, people[:40] * [factor, 1, 1])
        assert text.startswith("new.csv: 'height' goes from ")
        assert text.endswith("; give it in the same unit")
    assert "'income' goes from" in said(encoding, people[:40] * [1, 1, 1000])


def test_rows_like_those_of_training_are_passed_over(people: Any) -> None:
    encoding = learned(people, columns=columns("height", "weight", "income"))
    rng = np.random.default_rng(1)
    for n in (1, 2, 10, 500):
        X = [rng.normal(170, 10, n), rng.normal(70, 12, n), rng.lognormal(10, 1, n)]
        assert not said(encoding, np.column_stack(X))
    assert not said(encoding, np.array([[np.nan, 60.0, 20_000.0]]))
    assert not said(encoding, np.zeros((0, 3)))
    assert not said(learned(people[:, 2:]), np.array([[3.0]]))  # a single poor person


def test_what_was_constant_or_is_not_known_says_nothing(people: Any) -> None:
    constant = people.copy()
    constant[:, 0] = 5
    assert not said(learned(constant), people)
    dark = np.zeros((3, 16), np.uint8)
    images = learned(np.full((3, 16), 200, np.uint8), image_shape=(4, 4))
    assert not said(images, dark)
