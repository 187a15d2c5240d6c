"""`meta` of format 1, which knew classes and scaled inputs only, made to be of format 2."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

from mlpcli.data.columns import Column
from mlpcli.data.encoding import Encoding, Number, Pixels, Side, encode_numbers
from mlpcli.nn.layers import Layer
from mlpcli.records import record
from mlpcli.runs.meta import Ancestor, Digest, Name, Processes
from mlpcli.schema import Bounds, Count, read, write
from mlpcli.training.progress import Progress


@record
class _Scaling:
    """x ← (x − shift)·factor."""

    shift: tuple[float, ...] | None
    factor: float | tuple[float, ...]


@record
class _Data:
    """As `DataRecord`, with the names of the columns of a table with a header."""

    source: Name
    path: Name | None
    digest: Digest
    rows: Annotated[int, Bounds(1, 2**53)]
    columns: tuple[str, ...] | None = None
    label_name: str | None = None
    image_shape: tuple[Side, Side] | None = None
    full_scale: Annotated[float, Bounds(1e-300, 1e300)] | None = None
    class_names: tuple[str, ...] | None = None


@record
class _Meta:
    format: Literal[1]
    mlp: Annotated[str, Bounds(1, 100)]
    classes: tuple[int, ...] | tuple[str, ...]
    scaling: _Scaling
    data: _Data
    config: dict[str, dict[str, Any]]
    history: tuple[dict[str, Any], ...]
    epoch: Count
    threads: Processes
    ranks: Processes = 1
    init_from: Name | None = None
    changed: bool = False


def upgrade(meta: dict[str, Any], layers: Sequence[Layer]) -> dict[str, Any]:
    """`meta` of format 1, of a network of these layers, as format 2 has it, still to be checked.

    Raises:
        ShapeError: it is of another shape.
        ValueError: its parts do not go together.
    """
    old = read(_Meta, meta)
    encoding = _encoding(old.scaling, layers[0].inputs, old.data)
    unknown = [Ancestor(old.init_from, "unknown")] if old.init_from is not None else []
    same = ("mlp", "config", "history", "epoch", "threads", "ranks", "init_from", "changed")
    data = write(old.data)
    del data["columns"], data["full_scale"]
    return {
        "format": 2,
        "task": {"kind": "classification", "classes": list(old.classes)},
        "encoding": write(encoding.parts),
        "layers": write(layers),
        "data": data,
        "ancestors": write(unknown),
        **{name: write(getattr(old, name)) for name in same},
    }


def _encoding(scaling: _Scaling, D: int, data: _Data) -> Encoding:
    shift, factor, columns = scaling.shift, scaling.factor, data.columns
    for name, values in (("shift", shift), ("factor", factor)):
        if isinstance(values, tuple) and len(values) != D:
            raise ValueError(f"has a {name} of {len(values)} inputs, but the network takes {D}")
    if columns is not None and len(columns) != D:
        raise ValueError(f"names {len(columns)} columns, but the network takes {D} inputs")
    if shift is None and isinstance(factor, float) and not columns:
        return Encoding((Pixels("pixels", D, factor, data.full_scale),))
    encoding = encode_numbers(
        shift or [0.0] * D,
        factor if isinstance(factor, tuple) else [factor] * D,
        [Column(name, position) for position, name in enumerate(columns or ())],
    )
    if data.full_scale is None:
        return encoding
    numbers = [part for part in encoding.parts if isinstance(part, Number)]
    return Encoding(tuple(replace(part, low=0.0, high=data.full_scale) for part in numbers))


@record
class _Progress:
    """Where training stood. What made the best epoch so was left out before there was one."""

    epoch: Count = 0
    batch: Count = 0
    step: Count = 0
    loss_sum: float = 0.0
    correct: Count = 0
    averaged: Count = 0
    best_epoch: Count = 0
    best_accuracy: float = -1.0
    best_loss: float | None = None


def upgrade_progress(value: dict[str, Any], batch_size: int) -> dict[str, Any]:
    """`resume/progress` of format 1 as format 2 has it."""
    old = read(_Progress, value)
    judged = old.best_accuracy >= 0 and old.best_loss is not None
    new = Progress(
        epoch=old.epoch,
        batch=old.batch,
        step=old.step,
        sums=[old.loss_sum, float(old.correct), float(old.batch * batch_size)] if old.batch else [],
        averaged=old.averaged,
        best_epoch=old.best_epoch,
        best_rank=[old.best_accuracy, -(old.best_loss or 0.0)] if judged else [],
        best_score=old.best_accuracy if judged else None,
    )
    result: dict[str, Any] = write(new)
    return result
