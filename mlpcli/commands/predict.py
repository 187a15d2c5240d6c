"""What `mlp predict` does."""

from __future__ import annotations

import csv
import io
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import click
import numpy as np

from mlpcli.arrays import Array
from mlpcli.commands.console import Console
from mlpcli.data.columns import UNSEEN, TableOptions
from mlpcli.data.dataset import say_unseen
from mlpcli.data.encoding import Category, Part, columns_of
from mlpcli.data.formats.inputs import Inputs, Opened, is_image, open_images, open_inputs
from mlpcli.data.mismatch import compare_scale
from mlpcli.errors import CheckpointError, DataError, UsageError
from mlpcli.evaluation.conformal import PERCENT
from mlpcli.evaluation.metrics import outputs_of
from mlpcli.files import ensure_writable, is_stream, writing
from mlpcli.nn.model_file import is_checkpoint
from mlpcli.records import record
from mlpcli.runs.committee import refuse_other_question
from mlpcli.runs.model import Model, interval_width, load, networks_of
from mlpcli.tasks.classification import Classification
from mlpcli.text import percent

_BAD = 10  # rows that cannot be read, of which each is told


@record
class Request:
    """What a command line of `mlp predict` asks for.

    Attributes:
        paths: models, then inputs.
        probabilities: whether to write them.
        interval: whether to write between which numbers 90 % of new rows lie.
        label_column, header: of a table.
        no_prepare: whether pictures are taken as they are.
        with_inputs: whether to write all of the input's columns, too.
        keep: those of them to write.
        output: the file to write; None for stdout.
    """

    paths: Sequence[Path]
    probabilities: bool = False
    interval: bool = False
    label_column: str | None = None
    header: str = "auto"
    no_prepare: bool = False
    with_inputs: bool = False
    keep: Sequence[str] = ()
    output: Path | None = None


@dataclass
class _Job:
    """Rows to be answered, and what has become of them so far.

    Attributes:
        members: one model, or a committee's.
        source: of the rows, for messages.
        inputs: the rows as each member takes them.
        beside: the head of what is written beside each answer.
        cells: what is.
        answers: class indices or numbers; None for a row that has none.
        bad: why it has none.
        width: of an interval to either side of an answer, if one is asked for.
    """

    members: Sequence[Model]
    source: str
    inputs: Sequence[Inputs]
    beside: Sequence[str] = ()
    cells: Iterator[Sequence[str]] | None = None
    answers: list[Any] = field(default_factory=list)
    bad: dict[int, str] = field(default_factory=dict)
    width: float | None = None

    @cached_property
    def unread(self) -> dict[int, str]:
        """{row: why some member cannot read it}: all of them answer it, or none."""
        return {row: why for rows in reversed(self.inputs) for row, why in rows.bad.items()}

    def count(self, is_counted: Callable[[Array, Part], Array]) -> int:
        """The cells of which it is true, (N,) of a column, as any of the members reads them."""
        encodings = [model.encoding for model in self.members]
        cells = 0
        for _, where in columns_of(encodings):
            hits = [
                is_counted(self.inputs[member].X[:, j], encodings[member].parts[j])
                for member, j in where.items()
            ]
            cells += int(np.count_nonzero(np.logical_or.reduce(hits)))
        return cells

    @cached_property
    def unseen(self) -> int:
        """The cells with a category that some member does not know."""

        def is_unseen(values: Array, part: Part) -> Array:
            return np.equal(values, UNSEEN) & isinstance(part, Category)

        return self.count(is_unseen)


