"""What a network sees of a row: learned on the training rows, kept in the checkpoint.

A reader delivers raw columns, X (N, R); the network takes inputs, (n, D), which exist only in the
batch. `Encoding` says what becomes of each column, `Encoder` does it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np

from mlpcli.arrays import Array
from mlpcli.data.columns import Column
from mlpcli.data.dataset import Dataset
from mlpcli.data.split import Split
from mlpcli.schema import Bounds

_CHUNK = 8192  # rows at a time when mean and deviation are learned


@dataclass(frozen=True)
class Pixels:
    """All columns of images: every pixel times `factor`."""

    kind: Literal["pixels"]
    count: Annotated[int, Bounds(1, 2**40)]
    factor: float = 1.0


@dataclass(frozen=True)
class Number:
    """A column of numbers: (x − shift)·factor."""

    kind: Literal["number"]
    column: str | None
    position: Annotated[int, Bounds(0, 2**40)]
    shift: float = 0.0
    factor: float = 1.0


Part = Pixels | Number


@dataclass(frozen=True)
class Encoding:
    """What becomes of every raw column, in their order; either one `Pixels`, or no such part."""

    parts: tuple[Part, ...]

    @property
    def raw_width(self) -> int:
        """R, the columns that a reader delivers."""
        return sum(part.count if isinstance(part, Pixels) else 1 for part in self.parts)

    @property
    def width(self) -> int:
        """D, the network's inputs."""
        return self.raw_width

    def affine(self) -> tuple[Array | None, Array | float]:
        """(shift (D,), or None for 0; factor (D,), or one for all) of numbers, float64."""
        first = self.parts[0]
        if isinstance(first, Pixels):
            return None, first.factor
        numbers = [part for part in self.parts if isinstance(part, Number)]
        shift = np.array([part.shift for part in numbers], np.float64)
        return shift, np.array([part.factor for part in numbers], np.float64)

    def encoder(self, raw_dtype: Any, dtype: Any) -> Encoder:
        """What encodes rows of `raw_dtype` as inputs of `dtype`."""
        return Encoder(self, raw_dtype, dtype)

    def to_json(self) -> dict[str, Any]:
        """As `meta` in a checkpoint has it."""
        shift, factor = self.affine()
        return {
            "shift": None if shift is None else shift.tolist(),
            "factor": factor if isinstance(factor, float) else factor.tolist(),
        }


class Encoder:
    """An encoding in the arrays and dtypes with which it is fastest."""

    def __init__(self, encoding: Encoding, raw_dtype: Any, dtype: Any) -> None:
        shift, factor = encoding.affine()
        wide = raw_dtype if np.dtype(raw_dtype).kind == "f" else dtype
        self._shift = None if shift is None or not shift.any() else shift.astype(wide)
        self._factor = factor if isinstance(factor, float) else factor.astype(dtype)
        self._scales = bool(np.any(self._factor != 1))

    def apply(self, raw: Array, out: Array) -> None:
        """out (n, D) ← the encoded `raw` (n, R); no array is made."""
        if self._shift is None:
            np.copyto(out, raw, casting="unsafe")
        else:
            np.subtract(raw, self._shift, out=out, casting="unsafe")  # before precision is cut
        if self._scales:
            np.multiply(out, self._factor, out=out, casting="unsafe")


def encode_numbers(
    shift: Iterable[float], factor: Iterable[float], columns: Sequence[Column] | None = None
) -> Encoding:
    """The encoding of columns of numbers, (x − shift)·factor."""
    pairs = list(zip(shift, factor, strict=True))
    columns = columns or [Column(None, j) for j in range(len(pairs))]
    return Encoding(
        tuple(
            Number("number", column.name, column.position, float(s), float(f))
            for column, (s, f) in zip(columns, pairs, strict=True)
        )
    )


def learn_encoding(kind: str, data: Dataset, train: Split) -> Encoding:
    """The encoding that `--scale kind` asks for: "auto", "none" or "standard".

    "auto" divides pixels by the largest value that they can have, and standardises other data by
    mean and deviation of the training rows; a column that is constant there becomes 0.
    """
    D = train.X.shape[1]
    if kind == "auto" and data.full_scale is not None:
        return Encoding((Pixels("pixels", D, 1 / data.full_scale),))
    if kind == "none" or (kind == "auto" and not data.standardise):
        if data.image_shape is not None:
            return Encoding((Pixels("pixels", D),))
        return encode_numbers(np.zeros(D), np.ones(D), data.columns)
    mean, squares, seen = np.zeros(D), np.zeros(D), 0
    for start in range(0, len(train.rows), _CHUNK):
        chunk = train.X[train.rows[start : start + _CHUNK]].astype(np.float64)
        # Chan, Golub & LeVeque 1979: pooled mean and sum of squares, without cancellation
        n, chunk_mean = len(chunk), chunk.mean(axis=0)
        difference = chunk_mean - mean
        squares += ((chunk - chunk_mean) ** 2).sum(axis=0)
        squares += difference**2 * (seen * n / (seen + n))
        mean += difference * (n / (seen + n))
        seen += n
    deviation = np.sqrt(squares / seen)
    varies = deviation > 1e-12 * np.maximum(np.abs(mean), 1e-300)
    factor = np.where(varies, 1 / np.where(varies, deviation, 1.0), 0.0)
    return encode_numbers(mean, factor, data.columns)
