"""The pose of images: by hand, by definition, and before everything else that is done to them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlpcli import MLP, Model
from mlpcli.arrays import Array
from mlpcli.config.config import make_config
from mlpcli.data.batches import Batches
from mlpcli.data.encoding import Encoding, Posed
from mlpcli.data.pose import Pose, PoseNormaliser
from mlpcli.data.split import Split
from mlpcli.runs.material import prepare

H, W = 9, 11


def stroke(slope: float) -> Array:
    """(H, W) a line of soft edges that leans by so many columns a row."""
    y, x = np.indices((H, W))
    return np.maximum(0, 1.5 - np.abs(x - 5 - slope * (y - 4))) * (abs(y - 4) <= 2)


def slope_of(image: Array) -> float:
    """By the definition, one pixel after the other."""
    points = [(x, y, mass) for (y, x), mass in np.ndenumerate(image)]
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
    upright = PoseNormaliser(Pose((3, 5)), 1, np.float64).apply(image.reshape(1, -1)).reshape(3, 5)
    expected = np.zeros((3, 5))
    expected[:, 2] = 6
    np.testing.assert_allclose(upright, expected)


@pytest.mark.parametrize("slope", [-1.0, -0.4, 0.0, 0.3, 0.9])
def test_the_slope_is_that_of_the_definition_and_gone_afterwards(slope: float) -> None:
    image = stroke(slope)
    normaliser = PoseNormaliser(Pose((H, W)), 2, np.float64)
    both = np.stack([image, np.roll(image, 1, axis=0)]).reshape(2, -1)
    _, found, moved = normaliser.maps(both)[0]
    np.testing.assert_allclose(found, [slope_of(image)] * 2, atol=1e-12)
    np.testing.assert_allclose(moved, [0, -slope_of(image)], atol=1e-12)
    upright = normaliser.apply(both)
    assert abs(slope_of(upright[0].reshape(H, W))) < 0.05
    np.testing.assert_allclose(upright.sum(axis=1), both.sum(axis=1), rtol=1e-9)  # nothing is lost


@pytest.mark.parametrize("column", [3, 4, 5])
@pytest.mark.parametrize(("width", "step"), [(8, 0.5), (16, 0.5), (4, 1.0), (2, 2.0), (1, 2.0)])
def test_a_width_by_hand(column: int, width: float, step: float) -> None:
    """Two columns beside `column` have deviation 1: so they are 4 wide, brought to 2 to 8."""
    image = np.zeros((2, 9))
    image[:, [column - 1, column + 1]] = 6
    posed = PoseNormaliser(Pose((2, 9), False, width), 1, np.float64).apply(image.reshape(1, -1))
    expected = {
        0.5: [0, 3, 6, 3, 0, 3, 6, 3, 0],
        1.0: [0, 0, 0, 6, 0, 6, 0, 0, 0],
        2.0: [0, 0, 0, 0, 0, 0, 0, 0, 0],
    }
    np.testing.assert_allclose(posed.reshape(2, 9), [expected[step]] * 2, atol=1e-12)


def test_a_single_column_is_stretched_as_far_as_any_whatever_its_values_are() -> None:
    rng = np.random.default_rng(0)
    image = np.zeros((2, 5, 9))
    image[0, :, 2], image[1, :, 6] = rng.random(5), [7, 7, 7, 7, 7]
    posed = PoseNormaliser(Pose((5, 9), False, 8.0), 2, np.float64).apply(image.reshape(2, -1))
    expected = np.zeros((2, 5, 9))
    for k, column in enumerate((2, 6)):
        expected[k, :, 4] = image[k, :, column]
        expected[k, :, [3, 5]] = image[k, :, column] / 2
    np.testing.assert_allclose(posed.reshape(2, 5, 9), expected, atol=1e-7)


@pytest.mark.parametrize("deslant", [False, True])
@pytest.mark.parametrize("slope", [-0.6, 0.0, 0.4])
def test_an_image_is_as_wide_as_asked_in_its_middle_and_leans_as_asked(
    slope: float, deslant: bool
) -> None:
    y, x = np.indices((15, 31))
    image = np.clip(5.5 - abs(x - 17 - slope * (y - 7)), 0, 1) * (abs(y - 7) <= 3)
    for width in (8.0, 14.0):
        pose = Pose((15, 31), deslant, width)
        posed = PoseNormaliser(pose, 1, np.float64).apply(image.reshape(1, -1)).reshape(15, 31)
        x = np.arange(31) - 15
        mean = float((posed * x).sum() / posed.sum())
        assert abs(mean) < 0.02
        assert 4 * np.sqrt((posed * (x - mean) ** 2).sum() / posed.sum()) == pytest.approx(
            width, rel=0.03
        )
        leans = abs(slope_of(posed)) > 0.05
        assert leans == (slope != 0 and not deslant)


@pytest.mark.parametrize("width", [None, 5.0])
def test_an_image_without_a_slope_stays(width: float | None) -> None:
    rng = np.random.default_rng(0)
    level = np.zeros((H, W))
    level[4] = rng.random(W)  # one row: no second moment down
    odd = [np.zeros((H, W)), np.full((H, W), 1e30), level, -stroke(0.0)]
    images = np.stack(odd[: 2 if width else 4]).reshape(-1, H * W)
    np.testing.assert_allclose(
        PoseNormaliser(Pose((H, W), True, width), 9, np.float64).apply(images), images
    )


@pytest.mark.parametrize("width", [None, 7.0])
def test_images_are_posed_before_they_are_scaled_and_each_by_itself(width: float | None) -> None:
    images = np.stack([stroke(0.1 * k) for k in range(7)]).reshape(7, -1)
    raw = np.rint(100 * images).astype(np.uint8)
    split = Split("train", raw, np.zeros(7, np.intp), np.arange(7))
    encoding = Encoding((Posed("upright", H * W, 0.01, 150.0, (H, W), True, width),))
    expected = 0.01 * PoseNormaliser(Pose((H, W), True, width), 7, np.float64).apply(raw)
    for size in (7, 3):
        batches = Batches(split, encoding, size, np.float64)
        X, y = np.empty((size, H * W)), np.empty(size, np.intp)
        for step in range(batches.steps):
            n = batches.cut(batches.in_order(), step, X, y)
            np.testing.assert_allclose(X[:n], expected[step * size :][:n], atol=1e-12)


def test_an_encoding_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^has images of \(3, 3\) in rows of 8 pixels$"):
        Posed("upright", 8, shape=(3, 3))


def test_a_checkpoint_says_so_and_makes_images_upright_wherever_it_is_used(
    mlp, checkpoints
) -> None:
    options = ("train", "--data", "digits", "--hidden", "16", "--epochs", "8", "-q")
    mlp.ok(*options, "--deslant")
    (part,) = checkpoints.meta("model.npz")["encoding"]
    assert (part["kind"], part["count"], part["shape"]) == ("upright", 64, [8, 8])
    assert "64 pixels from 0 to 16, times 0.0625, deslanted" in mlp.ok("show", "model.npz").out
    mlp.ok(*options, "--deslant", "--digit-width", "5.5", "-o", "wide.npz")
    shown = mlp.ok("show", "wide.npz").out
    assert "64 pixels from 0 to 16, times 0.0625, deslanted, brought to a width of 5.5" in shown

    material = prepare(make_config({"data": "digits"}), Path())
    test = material.splits.test
    assert test is not None
    raw, y = test.X[test.rows], test.y[test.rows]
    upright = PoseNormaliser(Pose((8, 8)), len(raw), np.float64).apply(raw) / 16
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
        (("train", "--data", "penguins", "--digit-width", "16"),
         "--digit-width 16: penguins holds no images; leave it out"),
        (("train", "--data", "digits", "--digit-width", "5", "--scale", "robust"),
         "--digit-width 5: is for --scale auto or none"),
        (("train", "--data", "digits", "--digit-width", "0"),
         "--digit-width 0: expected a number at least 0.5 and at most 1000000000"),
        (("train", "--data", "digits", "--init-from", "model.npz", "--hidden", "16", "--deslant",
          "--digit-width", "5", "-o", "new.npz"),
         "model.npz: was trained with --digit-width, or this is, and not with the same; its "
         "weights would mean something else"),
        (("train", "--data", "digits", "--init-from", "model.npz", "--hidden", "16",
          "-o", "new.npz"),
         "model.npz: was trained with --deslant, or this is and it was not; its weights would mean "
         "something else"),
    ],
)  # fmt: skip
def test_where_it_cannot_be_is_said(mlp, arguments, message) -> None:
    mlp.trained("--data", "digits", "--hidden", "16", "--epochs", "1", "--deslant", "-q")
    assert mlp.error(*arguments)[1] == message
