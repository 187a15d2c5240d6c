"""Reading a checkpoint: an .npz that is never trusted and never unpickled.

W1, b1, W2, b2, …   the weights to use
E1, E2, E3, E4      of periodic embeddings, if there are any
s1                  a factor for each input of the first layer, if they have a learned scale
meta                a JSON text (`mlpcli.runs.meta` has its shape)
residuals           of a regression's held-out rows (`mlpcli.evaluation.conformal`)
resume/…            what an exact continuation needs (`mlpcli.runs.checkpoint`)

Of a run of several members all but `meta` is there for each of them, under members/0/, members/1/,
… In `meta`, "members" has for each what differs, the keys of `OF_MEMBER`; null for one that has not
begun.
"""

from __future__ import annotations

import json
import re
import shlex
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np

from mlpcli.arrays import Array
from mlpcli.errors import CheckpointError
from mlpcli.files import open_input
from mlpcli.nn.activations import ACTIVATIONS
from mlpcli.nn.embeddings import OUTPUTS
from mlpcli.nn.input_scale import NAME as SCALE
from mlpcli.nn.input_scale import without
from mlpcli.nn.layers import MAX_LAYERS, Dense, Layer, layers_of
from mlpcli.nn.losses import LOSSES
from mlpcli.nn.model_arrays import PARAMS, read_params
from mlpcli.npz import Archive, Purpose, open_archive
from mlpcli.records import record
from mlpcli.schema import Bounds, ShapeError, read, reader
from mlpcli.text import cut, one_line, quoted

FORMAT = 2
"""The version of the format that is written; those before it are read, too."""

OF_MEMBER = ("task", "encoding", "layers", "history", "epoch", "ancestors")
"""The keys of `meta` that each member of a run has of its own."""

MAX_MEMBERS = 1000

_RESIDUALS = "residuals"
_MEMBER = r"members/(?:0|[1-9]\d{0,2})/"
_KNOWN = re.compile(rf"({_MEMBER})?({PARAMS}|{_RESIDUALS}|resume/.*)", re.DOTALL)
_PURPOSE = Purpose(
    CheckpointError,
    "a checkpoint of mlp",
    damaged="if there is no other copy, train it again",
    objects="no checkpoint has them",
    bomb="no checkpoint does",
)


@record
class _Options:
    """The part of the configuration that a network cannot do without."""

    activation: str
    loss: str
    embedding: Literal["none", "periodic"] = "none"
    input_scale: Literal["none", "learned"] = "none"
    dropout: Annotated[float, Bounds(0, 1)] = 0.0
    input_dropout: Annotated[float, Bounds(0, 1)] = 0.0

    def __post_init__(self) -> None:
        for kind, name, known in (
            ("activation", self.activation, ACTIVATIONS),
            ("loss", self.loss, LOSSES),
        ):
            if name not in known:
                raise ValueError(f"has an unknown {kind} {quoted(name)}")
        if 1 in (self.dropout, self.input_dropout):
            raise ValueError("drops everything")


@dataclass
class ModelFile:
    """A checkpoint as it was read.

    Attributes:
        path: where it was read.
        format: of which it is.
        meta: the JSON of `meta`, in that format.
        layers: of the network.
        loss: the name of its loss.
        dropout, input_dropout: the shares dropped in training.
        embedded: how many of the inputs have periodic embeddings.
        scaled: whether the first layer's inputs have a learned scale.
        params: {"W1": …, "b1": …}, finite, float32 or float64, with shapes that fit together.
        residuals: (n,) distances of answers and targets, of held-out rows of a regression; n is 0
            if there are none.
        resume: the arrays under "resume/", by the rest of their names.
        member: which one of its file it is; None if it is alone.
    """

    path: Path
    format: int
    meta: dict[str, Any]
    layers: Sequence[Layer]
    loss: str
    dropout: float
    input_dropout: float
    embedded: int
    scaled: bool
    params: dict[str, Array]
    residuals: Array = field(default_factory=lambda: np.empty(0))
    resume: dict[str, Array] = field(default_factory=dict)
    member: int | None = None

    @property
    def name(self) -> str:
        """Of the file, and of the member, for a person."""
        return str(self.path) if self.member is None else f"{self.path} member {self.member}"

    @property
    def sizes(self) -> list[int]:
        """[D, H…, C]."""
        return [self.layers[0].inputs] + [layer.outputs for layer in self.dense]

    @property
    def plain_params(self) -> dict[str, Array]:
        """The same network's if its inputs had no scale."""
        return without(self.params)

    @property
    def dense(self) -> Sequence[Dense]:
        """The layers of weights and biases."""
        return [layer for layer in self.layers if isinstance(layer, Dense)]

    @property
    def activation(self) -> str:
        """Of the hidden layers; any if there are none."""
        return self.dense[0].activation or next(iter(ACTIVATIONS))


