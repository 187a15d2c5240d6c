"""Scaling of inputs: learned on the training rows, kept in the checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mlpcli.arrays import Array
from mlpcli.data.dataset import Dataset
from mlpcli.data.split import Split

_CHUNK = 8192  # rows at a time when mean and deviation are learned


@dataclass(frozen=True)
class Scaling:
    """x ← (x − shift)·factor, column by column.

    Attributes:
        shift: (D,) float64, or None for 0.
        factor: (D,) float64, or one number for all columns.
    """

    shift: Array | None = None
    factor: Array | float = 1.0

    def apply(self, raw: Array, out: Array) -> None:
        """out ← the scaled `raw`, both (n, D); no array is made."""
        if self.shift is None:
            np.copyto(out, raw, casting="unsafe")
        else:
            np.subtract(raw, self.shift, out=out, casting="unsafe")  # before precision is cut
        if not isinstance(self.factor, float) or self.factor != 1.0:
            np.multiply(out, self.factor, out=out, casting="unsafe")

    def fitted_to(self, raw_dtype: Any, dtype: Any) -> Scaling:
        """The same with its arrays in the dtypes that make `apply` fastest."""
        wide = raw_dtype if np.dtype(raw_dtype).kind == "f" else dtype
        return Scaling(
            None if self.shift is None else self.shift.astype(wide),
            self.factor if isinstance(self.factor, float) else self.factor.astype(dtype),
        )

    def to_json(self) -> dict[str, Any]:
        """As `meta` in a checkpoint has it."""
        return {
            "shift": None if self.shift is None else self.shift.tolist(),
            "factor": self.factor if isinstance(self.factor, float) else self.factor.tolist(),
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Scaling:
        """The inverse of `to_json`."""
        shift, factor = value["shift"], value["factor"]
        return cls(
            None if shift is None else np.array(shift, np.float64),
            np.array(factor, np.float64) if isinstance(factor, list) else float(factor),
        )


def learn_scaling(kind: str, data: Dataset, train: Split) -> Scaling:
    """The scaling that `--scale kind` asks for: "auto", "none" or "standard".

    "auto" divides pixels by the largest value that they can have, and standardises other data by
    mean and deviation of the training rows; a column that is constant there becomes 0.
    """
    if kind == "none" or (kind == "auto" and not data.standardise and data.full_scale is None):
        return Scaling()
    if kind == "auto" and data.full_scale is not None:
        return Scaling(factor=1 / data.full_scale)
    rows, D = train.rows, train.X.shape[1]
    mean, squares, seen = np.zeros(D), np.zeros(D), 0
    for start in range(0, len(rows), _CHUNK):
        chunk = train.X[rows[start : start + _CHUNK]].astype(np.float64)
        # Chan, Golub & LeVeque 1979: pooled mean and sum of squares, without cancellation
        n, chunk_mean = len(chunk), chunk.mean(axis=0)
        difference = chunk_mean - mean
        squares += ((chunk - chunk_mean) ** 2).sum(axis=0)
        squares += difference**2 * (seen * n / (seen + n))
        mean += difference * (n / (seen + n))
        seen += n
    deviation = np.sqrt(squares / seen)
    varies = deviation > 1e-12 * np.maximum(np.abs(mean), 1e-300)
    return Scaling(mean, np.where(varies, 1 / np.where(varies, deviation, 1.0), 0.0))
