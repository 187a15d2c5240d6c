"""What the figures of an epoch say about the learning rate, and the penalty."""

from __future__ import annotations

from mlpcli.training.progress import EpochResult

STEPS = 100
"""Steps before any advice: the first ones are of every size."""

DEAD = 0.4
"""With too high a learning rate, "as much as 40% of your network can be dead" (CS231n, neural
networks 1, on ReLU). Here, runs that learned well had up to 0.3, runs that did not 0.8 and more."""

TOO_SMALL, TOO_LARGE = 1e-4, 1e-1
"""The update ratio "should be somewhere around 1e-3" (CS231n, neural networks 3). Here, runs that
learned well on digits, iris, spiral and MNIST had 4e-4 to 2e-2 with every optimizer."""


STRONG = 0.1
"""A penalty that takes more of the weights per step leaves next to nothing of them."""


def advice_on_rate(
    result: EpochResult, *, lr: float, loss_at_chance: float, reg: float = 0.0, decay: float = 0.0
) -> str | None:
    """Return one line of advice if the learning rate or `reg` is obviously bad, else None.

    It is meant for the first epoch that ends after `STEPS` steps. A small ratio alone says little:
    a network that has learned also moves little. So it counts only if the loss has not halved.

    Args:
        decay: the share of the weights that the penalty takes per step.
    """
    ratio, dead = result.update_ratio, result.dead_units
    if decay > STRONG and result.train_loss > loss_at_chance / 2:
        return (
            f"the penalty takes {100 * decay:.0f} % of the weights per step, and the loss is still "
            f"{result.train_loss:.3g}: --reg is likely too high; try --reg {reg / 10:g}"
        )
    if dead is not None and dead > DEAD:
        return (
            f"{100 * dead:.0f} % of the hidden units are dead, 0 for every sample: the learning "
            f"rate is likely too high; try --lr {lr / 10:g}"
        )
    if result.train_loss > 2 * loss_at_chance:
        return (
            f"the loss is {result.train_loss:.3g}, that of guessing is {loss_at_chance:.3g}: the "
            f"learning rate is likely too high; try --lr {lr / 10:g}"
        )
    if ratio > TOO_LARGE:
        return (
            f"a step changes the weights by {100 * ratio:.0f} % (about 0.1 % is healthy): the "
            f"learning rate is likely too high; try --lr {lr / 10:g}"
        )
    if ratio < TOO_SMALL and result.train_loss > loss_at_chance / 2:
        return (
            f"a step changes the weights by {100 * ratio:.1g} % (about 0.1 % is healthy) and the "
            f"loss is still {result.train_loss:.3g}: the learning rate is likely too low; "
            f"try --lr {lr * 10:g}"
        )
    return None
