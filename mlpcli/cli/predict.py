"""`mlp predict`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlpcli.cli.completion import CHECKPOINT
from mlpcli.cli.options import Command
from mlpcli.cli.threads import set_threads, threads_option
from mlpcli.commands.console import Console

if TYPE_CHECKING:
    pass


@click.command(cls=Command)
@click.argument("model_file", metavar="MODEL.npz", type=CHECKPOINT)
@click.argument("sources", nargs=-1, required=True, metavar="INPUT…", type=click.Path())
@click.option("--probabilities", is_flag=True, help="Add a column per class: p_ and its label.")
@click.option(
    "--label-column", metavar="NAME|INDEX", help="Column of the table that holds labels, if any."
)
@click.option(
    "--no-prepare",
    is_flag=True,
    help="Take pictures as they are; they must have the size that the model takes.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE.csv",
    help="Write the table here. [stdout]",
)
@threads_option
@click.option("-q", "--quiet", is_flag=True, help="Show only results and errors.")
def predict(
    model_file: Path,
    sources: tuple[str, ...],
    probabilities: bool,
    label_column: str | None,
    no_prepare: bool,
    output: Path | None,
    threads: int | None,
    quiet: bool,
) -> None:
    """Label rows or pictures with a model, and write CSV.

    \b
      mlp predict model.npz new.csv
      mlp predict model.npz new.csv --probabilities -o labelled.csv
      mlp predict mnist.npz photo.jpg scans/*.png
      cut -d, -f 2-5 all.csv | mlp predict iris.npz -

    INPUT is a CSV or TSV table (- is CSV on stdin), an .npz with X, an .npy, an IDX file, or any
    number of PNG and JPEG pictures. The columns of a table are matched by name if it has a header;
    if it has a column of labels, stderr says how many were right.

    Pictures are prepared as MNIST's digits were: turned to white on black, cropped, fitted into
    20 × 20 pixels, and centred by their mass in 28 × 28.
    """
    set_threads(threads)
    from mlpcli.commands.predict import predict as run

    run(
        Console(quiet=quiet),
        model_file,
        sources,
        probabilities=probabilities,
        label_column=label_column,
        no_prepare=no_prepare,
        output=output,
    )
