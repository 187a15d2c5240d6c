"""What `mlp evaluate` does."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from mlpcli import __version__
from mlpcli.commands.console import Console
from mlpcli.data.catalog import DOWNLOADS
from mlpcli.data.catalog import data_dir as where_data_lie
from mlpcli.errors import UsageError
from mlpcli.evaluation import figures, results, subject
from mlpcli.evaluation import html_report as html
from mlpcli.evaluation.importance import Importances, importance_table, measure_importance
from mlpcli.evaluation.metrics import predict_members
from mlpcli.files import ensure_writable, is_stream, write_text
from mlpcli.nn.adversarial import Attack
from mlpcli.runs.committee import Committee, open_committee
from mlpcli.runs.images import attack
from mlpcli.runs.model import Model, describe_members, load
from mlpcli.runs.repeat import train_command
from mlpcli.tasks.task import Predictions, Task, TaskReport

_COLUMNS = 100  # of a table, whose importance a page has unasked


def _member(model: Model, scores: TaskReport) -> subject.Member:
    return subject.Member(
        name=model.file.name,
        scores=scores,
        sizes=model.file.sizes,
        options=model.config.values(),
        toml=model.config.to_toml(),
        command=train_command(model),
        changed=model.changed,
        history=model.history,
        epoch=model.epoch,
        epochs=model.epochs,
        parameters=sum(array.size for array in model.file.params.values()),
        seconds=float(model.history[-1]["seconds"]) if model.history else 0.0,
        W=model.file.plain_params["W1"],
    )


def _images(model: Model) -> subject.Images | None:
    if model.data.image_shape is None:
        return None
    height, width = model.data.image_shape
    return subject.Images((height, width), model.encoding.largest)


def _named(label: int | str, class_names: Sequence[str] | None) -> str:
    """A label, with what it stands for where it is only a number."""
    if class_names is None or not isinstance(label, int) or not 0 <= label < len(class_names):
        return str(label)
    return f"{label} {class_names[label]}"


def _page(
    members: Sequence[Model],
    each: Sequence[TaskReport],
    committee: Committee,
    names: Sequence[str],
    together: tuple[TaskReport, Predictions],
    again: Sequence[str],
    importances: Importances | None,
) -> subject.Report:
    """What the page is about; `again` is the command that writes it again."""
    scores, predictions = together
    source = committee.source
    return subject.Report(
        members=[_member(m, own) for m, own in zip(members, each, strict=True)],
        task=members[0].task,
        source=source,
        split=committee.splits[0],
        names=names,
        scores=scores,
        predictions=predictions,
        images=_images(members[0]),
        columns=members[0].columns,
        describe=members[0].encoding.describe,
        importances=importances,
        commands=([f"mlp download {source}"] if source in DOWNLOADS else [], [shlex.join(again)]),
        made=f"mlp {__version__}, {date.today():%-d %B %Y}",
    )


def _is_narrow_table(model: Model) -> bool:
    """Whether a page can have the importance of its columns unasked."""
    return model.encoding.pixels is None and model.encoding.raw_width <= _COLUMNS


def _refuse_page(console: Console, path: Path, reads: Sequence[Path | str | None]) -> None:
    """Refuse a `--report` that cannot be, before anything is computed for it."""
    console.refuse_stdout("--report", path)
    figures.require("--report")
    ensure_writable(path, streams=True, reads=reads)
    if path.suffix.lower() not in (".html", ".htm") and not is_stream(path):
        raise UsageError(f"--report {path}: is a page; name it {path.stem}.html")


def _flags(
    sources: Sequence[str], label_column: str | None, split: str | None, header: str
) -> list[str]:
    """The options that say what was evaluated."""
    given = [*(("--data", path) for path in sources), ("--label-column", label_column)]
    given += [("--split", split), ("--header", None if header == "auto" else header)]
    return [word for flag, value in given if value is not None for word in (flag, value)]


def _score(
    members: Sequence[Model], committee: Committee, task: Task, attack: Attack | None
) -> tuple[list[TaskReport], tuple[TaskReport, Predictions]]:
    """The reports of each model, and of all together with what they predict."""
    with np.errstate(all="ignore"):  # what overflows is told by the loss
        own, predictions = predict_members(committee.networks, committee.splits, task, attack)
    each = [task.report(one) for one in own]
    for model, scores in zip(members, each, strict=True):
        results.refuse_overflow(scores, committee.source, f"{model.file.name} on it")
    return each, (task.report(predictions), predictions)


def _attack(
    asked: str, members: Sequence[Model], source: str, besides: Sequence[str]
) -> Attack | None:
    """What moves the rows before they are scored; UsageError if nothing can."""
    model = members[0]
    found = attack(asked, model.config.model, model.data.image_shape, source)
    if found and len(members) > 1:
        raise UsageError(
            f"--adversarial {asked}: moves images by the gradient of one network; give a "
            "checkpoint of one"
        )
    if found and besides:
        raise UsageError(
            f"--adversarial {asked}: cannot be beside {besides[0]}; leave one of them out"
        )
    return found


def _measure(committee: Committee, task: Task) -> Importances:
    with np.errstate(all="ignore"):
        return measure_importance(committee.networks, committee.splits, task)


def _describe_members(members: Sequence[Model], each: Sequence[TaskReport]) -> dict[str, Any]:
    """What `--json` says of the members of one file, and of how each does on the rows."""
    alone = len({model.file.path for model in members}) == 1
    about = describe_members(members) if alone else {}
    for entry, own in zip(about.get("members", ()), each, strict=bool(about)):
        entry |= {"loss": own.loss, **own.figures}
    return about


def _show_headlines(
    console: Console,
    members: Sequence[Model],
    each: Sequence[TaskReport],
    scores: TaskReport,
    names: Sequence[str],
) -> None:
    for model, own in zip(members, each, strict=True):
        console.result(f"{model.file.name}: {own.describe()}")
    if len(members) > 1:
        console.result(f"committee of {len(members)}: {scores.describe()}")
    better, constant = scores.constant_answer(names)
    if not better:
        console.warning(f"{constant}, which is no worse")


def evaluate(
    console: Console,
    models: tuple[Path, ...],
    *,
    data: str | tuple[str, ...] | None,
    label_column: str | None,
    header: str = "auto",
    adversarial: str = "none",
    split: str | None,
    importance: bool,
    report_file: Path | None,
    data_dir: Path | None,
) -> None:
    """Score models on a split and print what they got right and wrong; `--report` writes a page."""
    sources = [data] if isinstance(data, str) else list(data or ())
    besides = ["--importance"] * importance + ["--report"] * (report_file is not None)
    if report_file:
        _refuse_page(console, report_file, [*models, *sources])
    members = [member for path in models for member in load(path).each]
    folder, column = where_data_lie(data_dir), label_column
    committee = open_committee(
        members, folder, source=data, label_column=column, header=header, split_name=split
    )
    source, rows = committee.source, committee.splits[0]
    attack = _attack(adversarial, members, source, besides)
    for notice in committee.notices:
        console.warning(notice)
    task = members[0].task
    each, together = _score(members, committee, task, attack)
    scores, _ = together

    wanted = importance or (report_file and _is_narrow_table(members[0]))
    importances = _measure(committee, task) if wanted else None
    labels = members[0].classes.tolist()
    names = [_named(label, members[0].data.class_names) for label in labels]
    if report_file:
        again = ["mlp", "evaluate", *map(str, models)]
        again += _flags(sources, label_column, split, header)
        again += [*besides, str(report_file)]
        page = _page(members, each, committee, names, together, again, importances)
        write_text(report_file, html.page(page))
    about = results.as_json([*map(str, models)], source, rows.name, labels, scores, task)
    about |= _describe_members(members, each) | ({"adversarial": adversarial} if attack else {})
    asked = importances if importance else None
    console.json(about | ({"importance": asked.to_json()} if asked else {}))
    moved = f", each moved by {adversarial}" if attack else ""
    console.result(f"{source}, {rows.name} split: {scores.samples:,} samples{moved}")
    _show_headlines(console, members, each, scores, names)
    for table in scores.tables(names, labels, rows.row_name):
        console.block("\n" + table)
    if asked:
        console.block("\n" + importance_table(asked))
    if report_file:
        console.notice(f"{report_file} written")