def predict(console: Console, request: Request) -> None:
    """Answer rows or pictures and write CSV to the output, or to stdout.

    Raises:
        DataError: some cannot be read, once the others are answered; or none can.
    """
    paths, sources = _models_first(request.paths)
    console.refuse_stdout("-o", request.output)
    if request.output:
        ensure_writable(request.output, streams=True, reads=request.paths)
        if request.output.suffix.lower() not in ("", ".csv", ".txt") and not is_stream(
            request.output
        ):
            named = f"{request.output.stem}.csv"
            raise UsageError(f"-o {request.output}: what comes out is CSV; name it {named}")
    members = [member for path in paths for member in _load(path, sources).each]
    for other in members[1:]:
        refuse_other_question(members[0], other)
    probabilities = request.probabilities
    if probabilities and not isinstance(members[0].task, Classification):
        console.warning(
            f"{members[0].file.path}: predicts numbers, which have no probabilities; "
            "--interval says how far off an answer may be"
        )
        probabilities = False
    width = interval_width(members) if request.interval else None
    with ExitStack() as stack:
        stack.enter_context(np.errstate(all="ignore"))  # what overflows is told by its row
        job = replace(_open(stack, console, request, members, sources), width=width)
        file = stack.enter_context(writing(request.output)) if request.output else None
        for text in _table(job, probabilities=probabilities):
            if file:
                file.write(text.encode(errors="surrogateescape"))  # file names as they are
            elif not console.as_json:
                click.echo(text, nl=False)
        if len(job.bad) == len(job.answers) > 0:
            raise DataError(job.bad[0])
    _tell(console, job)
    console.json(_as_json(job, request))
    if job.bad:
        raise DataError(_say_bad(job))


def _models_first(paths: Sequence[Path]) -> tuple[list[Path], list[str]]:
    """(models, inputs): the first path, and the checkpoints that follow it."""
    count = 1
    while count < len(paths) and is_checkpoint(paths[count]) and is_checkpoint(paths[0]):
        count += 1
    if count == len(paths):
        raise UsageError("INPUT… is missing; see mlp predict --help")
    return list(paths[:count]), [str(path) for path in paths[count:]]


def _load(path: Path, sources: Sequence[str]) -> Model:
    """The model; what comes first may be the input, and the model come after it."""
    try:
        return load(path)
    except CheckpointError:
        for source in sources:
            if is_checkpoint(Path(source)):
                again = shlex.join(["mlp", "predict", source, str(path)])
                raise UsageError(
                    f"{path}: is no checkpoint, but {source} is one; the model comes first: {again}"
                ) from None
        raise


def _open(
    stack: ExitStack,
    console: Console,
    request: Request,
    members: Sequence[Model],
    sources: Sequence[str],
) -> _Job:
    source = sources[0]
    if all(map(is_image, sources)):
        if request.label_column is not None:
            raise UsageError("--label-column is for tables, and pictures have no columns")
        if request.with_inputs or request.keep:
            flag = "--with-inputs" if request.with_inputs else "--keep"
            raise UsageError(f"{flag} is for tables, and pictures have no columns")
        images = [
            open_images(sources, model.wanted, prepare=not request.no_prepare) for model in members
        ]
        return _Job(members, source, images, ["file"], iter([[name] for name in sources]))
    if len(sources) > 1:
        raise UsageError("several inputs can only be pictures; call mlp predict for each table")
    if request.no_prepare:
        raise UsageError(f"--no-prepare is for pictures, and {source} is not one")
    options = TableOptions(label_column=request.label_column, header=request.header)
    wanted = [model.wanted for model in members]
    opened = stack.enter_context(open_inputs(source, wanted, options))
    for model, rows in zip(members, opened.inputs, strict=True):
        if said := compare_scale(model.encoding, rows.X, source, model.file.path):
            console.warning(said)
    return _Job(members, source, opened.inputs, *_kept(opened, request))


def _kept(opened: Opened, request: Request) -> tuple[Sequence[str], Iterator[Sequence[str]] | None]:
    """(names, cells) of the input's columns that are to be written, too."""
    if request.keep:
        places = [opened.find(name) for name in request.keep]
    elif request.with_inputs:
        places = list(range(len(opened.names)))
    else:
        return [], None
    cells = ([row[place] for place in places] for row in opened.cells())
    return [opened.names[place] for place in places], cells


