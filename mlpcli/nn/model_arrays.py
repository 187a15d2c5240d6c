"""The arrays of a network in a checkpoint: read, and checked against each other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from mlpcli.arrays import Array
from mlpcli.errors import CheckpointError
from mlpcli.nn.embeddings import OUTPUTS, SIZE, Embeddings
from mlpcli.nn.input_scale import NAME as SCALE
from mlpcli.nn.layers import MAX_LAYERS
from mlpcli.npz import Archive

_LAYER = r"[Wb][1-9]\d{0,5}"
_EMBEDDINGS = ("E1", "E2", "E3", "E4")

PARAMS = rf"{_LAYER}|E[1-4]|{SCALE}"
"""A pattern of their names."""


def read_params(archive: Archive, embedding: str, input_scale: str, path: Path) -> dict[str, Array]:
    """{"W1": …, "b1": …}, finite, float32 or float64, with shapes that fit together.

    Args:
        embedding, input_scale: as the options of these names, by which there may be E1 … and s1.

    Raises:
        CheckpointError: they are damaged.
    """
    names = [name for name in archive.names if re.fullmatch(_LAYER, name)]
    params = {name: archive.read(name) for name in _in_order(names, path)}
    _check_shapes(params, path)
    W1 = params["W1"]
    params |= _read_embeddings(archive, W1, embedding, path)
    return params | _read_scale(archive, W1, input_scale, path)


def _in_order(names: list[str], path: Path) -> list[str]:
    """W1, b1, W2, …: complete, none missing."""
    there = set(names)
    layers = -(-max(len(names), 1) // 2)
    if layers > MAX_LAYERS:
        raise CheckpointError(f"{path}: has {layers:,} layers; at most {MAX_LAYERS:,} can be read")
    wanted = [f"{kind}{layer}" for layer in range(1, layers + 1) for kind in "Wb"]
    if missing := [name for name in wanted if name not in there]:
        raise CheckpointError(f"{path}: the array {missing[0]} is missing")
    return wanted


def _read_embeddings(archive: Archive, W1: Array, kind: str, path: Path) -> dict[str, Array]:
    """E1 … E4, or nothing if no inputs are embedded."""
    there = [name for name in _EMBEDDINGS if name in archive.names]
    if not there:
        return {}
    if kind == "none":
        raise CheckpointError(f"{path}: holds {there[0]}, but is configured without embeddings")
    if len(there) < len(_EMBEDDINGS):
        missing = next(name for name in _EMBEDDINGS if name not in there)
        raise CheckpointError(f"{path}: the array {missing} is missing")
    arrays = {name: archive.read(name) for name in there}
    M = len(arrays["E1"]) if arrays["E1"].ndim else 0
    if not 0 < (OUTPUTS + 1) * M <= len(W1):
        raise CheckpointError(f"{path}: E1 has the shape {arrays['E1'].shape}, which W1 has not")
    expected = Embeddings(np.empty((M, SIZE), W1.dtype)).named()
    for name, array in arrays.items():
        _check_array(name, array, expected[name].shape, W1.dtype, path)
    return arrays


def _read_scale(archive: Archive, W1: Array, kind: str, path: Path) -> dict[str, Array]:
    """s1, or nothing if inputs have no learned scale."""
    if SCALE not in archive.names:
        return {}
    if kind == "none":
        raise CheckpointError(f"{path}: holds {SCALE}, but is configured without a learned scale")
    array = archive.read(SCALE)
    _check_array(SCALE, array, W1.shape[:1], W1.dtype, path)
    return {SCALE: array}


def _check_array(
    name: str, array: Array, shape: tuple[int, ...], dtype: np.dtype[Any], path: Path
) -> None:
    if array.shape != shape:
        raise CheckpointError(f"{path}: {name} has the shape {array.shape}, expected {shape}")
    if array.dtype != dtype:
        raise CheckpointError(f"{path}: {name} is of {array.dtype}, but W1 of {dtype}")
    if not np.isfinite(array).all():
        raise CheckpointError(f"{path}: {name} holds values that are not finite")


def _check_shapes(params: dict[str, Array], path: Path) -> None:
    dtype = params["W1"].dtype
    if dtype not in (np.float32, np.float64):
        raise CheckpointError(f"{path}: W1 is of {dtype}; expected float32 or float64")
    fan_in: int | None = None
    for layer in range(1, len(params) // 2 + 1):
        W, b = params[f"W{layer}"], params[f"b{layer}"]
        if W.ndim != 2 or 0 in W.shape or (fan_in is not None and W.shape[0] != fan_in):
            expected = "two dimensions" if fan_in is None else f"({fan_in}, …)"
            raise CheckpointError(f"{path}: W{layer} has the shape {W.shape}, expected {expected}")
        _check_array(f"b{layer}", b, W.shape[1:], dtype, path)
        _check_array(f"W{layer}", W, W.shape, dtype, path)
        fan_in = W.shape[1]
