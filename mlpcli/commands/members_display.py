"""The display of several networks that are trained side by side: headline, bar, results."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from mlpcli.commands.console import Bar, Console
from mlpcli.commands.train_build import Run
from mlpcli.commands.train_display import BAR, name_choice, name_defaults
from mlpcli.parallel.apart import Send
from mlpcli.records import record
from mlpcli.runs.checkpoint import MembersFile
from mlpcli.runs.material import fold_of
from mlpcli.runs.meta import OutOfFold
from mlpcli.runs.out_of_fold import TeamScores, describe_out_of_fold
from mlpcli.tasks.task import Scores, Task
from mlpcli.text import dashed
from mlpcli.training.log import MetricsLog

_EVERY = 0.1  # seconds between two moves of the bar


@record(kw_only=True)
class MemberConsole(Console):
    """The console of one network, perhaps in a process of its own: the first process shows it."""

    send: Send
    moving: bool

    @property
    def moves(self) -> bool:
        return self.moving

    def notice(self, text: str) -> None:
        self.send(("notice", text))

    def warning(self, text: str) -> None:
        self.send(("warning", text))

    @contextmanager
    def bar(self, *about: Any, **layout: Any) -> Iterator[Bar]:
        yield _MemberBar(self.send)


class _MemberBar:
    """Tells the first process from time to time how many samples were trained on."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._samples, self._told = 0.0, time.monotonic()

    def update(self, n: float = 1) -> None:
        self._samples += n
        if time.monotonic() - self._told >= _EVERY:
            self._send(("samples", self._samples))
            self._samples, self._told = 0.0, time.monotonic()

    def set_description_str(self, desc: str | None = None, refresh: bool = True) -> None: ...


class MemberLog(MetricsLog):
    """The log of one network, whose epochs go to that of all."""

    def __init__(self, send: Send) -> None:
        super().__init__(None, resumed=None)
        self._send = send

    def write(self, event: str, values: dict[str, Any]) -> None:
        self._send(("log", (event, values)))


class TeamBar:
    """A bar over the samples of all networks, on a terminal."""

    def __init__(self, bar: Bar, count: int) -> None:
        self._bar = bar
        self._ended, self._count = 0, count

    @classmethod
    @contextmanager
    def shown(cls, console: Console, runs: Sequence[Run]) -> Iterator[TeamBar]:
        """The bar, while the block runs."""
        total = sum(run.until * len(run.trainer.batches) for run in runs)
        done = sum(run.trainer.progress.epoch * len(run.trainer.batches) for run in runs)
        text = f"{len(runs)} networks"
        with console.bar(total, text, " samples", done, layout=BAR) as bar:
            yield cls(bar, len(runs))

    def move(self, samples: float) -> None:
        self._bar.update(samples)

    def end(self) -> None:
        """One more network is trained."""
        self._ended += 1
        self._bar.set_description_str(f"{self._ended} of {self._count} networks done")


def describe_team(runs: Sequence[Run]) -> dict[str, Any]:
    """Describe the networks and the data, as JSON; rows for validation are the held-out ones."""
    about, config = runs[0].description(), runs[0].config
    about["parameters"] = sum(run.description()["parameters"] for run in runs)
    if fold_of(config, 0):
        part = "test" if config.train.folds else "val"
        each = [run.description()["samples"] for run in runs]
        about["samples"]["train"] = each[0]["train"] + each[0]["val"]
        about["samples"][part] = sum(samples[part] for samples in each)
    return about | {f"{runs[0].kind}s": len(runs)}


def headline(runs: Sequence[Run]) -> str:
    """Networks and data in one line."""
    first, about = runs[0], describe_team(runs)
    samples, fold = about["samples"], fold_of(runs[0].config, 0)
    text = (
        f"{len(runs)} networks of {dashed(about['architecture'])} "
        f"({len(first.trainer.net.parameters.flat):,} parameters, {first.config.model.dtype}) on "
        f"{about['data']}: "
    )
    if fold is None:
        text += f"{samples['train']:,} rows to train on, {samples['val']:,} to validate"
    elif fold.scores:
        rows = samples["train"] + first.description()["samples"]["test"]
        text += f"{rows:,} rows, each tested by the network that is trained without it"
    else:
        text += f"{samples['train']:,} rows to train on, each network without one part of {fold.of}"
    tested = "" if fold and fold.scores else f", {samples['test']:,} to test"
    return f"{text}{tested}{name_choice(first)}{name_defaults(first)}"


def outcome(runs: Sequence[Run], file: MembersFile, scores: TeamScores | None) -> dict[str, Any]:
    """The results as JSON."""
    about, metas = describe_team(runs), _metas(file)
    seconds = sum(meta["history"][-1]["seconds"] for meta in metas if meta["history"])
    trained = sum(
        meta["history"][-1]["epoch"] * len(run.trainer.batches)
        for run, meta in zip(runs, metas, strict=False)
        if meta["history"]
    )
    folds = runs[0].config.train.folds is not None
    held_out = scores.out_of_fold if scores else None
    each = scores.each if scores else []
    return {
        "task": runs[0].material.task.kind,
        "checkpoint": None if folds else str(runs[0].request.output),
        "data": about["data"],
        "architecture": about["architecture"],
        "parameters": about["parameters"],
        "epochs": max((m["history"][-1]["epoch"] for m in metas if m["history"]), default=0),
        "best_epoch": None,
        "train": scores.train.to_json() if scores else None,
        "validation": _plain(held_out),
        "seconds": seconds,
        "samples_per_second": trained / seconds if seconds else 0.0,
        f"{runs[0].kind}s": [
            {"best_epoch": meta["epoch"], "test" if folds else "validation": own and own.to_json()}
            for meta, own in zip(metas, each, strict=True)
        ],
        "out_of_fold": held_out and held_out.to_json(),
    }


def _metas(file: MembersFile) -> list[dict[str, Any]]:
    """`meta` of the networks that have begun."""
    return [json.loads(str(arrays["meta"])) for arrays in file.members if arrays is not None]


def _plain(score: OutOfFold | None) -> dict[str, float] | None:
    return {"loss": score.loss, **score.figures} if score else None


def results(
    console: Console,
    runs: Sequence[Run],
    file: MembersFile,
    scores: TeamScores,
    about: dict[str, Any],
) -> None:
    """Print the results, for a person or a script."""
    console.json(about)
    task, kind = runs[0].material.task, runs[0].kind
    numbers = [number for number, arrays in enumerate(file.members) if arrays is not None]
    for number, meta, own in zip(numbers, _metas(file), scores.each, strict=True):
        epochs = meta["history"][-1]["epoch"] if meta["history"] else 0
        said = f"{_show(task, own)} ({own.samples:,} samples held out, " if own else "("
        console.result(f"{f'{kind} {number}:':<11} {said}epoch {meta['epoch']} of {epochs})")
    if kind == "member":
        console.result(
            f"{'train:':<11} {_show(task, scores.train)} "
            f"({scores.train.samples:,} samples, the committee of {len(numbers)})"
        )
    if held_out := scores.out_of_fold:
        console.result(f"out of fold: {describe_out_of_fold(held_out, task)}")
    if scores.no_better:
        console.warning(f"{scores.no_better}, which is no worse out of fold")
    seconds, speed = about["seconds"], about["samples_per_second"]
    path = f"{about['checkpoint']} written" if about["checkpoint"] else "no checkpoint written"
    console.result(f"{path}: {seconds:.1f} s of training, {speed:,.0f} samples/s")


def _show(task: Task, scores: Scores) -> str:
    return f"{task.headline_name} {task.show(scores.headline)}  loss {scores.loss:.4f} "
