"""What `mlp export` does: which exporter, of which networks, to which file."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from mlpcli.errors import CheckpointError, OutputError, UsageError
from mlpcli.export import EXPORTERS
from mlpcli.export.request import MARK, Request
from mlpcli.files import ensure_writable, replacing
from mlpcli.runs.model import Model, load

_HEAD = 1024  # bytes, in which an exported file has its mark


def export(paths: Sequence[Path], member: int | None, **about: Any) -> dict[str, Any]:
    """Export the models at all `paths` but the last to that one.

    Args:
        member: which network of a committee, counted from 0; None for all.
        about: the rest of the `Request`, for the exporter.

    Returns:
        {target, kind, bytes}, as `--json` prints it.

    Raises:
        UsageError: the target is none, or the model cannot be exported to one of its kind.
        OutputError: the target is somebody else's file, or cannot be written.
        CheckpointError: a model cannot be read, or they cannot be a committee.
    """
    *models, target = _checked(paths)
    build = _exporter(target)
    members = [load(path) for path in models]
    for other in members[1:]:
        _refuse_mismatch(members[0], other)
    chosen = ["--member", str(member)] if member is not None else []
    words = ["mlp", "export", *map(str, models), str(target), *chosen]
    content = build(Request(_chosen(members, member), command=shlex.join(words), **about))
    ensure_writable(target)
    with replacing(target) as file:
        file.write(content)
    return {"target": str(target), "kind": target.suffix[1:].lower(), "bytes": len(content)}


def _checked(paths: Sequence[Path]) -> Sequence[Path]:
    """The paths, if the last may be written: a target, no model, and no file of somebody else."""
    *models, target = paths
    if target.suffix.lower() not in EXPORTERS:
        raise UsageError(
            f"{target}: cannot be the target; that comes last and ends in "
            f"{', '.join(EXPORTERS)}, as in mlp export model.npz model.onnx"
        )
    if not models:
        raise UsageError(
            f"no model to export to {target}; name it first: mlp export model.npz {target}"
        )
    for path in models:
        if path.exists() and target.exists() and path.samefile(target):
            raise UsageError(f"{target}: is the model itself; name another target")
    if target.is_file():
        with target.open("rb") as file:
            head = file.read(_HEAD)
        if head and MARK.encode() not in head:
            raise OutputError(
                f"{target}: is there already, and mlp export has not made it; "
                "remove it, or name another target"
            )
    return paths


def _exporter(target: Path) -> Any:
    """The `build` for a target."""
    name = EXPORTERS[target.suffix.lower()]
    try:
        return import_module(f"mlpcli.export.{name}").build
    except ModuleNotFoundError as error:
        if error.name != f"mlpcli.export.{name}":
            raise
        raise UsageError(f"{target}: cannot be made by this version of mlp") from None


def _chosen(members: Sequence[Model], member: int | None) -> Sequence[Model]:
    if member is None:
        return members
    if not 0 <= member < len(members):
        raise UsageError(
            f"--member {member}: there are {len(members)} networks, counted from 0"
            if len(members) > 1
            else f"--member {member}: {members[0].file.path} is one network, which is member 0"
        )
    return [members[member]]


def _refuse_mismatch(first: Model, other: Model) -> None:
    """Refuse a committee whose members do not answer the same question."""
    if first.file.sizes[0] != other.file.sizes[0]:
        raise CheckpointError(
            f"{other.file.path}: takes {other.file.sizes[0]} inputs, {first.file.path} takes "
            f"{first.file.sizes[0]}: they cannot be a committee"
        )
    if first.classes.tolist() != other.classes.tolist():
        raise CheckpointError(
            f"{other.file.path}: has other classes than {first.file.path}: "
            "they cannot be a committee"
        )
