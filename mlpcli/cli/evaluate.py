"""`mlp evaluate`."""

from __future__ import annotations

import math
import shlex
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlpcli import __version__
from mlpcli.cli.completion import CHECKPOINT
from mlpcli.cli.console import Console
from mlpcli.cli.options import (
    Command,
    config_options,
    data_dir_option,
    output_options,
    set_threads,
    threads_option,
    train_command,
)
from mlpcli.errors import CheckpointError, DataError

if TYPE_CHECKING:
    from mlpcli.evaluation import html
    from mlpcli.evaluation.metrics import Scores
    from mlpcli.training.checkpoint import Model


@click.command(cls=Command)
@click.argument("models", nargs=-1, required=True, type=CHECKPOINT, metavar="MODEL.npz…")
@config_options(only=("data", "label_column"))
@click.option(
    "--split",
    type=click.Choice(["train", "val", "test"]),
    help="Which rows of the model's own data. [test; train where there is no test set]",
)
@click.option(
    "--report",
    "report_file",
    type=click.Path(path_type=Path),
    metavar="FILE.html",
    help="Write curves, confusion matrix, calibration, mistakes and more as one HTML page.",
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
    report_file: Path | None,
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
      mlp evaluate model.npz --report report.html

    Without --data, the model's own data are found again and their test rows are used. With another
    file, all of its rows are, or its test set where it has one. Several models are averaged as a
    committee: each one's figures are shown, and the headline figures are the committee's.
    """
    set_threads(threads)
    import numpy as np

    from mlpcli import build
    from mlpcli.data.catalog import DOWNLOADS
    from mlpcli.data.catalog import data_dir as where_data_lie
    from mlpcli.evaluation import figures, html, report
    from mlpcli.evaluation.metrics import predict_split, score_committee
    from mlpcli.files import ensure_writable, write_text
    from mlpcli.training.checkpoint import load

    if report_file:
        figures.require("--report")
        ensure_writable(report_file)
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
    build.refuse_seen(members, rows)
    networks = [(m.file.network(), m.scaling) for m in members]
    with np.errstate(all="ignore"):  # what overflows is told by the loss
        each, scores = score_committee(networks, rows)
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
    if report_file:
        again = ["mlp", "evaluate", *map(str, models)]
        for flag, value in (("--data", data), ("--label-column", label_column), ("--split", split)):
            again += [flag, value] if value is not None else []
        page = html.Report(
            members=[_member(m, own) for m, own in zip(members, each, strict=True)],
            source=source,
            split=rows,
            names=names,
            scores=scores,
            predictions=predict_split(networks, rows),
            images=_images(members[0]),
            commands=(
                [f"mlp download {source}"] if source in DOWNLOADS else [],
                [shlex.join([*again, "--report", str(report_file)])],
            ),
            made=f"mlp {__version__}, {date.today():%-d %B %Y}",
        )
        write_text(report_file, html.page(page))
        console.notice(f"{report_file} written")


def _member(model: Model, scores: Scores) -> html.Member:
    from mlpcli.evaluation import html

    return html.Member(
        name=str(model.file.path),
        scores=scores,
        sizes=model.file.sizes,
        options=model.config.values(),
        toml=model.config.to_toml(),
        command=train_command(model),
        changed=model.changed,
        history=model.history,
        epoch=model.epoch,
        epochs=model.epochs,
        W=model.file.params["W1"],
    )


def _images(model: Model) -> html.Images | None:
    from mlpcli.evaluation import html

    if model.data.image_shape is None:
        return None
    height, width = model.data.image_shape
    return html.Images((height, width), model.data.full_scale)


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
