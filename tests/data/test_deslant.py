"""Images made upright: by hand, by definition, and before everything else that is done to them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlpcli import MLP, Model
from mlpcli.arrays import Array
from mlpcli.config.config import make_config
from mlpcli.data.batches import Batches
from mlpcli.data.deslant import Deslanter
from mlpcli.data.encoding import Encoding, Upright
from mlpcli.data.split import Split
from mlpcli.runs.material import prepare

H, W = 9, 11


def stroke(slope: float) -> Array:
    """(H, W) a line of soft edges that leans by so many columns a row."""
    y, x = np.indices((H, W))
    return np.maximum(0, 1.5 - np.abs(x - 5 - slope * (y - 4))) * (abs(y - 4) <= 2)


def slope_of(image: Array) -> float:
    """By the definition, one pixel after the other."""
    points = [(x, y, image[y, x]) for y in range(H) for x in range(W)]
    mass = sum(p for _, _, p in points)
    mx, my = sum(x * p for x, _, p in points) / mass, sum(y * p for _, y, p in points) / mass
    return float(
        sum((x - mx) * (y - my) * p for x, y, p in points)
        / sum((y - my) ** 2 * p for _, y, p in points)
    )


def test_a_small_case_by_hand() -> None:
    """Three pixels on a diagonal: the rows beside the middle one move by a column each."""
    image = np.zeros((3, 5))
    image[0, 1] = image[1, 2] = image[2, 3] = 6
    upright = Deslanter((3, 5), 1, np.float64).apply(image.reshape(1, -1)).reshape(3, 5)
    expected = np.zeros((3, 5))
    expected[:, 2] = 6
    np.testing.assert_allclose(upright, expected)


@pytest.mark.parametrize("slope", [-1.0, -0.4, 0.0, 0.3, 0.9])
def test_the_slope_is_that_of_the_definition_and_gone_afterwards(slope: float) -> None:
    image = stroke(slope)
    deslanter = Deslanter((H, W), 2, np.float64)
    both = np.stack([image, np.roll(image, 1, axis=0)]).reshape(2, -1)
    found, middle = deslanter.slopes(both)
    np.testing.assert_allclose(found, [slope_of(image)] * 2, atol=1e-12)
    np.testing.assert_allclose(middle, [0, 1], atol=1e-12)
    upright = deslanter.apply(both)
    assert abs(slope_of(upright[0].reshape(H, W))) < 0.05
    np.testing.assert_allclose(upright.sum(axis=1), both.sum(axis=1), rtol=1e-9)  # nothing is lost


def test_an_image_without_a_slope_stays() -> None:
    rng = np.random.default_rng(0)
    level = np.zeros((H, W))
    level[4] = rng.random(W)  # one row: no second moment down
    odd = [np.zeros((H, W)), level, np.full((H, W), 1e30), -stroke(0.0)]
    images = np.stack(odd).reshape(len(odd), -1)
    np.testing.assert_allclose(Deslanter((H, W), 9, np.float64).apply(images), images)


def test_images_are_upright_before_they_are_scaled_and_each_by_itself() -> None:
    images = np.stack([stroke(0.1 * k) for k in range(7)]).reshape(7, -1)
    raw = np.rint(100 * images).astype(np.uint8)
    split = Split("train", raw, np.zeros(7, np.intp), np.arange(7))
    encoding = Encoding((Upright("upright", H * W, 0.01, 150.0, (H, W)),))
    expected = 0.01 * Deslanter((H, W), 7, np.float64).apply(raw)
    for size in (7, 3):
        batches = Batches(split, encoding, size, np.float64)
        X, y = np.empty((size, H * W)), np.empty(size, np.intp)
        for step in range(batches.steps):
            n = batches.cut(batches.in_order(), step, X, y)
            np.testing.assert_allclose(X[:n], expected[step * size :][:n], atol=1e-12)


def test_an_encoding_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^has images of \(3, 3\) in rows of 8 pixels$"):
        Upright("upright", 8, shape=(3, 3))


def test_a_checkpoint_says_so_and_makes_images_upright_wherever_it_is_used(
    mlp, checkpoints
) -> None:
    options = ("train", "--data", "digits", "--hidden", "16", "--epochs", "8", "-q")
    mlp.ok(*options, "--deslant")
    (part,) = checkpoints.meta("model.npz")["encoding"]
    assert (part["kind"], part["count"], part["shape"]) == ("upright", 64, [8, 8])
    assert "64 pixels from 0 to 16, times 0.0625, deslanted" in mlp.ok("show", "model.npz").out

    material = prepare(make_config({"data": "digits"}), Path())
    test = material.splits.test
    assert test is not None
    raw, y = test.X[test.rows], test.y[test.rows]
    upright = Deslanter((8, 8), len(raw), np.float64).apply(raw) / 16
    expected = MLP.load("model.npz").predict_proba(upright)
    said = Model.load("model.npz").predict_proba(raw)
    np.testing.assert_allclose(said, expected, atol=1e-5)
    accuracy = np.mean(expected.argmax(axis=1) == y)
    assert mlp.ok("evaluate", "model.npz", "--json").json["accuracy"] == pytest.approx(accuracy)

    mlp.ok(*options, "-o", "plain.npz")  # a committee of both: each sees the rows its own way
    plain = MLP.load("plain.npz").predict_proba(raw / 16)
    both = np.mean((expected + plain).argmax(axis=1) == y)
    together = mlp.ok("evaluate", "model.npz", "plain.npz", "--json").json
    assert together["accuracy"] == pytest.approx(both)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "--data", "penguins", "--deslant"),
         "--deslant: penguins holds no images; leave it out"),
        (("train", "--data", "digits", "--deslant", "--scale", "standard"),
         "--deslant: is for --scale auto or none"),
        (("train", "--data", "digits", "--init-from", "model.npz", "--hidden", "16",
          "-o", "new.npz"),
         "model.npz: was trained with --deslant, or this is and it was not; its weights would mean "
         "something else"),
    ],
)  # fmt: skip
def test_where_it_cannot_be_is_said(mlp, arguments, message) -> None:
    mlp.trained("--data", "digits", "--hidden", "16", "--epochs", "1", "--deslant", "-q")
    assert mlp.error(*arguments)[1] == message
