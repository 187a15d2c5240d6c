"""The progress of a run, and the result of an epoch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mlpcli.arrays import Array
from mlpcli.records import record
from mlpcli.schema import Count


@record
class EpochResult:
    """The result of one epoch, as the log has it.

    Attributes:
        epoch: counted from 1.
        step: how many steps were taken since the start of training.
        seconds: of training steps alone, since the start of training.
        lr: the learning rate of the epoch's last step.
        train_loss, train_score: the mean over the epoch's batches, each before its own step, of the
            true labels, and the task's headline figure.
        val_loss, val_score: one pass over the validation rows after it, or None.
        samples_per_second: of training steps alone, in this epoch.
        update_ratio: ‖Δw‖/‖w‖ of the epoch's last step; about 1e-3 is healthy (CS231n).
        gradient_norm: ‖g‖ of the data's loss at that step, after clipping.
        dead_units: the share of hidden ReLU units that are 0 for each of some 500 training rows
            after it; None if there are no such units.
        headline: the name of the figure, as `Task.headline`.
    """

    epoch: Count
    step: Count
    seconds: float
    lr: float
    train_loss: float
    train_score: float
    val_loss: float | None
    val_score: float | None
    samples_per_second: float
    update_ratio: float
    gradient_norm: float
    dead_units: float | None
    headline: str = "accuracy"

    def to_json(self) -> dict[str, Any]:
        """As the log and a checkpoint's history have it: the scores are under the figure's name."""
        entry = dict(vars(self))
        headline = entry.pop("headline")
        return {name.replace("_score", f"_{headline}"): value for name, value in entry.items()}


@dataclass
class Progress:
    """The progress of training: with the arrays of network and optimizer, all that continues it.

    Its lists are replaced, never changed: a copy may share them.

    Attributes:
        epoch: how many epochs are done.
        batch: how many batches of the next one are done.
        step: how many steps were taken.
        sums: the task's tally of the samples of the batches that are done.
        averaged: how many weights the average is of.
        best_epoch: the epoch of the best weights, 0 before there are any.
        best_rank: what made it the best, as `Task.rank`; empty without validation rows.
        best_score: its headline figure; None likewise.
        part_ranks, part_sums: of the parts of few validation rows, see `crossed`.
    """

    epoch: Count = 0
    batch: Count = 0
    step: Count = 0
    sums: list[float] = field(default_factory=list)
    averaged: Count = 0
    best_epoch: Count = 0
    best_rank: list[float] = field(default_factory=list)
    best_score: float | None = None
    part_ranks: list[list[float]] = field(default_factory=list)
    part_sums: list[list[float]] = field(default_factory=list)


@dataclass
class Snapshot:
    """A copy of everything that continues a run, made between two steps."""

    progress: Progress
    last: Array
    optimizer: dict[str, Array]
    best: Array
    average: Array | None = None
