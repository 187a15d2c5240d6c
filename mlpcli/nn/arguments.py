"""What a caller from Python gives a network: checked, with what to do about it."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mlpcli.arrays import Array
from mlpcli.errors import InputError, UsageError
from mlpcli.text import cut, nearest


def check_sizes(sizes: Sequence[int]) -> list[int]:
    """[D, H…, C] as whole numbers from 1.

    Raises:
        UsageError: they are not.
    """
    whole = [n for n in sizes if isinstance(n, int | np.integer) and not isinstance(n, bool)]
    if len(whole) != len(sizes) or len(whole) < 2 or min(whole) < 1:
        raise UsageError(
            f"sizes {cut(str(list(sizes)))}: expected two or more whole numbers from 1: inputs, "
            "hidden layers if any, outputs; as in [784, 100, 10]"
        )
    return [int(n) for n in whole]


def check_embedded(embedded: int, D: int) -> int:
    """How many of D inputs are embedded.

    Raises:
        UsageError: it is no whole number from 0 to D.
    """
    whole = isinstance(embedded, int | np.integer) and not isinstance(embedded, bool)
    if not whole or not 0 <= embedded <= D:
        raise UsageError(
            f"embedded {cut(repr(embedded))}: expected how many of the {D} inputs, the first ones, "
            "are embedded"
        )
    return int(embedded)


def check_name(kind: str, name: Any, known: Collection[str]) -> str:
    """`name`, if it is one of those that are known.

    Raises:
        UsageError: it is not.
    """
    if isinstance(name, str) and name in known:
        return name
    near = nearest(name, known) if isinstance(name, str) else ""
    raise UsageError(f"{kind} {cut(repr(name))}: expected one of {', '.join(known)}{near}")


def check_initial(init_scale: float | None, seed: int | None) -> None:
    """Refuse initial weights that cannot be drawn.

    Raises:
        UsageError: the scale is no number from 0, or the seed no whole number from 0.
    """
    if init_scale is not None and not 0 <= init_scale < math.inf:
        raise UsageError(f"init_scale {init_scale!r}: expected a number from 0")
    if seed is not None and not (isinstance(seed, int | np.integer) and seed >= 0):
        raise UsageError(f"seed {cut(repr(seed))}: expected a whole number from 0, or None")


def check_rates(**rates: float) -> None:
    """Refuse shares to drop that are not from 0 to below 1.

    Raises:
        UsageError: which one.
    """
    for name, rate in rates.items():
        if not 0 <= rate < 1:
            raise UsageError(f"{name} {rate!r}: expected a share from 0 to below 1")


def check_dtype(dtype: npt.DTypeLike) -> np.dtype[Any]:
    """float32 or float64.

    Raises:
        UsageError: it is another one.
    """
    try:
        kind = np.dtype(dtype)
    except TypeError:
        kind = np.dtype(object)
    if kind not in (np.float32, np.float64):
        raise UsageError(f"dtype {cut(str(dtype))}: expected float32 or float64")
    return kind


def _as_array(name: str, values: npt.ArrayLike) -> Array:
    """The values as an array, which has all of them."""
    if np.ma.is_masked(values):  # NumPy would take what is under the mask
        raise InputError(f"{name} has masked values; fill them in, or leave their rows out")
    return np.asarray(values)


def check_inputs(X: npt.ArrayLike, D: int) -> Array:
    """X (N, D) as an array of numbers.

    Raises:
        InputError: it is of another shape, or of no numbers.
    """
    try:
        inputs = _as_array("X", X)
    except ValueError:
        raise InputError("X has rows of different lengths") from None
    if inputs.dtype.kind not in "biuf":
        raise InputError(f"X is of dtype {inputs.dtype}, expected numbers")
    if inputs.ndim != 2 or inputs.shape[1] != D:
        raise InputError(f"X has the shape {inputs.shape}, expected (N, {D})")
    return inputs


def fill_targets(y: npt.ArrayLike, Y: Array, *, of_classes: bool) -> None:
    """Y (N, C) ← one-hot rows for labels y (N,) in [0, C), or the numbers y (N,) themselves.

    Raises:
        InputError: y is of another shape or dtype, or out of range.
    """
    labels = _as_array("y", y)
    N, C = Y.shape
    what = "label" if of_classes else "number"
    if labels.shape != (N,):
        hint = "; try y.ravel()" if labels.shape == (N, 1) else ""
        raise InputError(f"y has the shape {labels.shape}, expected ({N},), a {what} per row{hint}")
    if not of_classes:
        if labels.dtype.kind not in "biuf" or not np.isfinite(labels).all():
            raise InputError(f"y is of dtype {labels.dtype}, or not finite; expected numbers")
        if C != 1:
            raise InputError(f"the network has {C} outputs, but numbers are predicted by one")
        Y[:, 0] = labels
        return
    if labels.dtype.kind not in "iu":
        raise InputError(f"y is of dtype {labels.dtype}, expected whole numbers from 0 to {C - 1}")
    bad = np.flatnonzero((labels < 0) | (labels >= C))
    if len(bad):
        row = int(bad[0])
        raise InputError(f"y[{row}] is {labels[row]}, expected labels from 0 to {C - 1}")
    Y.fill(0)
    Y[np.arange(N), labels] = 1


def check_reg(reg: float) -> None:
    """Refuse a penalty that is negative or not finite.

    Raises:
        UsageError: it is.
    """
    if not (math.isfinite(reg) and reg >= 0):
        raise UsageError(f"reg {reg!r}: expected a number from 0")
