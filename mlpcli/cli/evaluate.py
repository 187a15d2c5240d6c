"""`mlp evaluate`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlpcli.cli.console import Console
from mlpcli.cli.options import (
    Command,
    config_options,
    data_dir_option,
    output_options,
    set_threads,
    threads_option,
)
from mlpcli.errors import CheckpointError, DataError

if TYPE_CHECKING:
    from mlpcli.training.checkpoint import Model


@click.command(cls=Command)
@click.argument(
    "models", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="MODEL.npz…"
)
@config_options(only=("data", "label_column"))
@click.option(
    "--split",
    type=click.Choice(["train", "val", "test"]),
    help="Which rows of the model's own data. [test; train where there is no test set]",
)
@data_dir_option
@threads_option
@output_options
def evaluate(
    console: Console,
    models: tuple[Path, ...],
    data: str | None,
    label_column: str | None,
    split: str | None,
    data_dir: Path | None,
    threads: int | None,
) -> None:
    """Loss, accuracy, per-class table and confusion matrix of a model.

    \b
      mlp evaluate model.npz
      mlp evaluate model.npz --split val
      mlp evaluate model.npz --data new.csv
      mlp evaluate model.npz --json | jq .accuracy
      mlp evaluate runs/*.npz

    Without --data, the model's own data are found again and their test rows are used. With another
    file, all of its rows are, or its test set where it has one. Several models are averaged as a
    committee: each one's figures are shown, and the headline figures are the committee's.
    """
    set_threads(threads)
    import numpy as np

    from mlpcli import build
    from mlpcli.data.catalog import data_dir as where_data_lie
    from mlpcli.evaluation import report
    from mlpcli.evaluation.metrics import score_committee
    from mlpcli.training.checkpoint import load

    members = [load(path) for path in models]
    for other in members[1:]:
        _refuse_mismatch(members[0], other)
    source, rows = build.rows_to_evaluate(
        members[0],
        where_data_lie(data_dir),
        source=data,
        label_column=label_column,
        split_name=split,
    )
    with np.errstate(all="ignore"):  # what overflows is told by the loss
        each, scores = score_committee([(m.file.network(), m.scaling) for m in members], rows)
    for path, own in zip(models, each, strict=True):
        if not math.isfinite(own.loss):
            raise DataError(f"{source}: the loss of {path} on it is not finite: it overflows")

    labels = members[0].classes.tolist()
    names = [_named(label, members[0].data.class_names) for label in labels]
    console.json(report.as_json([str(path) for path in models], source, rows.name, labels, scores))
    console.result(f"{source}, {rows.name} split: {scores.samples:,} samples")
    for path, own in zip(models, each, strict=True):
        console.result(report.headline(str(path), own))
    if len(models) > 1:
        console.result(report.headline(f"committee of {len(models)}", scores))
    console.result("\n" + report.class_table(names, scores))
    console.result("\n" + report.confusion_table(labels, scores))


def _named(label: int | str, class_names: list[str] | None) -> str:
    """A label, with what it stands for where it is only a number."""
    if class_names is None or not isinstance(label, int) or not 0 <= label < len(class_names):
        return str(label)
    return f"{label} {class_names[label]}"


def _refuse_mismatch(first: Model, other: Model) -> None:
    """Refuse a committee whose members do not answer the same question."""
    a, b = first.file, other.file
    if a.sizes[0] != b.sizes[0]:
        raise CheckpointError(
            f"{b.path}: takes {b.sizes[0]} inputs, {a.path} takes {a.sizes[0]}: "
            "they cannot be a committee"
        )
    if first.classes.tolist() != other.classes.tolist():
        raise CheckpointError(
            f"{b.path}: has other classes than {a.path}: they cannot be a committee"
        )
