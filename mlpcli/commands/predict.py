"""What `mlp predict` does."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click
import numpy as np

from mlpcli.arrays import Array
from mlpcli.commands.console import Console
from mlpcli.data.columns import TableOptions
from mlpcli.data.formats import rows as inputs
from mlpcli.data.mismatch import compare_scale
from mlpcli.errors import CheckpointError, UsageError
from mlpcli.files import ensure_writable, is_stream, writing
from mlpcli.nn.model_file import is_checkpoint
from mlpcli.runs.model import Model, load
from mlpcli.runs.own_data import count_unseen
from mlpcli.tasks.classification import Classification


def _table(
    model: Model,
    X: Array,
    files: tuple[str, ...] | None,
    predicted: list[Any],
    *,
    probabilities: bool,
) -> Iterator[str]:
    """The table as CSV, some rows at a time; `predicted` gets the class indices."""

    names, task = model.data.class_names, model.task
    head = [*(["file"] if files else []), *task.answer_columns(names)]
    head += [f"p_{label}" for label in model.classes.tolist()] if probabilities else []
    yield _csv([head])
    done = 0
    for indices, said in model.answer(X):
        answers = indices.tolist()
        lines: list[list[Any]] = []
        for offset, answer in enumerate(answers):
            line: list[Any] = [files[done + offset]] if files else []
            line += task.answer_cells(answer, names)
            line += [f"{p:.6g}" for p in said.values[offset]] if probabilities else []
            lines.append(line)
        yield _csv(lines)
        predicted += answers
        done += len(answers)


def _csv(lines: list[list[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()


def _outcome(model: Model, predicted: Array, labels: Array, source: str) -> str:
    """How many were right, of rows that have labels, or how far off the answers are."""
    true = model.task.encode(labels)
    if not isinstance(model.task, Classification):
        with np.errstate(over="ignore"):
            error = predicted - labels.astype(np.float64)
            rmse = np.sqrt(np.mean(error**2))
        return f"{source}: RMSE {rmse:.4g} over {len(true):,} rows"
    right, N = int(np.count_nonzero(true == predicted)), len(true)
    text = f"{source}: {right:,} of {N:,} right ({100 * right / N:.2f} %)"
    unseen = int(np.count_nonzero(true < 0))
    return (
        f"{text}; {unseen:,} have a label that {model.file.path} does not know" if unseen else text
    )


def _load(path: Path, sources: Sequence[str]) -> Model:
    """The model; what comes first may be the input, and the model come after it."""
    try:
        return load(path)
    except CheckpointError:
        for source in sources:
            if is_checkpoint(Path(source)):
                raise UsageError(
                    f"{path}: is no checkpoint, but {source} is one; the model comes first: "
                    f"mlp predict {source} {path}"
                ) from None
        raise


def predict(
    console: Console,
    model_file: Path,
    sources: tuple[str, ...],
    *,
    probabilities: bool,
    label_column: str | None,
    no_prepare: bool,
    output: Path | None,
) -> None:
    """Label rows or pictures and write CSV to `output`, or stdout if it is None."""

    if output:
        ensure_writable(output, streams=True, reads=[model_file, *sources])
        if output.suffix.lower() not in ("", ".csv", ".txt") and not is_stream(output):
            raise UsageError(f"-o {output}: what comes out is CSV; name it {output.stem}.csv")
    model = _load(model_file, sources)
    wanted = model.wanted
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
        options = TableOptions(label_column=label_column, numeric=model.config.data.numeric)
        rows = inputs.open_inputs(sources[0], wanted, options)
        if said := compare_scale(model.encoding, rows.X, sources[0], model_file):
            console.warning(said)

    files = sources if all(pictures) else None
    predicted: list[Any] = []
    with ExitStack() as stack:
        stack.enter_context(np.errstate(all="ignore"))  # what overflows is told by its row
        file = stack.enter_context(writing(output)) if output else None
        for text in _table(model, rows.X, files, predicted, probabilities=probabilities):
            if file:
                file.write(text.encode())
            else:
                click.echo(text, nl=False)
    for line in (*rows.notices, *count_unseen(rows.unseen, sources[0], model)):
        console.notice(line)
    if rows.labels is not None:
        labelled = slice(None) if rows.labelled is None else rows.labelled
        labels = rows.labels[labelled]
        if len(labels):
            console.notice(_outcome(model, np.array(predicted)[labelled], labels, sources[0]))
