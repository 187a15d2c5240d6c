"""Learning rates and momenta as pure functions of the step: to resume, the step is enough."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

from mlpcli.records import record

Schedule = Callable[[int], float]


@record
class Place:
    """Where a step is in a plan, after the warm-up.

    Attributes:
        t: the share of the plan that is done, in [0, 1].
        epochs: how many were done, whole and parts.
        drops: how many whole periods of --lr-step were done.
    """

    t: float
    epochs: float
    drops: int


LR_SCHEDULES: dict[str, Callable[[Place, float], float]] = {
    "constant": lambda at, decay: 1.0,
    "linear": lambda at, decay: 1 - at.t,
    "cosine": lambda at, decay: 0.5 * (1 + math.cos(math.pi * at.t)),
    "step": lambda at, decay: float(decay**at.drops),
    "exponential": lambda at, decay: float(decay**at.epochs),
    "flat-cosine": lambda at, decay: 0.5 * (1 + math.cos(math.pi * max(0.0, 2 * at.t - 1))),
    "coslog4": lambda at, decay: 0.5 * (1 - math.cos(2 * math.pi * math.log2(1 + 15 * at.t))),
}
"""The factor on the learning rate by the name that `--lr-schedule` knows it by.

"cosine" is Loshchilov & Hutter's (2017), without restarts; "flat-cosine" is constant to the half of
the plan and falls as a cosine then; "coslog4" has four waves, each twice as long as the one before,
and starts and ends at 0 (both: Holzmüller, Grinsztajn & Steinwart 2024, appendix A).
"""


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

    Args:
        kind: one of `LR_SCHEDULES`.
        warmup: epochs over which the rate rises linearly to lr; the first step has a share of it.
        decay: the factor of "step" for each `decay_epochs`, of "exponential" for each epoch.
    """
    factor = LR_SCHEDULES[kind]
    warmup_steps = min(round(warmup * steps_per_epoch), steps)
    remaining = max(steps - warmup_steps, 1)
    period = Fraction(str(decay_epochs)) * steps_per_epoch  # 0.3 / 0.1 is 3, and not below

    def rate(step: int) -> float:
        if step < warmup_steps:
            return lr * (step + 1) / warmup_steps
        done = step - warmup_steps
        drops = done * period.denominator // period.numerator
        return lr * factor(Place(min(done / remaining, 1.0), done / steps_per_epoch, drops), decay)

    return rate


def momentum_schedule(momentum: float, final: float | None, *, steps: int) -> Schedule:
    """`momentum` at the first step, changing linearly to `final` at the last (None: constant)."""
    if final is None:
        return lambda step: momentum
    return lambda step: momentum + (final - momentum) * min(step / max(steps - 1, 1), 1.0)