def is_checkpoint(path: Path) -> bool:
    """Whether a file has the arrays that only a checkpoint has; it may still be damaged."""
    try:
        with open_input(path) as file, zipfile.ZipFile(file) as archive:
            names = archive.namelist()
    except (OSError, zipfile.BadZipFile, ValueError):
        return False
    return "meta.npy" in names and any(n == "W1.npy" or n.startswith("members/") for n in names)


def read_model(path: Path, *, resume: bool = False, member: int | None = None) -> ModelFile:
    """Read and check a checkpoint of one network, or one member of several.

    Raises:
        CheckpointError: as `read_models`; or it holds several, or no such member.
    """
    files = read_models(path, resume=resume)
    if member is None and files[0].member is None:
        return files[0]
    for file in files:
        if file.member == member:
            return file
    there = [str(file.member) for file in files if file.member is not None]
    if not there:
        raise CheckpointError(f"{path}: holds one network, and no member {member}")
    asked = "" if member is None else f", and no member {member}"
    raise CheckpointError(
        f"{path}: holds several networks, the members {', '.join(there)}{asked}; load one of them "
        "by MLP.load(path, member=…), or all by mlpcli.Model"
    )


def read_models(path: Path, *, resume: bool = False) -> list[ModelFile]:
    """Read and check a checkpoint, each of its members; with `resume`, also what continues it.

    Raises:
        CheckpointError: it is missing, not a checkpoint, of an unknown format, or damaged.
    """
    try:
        with open_input(path) as file, open_archive(file, str(path), _PURPOSE) as archive:
            meta = _read_meta(archive, path)
            if "members" not in meta:
                return [_read(archive, path, meta, resume=resume)]
            return [
                replace(_read(part, path, own, resume=resume), member=number)
                for number, part, own in _members(archive, path, meta)
            ]
    except CheckpointError:
        if path.suffix.lower() == ".npz" or zipfile.is_zipfile(path):
            raise
        raise CheckpointError(
            f"{path}: is no model, an .npz file that `mlp train` has written; name the model "
            "first, and then what it is to read"
        ) from None
    except FileNotFoundError:
        hint = "a model is an .npz file that `mlp train` has written"
        if path.suffix.lower() == ".npz":
            hint = f"`mlp train -o {shlex.quote(str(path))}` makes one"
        raise CheckpointError(f"{path}: no such file; {hint}") from None
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror or error}") from None


def _members(
    archive: Archive, path: Path, meta: dict[str, Any]
) -> Iterator[tuple[int, Archive, dict[str, Any]]]:
    """(number, arrays, `meta`) of each member that has begun."""
    shape = Annotated[list[dict[str, Any] | None], Bounds(1, MAX_MEMBERS)]
    try:
        members: list[dict[str, Any] | None] = reader(shape)(meta["members"])
    except ShapeError as error:
        raise CheckpointError(f"{path}: `meta` is damaged: {error.inside('members')}") from None
    begun = {f"members/{number}/" for number, own in enumerate(members) if own is not None}
    matches = [_KNOWN.fullmatch(name) for name in archive.names if name != "meta"]
    found = {match[1] or "arrays beside members" for match in matches if match}
    if begun != found or not begun or meta["format"] < FORMAT:
        odd = min(begun ^ found, default="members")
        raise CheckpointError(
            f"{path}: `meta` does not agree with its arrays on {odd.rstrip('/')}; it is damaged"
        )
    for number, own in enumerate(members):
        if own is None:
            continue
        if sorted(own) != sorted(OF_MEMBER):
            raise CheckpointError(
                f"{path}: `meta` is damaged: members[{number}] has the keys "
                f"{cut(', '.join(sorted(own)), 60)}, expected {', '.join(sorted(OF_MEMBER))}"
            )
        together = {key: value for key, value in meta.items() if key != "members"}
        yield number, archive.below(f"members/{number}/"), together | own


