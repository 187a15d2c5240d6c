"""The checkpoint of a run: what it holds, and how it is written and continued."""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mlpcli.errors import CheckpointError
from mlpcli.files import keep, replacing
from mlpcli.nn.parameters import Parameters
from mlpcli.runs.model import Model, is_number
from mlpcli.training.loop import Trainer
from mlpcli.training.progress import Progress, Snapshot

_INTERVAL = 1.0  # seconds between two writes, where epochs are shorter
_HISTORY = 10_000  # epochs; longer runs keep evenly chosen ones, so that `meta` stays small


def snapshot_of(model: Model, trainer: Trainer) -> Snapshot:
    """The snapshot from which `trainer` continues the run of `model` (read with `resume=True`).

    Raises:
        CheckpointError: it holds only weights, or its state is damaged.
    """
    path, sizes, arrays = model.file.path, model.file.sizes, model.file.resume
    if "progress" not in arrays:
        raise CheckpointError(
            f"{path}: holds weights only and cannot be resumed; start from them with --init-from"
        )
    if trainer.net.sizes != sizes:
        raise CheckpointError(f"{path}: its layers {sizes} do not fit its data")
    count = Parameters.count(sizes)
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
    try:
        progress = _read_progress(json.loads(str(arrays["progress"])), trainer)
    except (TypeError, ValueError, KeyError, OverflowError, RecursionError) as error:
        raise CheckpointError(f"{path}: what continues the run is damaged: {error}") from None
    best = np.empty(count, arrays["last"].dtype)
    for name, view in Parameters(sizes, best).named().items():
        view[:] = model.file.params[name]
    return Snapshot(progress, arrays["last"], state, best, arrays.get("average"))


def _read_progress(value: dict[str, Any], trainer: Trainer) -> Progress:
    """The progress that `resume/progress` has; ValueError or TypeError if no run could be there."""
    steps, size = trainer.batches.steps, trainer.batches.size
    if "loss_sum" in value:  # format 1, which knew classes only
        loss, right = value.pop("loss_sum"), value.pop("correct")
        done = value.get("batch", 0) * size
        accuracy, best_loss = value.pop("best_accuracy", None), value.pop("best_loss", None)
        value["sums"] = [float(loss), float(right), float(done)] if done else []
        if accuracy is not None and best_loss is not None and accuracy >= 0:
            value |= {"best_rank": [float(accuracy), -float(best_loss)], "best_score": accuracy}
    progress = Progress(**value)
    for name in ("epoch", "batch", "step", "averaged", "best_epoch"):
        count = getattr(progress, name)
        if not isinstance(count, int) or not 0 <= count < 2**63:
            raise ValueError(f"{name} is {count!r}")
    for name in ("sums", "best_rank"):
        numbers = getattr(progress, name)
        if not isinstance(numbers, list) or not all(map(is_number, numbers)):
            raise ValueError(f"{name} is {numbers!r}")
    if progress.best_score is not None and not is_number(progress.best_score):
        raise ValueError(f"best_score is {progress.best_score!r}")
    if progress.batch >= steps or progress.step != progress.epoch * steps + progress.batch:
        raise ValueError(f"its counters do not fit {steps} steps per epoch")
    if progress.best_epoch > progress.epoch:
        raise ValueError("its best epoch is still to come")
    return progress


@dataclass
class Writer:
    """Writes the checkpoints of one run to one path.

    Attributes:
        path: where to.
        sizes: [D, H…, C].
        meta: all of `meta` but the history and the epoch, which are filled in.
        weights_only: leave out what continues the run.
        continues: whether the file at `path` is of this run, so that it need not be kept.
        kept: where a checkpoint of another run was kept, once it was.
    """

    path: Path
    sizes: list[int]
    meta: dict[str, Any]
    weights_only: bool = False
    continues: bool = False
    kept: Path | None = None
    _begun: float = field(default_factory=lambda: time.monotonic())
    _written: float = field(default=-float("inf"))

    def due(self) -> bool:
        """Whether the last write is long enough ago to write at an epoch's end."""
        return time.monotonic() - self._written >= _INTERVAL

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
        best = snapshot.progress.best_epoch
        meta = self.meta | {
            "epoch": best,
            "history": _thinned(history, best),
        }
        arrays = Parameters(self.sizes, snapshot.best).named()
        arrays["meta"] = np.array(json.dumps(meta, allow_nan=False))
        if not self.weights_only:
            arrays["resume/last"] = snapshot.last
            arrays |= {f"resume/optimizer/{name}": a for name, a in snapshot.optimizer.items()}
            if snapshot.average is not None:
                arrays["resume/average"] = snapshot.average
            arrays["resume/progress"] = np.array(
                json.dumps(asdict(snapshot.progress), allow_nan=False)
            )
        with replacing(self.path) as file:
            np.savez(file, allow_pickle=False, **arrays)
            if not self.continues:
                self.kept = keep(self.path)
        self.continues = True
        self._written = time.monotonic()


def _rounded(value: Any) -> Any:
    """Six digits: plans have thousands of epochs, and NumPy keeps text in four bytes a letter."""
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _thinned(history: list[dict[str, Any]], best: int) -> list[dict[str, Any]]:
    """At most about _HISTORY epochs, evenly, with the best and the last one."""
    every = math.ceil(len(history) / _HISTORY)
    return [
        {key: _rounded(value) for key, value in entry.items()}
        for number, entry in enumerate(history, start=1)
        if number % every == 0 or number == len(history) or entry["epoch"] == best
    ]
