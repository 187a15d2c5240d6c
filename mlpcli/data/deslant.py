"""Images made upright: each is sheared so that its second moment across and down is 0.

With the values of the pixels as masses, x̄ and ȳ their mean place, and the slope

    s = Σ(x − x̄)(y − ȳ) / Σ(y − ȳ)²

the row y is moved by −s·(y − ȳ) (LeCun, Bottou, Bengio & Haffner 1998, "deslanted" digits).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mlpcli.arrays import Array
from mlpcli.data.augment import Augmenter, Distortions

STEEPEST = 2.0
"""Of a slope: what is steeper has no upright."""


class Deslanter:
    """Makes images upright, in buffers that are allocated once.

    Args:
        shape: (height, width) of an image.
        size: the largest number of images per call.
        dtype: of the images that are written.
    """

    def __init__(self, shape: tuple[int, int], size: int, dtype: Any = np.float32) -> None:
        self._augmenter = Augmenter(shape, Distortions(), size, dtype)
        self._powers = powers(shape)
        self._pixels = np.empty((size, len(self._powers)))
        self._out = np.empty((size, len(self._powers)), dtype)

    def apply(self, pixels: Array) -> Array:
        """The upright images (n, D) of `pixels` (n, D), until the next call."""
        n, block = len(pixels), self._augmenter.block
        slope, middle = self.slopes(pixels)
        maps = np.zeros((2, 3, n))
        maps[0, 0], maps[0, 1], maps[0, 2], maps[1, 1] = 1, slope, -slope * middle, 1
        for start in range(0, n, block):
            part = slice(start, min(start + block, n))
            self._augmenter.warp(pixels[part], maps[:, :, part], None, self._out[part])
        return self._out[:n]

    def slopes(self, pixels: Array) -> tuple[Array, Array]:
        """(s, ȳ) of each image, (n,) each, from the middle of the image; 0 where there is none."""
        masses = self._pixels[: len(pixels)]
        np.copyto(masses, pixels, casting="unsafe")
        with np.errstate(all="ignore"):
            mass, x, y, xy, yy = (masses @ self._powers).T
            x, y = x / mass, y / mass
            slope, middle = (xy / mass - x * y) / (yy / mass - y * y), y
        there = np.isfinite(slope) & (np.abs(slope) <= STEEPEST)
        return np.where(there, slope, 0.0), np.where(there, middle, 0.0)


def powers(shape: tuple[int, int]) -> Array:
    """(D, 5): 1, x, y, xy and y² of each pixel, from the middle of the image."""
    middle = (np.array(shape)[:, None] - 1) / 2
    y, x = np.indices(shape).reshape(2, -1) - middle
    return np.stack([np.ones_like(x), x, y, x * y, y * y], axis=1)
