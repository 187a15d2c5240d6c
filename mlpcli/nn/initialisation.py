"""Initial weights. Biases start at 0, except with "normal", which draws them like the weights."""

from __future__ import annotations

import math
from collections.abc import Callable

INITS: dict[str, Callable[[int, int], float]] = {
    "he": lambda fan_in, fan_out: 2 / fan_in,
    "glorot": lambda fan_in, fan_out: 2 / (fan_in + fan_out),
    "normal": lambda fan_in, fan_out: 1,
}
"""The variances of initial weights by fan-in and fan-out, by their names in `--init`."""

PARAMETRISATIONS = ("standard", "ntk")


def standard_deviation(init: str, fan_in: int, fan_out: int, scale: float | None = None) -> float:
    """Return the standard deviation σ of the initial entries N(0, σ²) of a weight matrix.

    - "he": √(2/fan_in), for ReLU (He et al. 2015, equation 10)
    - "glorot": √(2/(fan_in + fan_out)), for tanh and sigmoid (Glorot & Bengio 2010, equation 12)
    - "normal": 1, of the biases too (Nielsen, chapter 1)
    - "ntk": 1/√fan_in, of the parametrisation of that name, see `MLP.rate_factors`

    `scale` multiplies it; None is 1, and 0.01 for "normal" (CS231n's case study).
    """
    variance = 1 / fan_in if init == "ntk" else INITS[init](fan_in, fan_out)
    if scale is None:
        scale = 0.01 if init == "normal" else 1.0
    return math.sqrt(variance) * scale
