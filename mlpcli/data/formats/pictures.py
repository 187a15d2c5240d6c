"""Pictures from a person's files, made to look like the images that a model was trained on.

MNIST's digits were fitted into 20 × 20 pixels, keeping their shape, and centred by their mass in
28 × 28 (LeCun, Bottou, Bengio & Haffner 1998, section III.A), white on black. `prepare` does the
same to a drawing, a scan or a photograph. Pillow is imported when a picture is read.
"""

from __future__ import annotations

from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from mlpcli.arrays import Array
from mlpcli.errors import DataError, MlpError, suggest_install
from mlpcli.files import open_input

SUFFIXES = (".png", ".jpg", ".jpeg")

FRAME = 20 / 28
"""The share of an image's side that the object takes in MNIST."""

_MAX_PIXELS = 50_000_000
_MAX_SIDE = 100_000  # lines are unpacked whole, several at a time
_ENOUGH = 800  # pixels a side: larger pictures are scaled down first
_TILE = 1024  # pixels a side, worked on at a time
_TIE = 0.01  # of a pixel: what is symmetric lies between two, and noise is not to say where
_FAINT = 16  # of 255: what differs less from its background shows nothing


def read_image(
    path: Path, shape: tuple[int, int], *, prepare_it: bool = True, frame: float = FRAME
) -> Array:
    """Read a PNG or JPEG file as an image for a model.

    Args:
        path: the file.
        shape: (height, width) of the model's images.
        prepare_it: make it look like them (see `prepare`); else it is taken as it is, in grey.
        frame: see `prepare`.

    Returns:
        (height, width) float64 from 0 to 255.

    Raises:
        MlpError: Pillow is not installed.
        DataError: it cannot be read, is not of the shape where it is taken as it is, or is blank.
    """
    grey = _read_grey(path, None if prepare_it else shape)
    return prepare(grey, shape, frame, str(path)) if prepare_it else grey


def prepare(grey: Array, shape: tuple[int, int], frame: float, source: str = "image") -> Array:
    """Make a picture of one thing on a plain ground look like an image of MNIST.

    The ground, even or lit from a side, becomes 0 and the thing bright, whichever was darker. The
    thing is cut out, fitted into a `frame`-th of the image with its shape kept, and put so that its
    centre of mass is the image's centre, as far as it stays within it.

    Args:
        grey: (h, w) from 0 to 255.
        shape: (height, width) of the image to make.
        frame: the share of its side that the thing may take.
        source: what to call the picture in messages.

    Returns:
        (height, width) float64 from 0 to 255.

    Raises:
        DataError: there is nothing on the ground.
    """
    from PIL import Image, ImageFilter

    grey = _reduced(grey, _factor(grey.shape))
    difference = grey - _ground(grey)
    dark_on_light = float((difference**3).sum()) < 0  # what stands out is on the far side
    ink = np.maximum(-difference if dark_on_light else difference, 0)
    if ink.max() < _FAINT:
        raise DataError(f"{source}: shows nothing but its background; give a picture of one thing")
    threshold = _otsu(ink)
    mask = Image.fromarray(np.where(ink > threshold, 255, 0).astype(np.uint8))
    if min(grey.shape) >= 4 * max(shape):
        mask = mask.filter(ImageFilter.MedianFilter(3))  # specks of dust
    box = mask.getbbox()
    if box is None:
        raise DataError(f"{source}: shows nothing but specks; give a picture of one thing")
    left, top, right, bottom = box
    full = float(np.median(ink[ink > threshold]))  # strokes are solid, as MNIST's are
    solid = np.clip((ink - threshold / 2) / (full - threshold / 2), 0, 1)[top:bottom, left:right]

    height, width = shape
    scale = min(height * frame / solid.shape[0], width * frame / solid.shape[1])
    size = max(1, round(solid.shape[1] * scale)), max(1, round(solid.shape[0] * scale))
    small = Image.fromarray(solid.astype(np.float32)).resize(size, Image.Resampling.BILINEAR)
    fitted = np.clip(np.asarray(small, np.float64), 0, None)
    fitted *= 255 / fitted.max()
    result = np.zeros(shape)
    middle = 0.0 if frame < 1 else -0.5  # MNIST's centre of mass is at pixel 14.0 of 0 to 27
    y = _place(fitted.sum(axis=1), height, middle)
    x = _place(fitted.sum(axis=0), width, middle)
    result[y : y + size[1], x : x + size[0]] = fitted
    return result


def _place(mass: Array, length: int, middle: float) -> int:
    """Where a thing begins along an axis, for its centre of mass to be at pixel length/2 + middle.

    `mass` is of each of its pixels; their positions are whole numbers.
    """
    centre = float(np.dot(mass, np.arange(len(mass))) / mass.sum())
    return min(max(round(length / 2 + middle - centre - _TIE), 0), length - len(mass))