def _table(job: _Job, *, probabilities: bool) -> Iterator[str]:
    """The table as CSV, some rows at a time; `job` learns the answers."""
    first, unread = job.members[0], job.unread
    names, task = first.data.class_names, first.task
    head = task.answer_columns(names) + ["low", "high"] * (job.width is not None)
    head = [f"predicted_{name}" if name in job.beside else name for name in head]
    head += [f"p_{label}" for label in first.classes.tolist()] if probabilities else []
    yield _csv([[*job.beside, *head]])
    for said in outputs_of(networks_of(job.members), [rows.X for rows in job.inputs]):
        answers = task.answer(said.values, said.scores)[0].tolist()
        lines: list[list[Any]] = []
        finite: list[bool] = np.logical_and.reduce(np.isfinite(said.values), axis=1).tolist()
        for answer, values, is_finite in zip(answers, said.values, finite, strict=True):
            row = len(job.answers)
            if row in unread:
                job.bad[row] = unread[row]
            elif not is_finite:
                job.bad[row] = (
                    f"row {row + 1} is too large for {first.file.path}: its scores overflow"
                )
            line = list(next(job.cells)) if job.cells else []
            if row in job.bad:
                lines.append([*line, *[""] * len(head)])
                job.answers.append(None)
                continue
            line += task.answer_cells(answer, names)
            if job.width is not None:
                ends = answer - job.width, answer + job.width
                line += [cell for end in ends for cell in task.answer_cells(end, names)]
            lines.append(line + ([f"{p:.6g}" for p in values] if probabilities else []))
            job.answers.append(answer)
        yield _csv(lines)


def _csv(lines: list[list[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()


def _tell(console: Console, job: _Job) -> None:
    """What there is to say of the rows."""
    rows = job.inputs[0]
    paths = {model.file.path for model in job.members}
    who = str(job.members[0].file.path) if len(paths) == 1 else "a model of the committee"
    lines = [line for read in job.inputs for line in read.notices]
    for line in dict.fromkeys([*lines, *say_unseen(job.unseen, job.source, who)]):
        console.notice(line)
    there = np.array([answer is not None for answer in job.answers], bool)
    if rows.labels is not None:
        there &= rows.labelled if rows.labelled is not None else True
        if there.any():
            answers = np.array([a for a, kept in zip(job.answers, there, strict=True) if kept])
            console.notice(_outcome(job, answers, rows.labels[there]))
    for text in list(job.bad.values())[1 : _BAD + 1]:
        console.warning(text)


def _say_bad(job: _Job) -> str:
    first = next(iter(job.bad.values()))
    if len(job.bad) == 1:
        return first
    return f"{len(job.bad):,} of {len(job.answers):,} have no answer; the first: {first}"


def _outcome(job: _Job, predicted: Array, labels: Array) -> str:
    """How good the answers are for rows that have labels."""
    model = job.members[0]
    how_good = model.task.describe_answers(predicted, labels, str(model.file.path))
    said = f"{job.source}: {how_good}"
    if job.width is None:
        return said
    with np.errstate(over="ignore"):
        within = np.mean(np.abs(predicted - labels.astype(np.float64)) <= job.width)
    return f"{said}, {percent(within, 1)} within the interval"


def _as_json(job: _Job, request: Request) -> dict[str, Any]:
    """The shape of `predict --json`; without a file to write, the answers are there."""
    paths, first = list(dict.fromkeys(str(m.file.path) for m in job.members)), job.members[0]
    read = np.ones(len(job.answers), bool)
    read[list(job.unread)] = False

    def is_missing(values: Array, part: Part) -> Array:
        missing: Array = np.isnan(values) & read
        return missing

    about: dict[str, Any] = {
        "model": paths[0] if len(paths) == 1 else paths,
        "rows": len(job.answers),
        "output": str(request.output) if request.output else None,
        "unseen": job.unseen,
        "missing": job.count(is_missing),
    }
    if job.width is not None:
        about["interval"] = {"share": PERCENT / 100, "half_width": job.width}
    if request.output is None:
        about["answers"] = [
            None if answer is None else np.asarray(first.task.value(answer)).item()
            for answer in job.answers
        ]
    return about
