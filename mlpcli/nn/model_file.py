"""Reading a checkpoint: an .npz that is never trusted and never unpickled.

W1, b1, W2, b2, …   the weights to use
meta                a JSON text: format version, configuration, classes, scaling, history, …
resume/…            what an exact continuation needs (`mlpcli.runs.checkpoint`)
"""

from __future__ import annotations

import json
import re
import struct
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np

from mlpcli.arrays import Array
from mlpcli.errors import CheckpointError
from mlpcli.nn.activations import ACTIVATIONS
from mlpcli.nn.losses import LOSSES
from mlpcli.text import one_line

FORMAT = 1
"""The version of the format; a file of a newer one is refused."""

_META_LIMIT = 64 * 2**20  # bytes
_RATIO_LIMIT = 100  # no honest weights compress better than this
_DAMAGED = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError)


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
        CheckpointError: it is missing, no checkpoint, of a newer format, or damaged, and how.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = _members(archive, path)
            meta = _read_meta(archive, members, path)
            names = [n for n in members if re.fullmatch(r"[Wb][1-9]\d{0,5}", n)]
            params = {n: _read_array(archive, members[n], path) for n in _in_order(names, path)}
            extra = {
                n.removeprefix("resume/"): _read_array(archive, info, path)
                for n, info in members.items()
                if resume and n.startswith("resume/")
            }
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such file; `mlp train -o {path}` makes one") from None
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (*_DAMAGED, NotImplementedError, RuntimeError) as error:  # a method or password, too
        raise CheckpointError(
            f"{path}: is no checkpoint, or a damaged one: {one_line(error)}"
        ) from None
    _check_shapes(params, path)
    return ModelFile(path, meta, params, extra)


def _members(archive: zipfile.ZipFile, path: Path) -> dict[str, zipfile.ZipInfo]:
    """The arrays in the file by name, none larger than such a file can honestly hold."""
    members: dict[str, zipfile.ZipInfo] = {}
    unpacked = 0
    for info in archive.infolist():
        name = info.filename.removesuffix(".npy")
        if name in members:
            raise CheckpointError(f"{path}: holds {name} twice; it is damaged")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise CheckpointError(f"{path}: {name} is compressed in a way that numpy never writes")
        if info.file_size > _RATIO_LIMIT * max(info.compress_size, 1000):
            raise CheckpointError(f"{path}: {name} would unpack to {info.file_size} bytes; refused")
        unpacked += info.file_size
        known = name == "meta" or name.startswith("resume/") or re.fullmatch(r"[Wb]\d+", name)
        if not known:
            raise CheckpointError(f"{path}: holds an array {name[:80]!r}, which no checkpoint has")
        members[name] = info
    size = path.stat().st_size
    if unpacked > _RATIO_LIMIT * size:  # many names for the same bytes
        raise CheckpointError(f"{path}: its {size} bytes would unpack to {unpacked}; refused")
    if "meta" not in members:
        raise CheckpointError(f"{path}: is no checkpoint of mlp: it has no `meta`")
    return members


def _read_array(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> Array:
    """An array of the archive; what its header claims is compared with what is there first."""
    name = info.filename.removesuffix(".npy")
    with archive.open(info) as file:
        try:
            shape, _, dtype = _read_header(file)
            if dtype.hasobject:
                raise CheckpointError(
                    f"{path}: {name} holds Python objects, which are never loaded"
                )
            claimed = dtype.itemsize
            for n in shape:
                claimed *= n
            if claimed + file.tell() != info.file_size:
                raise CheckpointError(
                    f"{path}: {name} claims the shape {shape}, but has {info.file_size} bytes"
                )
            file.seek(0)
            array: Array = np.lib.format.read_array(file, allow_pickle=False)
        except CheckpointError:
            raise
        except Exception as error:  # numpy evaluates the header as Python: much can go wrong
            raise CheckpointError(f"{path}: {name} is damaged: {one_line(error)}") from None
    return array


def _read_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    read = (
        np.lib.format.read_array_header_1_0
        if version == (1, 0)
        else np.lib.format.read_array_header_2_0
    )
    return read(file)


def _read_meta(
    archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo], path: Path
) -> dict[str, Any]:
    if members["meta"].file_size > _META_LIMIT:
        raise CheckpointError(f"{path}: `meta` has {members['meta'].file_size} bytes; refused")
    text = _read_array(archive, members["meta"], path)
    if text.shape != () or text.dtype.kind != "U":
        raise CheckpointError(f"{path}: `meta` is no text")
    try:
        meta: Any = json.loads(str(text))
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
    kinds = {"config": dict, "classes": list, "scaling": dict, "data": dict, "history": list}
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
    layers = max((int(name[1:]) for name in names), default=1)
    if layers > len(names):
        layers = len(names) + 1
    wanted = [f"{kind}{layer}" for layer in range(1, layers + 1) for kind in "Wb"]
    for name in wanted:
        if name not in names:
            raise CheckpointError(f"{path}: the array {name} is missing")
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
