"""`mlp evaluate`."""

from __future__ import annotations

from pathlib import Path

import click

from mlpcli.cli.options import Command, config_options, data_dir_option, output_options
from mlpcli.cli.paths import CHECKPOINT, PATH
from mlpcli.cli.threads import threads_option, use_threads
from mlpcli.commands.console import Console


@click.command(cls=Command)
@click.argument("models", nargs=-1, required=True, type=CHECKPOINT, metavar="MODEL.npz…")
@config_options(
    only=("data", "label_column", "header"),
    data="Evaluate on this name, file or folder, as in `mlp train`. Default: the model's own data.",
    label_column="Column of the table that holds the labels. Default: as in training.",
    header="Whether the first row of the table in --data has the names of its columns.",
)
@config_options(
    only=("adversarial",),
    group="data",
    adversarial="Score each image moved by SIZE, as the network sees it, to where its loss is "
    "highest: every pixel by as much with linf, by that norm with l2; or, with virtual, to where "
    "its answer changes most.",
)
@click.option(
    "--split",
    type=click.Choice(["train", "val", "test"]),
    help="Which rows of the model's own data. [test; train if there is no test set]",
)
@click.option(
    "--importance",
    is_flag=True,
    help="Show how much of the score is lost when a column's values are shuffled.",
)
@click.option(
    "--report",
    "report_file",
    type=PATH,
    metavar="FILE.html",
    help="Write curves, confusion matrix, calibration, mistakes and more as one HTML page.",
)
@data_dir_option
@threads_option
@output_options
def evaluate(
    console: Console,
    models: tuple[Path, ...],
    data: str | tuple[str, ...] | None,
    label_column: str | None,
    header: str | None,
    adversarial: str | None,
    split: str | None,
    importance: bool,
    report_file: Path | None,
    data_dir: Path | None,
    threads: int | None,
) -> None:
    """Show loss, accuracy, per-class table and confusion matrix of a model.

    \b
      mlp evaluate model.npz
      mlp evaluate model.npz --split val
      mlp evaluate model.npz --data new.csv
      mlp evaluate model.npz --importance
      mlp evaluate model.npz --adversarial linf:0.1
      mlp evaluate model.npz --json | jq .accuracy
      mlp evaluate runs/*.npz
      mlp evaluate model.npz --report report.html

    Without --data, the model's own data are found again and their test rows are used. Of another
    file all rows are used, or its test set if it has one. Several models are averaged as a
    committee: the figures of each are shown, and the headline figures are the committee's.
    """
    use_threads(threads, console)
    from mlpcli.commands.evaluate import evaluate as run

    run(
        console,
        models,
        data=data,
        label_column=label_column,
        header=header or "auto",
        adversarial=adversarial or "none",
        split=split,
        importance=importance,
        report_file=report_file,
        data_dir=data_dir,
    )
