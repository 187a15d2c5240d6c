"""Reading a checkpoint: an .npz that is never trusted and never unpickled.

W1, b1, W2, b2, …   the weights to use
meta                a JSON text: format version, configuration, classes, scaling, history, …
resume/…            what an exact continuation needs (`mlpcli.runs.checkpoint`)
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mlpcli.arrays import Array
from mlpcli.errors import CheckpointError
from mlpcli.nn.activations import ACTIVATIONS
from mlpcli.nn.losses import LOSSES
from mlpcli.npz import Archive, Purpose, open_archive
from mlpcli.text import quoted

FORMAT = 1
"""The version of the format; a file of a newer one is refused."""

MAX_LAYERS = 1001
"""No network has more, with the output layer; `--hidden` takes as many widths less one."""

_LAYER = re.compile(r"[Wb][1-9]\d{0,5}")
_PURPOSE = Purpose(
    CheckpointError,
    "a checkpoint of mlp",
    damaged="if there is no other copy, train it again",
    objects="no checkpoint has them",
    bomb="no checkpoint does",
)


@dataclass
class ModelFile:
    """A checkpoint as it was read.

    Attributes:
        path: where it was read.
        meta: the JSON of `meta`.
        params: {"W1": …, "b1": …}, finite, float32 or float64, with shapes that fit together.
        resume: the arrays under "resume/", by the rest of their names.
    """

    path: Path
    meta: dict[str, Any]
    params: dict[str, Array]
    resume: dict[str, Array] = field(default_factory=dict)

    @property
    def sizes(self) -> list[int]:
        """[D, H…, C]."""
        weights = [p for name, p in self.params.items() if name.startswith("W")]
        return [weights[0].shape[0]] + [W.shape[1] for W in weights]


def read_model(path: Path, *, resume: bool = False) -> ModelFile:
    """Read and check a checkpoint; with `resume`, also what continues it.

    Raises:
        CheckpointError: it is missing, not a checkpoint, of a newer format, or damaged.
    """
    try:
        with (
            path.open("rb") as file,
            open_archive(file, str(path), _PURPOSE) as archive,
        ):
            meta = _read_meta(archive, path)
            names = [name for name in archive.names if _LAYER.fullmatch(name)]
            params = {name: archive.read(name) for name in _in_order(names, path)}
            extra = {
                name.removeprefix("resume/"): archive.read(name)
                for name in archive.names
                if resume and name.startswith("resume/")
            }
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such file; `mlp train -o {path}` makes one") from None
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror or error}") from None
    _check_shapes(params, path)
    return ModelFile(path, meta, params, extra)


def _read_meta(archive: Archive, path: Path) -> dict[str, Any]:
    """`meta`, if the archive is a checkpoint at all, and no bomb."""
    if "meta" not in archive.names:
        raise CheckpointError(f"{path}: is not a checkpoint of mlp: it has no `meta`")
    for name in archive.names:
        if name != "meta" and not name.startswith("resume/") and not _LAYER.fullmatch(name):
            raise CheckpointError(f"{path}: holds an array {quoted(name)}, which no checkpoint has")
    archive.bound(archive.names)
    try:
        meta: Any = json.loads(archive.read_text("meta"))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: `meta` is not JSON: {error}") from None
    if not isinstance(meta, dict) or not isinstance(version := meta.get("format"), int):
        raise CheckpointError(f"{path}: `meta` names no format version")
    if version > FORMAT:
        raise CheckpointError(
            f"{path}: is of format {version}; this mlp reads up to {FORMAT}: update mlpcli"
        )
    _check_meta(meta, path)
    return meta


def _check_meta(meta: dict[str, Any], path: Path) -> None:
    """That `meta` has what every reader of a checkpoint relies on."""
    kinds = {"config": dict, "scaling": dict, "data": dict, "history": list}
    for key, kind in kinds.items():
        if not isinstance(meta.get(key), kind):
            raise CheckpointError(f"{path}: `meta` has no valid {key!r}")
    model = meta["config"].get("model")
    if not isinstance(model, dict):
        raise CheckpointError(f"{path}: `meta` has no valid model configuration")
    for key, known in (("activation", ACTIVATIONS), ("loss", LOSSES)):
        if not isinstance(model.get(key), str) or model[key] not in known:
            raise CheckpointError(f"{path}: `meta` names an unknown {key}: {model.get(key)!r}")
    for key in ("dropout", "input_dropout"):
        rate = model.get(key, 0)
        if not isinstance(rate, int | float) or not 0 <= rate < 1:
            raise CheckpointError(f"{path}: `meta` has a {key} of {rate!r}")


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
        if b.shape != W.shape[1:]:
            raise CheckpointError(
                f"{path}: b{layer} has the shape {b.shape}, expected {W.shape[1:]}"
            )
        for name, array in ((f"W{layer}", W), (f"b{layer}", b)):
            if array.dtype != dtype:
                raise CheckpointError(f"{path}: {name} is of {array.dtype}, but W1 of {dtype}")
            if not np.isfinite(array).all():
                raise CheckpointError(f"{path}: {name} holds values that are not finite")
        fan_in = W.shape[1]
