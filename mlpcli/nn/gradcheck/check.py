"""The gradient check: the backward pass against central differences of the forward pass.

    n = (L(w + h) − L(w − h)) / 2h,   relative error = |a − n| / max(|a|, |n|, 10⁻⁴)

for the backward pass's a = ∂L/∂w, one parameter w at a time, in double precision (CS231n, Neural
Networks 3, "Gradient checks"). Below the floor of 10⁻⁴ the rounding of L would be all that is
measured; where L is larger than at chance, so is its rounding, and so is the floor, in proportion.
Where the two disagree, n is found again from h and ½h without its error in h² (Richardson).

A parameter of layer l changes one column of Zₗ only. So the losses of many perturbed networks are
computed at once: each has its own column of Zₗ, and the layers above run on all of them as the rows
of one matrix product. That these are the losses of whole forward passes is one of the checks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from mlpcli.arrays import Array
from mlpcli.nn.gradcheck.outcome import Check, GradientCheck, ParameterCheck
from mlpcli.nn.gradcheck.perturbed import (
    STEP,
    Gradient,
    PerturbedLosses,
    in_double_precision,
    penalty_differences,
)
from mlpcli.nn.gradcheck.sanity import (
    check_loss_at_chance,
    check_overfitting,
    check_penalty,
    check_whole_forward_passes,
    choose_entries,
    train_briefly,
)
from mlpcli.nn.network import MLP
from mlpcli.nn.parameters import Buffers
from mlpcli.nn.regularisation import draw_dropout_masks, l2_penalty
from mlpcli.records import record

FLOOR = 1e-4
"""Of the denominator of a relative error, where the loss is at most that at chance."""

ALL_UP_TO = 100_000
"""A network of more parameters has a sample of each array checked, not every entry."""

SAMPLED = 1000
"""Entries of each array in that sample."""

GLANCED = 200
"""Entries of each array in the passes beside the main one."""

LARGEST_INPUT = 10.0
"""Inputs with a larger one, as unscaled pixels are, are divided to have none: the equations are the
same, but a step of h in a weight of an input of 255 would be one of 255·h in what it adds to."""

PARTS = ("data loss", "penalty", "whole loss")
"""What is checked, apart and together."""


def loss_and_gradient(net: MLP, batch: Buffers, reg: float) -> tuple[float, dict[str, Array]]:
    """The loss of a batch and its gradient, by the passes of training, with the batch's masks."""
    gradient = net.parameters.like(np.empty_like(net.parameters.flat))
    net.forward_pass(batch, drop=True)
    loss = net.mean_loss(batch)
    net.backward_pass(batch, gradient, drop=True)
    gradient.weights += reg * net.parameters.weights
    return loss + l2_penalty(net.parameters.weights, reg), gradient.named()


def check_network(
    net: MLP,
    X: npt.ArrayLike,
    Y: npt.ArrayLike,
    *,
    reg: float = 0.0,
    weights: npt.ArrayLike | None = None,
    tolerance: float = 1e-6,
    samples: int = 20,
    burn_in_steps: int = 50,
    seed: int = 0,
    gradient: Gradient = loss_and_gradient,
) -> GradientCheck:
    """Check the gradient of a network, with the weights it has and after a short training.

    `net` stays as it is: a copy in double precision is checked.

    Args:
        X: (M, D) inputs as the network takes them. Samples are drawn from these.
        Y: (M, C) what the outputs should be; or (M,) class indices in [0, C).
        reg: λ of ½λΣ‖W‖².
        weights: (M,) each row's weight, or None if all weigh the same.
        samples: how many to draw. Few will do, and with each there are more kinks.
        burn_in_steps: steps of the short training.
        seed: of the samples, of the dropout masks, which are drawn once, and of sampled entries.
        gradient: what is checked.
    """
    rng = np.random.default_rng(seed)
    net = in_double_precision(net)
    batch = _draw_batch(net, X, Y, weights, samples, rng)
    comparison = _Comparison(net, batch, reg, gradient, tolerance, rng)
    # what is not finite needs no warning: it is an infinite error
    with np.errstate(over="ignore", invalid="ignore"):
        checks = [check_loss_at_chance(net, batch), check_overfitting(net, rng)]
        checks += comparison.glances("initial point")
        _burn_in(net, batch, burn_in_steps, rng)
        checks.append(check_penalty(net, batch, reg, gradient))
        checks.append(check_whole_forward_passes(net, batch, rng))
        checks += comparison.glances("after burn-in")
        P = len(net.parameters.flat)
        parameters = comparison.over_arrays("whole loss", P if P <= ALL_UP_TO else SAMPLED)
    return GradientCheck(tolerance, parameters, checks)


