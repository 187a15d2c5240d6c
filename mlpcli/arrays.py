"""The one name for an array, whatever its dtype and shape; and the distinct values of one."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def distinct(values: Array) -> Array:
    """The different values (K,), sorted."""
    return np.unique(values, return_counts=True)[0]  # without counts it imports numpy.ma, 10 ms
