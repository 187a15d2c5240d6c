"""What `mlp export` does: which exporter, of which networks, to which file."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from mlpcli.commands.console import Console
from mlpcli.data.catalog import data_dir as where_data_lie
from mlpcli.errors import CheckpointError, OutputError, UsageError
from mlpcli.export import EXPORTERS, TASKS
from mlpcli.export.request import MARK, Request
from mlpcli.files import ensure_writable, open_input, replacing
from mlpcli.runs.committee import refuse_other_question
from mlpcli.runs.model import Model, load, takes_same_columns
from mlpcli.runs.repeat import train_command

_HEAD = 1024  # bytes, in which an exported file has its mark


def export(
    console: Console, paths: Sequence[Path], *, member: int | None, data_dir: Path | None
) -> None:
    """Export the models at all `paths` but the last to that one.

    Args:
        member: which network of a committee, counted from 0; None for all.
        data_dir: where downloaded data lie; None for the usual place.

    Raises:
        UsageError: the target is none, or the model cannot be exported to one of its kind.
        OutputError: the target is somebody else's file, or cannot be written.
        CheckpointError: a model cannot be read, or they cannot be a committee.
    """
    *files, target = _checked(paths)
    build = _exporter(target)
    models = [member for path in files for member in load(path).each]
    task = models[0].task.kind
    if task not in TASKS:
        raise UsageError(f"--task {task} cannot be exported to {target.suffix.lower()}")
    for other in models[1:]:
        _refuse_mismatch(models[0], other)
    members = _chosen(models, member)
    chosen = ["--member", str(member)] if member is not None else []
    command = shlex.join(["mlp", "export", *map(str, files), str(target), *chosen])
    request = Request(
        members=members,
        commands=[*dict.fromkeys(map(train_command, models)), command],
        data_dir=where_data_lie(data_dir),
        notice=console.notice,
    )
    ensure_writable(target, reads=paths[:-1])
    with np.errstate(all="ignore"):  # a figure that overflows is none
        content = build(request)
    with replacing(target) as file:
        file.write(content)
    kind = target.suffix[1:].lower()
    console.json({"target": str(target), "kind": kind, "bytes": len(content)})
    console.result(f"{target} written, {len(content):,} bytes")


def _refuse_mismatch(first: Model, other: Model) -> None:
    """Refuse a committee that cannot be asked with one row for all."""
    refuse_other_question(first, other)
    if not takes_same_columns(first, other):
        raise CheckpointError(
            f"{other.file.name}: takes other columns than {first.file.path}, or in another order; "
            "export each by itself"
        )


def _checked(paths: Sequence[Path]) -> Sequence[Path]:
    """The paths, if the last may be written: a target, no model, and no file of somebody else."""
    *models, target = paths
    if target.suffix.lower() not in EXPORTERS:
        raise UsageError(
            f"{target}: cannot be the target; that comes last and ends in "
            f"{', '.join(EXPORTERS)}, as in mlp export model.npz model.onnx"
        )
    if not models:
        command = shlex.join(["mlp", "export", "model.npz", str(target)])
        raise UsageError(f"no model to export to {target}; name it first: {command}")
    for path in models:
        if path.exists() and target.exists() and path.samefile(target):
            raise UsageError(f"{target}: is the model itself; name another target")
    if target.is_file():
        with open_input(target) as file:
            head = file.read(_HEAD)
        if head and MARK.encode() not in head:
            raise OutputError(
                f"{target}: is there already, and mlp export has not made it; "
                "remove it, or name another target"
            )
    return paths


def _exporter(target: Path) -> Any:
    """The `build` for a target."""
    name = EXPORTERS[target.suffix.lower()].module
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
