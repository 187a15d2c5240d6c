"""`mlp predict`."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlpcli.cli.completion import CHECKPOINT
from mlpcli.cli.console import Console
from mlpcli.cli.options import Command, set_threads, threads_option
from mlpcli.errors import DataError, UsageError

if TYPE_CHECKING:
    from mlpcli.data.dataset import Array
    from mlpcli.data.inputs import Inputs, Wanted
    from mlpcli.training.checkpoint import Model


@click.command(cls=Command)
@click.argument("model_file", metavar="MODEL.npz", type=CHECKPOINT)
@click.argument("sources", nargs=-1, required=True, metavar="INPUT…", type=click.Path())
@click.option(
    "--probabilities", is_flag=True, help="Add a column for each class: p_ and its label."
)
@click.option("--label-column", metavar="NAME|INDEX", help="The table's column of labels, if any.")
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
    """Label rows or pictures with a model; CSV comes out.

    \b
      mlp predict model.npz new.csv
      mlp predict model.npz new.csv --probabilities -o labelled.csv
      mlp predict mnist.npz photo.jpg scans/*.png
      cut -d, -f 2-5 all.csv | mlp predict iris.npz -

    INPUT is a CSV or TSV table (- is CSV on stdin), an .npz with X, an .npy, an IDX file, or PNG
    and JPEG pictures, as many as you like. A table's columns are matched by name where it has a
    header; a label column may be there, and then stderr says how many were right.

    Pictures are prepared as MNIST's digits were: turned to white on black, cut out, fitted into
    20 × 20 pixels, and centred by their mass in 28 × 28.
    """
    set_threads(threads)
    import numpy as np

    from mlpcli.data import inputs
    from mlpcli.files import ensure_writable, replacing
    from mlpcli.training.checkpoint import load

    console = Console(quiet=quiet)
    if output:
        ensure_writable(output)
    model = load(model_file)
    wanted = _wanted(model)
    pictures = [inputs.is_image(source) for source in sources]
    if all(pictures):
        if label_column is not None:
            raise UsageError("--label-column is for tables, and pictures have no columns")
        rows = inputs.open_images(sources, wanted, prepare=not no_prepare)
    elif len(sources) > 1:
        raise UsageError("several inputs can only be pictures; call mlp predict for each table")
    elif no_prepare:
        raise UsageError(f"--no-prepare is for pictures, and {sources[0]} is not one")
    else:
        rows = inputs.open_inputs(sources[0], wanted, label_column=label_column)
        _warn_of_scale(console, rows, wanted, sources[0])

    files = sources if all(pictures) else None
    predicted: list[Any] = []
    with ExitStack() as stack:
        stack.enter_context(np.errstate(all="ignore"))  # what overflows is told by its row
        file = stack.enter_context(replacing(output)) if output else None
        for text in _table(model, rows.X, files, predicted, probabilities=probabilities):
            if file:
                file.write(text.encode())
            else:
                click.echo(text, nl=False)
    if rows.labels is not None:
        console.notice(_outcome(model, predicted, rows.labels, sources[0]))


def _wanted(model: Model) -> Wanted:
    from mlpcli.data.inputs import Wanted

    shape = model.data.image_shape
    return Wanted(
        model=model.file.path,
        D=model.file.sizes[0],
        source=model.data.source,
        columns=model.data.columns,
        label_name=model.data.label_name,
        label_column=model.config.data.label_column,
        image_shape=(shape[0], shape[1]) if shape else None,
        full_scale=model.data.full_scale,
    )


def _table(
    model: Model,
    X: Array,
    files: tuple[str, ...] | None,
    predicted: list[Any],
    *,
    probabilities: bool,
) -> Iterator[str]:
    """The table as CSV, some rows at a time; `predicted` gets the class indices."""
    import numpy as np

    from mlpcli.evaluation.metrics import probabilities_of

    labels = model.classes.tolist()
    names = model.data.class_names
    head = ["file"] if files else []
    head += ["label", "name"] if names else ["label"]
    head += [f"p_{label}" for label in labels] if probabilities else []
    yield _csv([head])
    done = 0
    for probs in probabilities_of(model.file.network(), model.scaling, X):
        if not np.isfinite(probs).all():
            raise DataError(
                f"row {done + int(np.argmin(np.isfinite(probs).all(axis=1))) + 1} is too large "
                f"for {model.file.path}: its scores overflow"
            )
        best = probs.argmax(axis=1).tolist()
        lines: list[list[Any]] = []
        for offset, k in enumerate(best):
            line = [files[done + offset]] if files else []
            line.append(labels[k])
            if names:
                line.append(names[labels[k]] if 0 <= labels[k] < len(names) else "")
            if probabilities:
                line += [f"{p:.6g}" for p in probs[offset]]
            lines.append(line)
        yield _csv(lines)
        predicted += best
        done += len(best)


def _csv(lines: list[list[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()


def _outcome(model: Model, predicted: list[int], labels: Array, source: str) -> str:
    """How many were right, of rows that have labels."""
    import numpy as np

    from mlpcli.data.dataset import class_indices

    true = class_indices(labels, model.classes)
    right, N = int(np.count_nonzero(true == np.array(predicted))), len(true)
    text = f"{source}: {right:,} of {N:,} right ({100 * right / N:.2f} %)"
    unseen = int(np.count_nonzero(true < 0))
    return (
        f"{text}; {unseen:,} have a label that {model.file.path} does not know" if unseen else text
    )


def _warn_of_scale(console: Console, rows: Inputs, wanted: Wanted, source: str) -> None:
    """Pixels from 0 to 1, where the model was trained on larger ones, are easily given."""
    scale = wanted.full_scale
    if scale and scale > 1 and rows.X.dtype.kind == "f" and float(rows.X.max()) <= 1:
        console.warning(
            f"{source}: its values go up to {float(rows.X.max()):g}, those that {wanted.model} "
            f"was trained on to {scale:g}; multiply them"
        )
