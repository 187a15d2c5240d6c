"""One run of `mlp train`: what it opens, shows, logs and keeps, around the training loop."""

from __future__ import annotations

import math
import shlex
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click
import numpy as np

from mlpcli.commands.begin import same_file
from mlpcli.commands.console import Console
from mlpcli.commands.stopping import stop_signals, stopped_by
from mlpcli.config.config import Config
from mlpcli.config.options import OPTIONS
from mlpcli.data.catalog import data_dir as where_data_lie
from mlpcli.data.catalog import default_source
from mlpcli.errors import DivergedError, OutputError, StoppedError
from mlpcli.evaluation.metrics import Scorer
from mlpcli.files import ensure_writable
from mlpcli.nn.network import MLP
from mlpcli.parallel.job import Job
from mlpcli.parallel.mpi import Mpi
from mlpcli.parallel.ranks import Ranks
from mlpcli.runs import build, own_data
from mlpcli.runs.build import Material
from mlpcli.runs.checkpoint import Writer, snapshot_of
from mlpcli.runs.model import Model, new_meta
from mlpcli.runs.repeat import train_words
from mlpcli.text import dashed, name_ranks, percent
from mlpcli.training.diagnostics import STEPS, advice_on_rate
from mlpcli.training.log import MetricsLog
from mlpcli.training.loop import Trainer
from mlpcli.training.progress import EpochResult, Snapshot

_BAR_EVERY = 16  # steps between two moves of the bar
_BAR = "{desc} |{bar}| {rate_fmt} {remaining}"
_LINES = 100  # off a terminal, a plan of more than twice as many epochs is told in about so many


