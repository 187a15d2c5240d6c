"""Distorted images: every sample is rotated, sheared, scaled, shifted and bent anew in every epoch.

Simard, Steinkraus & Platt 2003 (elastic distortions); Cireşan et al. 2010 (both kinds together).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mlpcli.arrays import Array
from mlpcli.records import record

_BLOCK = 1 << 17  # pixels that are distorted at a time: their arrays stay in the cache
# OpenBLAS computes a product of this few multiplications in one thread.
_PRODUCT = 1 << 18
_DRAWS = 8  # random numbers per image: rotation, shear, two zooms, two shifts, mirroring, none
_GENTLE = 0.5


@record
class Distortions:
    """How far images are distorted; each quantity is drawn uniformly up to its limit, per image.

    Attributes:
        rotate, shear: degrees, in both directions.
        zoom: width and height are multiplied by factors of their own from 1 − zoom to 1 + zoom.
        shift: pixels, along each axis, in both directions.
        alpha: pixels; displacements that are uniform in ±1 at each pixel are smoothed by a Gaussian
            and multiplied by this. 0: none.
        sigma: pixels, the Gaussian's deviation.
        mirror: whether every image is mirrored, left to right, with probability ½.
        gentle: class indices whose rotation and shear go half as far.
    """

    rotate: float = 0.0
    shear: float = 0.0
    zoom: float = 0.0
    shift: float = 0.0
    alpha: float = 0.0
    sigma: float = 4.0
    mirror: bool = False
    gentle: tuple[int, ...] = ()


class Augmenter:
    """Distorts batches of images, in buffers that are allocated once.

    The coordinates at which an output's pixels are sampled are a sum of matrix products. With u the
    random numbers of one axis of an image, (h, w), K the Gaussian's matrices, and the affine map
    (a b t) of that axis,

        coordinates = 2α·K_h·u·K_w − α·(K_h·1)(1ᵀ·K_w) + 1·(a·x + t)ᵀ + y·(b·1)ᵀ

    whose products from the left become one: [2αK_h, 1, y, −αK_h·1] times the stack of the rest.

    Args:
        shape: (height, width) of an image.
        distortions: how far.
        size: the largest number of images per call.
        dtype: of the arithmetic and of the output.

    The random numbers of an image depend on its place in the batch, not on the other images.

    Attributes:
        block: images that are distorted at a time.
        noise: (≥ n, 2, h, w) the last block's random numbers u of both axes.
    """

    def __init__(
        self, shape: tuple[int, int], distortions: Distortions, size: int, dtype: Any = np.float32
    ) -> None:
        h, w = shape
        self._shape, self._limits, self._dtype = (h, w), distortions, np.dtype(dtype)
        self._elastic = distortions.alpha > 0
        rows = h if self._elastic else 0
        block = min(size, max(1, _BLOCK // (h * w)))
        largest = h * w * (rows + 3)  # multiplications for one image of one product
        groups = -(-block // max(1, _PRODUCT // largest))
        g = -(-block // groups)  # images in a group; a product is of one group
        self.block, self._g = groups * g, g

        self._x = np.arange(w, dtype=dtype) - (w - 1) / 2
        left = [np.ones((h, 1)), (np.arange(h) - (h - 1) / 2)[:, None]]
        self._stack = np.zeros((2, groups, rows + len(left) + self._elastic, g, w), dtype)
        if self._elastic:
            alpha, sigma = distortions.alpha, distortions.sigma
            K_h, K_w = gaussian(h, sigma), gaussian(w, sigma)
            left = [2 * alpha * K_h, *left, -alpha * K_h.sum(axis=1, keepdims=True)]
            self._stack[:, :, -1] = K_w.sum(axis=0)
            self._K_w = K_w.astype(dtype)
        self.noise = np.empty((self.block if rows else 0, 2, h, w), dtype)
        self._smoothed = np.empty_like(self.noise)
        self._left = np.hstack(left).astype(dtype)
        self._rows = rows
        self._lines = _divisor(2 * h, _PRODUCT // w**2)  # of noise, in a product
        self._columns = _divisor(g * w, _PRODUCT // (h * self._left.shape[1]))

        pixels = (groups, h, g, w)
        self._places = np.empty((2, *pixels), dtype)
        self._scratch = np.empty((4, *pixels), dtype)
        self._indices = np.empty(pixels, np.intp)
        first = np.arange(self.block).reshape(groups, 1, g, 1) * (h * w)
        self._first = np.broadcast_to(first, pixels).astype(dtype)  # exact below 2²⁴
        self._source = np.zeros(self.block * h * w + w + 1, dtype)

    def apply(
        self, pixels: Array, labels: Array, rng: np.random.Generator, out: Array, *, first: int = 0
    ) -> None:
        """out (n, D) ← `pixels` (n, D), distorted by what `rng` draws; `labels` (n,) are indices.

        `first` is the place of the first one in its batch, if these are only a part of it.
        `rng` is a new PCG64. Outside an image, the pixels at its border continue.
        """
        h, w = self._shape
        bits = rng.bit_generator
        assert isinstance(bits, np.random.PCG64)
        displacements = np.random.Generator(bits.jumped())
        # a step of the generator gives 64 bits: one float64, or two float32
        steps = self._dtype.itemsize / 8
        bits.advance(int(first * _DRAWS * steps))
        draws = rng.random((len(pixels), _DRAWS), self._dtype).T
        maps = self._maps(draws, labels)
        if self._elastic:
            displacements.bit_generator.advance(int(first * 2 * h * w * steps))  # type: ignore[attr-defined]
        for start in range(0, len(pixels), self.block):
            part = slice(start, start + self.block)
            noise = None
            if self._elastic:
                noise = self.noise[: len(pixels[part])]
                displacements.random(dtype=self._dtype, out=noise)
            self.warp(pixels[part], maps[:, :, part], noise, out[part])

    def _maps(self, draws: Array, labels: Array) -> Array:
        """(2, 3, n): for the axes x and y, (a b t) by which an output's place becomes a source's.

        An image is mirrored, zoomed, sheared, rotated and shifted, in this order; its places, with
        the origin in the middle and y downwards, go the other way.
        """
        limits, signed = self._limits, 2 * draws - 1
        strength = np.where(np.isin(labels, limits.gentle), _GENTLE, 1.0).astype(self._dtype)
        angle = signed[0] * strength * math.radians(limits.rotate)
        slope = np.tan(signed[1] * strength * math.radians(limits.shear))
        x_zoom, y_zoom = 1 + limits.zoom * signed[2], 1 + limits.zoom * signed[3]
        if limits.mirror:
            x_zoom = np.where(draws[6] < 0.5, -x_zoom, x_zoom)
        return inverse_maps(
            angle, slope, x_zoom, y_zoom, limits.shift * signed[4], limits.shift * signed[5]
        )

    def warp(self, pixels: Array, maps: Array, noise: Array | None, out: Array) -> None:
        """out (n, D) ← `pixels` (n, D) sampled bilinearly where `maps` (2, 3, n) and `noise` say.

        n is at most a block. `noise` is (n, 2, h, w) in [0, 1), for an augmenter with alpha > 0.
        """
        (h, w), g, n = self._shape, self._g, len(pixels)
        groups = -(-n // g)
        self._fill_stack(maps, noise, n, groups)
        places = self._places[:, :groups]
        np.matmul(self._left, self._parted(self._stack[:, :groups]), out=self._parted(places))
        x, y = places
        low_x, low_y, lower, lower_right = self._scratch[:, :groups]
        np.clip(x, 0, w - 1, out=x)
        np.clip(y, 0, h - 1, out=y)
        np.floor(x, out=low_x)
        np.floor(y, out=low_y)
        np.subtract(x, low_x, out=x)
        np.subtract(y, low_y, out=y)
        np.multiply(low_y, w, out=low_y)
        np.add(low_y, low_x, out=low_y)
        np.add(low_y, self._first[:groups], out=low_y)
        indices = self._indices[:groups]
        np.copyto(indices, low_y, casting="unsafe")

        source = self._source
        np.copyto(source[: n * h * w].reshape(n, h * w), pixels, casting="unsafe")
        upper, upper_right = low_x, low_y
        # past the last column or row, the other side's pixel is multiplied by 0
        np.take(source, indices, out=upper, mode="clip")
        np.take(source[1:], indices, out=upper_right, mode="clip")
        np.take(source[w:], indices, out=lower, mode="clip")
        np.take(source[w + 1 :], indices, out=lower_right, mode="clip")
        for a, b in ((upper, upper_right), (lower, lower_right)):
            np.subtract(b, a, out=b)
            np.multiply(b, x, out=b)
            np.add(a, b, out=a)
        np.subtract(lower, upper, out=lower)
        np.multiply(lower, y, out=lower)
        self._write(upper, lower, out)

    def _fill_stack(self, maps: Array, noise: Array | None, n: int, groups: int) -> None:
        """All of the stack but its last row, which does not change."""
        h, w = self._shape
        rows, g = self._rows, self._g
        affine = np.zeros((2, 3, groups * g, 1), self._dtype)
        affine[:, :, :n, 0] = maps
        affine[0, 2] += (w - 1) / 2
        affine[1, 2] += (h - 1) / 2
        affine = affine.reshape(2, 3, groups, g, 1)
        stack = self._stack[:, :groups]
        np.multiply(affine[:, 0], self._x, out=stack[:, :, rows])
        np.add(stack[:, :, rows], affine[:, 2], out=stack[:, :, rows])
        stack[:, :, rows + 1] = affine[:, 1]
        if noise is not None:
            lines = (-1, self._lines, w)
            smoothed = self._smoothed[:n].reshape(lines, copy=False)
            np.matmul(noise.reshape(lines), self._K_w, out=smoothed)
            for axis in (0, 1):
                self._group(self._smoothed[:n, axis], stack[axis, :, :rows])

    def _parted(self, rows: Array) -> Array:
        """A view (2, groups, …, k, columns) of rows (2, groups, k, g, w), one per product."""
        parts = (*rows.shape[:3], -1, self._columns)
        return rows.reshape(parts, copy=False).swapaxes(2, 3)

    def _group(self, images: Array, groups: Array) -> None:
        """`groups` (k, h, g, w) ← images (n, h, w)."""
        (h, w), g, n = self._shape, self._g, len(images)
        whole, rest = divmod(n, g)
        grouped = images[: whole * g].reshape(whole, g, h, w).transpose(0, 2, 1, 3)
        np.copyto(groups[:whole], grouped)
        if rest:
            np.copyto(groups[whole, :, :rest], images[whole * g :].transpose(1, 0, 2))

    def _write(self, upper: Array, change: Array, out: Array) -> None:
        """out (n, D) ← upper + change, both (groups, h, g, w)."""
        (h, w), g, n = self._shape, self._g, len(out)
        whole, rest = divmod(n, g)
        images = out.reshape(n, h, w, copy=False)
        grouped = images[: whole * g].reshape(whole, g, h, w, copy=False).transpose(0, 2, 1, 3)
        np.add(upper[:whole], change[:whole], out=grouped)
        if rest:
            last = images[whole * g :].transpose(1, 0, 2)
            np.add(upper[whole, :, :rest], change[whole, :, :rest], out=last)


def _divisor(n: int, limit: int) -> int:
    """The largest divisor of n that is at most `limit`, or 1."""
    return max(d for d in range(1, n + 1) if n % d == 0 and d <= max(limit, 1))


def inverse_maps(
    angle: Array, slope: Array, x_zoom: Array, y_zoom: Array, x_shift: Array, y_shift: Array
) -> Array:
    """(2, 3, n) the inverses of: zoom, then x ← x + slope·y, then rotate by angle, then shift.

    All are (n,); angles are in radians, and turn the x axis towards the y axis, clockwise on the
    screen.
    """
    cos, sin = np.cos(angle), np.sin(angle)
    linear = np.array(
        [
            [(cos + slope * sin) / x_zoom, (sin - slope * cos) / x_zoom],
            [-sin / y_zoom, cos / y_zoom],
        ]
    )
    shift = linear[:, 0] * x_shift + linear[:, 1] * y_shift
    return np.concatenate([linear, -shift[:, None]], axis=1)


def gaussian(size: int, sigma: float) -> Array:
    """(size, size) K, by which K·v is v smoothed by a Gaussian; beyond its ends v counts as 0.

    The Gaussian sums to 1 over all whole numbers, as `scipy.ndimage.gaussian_filter` has it with
    the mode "constant". It is symmetric.
    """
    if sigma == 0:
        return np.eye(size)
    far = max(size, math.ceil(8 * sigma))
    weights = np.exp(-0.5 * (np.arange(-far, far + 1) / sigma) ** 2)
    places = np.arange(size)
    matrix: Array = (weights / weights.sum())[far + places[:, None] - places[None, :]]
    return matrix
