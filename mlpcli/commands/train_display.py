"""The display of a run: headline, bar, a line per epoch, results."""

from __future__ import annotations

import math
import shlex
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from mlpcli.arrays import distinct
from mlpcli.commands.console import Bar, Console
from mlpcli.commands.train_build import Run
from mlpcli.config.defaults import NAMES_OF_KINDS
from mlpcli.config.kinds import NAMED_DATA
from mlpcli.data.cells import parse_written
from mlpcli.parallel.cores import seconds_ready
from mlpcli.runs.keeper import Keeper
from mlpcli.runs.repeat import train_words
from mlpcli.tasks.regression import Regression
from mlpcli.tasks.task import Scores
from mlpcli.text import dashed, name_ranks
from mlpcli.training.advice import STEPS, advice_on_divergence, advice_on_learning
from mlpcli.training.progress import EpochResult

OBSERVED = 2.0  # seconds of training before the cores are judged
_CROWDED = 0.25  # of them ready, but not running: two ranks were half as fast as one then, or less
_BAR_EVERY = 16  # steps between two moves of the bar
BAR = "{desc} |{bar}| {rate_fmt} {remaining}"
_LINES = 25  # at most, off a terminal


def headline(run: Run) -> str:
    """Network and data in one line."""
    about = run.description()
    samples = about["samples"]
    ranks = f"; {name_ranks(run.job.size)}" if run.job.size > 1 else ""
    return (
        f"{dashed(about['architecture'])} "
        f"({about['parameters']:,} parameters, {run.config.model.dtype}) "
        f"on {about['data']}: {samples['train']:,} rows to train on, "
        f"{samples['val']:,} to validate, {samples['test']:,} to test{ranks}{name_choice(run)}"
        f"{name_defaults(run)}"
    )


def name_defaults(run: Run) -> str:
    """That a new run on a table has the defaults for tables."""
    kind = run.material.kind
    if run.model or kind not in NAMES_OF_KINDS:
        return ""
    return f"; the defaults are those for {NAMES_OF_KINDS[kind]} (--print-config shows them)"


def name_choice(run: Run) -> str:
    """Which task was chosen if the labels of a table could be either, and how to choose the other.

    Words can only be classes, and images and what has a name are never numbers to predict.
    """
    data, task = run.material.data, run.material.task
    if run.config.data.task not in (None, "auto") or data.of_classes or data.image_shape:
        return ""
    if data.y.dtype.kind == "U" and any(parse_written(y) is None for y in distinct(data.y)):
        return ""
    if task.kind == Regression.kind:
        return "; the labels are numbers to predict (--task classification takes them for classes)"
    if data.source in NAMED_DATA:
        return ""
    return f"; {task.outputs} classes (--task regression predicts the labels as numbers)"


def how_to_resume(run: Run) -> str:
    """The command that resumes a stopped run."""
    request = run.request
    if request.weights_only:
        return f"{request.output} holds weights only and cannot be resumed"
    words = [*train_words(run.job.size), "--resume", str(request.output)]
    for flag, value in (
        ("--data-dir", request.data_dir),
        ("--log", request.log_file),
        ("--threads", request.threads),
    ):
        words += [flag, str(value)] if value is not None else []
    return f"resume with: {shlex.join(words)}"


def say_done(runs: Sequence[Run]) -> str | None:
    """What to say if nothing is left to train."""
    done, first = min(run.trainer.progress.epoch for run in runs), runs[0]
    if done < first.until:
        return None
    more = "--epochs" if first.until == first.planned else "--stop-after"
    return f"epoch {done} is already done; raise {more} to continue"


def advise(run: Run) -> str:
    """Advice on keeping a run from diverging, at the step where it did."""
    largest, step = run.material.encoding.largest or 0.0, run.trainer.progress.step
    return advice_on_divergence(run.config, largest=largest, step=step)


def say_kept(run: Run, keeper: Keeper) -> str:
    """What was saved of a run that diverged, once it has gone back."""
    if not keeper.has_saved:
        return "nothing was saved"
    best = run.trainer.progress.best_epoch
    weights = f"the weights of epoch {best}" if best else "the initial weights"
    return f"{keeper.path} keeps {weights}"


