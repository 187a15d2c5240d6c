"""A network with NumPy, or without it, for `predictor`; see `mlpcli.nn.network`."""

from __future__ import annotations

import array
import base64
import math
import sys
from typing import Any

try:
    import numpy
except ImportError:
    numpy = None  # type: ignore[assignment]


def unpack(network: dict[str, Any]) -> list[tuple[Any, Any, Any]]:
    """W (a row per input), b and f of each layer."""
    return [_layer(network["type"], *layer) for layer in network["layers"]]


def _layer(
    kind: str, fan_in: int, fan_out: int, activation: str | None, weights: str, biases: str
) -> tuple[Any, Any, Any]:
    W, b, f = _floats(kind, weights), _floats(kind, biases), ACTIVATIONS[activation]
    if numpy:
        return W.reshape(fan_in, fan_out), b, f
    return [W[i * fan_out : (i + 1) * fan_out] for i in range(fan_in)], b, f


def _floats(kind: str, text: str) -> Any:
    """The numbers that a text holds: little-endian, in base 64."""
    numbers = array.array(kind, base64.b64decode(text))
    if sys.byteorder == "big":
        numbers.byteswap()
    return numpy.array(numbers) if numpy else numbers


def forward(rows: list[list[float]], layers: list[tuple[Any, Any, Any]]) -> list[list[float]]:
    """The scores of each row: A ← f(A·W + b), layer by layer."""
    if not numpy:
        return [_forward_one(row, layers) for row in rows]
    with numpy.errstate(all="ignore"):
        A = numpy.array(rows).astype(layers[0][0].dtype)
        for W, b, f in layers:
            A = f(_Arrays, A @ W + b)
        return A.tolist()  # type: ignore[no-any-return]


def _forward_one(A: list[float], layers: list[tuple[Any, Any, Any]]) -> list[float]:
    """The same for one row, without NumPy."""
    for W, b, f in layers:
        Z = list(b)
        for a, weights in zip(A, W):
            if a:  # many are 0: pixels, what is one-hot, and what ReLU made
                Z = [z + a * w for z, w in zip(Z, weights)]
        A = [f(_Numbers, z) for z in Z]
    return A


class _Numbers:
    """The functions that activations are made of, for a number."""

    maximum, minimum, exp, expm1, tanh = max, min, math.exp, math.expm1, math.tanh


class _Arrays:
    """The same for an array."""

    if numpy:
        maximum, minimum = numpy.maximum, numpy.minimum
        exp, expm1, tanh = numpy.exp, numpy.expm1, numpy.tanh


def _sigmoid(of: Any, z: Any) -> Any:
    return 0.5 + 0.5 * of.tanh(0.5 * z)


def _gelu(of: Any, z: Any) -> Any:
    return 0.5 * z * (1 + of.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z * z * z)))


def _selu(of: Any, z: Any) -> Any:
    below = 1.6732632423543772 * of.expm1(of.minimum(z, 0.0))
    return 1.0507009873554805 * (of.maximum(z, 0.0) + below)


def _mish(of: Any, z: Any) -> Any:
    s = 1 + of.exp(of.minimum(z, 20.0))
    return z * (1 - 2 / (s * s + 1))


ACTIVATIONS: dict[str | None, Any] = {
    None: lambda of, z: z,
    "relu": lambda of, z: of.maximum(z, 0.0),
    "leaky-relu": lambda of, z: of.maximum(z, 0.01 * z),
    "tanh": lambda of, z: of.tanh(z),
    "sigmoid": _sigmoid,
    "gelu": _gelu,
    "silu": lambda of, z: z * _sigmoid(of, z),
    "selu": _selu,
    "mish": _mish,
}


def say(network: dict[str, Any], scores: list[float]) -> list[float]:
    """What scores mean: probabilities, or a number in the target's unit."""
    if network["output"] == "number":
        return [z * network["deviation"] + network["mean"] for z in scores]
    if network["output"] == "sigmoid":
        return [_sigmoid(_Numbers, z) for z in scores]
    most = max(scores)
    E = [math.exp(z - most) for z in scores]
    return [e / sum(E) for e in E]
