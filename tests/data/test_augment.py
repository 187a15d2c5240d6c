"""Distorted images: facts that hold of any right sampler, and the statistics of what is drawn."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from mlpcli.data.augment import Augmenter, Distortions, gaussian, inverse_maps
from mlpcli.data.batches import Batches
from mlpcli.data.encoding import Encoding, Pixels
from mlpcli.data.split import Split

SHAPES = [(28, 28), (8, 8), (5, 11), (40, 3), (1, 6), (96, 70)]
shapes = pytest.mark.parametrize("shape", SHAPES, ids=lambda s: f"{s[0]}x{s[1]}")

EVERYTHING = Distortions(
    rotate=15, shear=10, zoom=0.2, shift=1.5, alpha=20, sigma=3, mirror=True, gentle=(1,)
)


def pictures(n: int, shape: tuple[int, int], seed: int = 0) -> Any:
    """(n, D) random pixels."""
    return np.random.default_rng(seed).integers(0, 256, (n, shape[0] * shape[1]), np.uint8)


def blob(shape: tuple[int, int], radius: float) -> Any:
    """(D,) a smooth spot in the middle, nothing at the border."""
    y, x = (np.arange(n) - (n - 1) / 2 for n in shape)
    return np.exp(-0.5 * (x**2 + y[:, None] ** 2) / radius**2).ravel()


def maps(n: int, **given: float) -> Any:
    """The same map for n images."""
    usual = {"angle": 0, "slope": 0, "x_zoom": 1, "y_zoom": 1, "x_shift": 0, "y_shift": 0}
    values = usual | given
    return inverse_maps(*(np.full(n, values[name], np.float64) for name in usual))


def warped(images: Any, shape: tuple[int, int], **given: float) -> Any:
    """Images (n, D) under one map."""
    out = np.empty(images.shape, np.float32)
    augmenter = Augmenter(shape, Distortions(), len(images))
    augmenter.warp(images, maps(len(images), **given), None, out)
    return out


def applied(
    images: Any,
    shape: tuple[int, int],
    distortions: Distortions,
    *,
    labels: Any = None,
    seed: int = 0,
    size: int | None = None,
    dtype: Any = np.float32,
) -> Any:
    """Images (n, D) with distortions that are drawn."""
    out = np.full(images.shape, np.nan, dtype)
    augmenter = Augmenter(shape, distortions, size or len(images), dtype)
    y = np.zeros(len(images), np.intp) if labels is None else labels
    augmenter.apply(images, y, np.random.default_rng(seed), out)
    return out


# What the sampler does


@shapes
@pytest.mark.parametrize("n", [1, 7, 12, 300])
def test_nothing_to_distort_gives_the_images_back(shape: tuple[int, int], n: int) -> None:
    images = pictures(n, shape)
    assert np.array_equal(applied(images, shape, Distortions()), images)


@shapes
def test_a_displacement_of_nothing_gives_the_images_back(shape: tuple[int, int]) -> None:
    # random numbers of ½ stand for a displacement of 0
    images, augmenter = pictures(9, shape), Augmenter(shape, Distortions(alpha=30), 9)
    out = np.empty(images.shape, np.float32)
    augmenter.warp(images, maps(9), np.full_like(augmenter.noise, 0.5), out)
    assert np.allclose(out, images, atol=0.01)


@shapes
@pytest.mark.parametrize(("right", "down"), [(1, 0), (0, 1), (-2, 1), (3, -2), (100, 0)])
def test_a_shift_by_whole_pixels_is_exact_and_repeats_the_border(
    shape: tuple[int, int], right: int, down: int
) -> None:
    h, w = shape
    images = pictures(13, shape)
    rows = np.clip(np.arange(h) - down, 0, h - 1)
    columns = np.clip(np.arange(w) - right, 0, w - 1)
    expected = images.reshape(13, h, w)[:, rows][:, :, columns]
    assert np.array_equal(
        warped(images, shape, x_shift=right, y_shift=down), expected.reshape(13, -1)
    )


def test_a_shift_by_half_a_pixel_is_the_mean_of_two() -> None:
    images = pictures(3, (6, 9)).astype(np.float32)
    shifted = warped(images, (6, 9), x_shift=0.5).reshape(3, 6, 9)
    whole = images.reshape(3, 6, 9)
    assert np.allclose(shifted[:, :, 1:], (whole[:, :, :-1] + whole[:, :, 1:]) / 2, atol=1e-3)


@pytest.mark.parametrize("side", [7, 28])
@pytest.mark.parametrize("quarters", [-1, 1, 2, 3])
def test_a_rotation_by_quarters_turns_a_square_image(side: int, quarters: int) -> None:
    images = pictures(4, (side, side))
    turned = warped(images, (side, side), angle=quarters * math.pi / 2)
    expected = np.rot90(images.reshape(4, side, side), -quarters, axes=(1, 2))  # clockwise
    assert np.allclose(turned, expected.reshape(4, -1), atol=0.01)


def test_half_a_turn_turns_an_image_that_is_not_square() -> None:
    images = pictures(4, (5, 12))
    assert np.allclose(warped(images, (5, 12), angle=math.pi), images[:, ::-1], atol=0.01)


def test_a_negative_zoom_mirrors() -> None:
    images = pictures(4, (5, 12))
    mirrored = images.reshape(4, 5, 12)[:, :, ::-1].reshape(4, -1)
    assert np.array_equal(warped(images, (5, 12), x_zoom=-1), mirrored)


@pytest.mark.parametrize("shape", [(41, 41), (31, 57)])
@pytest.mark.parametrize(
    ("given", "factor"),
    [
        ({"angle": 0.7}, 1.0),
        ({"slope": 0.5}, 1.0),
        ({"x_zoom": 1.3}, 1.3),
        ({"x_zoom": 0.8, "y_zoom": 1.25}, 1.0),
        ({"y_zoom": 0.5, "angle": 1.0, "slope": 0.2, "x_shift": 2.5}, 0.5),
    ],
)
def test_the_mass_grows_by_the_determinant(
    shape: tuple[int, int], given: dict[str, float], factor: float
) -> None:
    image = blob(shape, 2.5)[None]
    assert warped(image, shape, **given).sum() / image.sum() == pytest.approx(factor, rel=0.01)


def test_each_part_of_a_map_does_what_it_says() -> None:
    # a spot right of the middle and one below it, by the centre of mass of each alone
    def moved(x: float, y: float, **given: float) -> tuple[float, float]:
        grid_y, grid_x = (np.arange(41.0) - 20,) * 2
        spot = np.exp(-0.5 * ((grid_x - x) ** 2 + (grid_y[:, None] - y) ** 2)).reshape(1, -1)
        out = warped(spot, (41, 41), **given).reshape(41, 41)
        out /= out.sum()
        return float((out * grid_x).sum()), float((out.T * grid_y).sum())

    assert moved(8, 0, angle=math.radians(30)) == pytest.approx((6.93, 4), abs=0.02)
    assert moved(0, 8, slope=0.5) == pytest.approx((4, 8), abs=0.02)
    assert moved(8, 0, slope=0.5) == pytest.approx((8, 0), abs=0.02)
    assert moved(8, 4, x_zoom=1.5) == pytest.approx((12, 4), abs=0.02)
    assert moved(8, 4, y_zoom=1.5) == pytest.approx((8, 6), abs=0.02)
    assert moved(8, 4, x_shift=2.5, y_shift=-1) == pytest.approx((10.5, 3), abs=0.02)
    # shifted last: the shift itself is not turned
    assert moved(8, 0, angle=math.pi / 2, x_shift=3) == pytest.approx((3, 8), abs=0.02)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("raw", [np.uint8, np.float32, np.float64])
def test_pixels_of_every_kind_are_taken(dtype: Any, raw: Any) -> None:
    images = pictures(5, (9, 9)).astype(raw)
    out = applied(images, (9, 9), EVERYTHING, dtype=dtype)
    assert out.dtype == dtype
    assert np.isfinite(out).all()
    assert out.min() >= 0
    assert out.max() <= 255


# What is drawn


@shapes
@pytest.mark.parametrize("n", [1, 10, 333])
def test_the_same_seed_draws_the_same_and_another_seed_others(
    shape: tuple[int, int], n: int
) -> None:
    images = pictures(n, shape)
    one, two, other = (applied(images, shape, EVERYTHING, seed=seed) for seed in (3, 3, 4))
    assert np.isfinite(one).all()
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)


def test_images_of_one_batch_are_distorted_differently() -> None:
    shape = (28, 28)
    images = np.repeat(pictures(1, shape), 200, axis=0)
    out = applied(images, shape, EVERYTHING)
    assert len(np.unique(out, axis=0)) == 200


def test_what_an_earlier_call_left_behind_changes_nothing() -> None:
    images, shape = pictures(30, (28, 28)), (28, 28)
    augmenter = Augmenter(shape, EVERYTHING, 30)
    first, later = np.empty((2, 30, 784), np.float32)
    labels = np.zeros(30, np.intp)
    augmenter.apply(images, labels, np.random.default_rng(1), first)
    augmenter.apply(255 - images[:7], labels[:7], np.random.default_rng(2), later[:7])
    augmenter.apply(images, labels, np.random.default_rng(1), later)
    assert np.array_equal(first, later)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(28, 28), (5, 7)])
def test_a_part_of_a_batch_is_distorted_as_in_the_whole(shape: tuple[int, int], dtype: Any) -> None:
    images, labels = pictures(300, shape), np.arange(300) % 3
    whole = applied(images, shape, EVERYTHING, labels=labels, dtype=dtype)
    augmenter = Augmenter(shape, EVERYTHING, 300, dtype)
    for start, stop in ((0, 1), (1, 150), (150, 300), (299, 300)):
        part = np.empty_like(whole[start:stop])
        rng = np.random.default_rng(0)
        augmenter.apply(images[start:stop], labels[start:stop], rng, part, first=start)
        assert np.allclose(part, whole[start:stop], atol=0.01)


def test_the_inputs_are_left_alone() -> None:
    images = pictures(30, (28, 28))
    kept = images.copy()
    applied(images, (28, 28), EVERYTHING)
    assert np.array_equal(images, kept)


def drawn_maps(distortions: Distortions, n: int = 4000, labels: Any = None) -> Any:
    """(2, 3, n) the maps that are drawn."""
    seen = []
    augmenter = Augmenter((28, 28), distortions, n)
    augmenter.warp = lambda pixels, drawn, noise, out: seen.append(drawn)  # type: ignore[method-assign]
    images = np.zeros((n, 784), np.uint8)
    y = np.zeros(n, np.intp) if labels is None else labels
    augmenter.apply(images, y, np.random.default_rng(5), np.empty((n, 784), np.float32))
    return np.concatenate(seen, axis=2)


def uniform_up_to(values: Any, limit: float) -> None:
    """That `values` fill −limit … limit evenly."""
    assert np.abs(values).max() <= limit * 1.00001
    assert np.abs(values).max() > limit * 0.99
    counts, _ = np.histogram(values, 10, (-limit, limit))
    assert counts.min() > 0.8 * counts.mean()


def test_rotations_are_uniform_up_to_the_limit() -> None:
    m = drawn_maps(Distortions(rotate=30))
    uniform_up_to(np.degrees(np.arctan2(m[0, 1], m[0, 0])), 30)


def test_slants_are_uniform_up_to_the_limit() -> None:
    m = drawn_maps(Distortions(shear=20))
    uniform_up_to(np.degrees(np.arctan(m[0, 1])), 20)
    assert (m[1] == np.array([[0], [1], [0]])).all()


def test_width_and_height_are_zoomed_apart() -> None:
    m = drawn_maps(Distortions(zoom=0.25))
    widths, heights = 1 / m[0, 0], 1 / m[1, 1]
    uniform_up_to(widths - 1, 0.25)
    uniform_up_to(heights - 1, 0.25)
    assert abs(np.corrcoef(widths, heights)[0, 1]) < 0.06


def test_shifts_are_uniform_up_to_the_limit_along_each_axis() -> None:
    m = drawn_maps(Distortions(shift=3))
    uniform_up_to(m[0, 2], 3)
    uniform_up_to(m[1, 2], 3)
    assert abs(np.corrcoef(m[0, 2], m[1, 2])[0, 1]) < 0.06


def test_one_image_of_two_is_mirrored() -> None:
    m = drawn_maps(Distortions(mirror=True))
    assert set(m[0, 0].tolist()) == {-1.0, 1.0}
    assert abs(m[0, 0].mean()) < 0.06


def test_gentle_classes_are_turned_and_slanted_half_as_far_and_else_alike() -> None:
    labels = np.arange(6000) % 3
    m = drawn_maps(
        Distortions(rotate=20, shear=0, zoom=0, shift=2, gentle=(1,)), len(labels), labels
    )
    angles = np.degrees(np.arctan2(m[0, 1], m[0, 0]))
    uniform_up_to(angles[labels == 1], 10)
    uniform_up_to(angles[labels != 1], 20)
    m = drawn_maps(Distortions(shear=20, gentle=(1,)), len(labels), labels)
    slants = np.degrees(np.arctan(m[0, 1]))
    uniform_up_to(slants[labels == 1], 10)
    uniform_up_to(slants[labels == 2], 20)


@pytest.mark.parametrize("shape", [(28, 28), (20, 33)])
def test_displacements_have_the_deviation_of_the_formula(shape: tuple[int, int]) -> None:
    # an image that is a ramp, x at each pixel, shows by how much each place was moved
    h, w = shape
    alpha, sigma, n = 10.0, 2.5, 3000
    ramp = np.tile(np.arange(w, dtype=np.float32) * 1, (n, h))
    out = applied(ramp, shape, Distortions(alpha=alpha, sigma=sigma)).reshape(n, h, w)
    moved = out - np.arange(w)
    inside = moved[:, h // 2, w // 2]
    # the variance of a uniform number in ±1 is ⅓; the smoothing is a sum with weights K_h·K_w
    K_h, K_w = gaussian(h, sigma), gaussian(w, sigma)
    deviation = alpha * math.sqrt(np.sum(K_h[h // 2] ** 2) * np.sum(K_w[w // 2] ** 2) / 3)
    assert deviation == pytest.approx(alpha / sigma / math.sqrt(12 * math.pi), rel=0.01)
    assert inside.std() == pytest.approx(deviation, rel=0.05)
    assert inside.mean() == pytest.approx(0, abs=4 * deviation / math.sqrt(n))
    # neighbours d apart are correlated as exp(−d²/4σ²)
    near = np.corrcoef(inside, moved[:, h // 2, w // 2 + 3])[0, 1]
    assert near == pytest.approx(math.exp(-9 / (4 * sigma**2)), abs=0.04)


def test_both_axes_are_displaced_independently() -> None:
    h, w, n = 21, 21, 2000
    across = np.tile(np.arange(w, dtype=np.float32), (n, h))
    down = np.repeat(np.tile(np.arange(h, dtype=np.float32), (n, 1)), w, axis=1)
    elastic = Distortions(alpha=8, sigma=2)
    middle = 10 * w + 10
    x, y = (applied(ramp, (h, w), elastic)[:, middle] - 10 for ramp in (across, down))
    assert x.std() == pytest.approx(y.std(), rel=0.1)
    assert abs(np.corrcoef(x, y)[0, 1]) < 0.08


@pytest.mark.parametrize("sigma", [0.0, 0.5, 2.0, 4.0])
def test_the_gaussian_sums_to_one_away_from_the_ends(sigma: float) -> None:
    K = gaussian(61, sigma)
    assert np.array_equal(K, K.T)
    assert K.sum(axis=1)[25:36] == pytest.approx(1, abs=1e-5)


def test_the_gaussian_loses_at_the_ends_what_lies_outside() -> None:
    assert gaussian(61, 4.0).sum(axis=1)[0] == pytest.approx(0.5 + gaussian(61, 4.0)[0, 0] / 2)
    assert gaussian(5, 100.0).sum() == pytest.approx(25 / (100 * math.sqrt(2 * math.pi)), rel=1e-3)


# Where batches are cut


def batches(size: int, n: int = 25) -> tuple[Batches, Any, Any]:
    """Batches of distorted images, and buffers to cut them into."""
    X = pictures(n, (8, 8))
    split = Split("train", X, np.arange(n) % 3, np.arange(n))
    made = Batches(
        split,
        Encoding((Pixels("pixels", 64, 1 / 255),)),
        size,
        np.float32,
        seed=9,
        distortions=EVERYTHING,
        image_shape=(8, 8),
    )
    return made, np.empty((size, 64), np.float32), np.empty(size, np.intp)


def test_a_batch_is_a_function_of_the_seed_the_epoch_and_the_step_alone() -> None:
    one, X, y = batches(10)
    two, X2, y2 = batches(10)
    seen = []
    for epoch in (0, 1):
        for step in range(3):
            n = one.cut(one.order(epoch), step, X, y, epoch=epoch)
            seen.append(X[:n].copy())
    for epoch, step in ((1, 1), (0, 2), (1, 0)):
        n = two.cut(two.order(epoch), step, X2, y2, epoch=epoch)
        assert np.array_equal(X2[:n], seen[3 * epoch + step])
    order = one.order(0)
    one.cut(order, 0, X, y, epoch=0)
    one.cut(order, 0, X2, y2, epoch=1)
    assert not np.array_equal(X, X2)  # the same rows, distorted anew


def test_a_share_of_a_batch_is_distorted_as_in_the_whole() -> None:
    made, X, y = batches(10)
    order = made.order(0)
    made.cut(order, 1, X, y, epoch=0)
    part, labels = np.empty((5, 64), np.float32), np.empty(5, np.intp)
    for start in (0, 5):
        assert made.cut(order, 1, part, labels, slice(start, start + 5), epoch=0) == 5
        assert np.allclose(part, X[start : start + 5], atol=1e-4)


def test_rows_that_are_cut_for_no_epoch_are_not_distorted() -> None:
    made, X, y = batches(10)
    made.cut(made.in_order(), 0, X, y)
    assert np.allclose(X * 255, pictures(25, (8, 8))[:10], atol=1e-3)
