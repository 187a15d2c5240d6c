"""What `mlp train --members` and `--folds` do: several networks, each on rows of its own."""

from __future__ import annotations

import shlex
import time
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from mlpcli.commands.begin import Request, same_file
from mlpcli.commands.console import Console
from mlpcli.commands.members_display import (
    MemberConsole,
    MemberLog,
    TeamBar,
    describe_team,
    headline,
    outcome,
    results,
)
from mlpcli.commands.stopping import SIGNALS
from mlpcli.commands.train import train_network
from mlpcli.commands.train_build import Run, build_keeper, build_members, build_writer
from mlpcli.commands.train_display import TrainDisplay, how_to_resume, say_done
from mlpcli.config.config import Config
from mlpcli.data.remarks import remarks
from mlpcli.data.split import Split
from mlpcli.errors import ExitCode, Interruption, OutputError, RanksError, StoppedError
from mlpcli.nn.network import MLP
from mlpcli.parallel.apart import Apart, Send
from mlpcli.parallel.cores import Cores
from mlpcli.runs.checkpoint import MembersFile
from mlpcli.runs.material import Material
from mlpcli.runs.model import Model
from mlpcli.runs.out_of_fold import TeamScores, score_team
from mlpcli.training.log import MetricsLog


def train_members(
    console: Console, request: Request, cores: Cores, config: Config, model: Model | None
) -> None:
    """Train several networks side by side and report; `model` is the run to resume, or None."""
    begun = time.monotonic()
    with np.errstate(all="ignore"):  # the loss tells of an overflow
        runs, log = build_members(console, request, cores, config, model)
        console.notice(headline(runs))
        material = runs[0].material
        for line in remarks(material.data, material.task.kind):
            console.notice(line)
        if request.dry_run:
            console.notice("dry run: nothing was trained and nothing written")
            console.json({"config": runs[0].config.sections(), **describe_team(runs)})
            return
        with SIGNALS.held(), closing(log):
            team = _Team(console, runs, log, begun, _open_file(console, runs, model))
            try:
                team.train()
            except Interruption as stop:  # another one, while the first was being answered
                raise StoppedError(
                    f"{stop} again, at once: the last second of training is lost{team.hint}",
                    stop.exit_code,
                ) from None
            team.report()


def _open_file(console: Console, runs: list[Run], model: Model | None) -> MembersFile:
    """The checkpoint of the networks, with what a resumed run has of them already."""
    request = runs[0].request
    writer = None if runs[0].config.train.folds else build_writer(runs[0])
    goes_on = model is not None and same_file(model.file.path, request.output)
    if writer:
        writer.continues = goes_on
    states = [
        build_writer(run).arrays(run.trainer.snapshot(), run.model.history) if run.model else None
        for run in runs
    ]
    return MembersFile(
        writer,
        states,
        model.out_of_fold if model else None,
        unsaved=model is not None and (request.weights_only or not goes_on),
        notice=console.notice,
    )


@dataclass
class _Team:
    """Networks that are trained side by side.

    Attributes:
        console, log, begun: of the command.
        runs: one for each network.
        file: their checkpoint.
    """

    console: Console
    runs: list[Run]
    log: MetricsLog
    begun: float
    file: MembersFile
    bar: TeamBar = field(init=False)
    todo: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.todo = [n for n, run in enumerate(self.runs) if run.trainer.progress.epoch < run.until]

    @property
    def hint(self) -> str:
        """How to go on after this."""
        if self.runs[0].config.train.folds:
            return "; --folds keeps nothing"
        return f"; {how_to_resume(self.runs[0])}" if self.file.has_saved else "; nothing was saved"

    def train(self) -> None:
        """Train all to the end of the plan, or until something stops it; keep the checkpoint."""
        runs, first = self.runs, self.runs[0]
        self.log.write("start", {"config": first.config.sections(), **describe_team(runs)})
        if said := say_done(runs):
            self.console.notice(said)
        try:
            with TeamBar.shown(self.console, runs) as self.bar:
                work = Apart(first.cores.processes, self._work, self._receive, self._look)
                work.run({number: f"{first.kind} {number}" for number in self.todo})
        except Interruption:
            raise
        except BaseException as error:  # of a network, or a disk is full: keep what is done
            with suppress(OutputError):
                self.file.save()
            if isinstance(error, OutputError) and self.file.has_saved:
                raise OutputError(f"{error}{self.hint}") from None
            if isinstance(error, RanksError) and error.exit_code == ExitCode.FAILED:
                raise RanksError(f"{error}{self.hint}", error.exit_code) from None
            raise
        self.file.save()
        if number := SIGNALS.asked():
            stop = Interruption(number)
            raise StoppedError(f"{stop}{self.hint}", stop.exit_code)
        if self._time_is_up() and self.todo:
            self.console.notice(f"the time is up{self.hint}")

    def _time_is_up(self) -> bool:
        limit = self.runs[0].config.train.max_time
        return limit is not None and time.monotonic() - self.begun >= 60 * limit

    def _work(self, number: int, send: Send) -> None:
        """Train one network, perhaps in a process of its own."""
        run = self.runs[number]
        if number != self.todo[0] and self._time_is_up():
            return
        console = MemberConsole(send=send, verbose=self.console.verbose, moving=self.console.moves)
        run = replace(run, log=MemberLog(send))
        keeper = build_keeper(run, console.notice, lambda arrays: send(("state", arrays)))
        display = TrainDisplay(console, run, keeper)
        with suppress(StoppedError):  # the first process says so
            train_network(console, run, keeper, display, self.begun)
        send(("end", None))

    def _receive(self, number: int, message: tuple[str, Any]) -> None:
        """Do what the process of a network asks for."""
        kind, content = message
        name = f"{self.runs[number].kind} {number}"
        if kind == "state":
            self.file.hand_in(number, content)
        elif kind == "log":
            event, values = content
            self.log.write(event, {self.runs[number].kind: number, **values})
        elif kind == "notice":
            self.console.notice(f"{name}: {content}")
        elif kind == "warning":
            self.console.warning(f"{name}: {content}")
        elif kind == "samples":
            self.bar.move(content)
        else:
            self.bar.end()
        self.file.save_in_time()

    def _look(self) -> int:
        self.file.save_in_time()
        return SIGNALS.asked()

    def report(self) -> None:
        """Report the results, by one clean pass with the best weights."""
        try:
            with SIGNALS.at_once():
                scores = self._score()
                self.file.score(scores.out_of_fold if scores else None)
                self.file.save()
                if scores is None:
                    self.console.json(outcome(self.runs, self.file, None))
                    return
                about = outcome(self.runs, self.file, scores)
                self.log.write("end", about)
                results(self.console, self.runs, self.file, scores, about)
        except Interruption as stop:
            path = shlex.quote(str(self.runs[0].request.output))
            raise StoppedError(
                f"{stop} after training; its figures come from: mlp evaluate {path}"
                if self.file.has_saved
                else f"{stop} after training",
                stop.exit_code,
            ) from None

    def _score(self) -> TeamScores | None:
        """The figures of the networks that have begun, if any has."""
        networks: list[tuple[MLP, Material, Split | None]] = []
        for run, arrays in zip(self.runs, self.file.members, strict=True):
            if arrays is not None:
                net = run.trainer.net
                for name, view in net.params.items():
                    view[:] = arrays[name]
                networks.append((net, run.material, run.held_out))
        honest = all(run.held_out_is_new for run in self.runs)
        return score_team(networks, honest=honest) if networks else None