@record
class _Comparison:
    """Gradients by backpropagation and by central differences, side by side."""

    net: MLP
    batch: Buffers
    reg: float
    gradient: Gradient
    tolerance: float
    rng: np.random.Generator

    def glances(self, point: str) -> Iterator[Check]:
        """Each part of the loss, by a few entries of each array; kinks are counted, no more."""
        for part in PARTS:
            yield self._glance(f"{part}, {point}", self.over_arrays(part, GLANCED))
        if not self.net.embedded:
            yield self._glance(f"input gradient, {point}", [self._over_inputs()])

    def _glance(self, name: str, results: list[ParameterCheck]) -> Check:
        worst = max(results, key=lambda result: result.error)
        mismatch = worst.mismatch(self.tolerance)
        skipped = sum(result.kinks_skipped for result in results)
        detail = (
            f"max relative error {worst.error:.1e} over "
            f"{sum(result.checked for result in results)} entries"
            + (f", {skipped} skipped at kinks" if skipped else "")
        )
        return Check(name, mismatch is None, mismatch or detail)

    def _over_inputs(self) -> ParameterCheck:
        """The data loss by a few of the batch's inputs, as an attack needs its gradient."""
        net, batch = self.net, self.batch
        net.forward_pass(batch, drop=True)
        loss = net.mean_loss(batch)
        net.propagate_back(batch, drop=True)
        analytic = net.input_gradient(batch, np.empty_like(batch.X), drop=True)
        floor = FLOOR * max(1.0, loss / net.loss.at_chance(net.sizes[-1]))
        chosen = self.rng.choice(analytic.size, min(GLANCED, analytic.size), replace=False)
        differences = PerturbedLosses(net, batch).differences
        return self._over_array("X", np.sort(chosen), analytic, differences, floor)

    def over_arrays(self, part: str, limit: int) -> list[ParameterCheck]:
        """One of PARTS of the loss, by up to `limit` entries of each array."""
        # the penalty has a gradient to be checked even where it is not used
        reg = self.reg or 1.0 if part == "penalty" else self.reg
        loss, of_data = self.gradient(self.net, self.batch, 0.0)
        _, of_all = self.gradient(self.net, self.batch, reg)
        analytic = {
            "data loss": of_data,
            "penalty": {name: of_all[name] - of_data[name] for name in of_all},
            "whole loss": of_all,
        }[part]
        floor = FLOOR * max(1.0, loss / self.net.loss.at_chance(self.net.sizes[-1]))
        perturbed = PerturbedLosses(self.net, self.batch)

        def differences(name: str, entries: Array, h: float) -> tuple[Array, Array]:
            n, crossed = np.zeros(len(entries)), np.zeros(len(entries), bool)
            if part != "penalty":
                n, crossed = perturbed.differences(name, entries, h)
            if part != "data loss" and name[0] == "W":
                n += penalty_differences(self.net.params[name].ravel()[entries], reg, h)
            return n, crossed

        return [
            self._over_array(name, entries, analytic[name], differences, floor)
            for name, entries in choose_entries(self.net, limit, self.rng)
        ]

    def _over_array(
        self,
        name: str,
        entries: Array,
        analytic: Array,
        differences: Callable[[str, Array, float], tuple[Array, Array]],
        floor: float,
    ) -> ParameterCheck:
        """`entries` (V,) of an array's gradient, and central differences by them."""
        a = analytic.ravel()[entries]
        n, crossed = differences(name, entries, STEP)
        errors = relative_errors(a, n, floor)
        doubtful = np.flatnonzero((errors > self.tolerance) & ~crossed)
        if len(doubtful):
            # a strongly curved loss, or else a wrong gradient
            halved, _ = differences(name, entries[doubtful], STEP / 2)
            n[doubtful] = (4 * halved - n[doubtful]) / 3
            errors[doubtful] = relative_errors(a[doubtful], n[doubtful], floor)
        skipped = int(np.count_nonzero(crossed))
        result = ParameterCheck(name, analytic.shape, len(entries) - skipped, skipped)
        if result.checked == 0:
            return result
        worst = int(np.where(crossed, -1, errors).argmax())
        return replace(
            result,
            max_relative_error=float(errors[worst]),
            worst_index=tuple(int(k) for k in np.unravel_index(entries[worst], analytic.shape)),
            analytic=float(a[worst]),
            numeric=float(n[worst]),
        )


def relative_errors(a: Array, n: Array, floor: float = FLOOR) -> Array:
    """|a − n| / max(|a|, |n|, floor), infinite where a number is not finite."""
    errors: Array = np.abs(a - n) / np.maximum(np.maximum(np.abs(a), np.abs(n)), floor)
    errors[~np.isfinite(errors)] = np.inf
    return errors


def _draw_batch(
    net: MLP,
    X: npt.ArrayLike,
    Y: npt.ArrayLike,
    weights: npt.ArrayLike | None,
    samples: int,
    rng: np.random.Generator,
) -> Buffers:
    """A batch of samples, no two with the same inputs, with targets, weights and dropout masks."""
    inputs, targets = np.asarray(X, np.float64), np.asarray(Y)
    distinct = np.unique(inputs, axis=0, return_index=True)[1]
    rows = rng.choice(distinct, min(samples, len(distinct)), replace=False)
    batch, C = net.buffers(len(rows), weighted=weights is not None), net.sizes[-1]
    batch.X[:] = inputs[rows]
    batch.Y[:] = targets[rows] if targets.ndim == 2 else targets[rows, None] == np.arange(C)
    batch.X /= max(1.0, np.abs(batch.X).max() / LARGEST_INPUT)
    if batch.weights is not None:
        batch.weights[:, 0] = np.asarray(weights)[rows]
    draw_dropout_masks(batch.masks, net.dropout_rates, rng)
    return batch


def _burn_in(net: MLP, batch: Buffers, steps: int, rng: np.random.Generator) -> None:
    """A short training, no longer than until the loss has halved: near 0, so are its gradients.

    Then the biases get a little noise, of ten draws the one by which a unit is farthest from its
    kink in all samples: hardly an entry has to be skipped there.
    """
    net.forward_pass(batch, drop=True)
    train_briefly(net, batch, steps, rate=1e-3, goal=net.mean_loss(batch) / 2, drop=True)
    for layer, b in enumerate(net.parameters.b):
        Z = PerturbedLosses(net, batch).Z[layer]
        noise = 0.01 * rng.standard_normal((10, len(b)))
        distance = np.abs(Z + noise[:, None, :]).min(axis=1)
        b += noise[distance.argmax(axis=0), np.arange(len(b))]