def _read(archive: Archive, path: Path, meta: dict[str, Any], *, resume: bool) -> ModelFile:
    try:
        options = _options(meta)
        declared = _declared_layers(meta) if meta["format"] > 1 else None
    except ShapeError as error:
        raise CheckpointError(f"{path}: `meta` is damaged: {error}") from None
    params = read_params(archive, options.embedding, options.input_scale, path)
    weights = [array for name, array in params.items() if name.startswith("W")]
    embedded, scaled = len(params["E1"]) if "E1" in params else 0, SCALE in params
    sizes = [len(weights[0]) - OUTPUTS * embedded, *(W.shape[1] for W in weights)]
    layers = layers_of(sizes, options.activation, embedded, scaled=scaled)
    if declared is not None:
        _compare(declared, layers, path)
    extra = {
        name.removeprefix("resume/"): archive.read(name)
        for name in archive.names
        if resume and name.startswith("resume/")
    }
    return ModelFile(
        path,
        meta["format"],
        meta,
        layers,
        options.loss,
        options.dropout,
        options.input_dropout,
        embedded,
        scaled,
        params,
        _read_residuals(archive, path),
        extra,
    )


def _read_residuals(archive: Archive, path: Path) -> Array:
    if _RESIDUALS not in archive.names:
        return np.empty(0)
    found = archive.read(_RESIDUALS)
    if (
        found.ndim != 1
        or found.dtype != np.float64
        or not (np.isfinite(found) & (found >= 0)).all()
    ):
        raise CheckpointError(f"{path}: its residuals are no list of distances")
    return found


def _declared_layers(meta: dict[str, Any]) -> list[Layer]:
    if "layers" not in meta:
        raise ShapeError("has no 'layers'")
    shape = Annotated[list[Layer], Bounds(1, MAX_LAYERS + 1)]
    try:
        layers: list[Layer] = reader(shape)(meta["layers"])
    except ShapeError as error:
        raise error.inside("layers") from None
    return layers


def _compare(declared: Sequence[Layer], layers: Sequence[Layer], path: Path) -> None:
    """Refuse layers that are declared differently from the arrays and the configuration."""
    if len(declared) != len(layers):
        raise CheckpointError(
            f"{path}: `meta` has {len(declared)} layers, its arrays are of {len(layers)}"
        )
    for number, (said, there) in enumerate(zip(declared, layers, strict=True), start=1):
        if said.kind != there.kind:
            raise CheckpointError(
                f"{path}: `meta` says of layer {number} that it is {said.kind}, "
                f"expected {there.kind}"
            )
        for name, value in vars(there).items():
            if getattr(said, name) != value:
                raise CheckpointError(
                    f"{path}: `meta` says of layer {number} that its {name} is "
                    f"{getattr(said, name)}, expected {value}"
                )


def _options(meta: dict[str, Any]) -> _Options:
    """What the network is besides its arrays."""
    config = meta.get("config")
    model = config.get("model") if isinstance(config, dict) else None
    if not isinstance(model, dict):
        raise ShapeError("has no configuration of the model")
    names = [field.name for field in fields(_Options)]
    try:
        return read(_Options, {name: model[name] for name in names if name in model})
    except ShapeError as error:
        raise error.inside("config", "model") from None


def _read_meta(archive: Archive, path: Path) -> dict[str, Any]:
    """`meta`, if the archive is a checkpoint at all, no bomb, and of a format that is known."""
    if "meta" not in archive.names:
        raise CheckpointError(f"{path}: is not a checkpoint of mlp: it has no `meta`")
    for name in archive.names:
        if name != "meta" and not _KNOWN.fullmatch(name):
            raise CheckpointError(f"{path}: holds an array {quoted(name)}, which no checkpoint has")
    archive.bound(archive.names)
    try:
        meta: Any = json.loads(archive.read_text("meta"))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: `meta` is not JSON: {one_line(error)}") from None
    version = meta.get("format") if isinstance(meta, dict) else None
    if not isinstance(version, int) or isinstance(version, bool):
        raise CheckpointError(f"{path}: `meta` names no format version")
    if version > FORMAT:
        raise CheckpointError(
            f"{path}: is of format {cut(str(version), 20)}; "
            f"this mlp reads up to {FORMAT}; read it with a newer one"
        )
    if version < 1:
        raise CheckpointError(f"{path}: is of format {cut(str(version), 20)}, which does not exist")
    result: dict[str, Any] = meta
    return result