class TrainingRun:
    """One call of `mlp train`, from its configuration to its report."""

    def __init__(
        self,
        console: Console,
        config: Config,
        output: Path,
        data_dir: Path | None,
        threads: int | None,
        cores: int,
        processes: int,
        log_file: Path | None,
        job: Job,
    ) -> None:

        self.console = console
        self.config = config
        self.output = output
        self.data_dir_flag = data_dir
        self.data_dir = where_data_lie(data_dir)
        self.threads = threads
        self.cores = cores
        self.processes = processes
        self.log_file = log_file
        self.job = job
        self.begun = time.monotonic()
        self.history: list[dict[str, Any]] = []
        self.material: Material
        self.net: MLP
        self.ranks: Ranks
        self.trainer: Trainer
        self.writer: Writer
        self.log: MetricsLog
        self.latest: Snapshot | None = None  # of the last epoch's end
        self.judged = False  # the learning rate
        self.saved: Snapshot | None = None
        self.saved_within = False  # an epoch, later than `saved`

    def prepare(
        self, model: Model | None, init_from: Path | None, *, weights_only: bool, dry_run: bool
    ) -> None:
        """Open the data, build what trains, and make sure that the output can be written."""
        with self.job.together():
            self._build(model, init_from, weights_only=weights_only, dry_run=dry_run)
        self.job.same("data", self.material.data.digest.encode())
        self.job.send(self.net.parameters.flat)
        self.console.notice(self._headline())

    def _build(
        self, model: Model | None, init_from: Path | None, *, weights_only: bool, dry_run: bool
    ) -> None:

        writes = not self.job.rank and not dry_run
        if not self.job.rank:
            ensure_writable(self.output, make_folders=writes)
        if model:
            self.material = own_data.own_material(model, self.config, self.data_dir)
        else:
            self._choose_data()
            self.material = build.prepare(self.config, self.data_dir)
        self.config = build.complete(self.config, self.material)
        self.net = build.network(self.config, *self.material.sizes)
        if init_from and not self.job.rank:
            own_data.copy_weights(init_from, self.net, self.material)
        self.judged = model is not None or init_from is not None
        if isinstance(self.job, Mpi):
            self.ranks = self.job
        else:
            self.ranks = build.ranks(self.config, self.material, self.net, self.processes)
        self.trainer = build.trainer(self.config, self.material, self.net, self.ranks)
        threads = self.cores
        continues = model is not None and same_file(model.file.path, self.output)
        if model:
            self.latest = snapshot_of(model, self.trainer)
            self.trainer.restore(self.latest)
            self.history = list(model.history)
            self.saved = self.latest if continues and not weights_only else None
            if self.history:
                self.trainer.seconds = float(self.history[-1]["seconds"])
            if model.threads != threads:
                self.console.notice(
                    f"{model.file.path} was trained by {model.threads} threads, now there are "
                    f"{threads}: the last digits may differ; --threads {model.threads} keeps them"
                )
            if model.ranks != self.job.size:
                self.console.notice(
                    f"{model.file.path} was trained by {name_ranks(model.ranks)}, now by "
                    f"{name_ranks(self.job.size)}: the last digits may differ, and what is dropped"
                )
        self.writer = Writer(
            self.output,
            self.net.sizes,
            new_meta(
                self.config,
                self.material.data,
                self.material.splits.classes,
                self.material.encoding,
                threads,
                init_from=str(init_from) if init_from else model.init_from if model else None,
                changed=model is not None and (model.changed or _changes(model, self.config)),
                ranks=self.job.size,
            ),
            weights_only=weights_only,
            continues=continues,
        )
        self.log = MetricsLog(
            self.log_file if writes else None,
            resumed=self.trainer.progress.epoch if model else None,
        )
        if self.log.kept:
            self.console.notice(
                f"{self.log_file} had epochs that come again, after the last checkpoint; "
                f"as it was it is kept as {self.log.kept}"
            )

    def _choose_data(self) -> None:

        if self.config.data.data is None:
            name = default_source(self.data_dir)
            if name != "mnist":
                self.console.notice(
                    f"no --data given and MNIST is not downloaded: training on {name}; "
                    "`mlp download` gets MNIST"
                )
            self.config = replace(self.config, data=replace(self.config.data, data=name))

    def description(self) -> dict[str, Any]:
        """What is trained on what."""
        splits = self.material.splits
        parts = {"train": splits.train, "val": splits.val, "test": splits.test}
        return {
            "data": self.material.data.source,
            "architecture": self.net.sizes,
            "parameters": len(self.net.parameters.flat),
            "samples": {part: len(rows) if rows else 0 for part, rows in parts.items()},
        }

    def _headline(self) -> str:
        about = self.description()
        layers = dashed(about["architecture"])
        samples = about["samples"]
        ranks = f"; {name_ranks(self.job.size)}" if self.job.size > 1 else ""
        return (
            f"{layers} ({about['parameters']:,} parameters, {self.config.model.dtype}) "
            f"on {about['data']}: {samples['train']:,} rows to train on, "
            f"{samples['val']:,} to validate, {samples['test']:,} to test{ranks}"
        )

    def speak_only_on_rank_0(self) -> None:
        """Let the other ranks do the same work, but write and print nothing."""

        if self.ranks.rank:
            self.console = Console(silent=True)
            self.log = MetricsLog(None, resumed=None)

    @property
    def planned(self) -> int:
        """The epochs of the plan."""
        assert self.config.train.epochs is not None  # `build.complete` has filled it in
        return self.config.train.epochs

    def train(self) -> None:
        """Train to the end of the plan, or to where something stops it; keep the checkpoint."""
        self.log.write("start", {"config": self.config.sections(), **self.description()})
        progress = self.trainer.progress
        until = min(self.planned, self.config.train.stop_after or self.planned)
        if progress.epoch >= until:
            more = "--epochs" if until == self.planned else "--stop-after"
            self.console.notice(f"epoch {progress.epoch} is done already; raise {more} to go on")
        shown, samples = self._samples(), until * len(self.trainer.batches)
        try:
            with (
                stop_signals() as received,
                self.job.watched(self._say_alone),
                self.console.bar(samples, self._status(), " samples", shown, layout=_BAR) as bar,
            ):
                self.trainer.interruption = received

                def on_step() -> None:
                    nonlocal shown
                    if progress.step % _BAR_EVERY == 0:
                        bar.set_description_str(self._status(), refresh=False)
                        bar.update(self._samples() - shown)
                        shown = self._samples()
                    if self.trainer.interrupted:
                        raise stopped_by(self.trainer.interrupted)
                    if self.writer.overdue(self.config.train.checkpoint_every):
                        self._save_within()

                self._epochs(until, on_step)
        except DivergedError as error:
            if self.saved_within:  # when it was running away already
                self.saved = None
            self._save_unsaved()
            raise DivergedError(f"{error}; {self._remedy()}") from None
        except StoppedError as stopped:
            self._take_snapshot()
            self._save_unsaved()
            text = f"{stopped}; {self._how_to_resume()}"
            if self.job.size > 1:  # mpirun, once interrupted, passes on nothing more
                self.console.tell_terminal(text)
            raise StoppedError(text, stopped.exit_code) from None
        except BaseException as error:  # a disk is full, the terminal is gone: keep what is done
            with suppress(OutputError):
                self._save_unsaved()
            if isinstance(error, OutputError) and self.writer.continues:
                raise OutputError(f"{error}; {self._how_to_resume()}") from None
            raise
        self._save_unsaved()

    def _say_alone(self) -> None:
        """A signal found this rank waiting, as it does where the launcher ends what is left."""
        saved = self.output.exists() and self.writer.continues
        kept = f"{self.output} is whole; {self._how_to_resume()}" if saved else "nothing was saved"
        text = "terminated while waiting for another rank, which may be gone"
        click.echo(f"mlp: {text}; {kept}", err=True)

    def _samples(self) -> int:
        """How many samples were trained on since the first epoch, a sample once an epoch."""
        now, batches = self.trainer.progress, self.trainer.batches
        return now.epoch * len(batches) + now.batch * batches.size

    def _status(self) -> str:
        """What the bar says: epoch, loss of the epoch so far, validation accuracy and its best."""
        now, plan = self.trainer.progress, self.planned
        text = f"epoch {min(now.epoch + 1, plan)}/{plan}"
        if now.batch:
            text += f"  loss {now.loss_sum / (now.batch * self.trainer.batches.size):.4f}"
        elif self.history:
            text += f"  loss {self.history[-1]['train_loss']:.4f}"
        if self.history and (accuracy := self.history[-1]["val_accuracy"]) is not None:
            text += f"  val {percent(accuracy)} best {percent(now.best_accuracy)}"
        return text

    def _epochs(self, until: int, on_step: Callable[[], None]) -> None:
        if self._patience_is_over():
            return
        for result in self.trainer.epochs(until, on_step):
            self.history.append(asdict(result))
            self._take_snapshot()
            self.log.write("epoch", asdict(result))
            if self.writer.due():
                self._save_unsaved()
            self._show_epoch(result)
            self._judge_rate(result)
            if self._patience_is_over() or (result.epoch < until and self._time_is_up()):
                return
            self.trainer.ask()
            on_step()

    def _show_epoch(self, result: EpochResult) -> None:
        plan = self.planned
        thinned = max(1, plan // _LINES) if plan > 2 * _LINES else 1
        if (self.console.moves and not self.console.verbose) or result.epoch % thinned:
            return
        figures = f"loss {result.train_loss:.4f}  accuracy {percent(result.train_accuracy)}"
        if result.val_accuracy is not None:
            figures += (
                f"  validation loss {result.val_loss:.4f}  accuracy {percent(result.val_accuracy)}"
                f" (best {percent(self.trainer.progress.best_accuracy)})"
            )
        if self.console.verbose:
            figures += (
                f"  lr {result.lr:.3g}  update ratio {result.update_ratio:.1e}"
                f"  gradient norm {result.gradient_norm:.2g}"
            )
            if result.dead_units is not None:
                figures += f"  dead units {100 * result.dead_units:.1f} %"
        epoch = f"{result.epoch:>{len(str(plan))}}/{plan}"
        speed = f"{result.samples_per_second:,.0f} samples/s"
        self.console.notice(f"epoch {epoch}  {figures}  {speed}")

    def _judge_rate(self, result: EpochResult) -> None:
        """Once in a run that starts anew: say so where the learning rate is plainly off."""

        if self.judged or result.step < STEPS or result.epoch <= self.config.train.warmup:
            return
        self.judged = True
        advice = advice_on_rate(
            result,
            lr=self.config.train.lr or 0.0,
            loss_at_chance=self.net.loss.at_chance(self.net.sizes[-1]),
        )
        if advice:
            self.console.warning(advice)

    def _patience_is_over(self) -> bool:
        patience, now = self.config.train.patience, self.trainer.progress
        if patience is None or now.epoch - now.best_epoch < patience:
            return False
        self.console.notice(
            f"stopped early: none of {patience} epochs was better than epoch {now.best_epoch}"
        )
        return True

    def _time_is_up(self) -> bool:
        limit = self.config.train.max_time
        if limit is None or not self.ranks.agree(time.monotonic() - self.begun >= limit * 60):
            return False
        epoch = self.trainer.progress.epoch
        self.console.notice(f"the time is up after epoch {epoch}; {self._how_to_resume()}")
        return True

    def _take_snapshot(self) -> None:
        if self.ranks.rank == 0:
            self.latest = self.trainer.snapshot()

    def _save_unsaved(self) -> None:
        if self.latest is None or self.latest is self.saved or self.ranks.rank:
            return
        self._write(self.latest)
        self.saved, self.saved_within = self.latest, False

    def _save_within(self) -> None:
        """Write where the run stands in an epoch; what diverges goes back to the epoch's start."""
        if self.ranks.rank == 0:
            self._write(self.trainer.snapshot())
            self.saved, self.saved_within = self.latest, True

    def _write(self, snapshot: Snapshot) -> None:
        self.writer.write(snapshot, self.history)
        if self.writer.kept:
            self.console.notice(f"the checkpoint that was there is kept as {self.writer.kept}")
            self.writer.kept = None

    def _lower_rate(self) -> str:
        lr = self.config.train.lr or 0.0
        clip = "" if self.config.train.clip_norm else " or add --clip-norm 1"
        return f"lower --lr from {lr:g} to {lr / 10:g}{clip}"

    def _remedy(self) -> str:
        if not self.writer.continues:
            return f"{self._lower_rate()}; nothing was saved"
        best = self.trainer.progress.best_epoch
        weights = f"the weights of epoch {best}" if best else "the initial weights"
        return f"{self._lower_rate()}; {self.output} keeps {weights}"

    def _how_to_resume(self) -> str:
        if self.writer.weights_only:
            return f"{self.output} holds weights only and cannot be resumed"
        words = [*train_words(self.job.size), "--resume", str(self.output)]
        for flag, value in (
            ("--data-dir", self.data_dir_flag),
            ("--log", self.log_file),
            ("--threads", self.threads),
        ):
            words += [flag, str(value)] if value is not None else []
        return f"resume with: {shlex.join(words)}"

    def report(self) -> None:
        """One clean pass with the weights that were saved: the results."""

        self.trainer.use_best()
        splits, encoding = self.material.splits, self.material.encoding
        scores = {
            part: Scorer(self.net, rows, encoding, self.ranks).score() if rows else None
            for part, rows in (("train", splits.train), ("validation", splits.val))
        }
        if not all(s is None or math.isfinite(s.loss) for s in scores.values()):
            raise DivergedError(
                f"the loss of the weights in {self.output} is not finite; {self._lower_rate()}"
            )
        about, now = self.description(), self.trainer.progress
        trained = now.epoch * len(splits.train)
        outcome = {
            "checkpoint": str(self.output),
            "data": about["data"],
            "architecture": about["architecture"],
            "parameters": about["parameters"],
            "epochs": now.epoch,
            "best_epoch": now.best_epoch,
            **{
                part: {"loss": s.loss, "accuracy": s.accuracy} if s else None
                for part, s in scores.items()
            },
            "seconds": self.trainer.seconds,
            "samples_per_second": trained / self.trainer.seconds if self.trainer.seconds else 0.0,
        }
        self.log.write("end", outcome)
        self.console.json(outcome)
        for part, s in scores.items():
            if s:
                self.console.result(
                    f"{part + ':':<11} accuracy {percent(s.accuracy)}  loss {s.loss:.4f}  "
                    f"({s.samples:,} samples, epoch {now.best_epoch} of {now.epoch})"
                )
        self.console.result(
            f"{self.output} written: {self.trainer.seconds:.1f} s of training, "
            f"{outcome['samples_per_second']:,.0f} samples/s"
        )


def _changes(model: Model, config: Config) -> bool:
    """Whether a run that goes on does so with other options."""
    before = model.config.values()
    return any(
        OPTIONS[name].lasting and now != before[name] and name not in ("data", "checkpoint_every")
        for name, now in config.values().items()
    )


def train(
    console: Console,
    job: Job,
    config: Config,
    model: Model | None,
    *,
    output: Path,
    init_from: Path | None,
    log_file: Path | None,
    data_dir: Path | None,
    threads: int | None,
    cores: int,
    processes: int,
    weights_only: bool,
    dry_run: bool,
    mpi: bool,
) -> None:
    """Train on the ranks of `job` and report; `model` is the run that goes on, if one does."""
    run = TrainingRun(console, config, output, data_dir, threads, cores, processes, log_file, job)
    with np.errstate(all="ignore"):  # what overflows is told by the loss
        run.prepare(model, init_from, weights_only=weights_only, dry_run=dry_run)
        if mpi and job.size == 1:
            console.notice("--mpi: this is the only rank; mpirun -n N starts more")
        if dry_run:
            console.notice("dry run: nothing was trained and nothing written")
            console.json({"config": run.config.sections(), **run.description()})
            return
        with closing(run.log), run.ranks:
            run.speak_only_on_rank_0()
            run.train()
            run.report()
