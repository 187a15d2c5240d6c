"""Keeping a run while it trains: its snapshots, and when the checkpoint is written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlpcli.runs.checkpoint import Writer
from mlpcli.training.loop import Trainer
from mlpcli.training.progress import EpochResult, Snapshot


class Keeper:
    """Keeps the checkpoint of a run; on ranks above 0 it does nothing.

    Args:
        trainer: of the run, at its start.
        writer: of the checkpoint.
        minutes: between two writes within an epoch.
        history: the epochs so far.
        unsaved: whether it starts with something that the file does not hold.
        notice: prints a notice.

    Attributes:
        history: the epochs so far.
    """

    def __init__(
        self,
        trainer: Trainer,
        writer: Writer,
        *,
        minutes: float,
        history: Sequence[dict[str, Any]] = (),
        unsaved: bool = False,
        notice: Callable[[str], None],
    ) -> None:
        self.history = list(history)
        self._trainer = trainer
        self._writer = writer
        self._minutes = minutes
        self._notice = notice
        self._latest = trainer.snapshot()
        self._saved = None if unsaved else self._latest
        self._saved_epoch = trainer.progress.epoch
        self._ran_ahead = False  # the file holds more than the last epoch's end

    @property
    def path(self) -> Path:
        """Where the checkpoint is."""
        return self._writer.path

    @property
    def has_saved(self) -> bool:
        """Whether the file is this run's."""
        return self._writer.continues

    @property
    def weights_only(self) -> bool:
        """Whether the file cannot resume the run."""
        return self._writer.weights_only

    def what_is_lost(self) -> str:
        """What becomes of the run if nothing more is written."""
        if not self.has_saved:
            return "nothing was saved"
        if self._latest is self._saved and not self._trainer.progress.batch:
            return f"{self.path} is whole"
        return f"what was trained after epoch {self._saved_epoch} is lost; {self.path} is whole"

    def take(self, result: EpochResult | None = None) -> None:
        """Note the run's state: at the end of an epoch, with its result, or within one."""
        if result is not None:
            self.history.append(result.to_json())
        if self._trainer.ranks.rank == 0:
            self._latest = self._trainer.snapshot()

    def save_in_time(self) -> None:
        """Write the last note, if the last write is long enough ago."""
        if self._writer.due():
            self.save()

    def save(self) -> None:
        """Write the last note, unless the file holds it."""
        if self._latest is self._saved or self._trainer.ranks.rank:
            return
        self._write(self._latest)
        self._saved, self._ran_ahead = self._latest, False

    def save_within(self) -> None:
        """Write the run's state within an epoch, if the last write is very long ago."""
        if self._trainer.ranks.rank == 0 and self._writer.overdue(self._minutes):
            self._write(self._trainer.snapshot())
            self._saved, self._ran_ahead = self._latest, True

    def go_back(self) -> None:
        """Write the last epoch's end again, if the file holds what diverged after it."""
        if self._ran_ahead:
            self._saved = None
        self.save()

    def _write(self, snapshot: Snapshot) -> None:
        if not snapshot.progress.best_epoch:  # none is the best yet: better these than untrained
            snapshot = replace(snapshot, best=snapshot.last)
        self._writer.write(snapshot, self.history)
        self._saved_epoch = self._trainer.progress.epoch
        if self._writer.kept:
            self._notice(f"the checkpoint that was there is kept as {self._writer.kept}")
            self._writer.kept = None
