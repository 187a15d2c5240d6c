"""Advice for runs that do not learn, or diverge: which option is the likely cause."""

from __future__ import annotations

from mlpcli.config.config import Config
from mlpcli.config.options import OPTIONS
from mlpcli.nn.optimizers import OPTIMIZERS
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

LARGE = 1e4
"""Inputs beyond this are the likely cause of a loss that grows."""


def advice_on_learning(result: EpochResult, config: Config, loss_at_chance: float) -> str | None:
    """Return one line of advice if an option is obviously bad, else None.

    It is meant for the first epoch that ends after `STEPS` steps. A small ratio alone says little:
    a network that has learned also moves little. So it counts only if the loss has not halved.
    """
    train, lr = config.train, config.train.lr or 0.0
    ratio, dead = result.update_ratio, result.dead_units
    if config.model.init_scale == 0 and config.model.hidden:
        return "weights that begin at 0 make all units of a layer alike: give no --init-scale"
    gathers = "velocity" in OPTIMIZERS[train.optimizer].remembers
    decay = lr * train.reg / (1 - train.momentum if gathers else 1)  # of the weights, per step
    if decay > STRONG and result.train_loss > loss_at_chance / 2:
        return (
            f"the penalty takes {100 * decay:.0f} % of the weights per step, and the loss is still "
            f"{result.train_loss:.3g}: --reg is likely too high; try --reg {train.reg / 10:g}"
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


def advice_on_divergence(config: Config, *, largest: float, step: int) -> str:
    """Return what keeps a run from diverging, as one that did at a step.

    Args:
        largest: of the inputs as they are in the data, or 0 if they are not numbers.
    """
    train, scale, lr = config.train, config.model.init_scale, config.train.lr or 0.0
    if config.data.scale == "none" and largest > LARGE:
        return (
            f"the inputs reach {largest:.3g}, which --scale none leaves as they are: leave it out"
        )
    if scale and not step:
        return f"it was so before any step: lower --init-scale from {scale:g}"
    if lr * train.reg > 2 and train.reg > lr:  # w ← (1 − lr·reg)·w grows
        return f"lower --reg from {train.reg:g} to {0.1 / lr:g}"
    least = train.momentum**2  # below it nothing bounds Adam's m/√v, by Cauchy-Schwarz
    if train.optimizer in OPTIONS["beta2"].needs and train.beta2 < least:
        return f"raise --beta2 from {train.beta2:g} above {least:g}, the square of --momentum"
    clip = "" if train.clip_norm else " or add --clip-norm 1"
    return f"lower --lr from {lr:g} to {lr / 10:g}{clip}"
