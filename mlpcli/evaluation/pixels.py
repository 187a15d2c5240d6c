"""Pictures made of pixels: weights, images, heat maps."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mlpcli.arrays import Array
from mlpcli.errors import UsageError
from mlpcli.files import replacing

_SIDE = 84  # of one image on a page


_LEVELS = 24  # steps from 0 to the largest weight


_SIGNS = ((217, 112, 26), (59, 130, 246))  # orange for negative weights, blue for positive ones


def weights_png(W: Array, shape: tuple[int, int], limit: int) -> tuple[str, int]:
    """(a data URI, units shown): the first layer's weights, transparent where they are 0.

    See `weight_tiles`; blue counts for a unit, orange against it.
    """
    grid, shown = weight_tiles(W, shape, limit)
    palette = [channel for colour in _SIGNS for channel in colour * (_LEVELS + 1)]
    alpha = [round(255 * level / _LEVELS) for level in range(_LEVELS + 1)] * len(_SIGNS)
    return _data_uri(_png(_levels(grid), palette, bytes(alpha))), shown


def picture_png(pixels: Array, full_scale: float | None) -> str:
    """A data URI of an image (height, width), grey, from 0 to `full_scale`; thinned if large."""
    step = math.ceil(max(pixels.shape) / _SIDE)
    pixels = pixels[::step, ::step]
    low = 0.0 if full_scale else float(pixels.min())
    span = full_scale or float(pixels.max()) - low or 1.0
    grey = np.clip(pixels.astype(np.float64) - low, 0, span) / span
    return _data_uri(_png(np.rint(255 * grey)))


def heat_png(shares: Array) -> str:
    """A data URI of a matrix of shares in [0, 1], one pixel per cell; 1 is opaque."""
    blue = list(_SIGNS[1]) * 256
    return _data_uri(_png(np.rint(shares * 255), blue, bytes(range(256))))


def save_weights(path: Path, W: Array, shape: tuple[int, int], limit: int = 100) -> int:
    """Draw the first layer's weights into a .png; return how many units it shows (`weight_tiles`).

    Raises:
        UsageError: another suffix.
        OutputError: it cannot be written.
    """
    if path.suffix.lower() != ".png":
        raise UsageError(f"{path}: weights are drawn as a .png file")
    grid, shown = weight_tiles(W, shape, limit)
    scale = max(1, round(800 / max(grid.shape)))  # as large as suits a screen
    enlarged = np.kron(_levels(grid), np.ones((scale, scale), np.uint8))
    on_white = [
        round(255 + (channel - 255) * level / _LEVELS)
        for colour in _SIGNS
        for level in range(_LEVELS + 1)
        for channel in colour
    ]
    with replacing(path) as file:
        file.write(_png(enlarged, on_white))
    return shown


def save_distortions(path: Path, before: Array, after: Array, full_scale: float | None) -> None:
    """Draw a sheet into a .png: one row per image, the original and, set apart, its distortions.

    Args:
        before: (k, height, width), from 0 to `full_scale`, or of any range if that is None.
        after: (k, n, height, width).

    Raises:
        UsageError: another suffix.
        OutputError: it cannot be written.
    """
    if path.suffix.lower() != ".png":
        raise UsageError(f"{path}: distorted images are drawn as a .png file")
    k, n, height, width = after.shape
    step = math.ceil(max(height, width) / _SIDE)
    scale = max(1, round(_SIDE / max(height, width)))
    gap = max(1, round(8 / scale))
    low = 0.0 if full_scale else float(before.min())
    span = full_scale or float(before.max()) - low or 1.0

    def tiles(images: Array) -> Array:
        thin = images[..., ::step, ::step].astype(np.float64)
        return np.clip((thin - low) * (255 / span), 0, 255)

    originals, distorted = tiles(before), tiles(after)
    h, w = originals.shape[1:]
    sheet = np.full((k * (h + gap) - gap, (n + 1) * (w + gap) + gap), 255.0)
    for row in range(k):
        top = row * (h + gap)
        sheet[top : top + h, :w] = originals[row]
        for column in range(n):
            left = (column + 1) * (w + gap) + 2 * gap
            sheet[top : top + h, left : left + w] = distorted[row, column]
    enlarged = np.kron(np.rint(sheet), np.ones((scale, scale), np.uint8))
    with replacing(path) as file:
        file.write(_png(enlarged))


def weight_tiles(W: Array, shape: tuple[int, int], limit: int) -> tuple[Array, int]:
    """(grid, units shown): the weights into each unit, as an image, side by side with gaps of NaN.

    Args:
        W: (D, H).
        shape: (height, width) with height · width = D.
        limit: the largest number of units; if there are more, those with the largest weights
            (by their norm) are shown, in their order.

    Returns:
        Weights from −1 to 1: all on one scale, whose end is the 99.5th percentile of |W|.
    """
    H = W.shape[1]
    units = np.arange(H)
    if limit < H:
        units = np.sort(np.argsort(-np.linalg.norm(W, axis=0), kind="stable")[:limit])
    height, width = shape
    across = min(len(units), max(1, math.ceil(math.sqrt(len(units)))))
    down = math.ceil(len(units) / across)
    grid = np.full((down * (height + 1) - 1, across * (width + 1) - 1), np.nan)
    largest = float(np.percentile(np.abs(W), 99.5)) or 1.0
    for place, unit in enumerate(units):
        top, left = place // across * (height + 1), place % across * (width + 1)
        tile = np.clip(W[:, unit].reshape(shape) / largest, -1, 1)
        grid[top : top + height, left : left + width] = tile
    return grid, len(units)


def _levels(grid: Array) -> Array:
    """Places in a palette that has `_SIGNS`, each from nothing to full."""
    level: Array = np.rint(np.nan_to_num(np.abs(grid)) * _LEVELS) + (_LEVELS + 1) * (grid > 0)
    return level.astype(np.uint8)


def _png(grid: Array, palette: Sequence[int] | None = None, alpha: bytes | None = None) -> bytes:
    """A PNG of a grid (height, width) from 0 to 255: grey, or places in a palette."""
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(grid, np.uint8))
    if palette is not None:
        image.putpalette(palette)
    data = io.BytesIO()
    image.save(data, "PNG", optimize=True, **({"transparency": alpha} if alpha else {}))
    return data.getvalue()


def _data_uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()
