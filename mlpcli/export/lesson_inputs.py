"""What the lesson is told of a model's inputs: images, columns and how they are encoded."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mlpcli.arrays import Array
from mlpcli.data.columns import UNSEEN
from mlpcli.data.dataset import Dataset
from mlpcli.data.encoding import (
    CALENDAR,
    Category,
    Date,
    Encoding,
    Number,
    Part,
    Pixels,
    encode_numbers,
)
from mlpcli.data.formats.inputs import frame_of
from mlpcli.data.pose import PoseNormaliser
from mlpcli.data.scalings import SCALINGS, clip_smoothly
from mlpcli.data.split import Split
from mlpcli.errors import UsageError
from mlpcli.runs.model import Model

_ENOUGH = 20_000  # rows, from which is learned what is usual
_USUAL = (2, 98)  # percentiles of a column's usual range


def describe_image(model: Model) -> dict[str, Any] | None:
    """The size and the values of the images; None for a table."""
    shape, scale, pose = model.data.image_shape, model.encoding.largest, model.encoding.pose
    if shape is None:
        return None
    return {
        "height": shape[0],
        "width": shape[1],
        "fullScale": scale,
        "frame": frame_of(model.data.source),
        "pose": {"deslant": pose.deslant, "width": pose.width} if pose else None,
    }


def describe_encoding(model: Model) -> dict[str, Any]:
    """How raw columns become inputs; `encoded` in `page/decode.mjs` is its meaning."""
    encoding = _by_column(model)
    blocks = [
        {"part": b.part, "of": b.of, "values": b.values, "start": b.start} for b in encoding.blocks
    ]
    return {"parts": [_described(part) for part in encoding.parts], "blocks": blocks}


def _described(part: Part) -> dict[str, Any]:
    if isinstance(part, Pixels):  # which the page has in their pose
        return {"kind": "pixels", "factor": part.factor}
    if isinstance(part, Category):
        rest = {"rare": part.rare, "missing": part.missing > 0}
        return {"kind": part.kind, "categories": part.categories, **rest}
    clip = SCALINGS[part.scale].clip
    if clip not in (None, clip_smoothly):
        raise UsageError(f"--scale {part.scale} cannot be exported to .html")
    about = {
        "kind": part.kind,
        "shift": part.shift,
        "factor": part.factor,
        "median": part.median,
        "clip": clip is clip_smoothly,
    }
    return about | {of: part.calendar(of) for of in CALENDAR} if isinstance(part, Date) else about


def _by_column(model: Model) -> Encoding:
    """The encoding, column by column if the data are no images."""
    pixels = model.encoding.pixels
    if pixels is None or model.data.image_shape is not None:
        return model.encoding
    return encode_numbers([0.0] * pixels.count, [pixels.factor] * pixels.count)


def describe_columns(model: Model, train: tuple[Dataset, Split] | None) -> list[dict[str, Any]]:
    """The columns of a table, with what is usual in its training rows, if they are there."""
    if model.data.image_shape is not None:
        return []
    rows = recoded(model, *train) if train else None
    columns = []
    for j, part in enumerate(_by_column(model).parts):
        assert not isinstance(part, Pixels)
        name = part.column or f"x{part.position + 1}"
        values = np.empty(0) if rows is None else rows[:, j][~np.isnan(rows[:, j])]
        about = _category(part, values) if isinstance(part, Category) else _number(part, values)
        columns.append({"name": name, "kind": part.kind, "missing": part.missing > 0} | about)
    return columns


def recoded(model: Model, data: Dataset, rows: Split) -> Array:
    """(n, R) float64 raw rows, at most 20,000, evenly.

    Categories are by the model's codes, images in the model's pose.
    """
    chosen = rows.rows[:: math.ceil(len(rows.rows) / _ENOUGH)]
    raw: Array = np.asarray(rows.X[chosen]).astype(np.float64)
    for j, part in enumerate(model.encoding.parts):
        if isinstance(part, Category) and data.columns is not None:
            known = {text: k for k, text in enumerate((*part.categories, *part.rare))}
            codes = [known.get(text, UNSEEN) for text in data.columns[j].categories]
            seen = raw[:, j] >= 0
            raw[seen, j] = np.array(codes)[raw[seen, j].astype(np.intp)]
    pose = model.encoding.pose
    return PoseNormaliser(pose, len(raw), np.float64).apply(raw) if pose else raw


def _number(part: Number, values: Array) -> dict[str, Any]:
    """The usual range of numbers or dates; what the encoding knows of it without any rows."""
    spread = 2 / part.factor if part.factor else 1.0
    known = (part.shift - spread, part.shift, part.shift + spread)
    if part.low is not None and part.high is not None:
        known = (part.low, part.median, part.high)
    low, middle, high = known
    if len(values):
        low, middle, high = np.percentile(values, (_USUAL[0], 50, _USUAL[1])).tolist()
    about = {"low": low, "middle": middle, "high": high}
    about["whole"] = bool(len(values)) and bool(np.all(values == np.rint(values)))
    return about | ({"timed": bool(part.hours)} if isinstance(part, Date) else {})


def _category(part: Category, values: Array) -> dict[str, Any]:
    """The categories by code, and the code of the most frequent one."""
    known = [*part.categories, *part.rare]
    codes = values[values >= 0].astype(np.intp)
    usual = int(np.bincount(codes, minlength=1).argmax()) if len(codes) else 0
    return {"values": known, "usual": usual}
