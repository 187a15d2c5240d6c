"""Where a run stands, and what an epoch came to."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from mlpcli.arrays import Array


@dataclass(frozen=True)
class EpochResult:
    """What one epoch came to; the log's line of it.

    Attributes:
        epoch: counted from 1.
        step: how many steps were taken since the start of training.
        seconds: of training steps alone, since the start of training.
        lr: the learning rate of the epoch's last step.
        train_loss, train_accuracy: the mean over the epoch's batches, each before its own step.
        val_loss, val_accuracy: one pass over the validation rows after it, or None.
        samples_per_second: of training steps alone, in this epoch.
        update_ratio: ‖Δw‖/‖w‖ of the epoch's last step; about 1e-3 is healthy (CS231n).
        gradient_norm: ‖g‖ of the data's loss at that step, after clipping.
        dead_units: the share of hidden ReLU units that no one of some 500 training rows switches
            on after it; None where there are none of that kind.
    """

    epoch: int
    step: int
    seconds: float
    lr: float
    train_loss: float
    train_accuracy: float
    val_loss: float | None
    val_accuracy: float | None
    samples_per_second: float
    update_ratio: float
    gradient_norm: float
    dead_units: float | None


@dataclass
class Progress:
    """Where training stands: with the arrays of network and optimizer, all that continues it.

    Attributes:
        epoch: how many epochs are done.
        batch: how many batches of the next one are done.
        step: how many steps were taken.
        loss_sum, correct: over the samples of the batches that are done.
        averaged: how many weights the average is of.
        best_epoch: the epoch of the best weights, 0 before there are any.
        best_accuracy, best_loss: what made it the best.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    correct: int = 0
    averaged: int = 0
    best_epoch: int = 0
    best_accuracy: float = -1.0
    best_loss: float = math.inf


@dataclass
class Snapshot:
    """A copy of everything that continues a run, made between two steps."""

    progress: dict[str, Any]
    last: Array
    optimizer: dict[str, Array]
    best: Array
    average: Array | None = None
