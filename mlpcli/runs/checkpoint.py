"""The checkpoint of a run: what it holds, and how it is written and continued."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mlpcli.arrays import Array
from mlpcli.errors import CheckpointError, UsageError
from mlpcli.evaluation.conformal import ResidualsOfBest
from mlpcli.files import behind_link, keep, replacing
from mlpcli.nn.model_file import OF_MEMBER, is_checkpoint
from mlpcli.nn.parameters import Parameters
from mlpcli.runs.format1 import upgrade_progress
from mlpcli.runs.meta import OutOfFold
from mlpcli.runs.model import Model
from mlpcli.schema import read, write
from mlpcli.text import one_line
from mlpcli.training.loop import Trainer
from mlpcli.training.progress import Progress, Snapshot

INTERVAL = 1.0  # seconds between two writes, if epochs are shorter
SHARE = 0.1  # of the time, at most, that goes into writing after epochs
_HISTORY = 10_000  # epochs; longer runs keep evenly chosen ones, so that `meta` stays small


def snapshot_of(model: Model, trainer: Trainer) -> Snapshot:
    """The snapshot from which `trainer` continues the run of `model` (read with `resume=True`).

    Raises:
        CheckpointError: it holds only weights, or its state is damaged.
    """
    path, sizes, arrays = model.file.name, model.file.sizes, model.file.resume
    if "progress" not in arrays:
        raise CheckpointError(
            f"{path}: holds weights only and cannot be resumed; start from them with --init-from"
        )
    if trainer.net.sizes != sizes or trainer.net.params.keys() != model.file.params.keys():
        raise CheckpointError(f"{path}: its layers {sizes} do not fit its data")
    count = len(trainer.net.parameters.flat)
    prefix = "optimizer/"
    state = {n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)}
    wanted = {prefix + n for n in trainer.step.optimizer.state()} | {"progress", "last"}
    wanted |= {"average"} if trainer.step.average else set()
    if set(arrays) != wanted or any(
        a.shape != (count,) or a.dtype != model.file.params["W1"].dtype or not np.isfinite(a).all()
        for n, a in arrays.items()
        if n != "progress"
    ):
        raise CheckpointError(f"{path}: what continues the run does not fit the weights")
    progress = _read_progress(model, trainer)
    best = np.empty(count, arrays["last"].dtype)
    for name, view in trainer.net.parameters.like(best).named().items():
        view[:] = model.file.params[name]
    return Snapshot(progress, arrays["last"], state, best, arrays.get("average"))


def _read_progress(model: Model, trainer: Trainer) -> Progress:
    """Where the run stood; CheckpointError if no run could be there."""
    try:
        value = json.loads(str(model.file.resume["progress"]))
        if model.file.format == 1:
            value = upgrade_progress(value, trainer.batches.size)
        progress = read(Progress, value)
        _check_progress(progress, trainer)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(
            f"{model.file.path}: what continues the run is damaged: {one_line(error)}"
        ) from None
    return progress


def _check_progress(progress: Progress, trainer: Trainer) -> None:
    """Raise ValueError if no run of this trainer could reach this state."""
    steps, task = trainer.batches.steps, trainer.task
    if progress.batch >= steps or progress.step != progress.epoch * steps + progress.batch:
        raise ValueError(f"its counters do not fit {steps} steps per epoch")
    if progress.best_epoch > progress.epoch:
        raise ValueError("its best epoch is still to come")
    nothing = np.empty((0, task.outputs))
    sums = task.tally(nothing, np.empty(0), np.empty(0, task.target_dtype))
    if len(progress.sums) != (len(sums) if progress.batch else 0):
        raise ValueError(f"its sums are {len(progress.sums)} after {progress.batch} batches")
    # Losses are not negative, nor are squares; the last is a count.
    if progress.batch and (progress.sums[0] < 0 or progress.sums[-1] < 1):
        raise ValueError(f"its sums are {progress.sums}")
    if progress.batch:
        task.score(np.array(progress.sums))
    if progress.part_sums:
        parts = np.array(progress.part_sums, np.float64)
        if parts.shape != (len(progress.part_ranks), len(sums)) or not np.isfinite(parts).all():
            raise ValueError("its parts are no tallies")
        if not progress.epoch or (parts[:, -1] < 0).any() or parts[:, -1].sum() < 1:
            raise ValueError("its parts have no rows")
        task.score(parts.sum(axis=0))


@dataclass
class Writer:
    """Writes the checkpoints of one run to one path.

    Attributes:
        path: where to.
        parameters: of the network, or of one like it.
        meta: all of `meta` but the history and the epoch, which are filled in.
        weights_only: leave out what continues the run.
        residuals: measures those of a regression's validation rows; None if there are none.
        continues: whether the file at `path` is of this run, so that it need not be kept.
        kept: where a checkpoint of another run was kept, once it was.
    """

    path: Path
    parameters: Parameters
    meta: dict[str, Any]
    weights_only: bool = False
    residuals: ResidualsOfBest | None = None
    continues: bool = False
    kept: Path | None = None
    _begun: float = field(default_factory=lambda: time.monotonic())
    _written: float = field(default=-float("inf"))
    _seconds: float = 0.0

    def due(self) -> bool:
        """Whether the last write is long enough ago to write at an epoch's end."""
        interval = INTERVAL * max(1.0, self._seconds / SHARE)
        return time.monotonic() - self._written >= interval

    def overdue(self, minutes: float) -> bool:
        """Whether it is long enough ago to write within an epoch.

        Without what continues the run it never is: the best weights have not changed.
        """
        ago = time.monotonic() - max(self._written, self._begun)
        return ago >= 60 * minutes and not self.weights_only

    def write(self, snapshot: Snapshot, history: list[dict[str, Any]]) -> None:
        """Put the checkpoint in place, whole.

        Raises:
            OutputError: it cannot be written; what was there is untouched.
        """
        self.put(self.arrays(snapshot, history))

    def put(self, arrays: dict[str, Array]) -> None:
        """Put a file of these arrays in place; what was there of another run is kept once."""
        begun = time.monotonic()
        with replacing(self.path) as file:
            np.savez(file, allow_pickle=False, **arrays)
            if not self.continues:
                self.kept = keep(self.path)
        self.continues, self._written = True, time.monotonic()
        self._seconds = self._written - begun

    def arrays(self, snapshot: Snapshot, history: Sequence[dict[str, Any]]) -> dict[str, Array]:
        """{name: array} of a file."""
        best = snapshot.progress.best_epoch
        meta = self.meta | {
            "epoch": best,
            "history": _thinned(history, best),
        }
        arrays = self.parameters.like(snapshot.best).named()
        arrays["meta"] = np.array(json.dumps(meta, allow_nan=False))
        if self.residuals:
            arrays["residuals"] = self.residuals.of(snapshot.best, best)
        if not self.weights_only:
            arrays["resume/last"] = snapshot.last
            arrays |= {f"resume/optimizer/{name}": a for name, a in snapshot.optimizer.items()}
            if snapshot.average is not None:
                arrays["resume/average"] = snapshot.average
            arrays["resume/progress"] = np.array(
                json.dumps(write(snapshot.progress), allow_nan=False)
            )
        return arrays


