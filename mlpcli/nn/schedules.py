"""Learning rates and momenta as pure functions of the step: to resume, the step is enough."""

from __future__ import annotations

import math
from collections.abc import Callable

Schedule = Callable[[int], float]

LR_SCHEDULES = ("cosine", "constant", "linear", "step", "exponential")


def lr_schedule(
    kind: str,
    lr: float,
    *,
    steps: int,
    steps_per_epoch: int,
    warmup: float = 0,
    decay: float = 0.1,
    decay_epochs: float = 1,
) -> Schedule:
    """Return the learning rate at a step (counted from 0) of a plan of `steps` steps.

    After the warm-up, with t the share of the remaining plan that is done and e the epochs since
    then:

    - "constant": lr
    - "linear": lr·(1 − t)
    - "cosine": lr·½(1 + cos πt) (Loshchilov & Hutter 2017, without restarts)
    - "step": lr·decay^⌊e/decay_epochs⌋
    - "exponential": lr·decay^e

    Args:
        warmup: epochs over which the rate rises linearly to lr; the first step has a share of it.
    """
    warmup_steps = min(round(warmup * steps_per_epoch), steps)
    remaining = max(steps - warmup_steps, 1)

    def rate(step: int) -> float:
        if step < warmup_steps:
            return lr * (step + 1) / warmup_steps
        done = step - warmup_steps
        t = min(done / remaining, 1.0)
        epochs = done / steps_per_epoch
        match kind:
            case "constant":
                return lr
            case "linear":
                return lr * (1 - t)
            case "cosine":
                return lr * 0.5 * (1 + math.cos(math.pi * t))
            case "step":
                return float(lr * decay ** math.floor(epochs / decay_epochs))
            case "exponential":
                return float(lr * decay**epochs)
        raise ValueError(f"no such schedule: {kind}")

    return rate


def momentum_schedule(momentum: float, final: float | None, *, steps: int) -> Schedule:
    """`momentum` at the first step, changing linearly to `final` at the last (None: constant)."""
    if final is None:
        return lambda step: momentum
    return lambda step: momentum + (final - momentum) * min(step / max(steps - 1, 1), 1.0)
