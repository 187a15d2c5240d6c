"""Images brought into a pose by their moments: upright, and so wide.

With the values of the pixels as masses, x̄ and ȳ their mean place, and moments about it

    μ₂₀ = Σ(x − x̄)²/Σ1,   μ₁₁ = Σ(x − x̄)(y − ȳ)/Σ1,   μ₀₂ = Σ(y − ȳ)²/Σ1

what is upright has a μ₁₁ of 0: row y is moved by −s·(y − ȳ), where s = μ₁₁/μ₀₂ (LeCun, Bottou,
Bengio & Haffner 1998, "deslanted" digits). The width w is then four standard deviations,
4√(μ₂₀ − 2s·μ₁₁ + s²·μ₀₂). With w brought to W, and x̄ to the middle, the place x from the middle in
the new image is

    x̄ + x·w/W + s·(y − ȳ)

of the old one. (By second moments: Casey 1970, Moment normalization of handprinted characters.
Members that see digits in other widths, those of a box: Meier, Cireşan, Gambardella & Schmidhuber
2011, Better digit recognition with a committee of simple neural nets.)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mlpcli.arrays import Array
from mlpcli.data.augment import Augmenter, Distortions
from mlpcli.records import record

STEEPEST = 2.0
"""Of a slope: what is steeper has no upright."""

MOST = 2.0
"""Images are made at most so many times as wide, or as narrow."""


@record
class Pose:
    """What images are brought into.

    Attributes:
        shape: (height, width) of an image.
        deslant: whether they are made upright.
        width: four deviations, in pixels; None: as wide as it is, and where it is.
    """

    shape: tuple[int, int]
    deslant: bool = True
    width: float | None = None


class PoseNormaliser:
    """Brings images into a pose, in buffers that are allocated once.

    Args:
        pose: which one.
        size: the largest number of images per call.
        dtype: of the images that are written.
    """

    def __init__(self, pose: Pose, size: int, dtype: Any = np.float32) -> None:
        self.pose = pose
        self._augmenter = Augmenter(pose.shape, Distortions(), size, dtype)
        self._powers = powers(pose.shape)
        self._pixels = np.empty((size, len(self._powers)))
        self._out = np.empty((size, len(self._powers)), dtype)

    def apply(self, pixels: Array) -> Array:
        """The images (n, D) of `pixels` (n, D) in that pose, until the next call."""
        n, block = len(pixels), self._augmenter.block
        maps = self.maps(pixels)
        for start in range(0, n, block):
            part = slice(start, min(start + block, n))
            self._augmenter.warp(pixels[part], maps[:, :, part], None, self._out[part])
        return self._out[:n]

    def maps(self, pixels: Array) -> Array:
        """(2, 3, n): where each image's pixels come from, as `Augmenter.warp` takes it.

        An image without mass stays; one of a single row does not lean, or too far.
        """
        masses, pose = self._pixels[: len(pixels)], self.pose
        np.copyto(masses, pixels, casting="unsafe")
        maps = np.zeros((2, 3, len(pixels)))
        maps[:, [0, 1], :] = np.eye(2)[:, :, None]
        with np.errstate(all="ignore"):
            mass, x, y, xx, xy, yy = (masses @ self._powers).T
            x, y = x / mass, y / mass
            xx, xy, yy = xx / mass - x * x, xy / mass - x * y, yy / mass - y * y
            slope = xy / yy
            slope[~(np.abs(slope) <= STEEPEST) | (not pose.deslant)] = 0
            square = np.maximum(xx - 2 * slope * xy + slope**2 * yy, 0)
            step = np.clip(4 * np.sqrt(square) / (pose.width or np.nan), 1 / MOST, MOST)
        leans, has_width = slope != 0, np.isfinite(step)
        maps[0, 1, leans], maps[0, 2, leans] = slope[leans], -(slope * y)[leans]
        maps[0, 0, has_width] = step[has_width]
        maps[0, 2, has_width] += x[has_width]
        return maps


def powers(shape: tuple[int, int]) -> Array:
    """(D, 6): 1, x, y, x², xy and y² of each pixel, from the middle of the image."""
    middle = (np.array(shape)[:, None] - 1) / 2
    y, x = np.indices(shape).reshape(2, -1) - middle
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1)
