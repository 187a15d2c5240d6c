"""`mlp predict`."""

from __future__ import annotations

from pathlib import Path

import click

from mlpcli.cli.options import Command, output_options
from mlpcli.cli.paths import CHECKPOINT, INPUT_FILE, PATH
from mlpcli.cli.threads import threads_option, use_threads
from mlpcli.commands.console import Console
from mlpcli.errors import UsageError


@click.command(cls=Command)
@click.argument("model_file", metavar="MODEL.npz…", type=CHECKPOINT)
@click.argument("sources", nargs=-1, required=True, metavar="INPUT…", type=INPUT_FILE)
@click.option("--probabilities", is_flag=True, help="Add a column per class: p_ and its label.")
@click.option(
    "--interval",
    is_flag=True,
    help="Add columns low and high, between which 90 % of new numbers to predict lie.",
)
@click.option(
    "--with-inputs", is_flag=True, help="Write the columns of the input beside each answer."
)
@click.option(
    "--keep", metavar="COL[,COL]", help="Write these columns of the input, by name or index."
)
@click.option(
    "--label-column", metavar="NAME|INDEX", help="Column of the table that holds labels, if any."
)
@click.option(
    "--header",
    type=click.Choice(["auto", "yes", "no"]),
    default="auto",
    help="Whether the table's first row has the names of its columns. [auto]",
)
@click.option(
    "--no-prepare",
    is_flag=True,
    help="Take pictures as they are; they must have the size that the model takes.",
)
@click.option(
    "-o",
    "--output",
    type=PATH,
    metavar="FILE.csv",
    help="Write the table here. [stdout]",
)
@threads_option
@output_options
def predict(
    console: Console,
    model_file: Path,
    sources: tuple[Path, ...],
    probabilities: bool,
    interval: bool,
    with_inputs: bool,
    keep: str | None,
    label_column: str | None,
    header: str,
    no_prepare: bool,
    output: Path | None,
    threads: int | None,
) -> None:
    """Answer rows or pictures with a model, and write CSV.

    \b
      mlp predict model.npz new.csv
      mlp predict model.npz new.csv --with-inputs -o labelled.csv
      mlp predict model.npz new.csv --keep name,2 --probabilities
      mlp predict runs/*.npz new.csv
      mlp predict prices.npz new.csv --interval
      mlp predict mnist.npz photo.jpg scans/*.png
      cut -d, -f 2-5 all.csv | mlp predict iris.npz -

    INPUT is a table (- is one on stdin), an .npz with X, an .npy, an IDX file, or any number of
    PNG and JPEG pictures. The columns of a table are matched by name, or by position if one side
    has no names; if it has a column of labels, stderr says how many were right. Several models
    answer together, as a committee.

    --interval comes from the errors on the validation rows (split conformal prediction): a new row
    like these lies between low and high with a probability of 90 %.

    A row or picture that cannot be read has an empty answer; stderr says why, and the exit code
    is 3.

    Pictures are prepared as MNIST's digits were: turned to white on black, cropped, fitted into
    20 × 20 pixels, and centred by their mass in 28 × 28.
    """
    if with_inputs and keep is not None:
        raise UsageError("--with-inputs keeps all columns, --keep some: give one of them")
    use_threads(threads, console)
    from mlpcli.commands.predict import Request
    from mlpcli.commands.predict import predict as run

    run(
        console,
        Request(
            paths=(model_file, *sources),
            probabilities=probabilities,
            interval=interval,
            label_column=label_column,
            header=header,
            no_prepare=no_prepare,
            with_inputs=with_inputs,
            keep=() if keep is None else [name.strip() for name in keep.split(",")],
            output=output,
        ),
    )