def _ground(grey: Array) -> Array:
    """(h, w) the background: a plane through the picture's border, without what lies on it."""
    h, w = grey.shape
    ys, xs = np.mgrid[0:h, 0:w]
    strip = max(1, round(0.04 * min(h, w)))
    border = (ys < strip) | (ys >= h - strip) | (xs < strip) | (xs >= w - strip)
    A = np.column_stack([np.ones(border.sum()), xs[border] / w, ys[border] / h])
    values = grey[border]
    keep = np.abs(values - np.median(values)) <= 3 * (
        np.median(abs(values - np.median(values))) + 4
    )
    plane, *_ = np.linalg.lstsq(A[keep], values[keep], rcond=None)
    ground: Array = plane[0] + plane[1] * xs / w + plane[2] * ys / h
    return ground


def _otsu(values: Array) -> float:
    """The threshold between two kinds of values that parts them best (Otsu 1979)."""
    counts, edges = np.histogram(values, 256)
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)
    above = below[-1] - below
    sums = np.cumsum(counts * centres)
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    best = np.flatnonzero(apart >= np.nanmax(apart) * (1 - 1e-9))  # a gap parts them equally well
    return float(centres[best].mean())


def _read_grey(path: Path, shape: tuple[int, int] | None) -> Array:
    """(h, w) float64 from 0 to 255, upright; of that shape, or else reduced to be worked with."""
    if find_spec("PIL") is None:
        install = suggest_install("pillow")
        raise MlpError(f"{path}: pictures need Pillow; install it by: {install}")
    from PIL import Image, ImageOps

    try:
        with open_input(path) as file, Image.open(file, formats=("PNG", "JPEG")) as image:
            if image.width * image.height > _MAX_PIXELS or max(image.size) > _MAX_SIDE:
                raise DataError(f"{path}: has {image.width} × {image.height} pixels; scale it down")
            if shape is None or sorted(image.size) == sorted(shape):  # perhaps on its side
                ImageOps.exif_transpose(image, in_place=True)
            if shape is not None and image.size != shape[::-1]:
                raise DataError(
                    f"{path}: has {image.width} × {image.height} pixels, the model takes "
                    f"{shape[1]} × {shape[0]}; leave out --no-prepare to have it fitted"
                )
            return _grey_of(image, _factor(image.size) if shape is None else 1)
    except DataError:
        raise
    except OSError as error:
        if error.strerror:
            raise DataError(f"{path}: cannot be read: {error.strerror}") from None
        raise DataError(f"{path}: is not a PNG or JPEG picture, or is damaged") from None
    except Exception:  # SyntaxError, ValueError, struct.error, DecompressionBombError, …
        raise DataError(f"{path}: is not a PNG or JPEG picture, or is damaged") from None


def _grey_of(image: Any, factor: int) -> Array:
    """(h, w) float64 from 0 to 255, reduced by a factor, tile by tile to take little memory.

    What is transparent shows white paper; black, where on white the picture would not be seen.
    """
    transparent = "A" in image.mode or "transparency" in image.info
    papers = ("white", "black") if transparent else ("white",)
    side = factor * max(1, _TILE // factor)
    shape = (-(-image.height // factor), -(-image.width // factor))
    greys = {paper: np.empty(shape) for paper in papers}
    spread = dict.fromkeys(papers, (255.0, 0.0))
    for top, left in product(range(0, image.height, side), range(0, image.width, side)):
        right, bottom = min(image.width, left + side), min(image.height, top + side)
        tile = image.crop((left, top, right, bottom))
        for paper in papers:
            grey = _tile_on(paper, tile) if transparent else _tile(tile)
            low, high = spread[paper]
            spread[paper] = min(low, grey.min()), max(high, grey.max())
            part, (y, x) = _reduced(grey, factor), (top // factor, left // factor)
            greys[paper][y : y + part.shape[0], x : x + part.shape[1]] = part
    contrast = {paper: high - low for paper, (low, high) in spread.items()}
    return greys[max(papers, key=lambda paper: contrast[paper])]


def _tile(image: Any) -> Array:
    if image.mode.startswith("I"):  # 16 bits
        return np.asarray(image, np.float64) / 257
    return np.asarray(image.convert("L"), np.float64)


def _tile_on(paper: str, image: Any) -> Array:
    from PIL import Image

    ground = Image.new("RGBA", image.size, paper)
    ground.alpha_composite(image.convert("RGBA"))
    return np.asarray(ground.convert("L"), np.float64)


def _factor(size: tuple[int, ...]) -> int:
    """By how much a picture can be reduced and still be large enough."""
    return max(1, max(size) // _ENOUGH)


def _reduced(grey: Array, factor: int) -> Array:
    """(h, w) → (⌈h/factor⌉, ⌈w/factor⌉), the means of squares."""
    from PIL import Image

    if factor == 1:
        return grey
    return np.asarray(Image.fromarray(grey.astype(np.float32)).reduce(factor), np.float64)