class TrainDisplay:
    """Shows a run while it trains."""

    def __init__(self, console: Console, run: Run, keeper: Keeper) -> None:
        self._console = console
        self._run = run
        self._keeper = keeper
        self._trainer = run.trainer
        again = run.model is not None or run.request.init_from is not None
        self._judged = again or bool(run.member)  # it is told once
        self._begun, self._ready = time.monotonic(), seconds_ready()
        self._crowded = False

    @contextmanager
    def bar(self) -> Iterator[Bar]:
        """A bar over the samples of the plan, on a terminal."""
        total, shown = self._run.until * len(self._trainer.batches), self._samples()
        with self._console.bar(total, self._status(), " samples", shown, layout=BAR) as bar:
            self._shown = shown
            yield bar

    def move(self, bar: Bar) -> None:
        """Show a step, if it is the next one to show."""
        if self._trainer.progress.step % _BAR_EVERY == 0:
            bar.set_description_str(self._status(), refresh=False)
            samples = self._samples()
            bar.update(samples - self._shown)
            self._shown = samples

    def _samples(self) -> int:
        """How many samples were trained on since the first epoch, counted once per epoch."""
        now, batches = self._trainer.progress, self._trainer.batches
        return now.epoch * len(batches) + now.batch * batches.size

    def _status(self) -> str:
        """The bar's text: epoch, its loss so far, last and best validation accuracy."""
        now, plan, history = self._trainer.progress, self._run.planned, self._keeper.history
        text = f"epoch {min(now.epoch + 1, plan)}/{plan}"
        if now.batch:
            text += f"  loss {now.sums[0] / now.sums[-1]:.4f}"
        elif history:
            text += f"  loss {history[-1]['train_loss']:.4f}"
        task = self._trainer.task
        if history and (score := history[-1][f"val_{task.headline}"]) is not None:
            text += f"  val {task.show(score)}"
        if now.best_score is not None:
            text += f" best {task.show(now.best_score)}"
        return text

    def epoch(self, result: EpochResult) -> None:
        """Print an epoch's line off a terminal, and advice on the learning rate and the cores."""
        self._show(result)
        self._judge_learning(result)
        self._judge_cores()

    def _show(self, result: EpochResult) -> None:
        plan, console = self._run.planned, self._console
        every = math.ceil(plan * (self._run.config.networks or 1) / _LINES)
        if not console.verbose and (console.moves or result.epoch % min(every, plan)):
            return
        name, task = self._trainer.task.headline_name, self._trainer.task
        figures = f"loss {result.train_loss:.4f}  {name} {task.show(result.train_score)}"
        best = self._trainer.progress.best_score
        if result.val_score is not None and best is not None:
            figures += f"  validation loss {result.val_loss:.4f}  {name} "
            figures += f"{task.show(result.val_score)} (best {task.show(best)})"
        if console.verbose:
            figures += (
                f"  lr {result.lr:.3g}  update ratio {result.update_ratio:.1e}"
                f"  gradient norm {result.gradient_norm:.2g}"
            )
            if result.dead_units is not None:
                figures += f"  dead units {100 * result.dead_units:.1f} %"
        epoch = f"{result.epoch:>{len(str(plan))}}/{plan}"
        speed = f"{result.samples_per_second:,.0f} samples/s"
        console.notice(f"epoch {epoch}  {figures}  {speed}")

    def _judge_learning(self, result: EpochResult) -> None:
        """Warn once, in a new run, if an option obviously keeps it from learning."""
        config, net = self._run.config, self._trainer.net
        if self._judged or result.step < STEPS or result.epoch <= config.train.warmup:
            return
        self._judged = True
        advice = advice_on_learning(result, config, net.loss.at_chance(net.sizes[-1]))
        if advice:
            self._console.warning(advice)

    def _judge_cores(self) -> None:
        """Warn once if other work delays processes that wait for each other after every step."""
        ranks, passed = self._trainer.ranks, time.monotonic() - self._begun
        if ranks.size == 1 or not ranks.shared or self._crowded:
            return
        delayed = ranks.over_parts(seconds_ready() - self._ready) / ranks.size
        if not ranks.agree(passed > OBSERVED and delayed > _CROWDED * passed):
            return
        self._crowded = True
        self._console.warning(
            f"other work has these cores {100 * delayed / passed:.0f} % of the time, and the "
            f"{ranks.size} processes wait for each other: --threads 1 is about as fast now"
        )

    def outcome(self, scores: dict[str, Scores | None]) -> dict[str, Any]:
        """The run's results as JSON; `scores` are of the parts of the data."""
        about, now = self._run.description(), self._trainer.progress
        trained, seconds = now.epoch * about["samples"]["train"], self._trainer.seconds
        return {
            "task": self._trainer.task.kind,
            "checkpoint": str(self._keeper.path),
            "data": about["data"],
            "architecture": about["architecture"],
            "parameters": about["parameters"],
            "epochs": now.epoch,
            "best_epoch": now.best_epoch,
            **{part: s.to_json() if s else None for part, s in scores.items()},
            "seconds": seconds,
            "samples_per_second": trained / seconds if seconds else 0.0,
        }

    def results(self, scores: dict[str, Scores | None], outcome: dict[str, Any]) -> None:
        """Print the results, for a person or a script."""
        now, console, task = self._trainer.progress, self._console, self._trainer.task
        console.json(outcome)
        for part, s in scores.items():
            if s:
                console.result(
                    f"{part + ':':<11} {task.headline_name} {task.show(s.headline)}  "
                    f"loss {s.loss:.4f}  "
                    f"({s.samples:,} samples, epoch {now.best_epoch} of {now.epoch})"
                )
        val, held_out = self._run.material.splits.val, scores["validation"]
        if val and held_out:
            better, constant = task.constant_answer(held_out, val.y[val.rows])
            if not better:
                console.warning(f"{constant}, which is no worse on the validation rows")
        console.result(
            f"{self._keeper.path} written: {self._trainer.seconds:.1f} s of training, "
            f"{outcome['samples_per_second']:,.0f} samples/s"
        )
