"""What `mlp train` does: build, train, keep, stop, report."""

from __future__ import annotations

import math
import shlex
import time
from collections.abc import Callable
from contextlib import closing, nullcontext, suppress
from dataclasses import replace
from functools import partial

import click
import numpy as np

from mlpcli.commands.begin import Request
from mlpcli.commands.console import Console
from mlpcli.commands.stopping import SIGNALS, Limits
from mlpcli.commands.train_build import Run, build_keeper, build_run
from mlpcli.commands.train_display import (
    TrainDisplay,
    advise,
    headline,
    how_to_resume,
    say_done,
    say_kept,
)
from mlpcli.config.config import Config
from mlpcli.data.remarks import remarks
from mlpcli.errors import DivergedError, Interruption, OutputError, StoppedError
from mlpcli.evaluation.metrics import Scorer
from mlpcli.parallel.cores import Cores
from mlpcli.parallel.job import Job
from mlpcli.runs.keeper import Keeper
from mlpcli.runs.model import Model
from mlpcli.tasks.task import Scores
from mlpcli.training.log import MetricsLog


def train(
    console: Console, job: Job, request: Request, cores: Cores, config: Config, model: Model | None
) -> None:
    """Train on the ranks of `job` and report; `model` is the run to resume, or None."""
    begun = time.monotonic()
    with np.errstate(all="ignore"):  # the loss tells of an overflow
        run = build_run(console, job, request, cores, config, model)
        console.notice(headline(run))
        for line in remarks(run.material.data, run.material.task.kind):
            console.notice(line)
        if request.mpi and job.size == 1:
            console.notice("--mpi: this is the only rank; mpirun -n N starts more")
        if request.dry_run:
            console.notice("dry run: nothing was trained and nothing written")
            console.json({"config": run.config.sections(), **run.description()})
            return
        with SIGNALS.held(), closing(run.log), run.trainer.ranks as ranks:
            if ranks.rank:  # they do the same work, but print and write nothing
                console = Console(silent=True)
                run = replace(run, log=MetricsLog(None, resumed=None))
                if job.size == 1:  # a forked one, which rank 0 ends
                    SIGNALS.note()
            if ranks.problem:
                console.notice(f"{ranks.problem}: one process trains instead of {cores.processes}")
                run = replace(run, cores=Cores(cores.count // cores.processes))
            keeper = build_keeper(run, console.notice)
            display = TrainDisplay(console, run, keeper)
            run.log.write("start", {"config": run.config.sections(), **run.description()})
            if said := say_done([run]):
                console.notice(said)
            try:
                train_network(console, run, keeper, display, begun)
            except Interruption as stop:  # another one, while the first was being answered
                raise _give_up(stop, run, keeper) from None
            _report(run, keeper, display)


def train_network(
    console: Console, run: Run, keeper: Keeper, display: TrainDisplay, begun: float
) -> None:
    """Train to the end of the plan, or until something stops it; keep the checkpoint."""
    try:
        with (
            run.job.watched(partial(_say_alone, run, keeper)),
            display.bar() as bar,
        ):
            run.trainer.interruption = SIGNALS.asked

            def on_step() -> None:
                display.move(bar)
                if run.trainer.interrupted:
                    raise Interruption(run.trainer.interrupted)
                keeper.save_within()

            _run_epochs(console, run, keeper, display, on_step, begun)
    except DivergedError as error:
        advice = advise(run)
        keeper.go_back()
        raise DivergedError(f"{error}; {advice}; {say_kept(run, keeper)}") from None
    except Interruption as stop:
        if stop.again:
            raise
        keeper.take()
        keeper.save()
        text = f"{stop}; {how_to_resume(run)}"
        if run.job.size > 1:  # mpirun, once interrupted, passes on nothing more
            console.tell_terminal(text)
        raise StoppedError(text, stop.exit_code) from None
    except BaseException as error:  # a disk is full, or the terminal is gone: keep what is done
        with suppress(OutputError):
            keeper.save()
        if isinstance(error, OutputError) and keeper.has_saved:
            raise OutputError(f"{error}; {how_to_resume(run)}") from None
        raise
    keeper.save()


def _run_epochs(
    console: Console,
    run: Run,
    keeper: Keeper,
    display: TrainDisplay,
    on_step: Callable[[], None],
    begun: float,
) -> None:
    trainer = run.trainer
    hint = how_to_resume(run) if run.member is None else ""
    limits = Limits(run.config.train, trainer, begun, hint)
    reason = limits.patience_is_over()
    if not reason:
        for result in trainer.epochs(run.until, on_step):
            keeper.take(result)
            run.log.write("epoch", result.to_json())
            keeper.save_in_time()
            display.epoch(result)
            reason = limits.patience_is_over()
            if not reason and result.epoch < run.until:
                reason = limits.time_is_up()
            trainer.ask()  # which also lets no rank go on before rank 0 has noted the epoch
            if reason or result.epoch == run.until:
                break
            on_step()
    if reason:
        console.notice(reason)


def _give_up(stop: Interruption, run: Run, keeper: Keeper) -> StoppedError:
    text = f"{stop} again, at once: {keeper.what_is_lost()}"
    if keeper.has_saved:
        text += f"; {how_to_resume(run)}"
    return StoppedError(text, stop.exit_code, of_all_ranks=False)


def _say_alone(run: Run, keeper: Keeper) -> None:
    """Report a signal that came while this rank waited, as when the launcher ends the others."""
    saved = keeper.path.exists() and keeper.has_saved
    kept = f"{keeper.path} is whole; {how_to_resume(run)}" if saved else "nothing was saved"
    text = "terminated while waiting for another rank, which may be gone"
    click.echo(f"mlp: {text}; {kept}", err=True)


def _report(run: Run, keeper: Keeper, display: TrainDisplay) -> None:
    """Report the results: one clean pass with the saved weights."""
    try:
        # Where ranks wait for each other none of them may leave alone.
        with nullcontext() if run.trainer.ranks.rank or run.job.size > 1 else SIGNALS.at_once():
            scores = _score(run, keeper)
            outcome = display.outcome(scores)
            run.log.write("end", outcome)
            display.results(scores, outcome)
    except Interruption as stop:
        raise StoppedError(
            f"{stop} after epoch {run.trainer.progress.epoch}; {keeper.path} is whole, "
            f"its figures come from: mlp evaluate {shlex.quote(str(keeper.path))}",
            stop.exit_code,
        ) from None


def _score(run: Run, keeper: Keeper) -> dict[str, Scores | None]:
    trainer, material = run.trainer, run.material
    trainer.use_best()
    scores: dict[str, Scores | None] = {"train": None, "validation": trainer.validation_score()}
    for part, rows in (("train", material.splits.train), ("validation", material.splits.val)):
        if rows and scores[part] is None:
            scorer = Scorer(trainer.net, rows, material.encoding, trainer.task, trainer.ranks)
            scores[part], _ = scorer.score()
    if not all(s is None or math.isfinite(s.loss) for s in scores.values()):
        raise DivergedError(
            f"the loss of the weights in {keeper.path} is not finite; {advise(run)}"
        )
    return scores