@dataclass(kw_only=True)
class PartWriter(Writer):
    """Hands on what there is to write of one network of several, instead of writing it."""

    hand_on: Callable[[dict[str, Array]], None]

    def put(self, arrays: dict[str, Array]) -> None:
        self.hand_on(arrays)
        self.continues, self._written = True, time.monotonic()


class MembersFile:
    """The checkpoint of several networks, put together from what was last handed in of each.

    Args:
        writer: of the file; None for none.
        unsaved: whether it starts with something that the file does not hold.
        notice: prints a notice.

    Attributes:
        members: the arrays that a file of each alone would have; None if it has not begun.
        out_of_fold: their figures, once they are known.
    """

    def __init__(
        self,
        writer: Writer | None,
        members: Sequence[dict[str, Array] | None],
        out_of_fold: OutOfFold | None,
        *,
        unsaved: bool,
        notice: Callable[[str], None],
    ) -> None:
        self.members = list(members)
        self.out_of_fold = out_of_fold
        self._writer = writer
        self._notice = notice
        self._saved = not unsaved

    @property
    def has_saved(self) -> bool:
        """Whether the file is this run's."""
        return self._writer is not None and self._writer.continues

    def hand_in(self, number: int, arrays: dict[str, Array]) -> None:
        """Take what there is of one network now."""
        self.members[number] = arrays
        self._saved, self.out_of_fold = False, None

    def score(self, out_of_fold: OutOfFold | None) -> None:
        """Take the figures of all of them, if any has begun."""
        if any(self.members):
            self._saved &= out_of_fold == self.out_of_fold
            self.out_of_fold = out_of_fold

    def save_in_time(self) -> None:
        """Write what was handed in, if the last write is long enough ago."""
        if self._writer and self._writer.due():
            self.save()

    def save(self) -> None:
        """Write what was handed in, unless the file holds it.

        Raises:
            OutputError: it cannot be written; what was there is untouched.
        """
        if self._saved or not self._writer:
            return
        self._writer.put(join_members(self.members, self.out_of_fold))
        self._saved = True
        if self._writer.kept:
            self._notice(f"the checkpoint that was there is kept as {self._writer.kept}")
            self._writer.kept = None


def join_members(
    members: Sequence[dict[str, Array] | None], out_of_fold: OutOfFold | None
) -> dict[str, Array]:
    """The arrays of a file of several networks, from those that each alone would have.

    One that has not begun is None; another has.
    """
    metas = [None if m is None else json.loads(str(m["meta"])) for m in members]
    meta: dict[str, Any] = next(m for m in metas if m is not None)
    meta = {key: value for key, value in meta.items() if key not in OF_MEMBER} | {
        "members": [None if m is None else {key: m[key] for key in OF_MEMBER} for m in metas],
        "out_of_fold": write(out_of_fold),
    }
    return {"meta": np.array(json.dumps(meta, allow_nan=False))} | {
        f"members/{number}/{name}": array
        for number, member in enumerate(members)
        for name, array in (member or {}).items()
        if name != "meta"
    }


def _rounded(value: Any) -> Any:
    """Six digits: plans have thousands of epochs, and NumPy keeps text in four bytes per letter."""
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _thinned(history: Sequence[dict[str, Any]], best: int) -> list[dict[str, Any]]:
    """At most about _HISTORY epochs, evenly, with the best and the last one."""
    every = math.ceil(len(history) / _HISTORY)
    return [
        {key: _rounded(value) for key, value in entry.items()}
        for number, entry in enumerate(history, start=1)
        if number % every == 0 or number == len(history) or entry["epoch"] == best
    ]


def refuse_others(path: Path) -> None:
    """Refuse to replace a file at `path`, or the one kept beside it, that is no checkpoint.

    Raises:
        UsageError: one of them is something else.
    """
    target = behind_link(path)
    if not target.is_file():
        return
    for file in (target, target.with_name(target.name + "~")):
        if file.is_file() and not is_checkpoint(file):
            raise UsageError(
                f"{file}: is no checkpoint of mlp, and would be replaced; move it away, or name "
                "another file with -o"
            )
