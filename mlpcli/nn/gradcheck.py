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

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from mlpcli.nn.initialisation import standard_deviation
from mlpcli.nn.network import MLP
from mlpcli.nn.optimizers import optimizer
from mlpcli.nn.parameters import Buffers, Parameters
from mlpcli.nn.regularisation import draw_dropout_masks, l2_penalty

Array = npt.NDArray[Any]

STEP = 1e-5
"""h: the difference's error by rounding, about 10⁻¹⁶/h, and by curvature, about h², are small."""

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

OVERFITTED = 0.01
"""Overfitting succeeds below this share of the loss at chance."""

_ATTEMPTS = 5  # at overfitting
_BLOCK = 2**17  # numbers of a layer's output in all networks of a block: they fit into a cache

PARTS = ("data loss", "penalty", "whole loss")
"""What is checked, apart and together."""

Gradient = Callable[[MLP, Buffers, float], tuple[float, dict[str, Array]]]
"""(network, batch with its masks, λ) → the loss with its penalty, and its gradient by name."""


@dataclass(frozen=True)
class ParameterCheck:
    """How one array's gradient compares with central differences.

    Attributes:
        name, shape: of the array.
        checked: how many entries were compared.
        kinks_skipped: how many were not, as a unit changed sides between w − h and w + h.
        max_relative_error: over those compared; infinite where a number is not finite.
        worst_index: the entry that has it.
        analytic, numeric: its derivative by the backward pass and by central differences.

    The last four are None where nothing was compared.
    """

    name: str
    shape: tuple[int, ...]
    checked: int
    kinks_skipped: int
    max_relative_error: float | None = None
    worst_index: tuple[int, ...] | None = None
    analytic: float | None = None
    numeric: float | None = None

    @property
    def error(self) -> float:
        """`max_relative_error`, 0 where nothing was compared."""
        return self.max_relative_error or 0.0

    def mismatch(self, tolerance: float) -> str | None:
        """The worst entry in one line, where it is above the tolerance."""
        if self.error <= tolerance:
            return None
        index = ", ".join(map(str, self.worst_index or ()))
        return (
            f"{self.name}[{index}] has the derivative {self.analytic:.10g} by backpropagation, "
            f"{self.numeric:.10g} by central differences: "
            f"relative error {self.error:.1e}, tolerance {tolerance:g}"
        )

    def unproved(self) -> str | None:
        """Too few entries that could be compared, in one line, where most lie at a kink."""
        if self.kinks_skipped <= self.checked:
            return None
        return (
            f"{self.name} is not proved: {self.kinks_skipped} of "
            f"{self.kinks_skipped + self.checked} entries lie at a kink of the activation; "
            "try another seed"
        )


@dataclass(frozen=True)
class Check:
    """One of the checks beside the table, and what it found."""

    name: str
    passed: bool
    detail: str


@dataclass(frozen=True)
class GradientCheck:
    """The outcome of a gradient check.

    Attributes:
        tolerance: the largest relative error that passes.
        parameters: one entry an array, for the whole loss after burn-in.
        checks: the sanity checks, and the passes at the initial point and over the loss's parts.
    """

    tolerance: float
    parameters: list[ParameterCheck]
    checks: list[Check]

    @property
    def passed(self) -> bool:
        return self.failure() is None

    @property
    def max_relative_error(self) -> float:
        """The largest of `parameters`."""
        return max(parameter.error for parameter in self.parameters)

    def failure(self) -> str | None:
        """What is wrong, in one line, the worst parameter first; None where all is well."""
        worst = max(self.parameters, key=lambda parameter: parameter.error)
        reasons = [worst.mismatch(self.tolerance)]
        reasons += [parameter.unproved() for parameter in self.parameters]
        reasons += [None if c.passed else f"{c.name}: {c.detail}" for c in self.checks]
        return next((reason for reason in reasons if reason), None)

    def to_json(self) -> dict[str, Any]:
        """As `gradcheck --json` has it; a number that is not finite is null."""
        return {
            "passed": self.passed,
            "tolerance": self.tolerance,
            "max_relative_error": _finite_or_none(self.max_relative_error),
            "parameters": [
                {name: _finite_or_none(value) for name, value in asdict(parameter).items()}
                for parameter in self.parameters
            ],
            "checks": [asdict(check) for check in self.checks],
        }


def loss_and_gradient(net: MLP, batch: Buffers, reg: float) -> tuple[float, dict[str, Array]]:
    """The loss of a batch and its gradient, by the passes of training, with the batch's masks."""
    gradient = Parameters(net.sizes, np.empty_like(net.parameters.flat))
    net.forward_pass(batch, drop=True)
    loss = net.mean_loss(batch)
    net.backward_pass(batch, gradient, drop=True)
    gradient.weights += reg * net.parameters.weights
    return loss + l2_penalty(net.parameters.weights, reg), gradient.named()


def check_network(
    net: MLP,
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    reg: float = 0.0,
    targets: npt.ArrayLike | None = None,
    class_weights: npt.ArrayLike | None = None,
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
        y: (M,) class indices in [0, C).
        reg: λ of ½λΣ‖W‖².
        targets: (C, C) each class's target distribution; None: one-hot.
        class_weights: (C,) each class's weight, or None where all weigh the same.
        samples: how many to draw. Few will do, and with each there are more kinks.
        burn_in_steps: steps of the short training.
        seed: of the samples, of the dropout masks, which are drawn once, and of sampled entries.
        gradient: what is checked.
    """
    rng = np.random.default_rng(seed)
    net = in_double_precision(net)
    batch = _draw_batch(net, X, y, targets, class_weights, samples, rng)
    comparison = _Comparison(net, batch, reg, gradient, tolerance, rng)
    # what is not finite needs no warning: it is an infinite error
    with np.errstate(over="ignore", invalid="ignore"):
        checks = [_loss_at_chance(net, batch), _overfitting(net, batch, rng)]
        checks += comparison.glances("initial point")
        _burn_in(net, batch, burn_in_steps, rng)
        checks.append(_penalty_raises_loss(net, batch, reg, gradient))
        checks.append(_whole_forward_passes(net, batch, rng))
        checks += comparison.glances("after burn-in")
        P = len(net.parameters.flat)
        parameters = comparison.over_arrays("whole loss", P if P <= ALL_UP_TO else SAMPLED)
    return GradientCheck(tolerance, parameters, checks)


def in_double_precision(net: MLP) -> MLP:
    """A copy of a network in float64, with parameters of its own."""
    twin = copy.copy(net)
    twin.dtype = np.dtype(np.float64)
    twin.adopt(Parameters(net.sizes, net.parameters.flat.astype(np.float64)))
    return twin


class PerturbedLosses:
    """A batch's losses by networks that differ from `net` in one parameter each.

    Args:
        net: in double precision; its parameters stay as they are while this is used.
        batch: inputs, targets, weights and masks.

    Attributes:
        Z: what the activations of each layer are applied to, unperturbed, (N, fan_out) each.
    """

    def __init__(self, net: MLP, batch: Buffers) -> None:
        self.net = net
        self._batch = batch
        self._last = len(net.sizes) - 2
        self._inputs: list[Array] = []  # what each layer's weights multiply
        self.Z: list[Array] = []
        A = batch.X
        for layer in range(self._last + 1):
            self._inputs.append(self._dropped(A, layer))
            self.Z.append(self._inputs[layer] @ net.parameters.W[layer] + net.parameters.b[layer])
            A = self._activated(self.Z[layer])

    def differences(self, name: str, entries: Array, h: float = STEP) -> tuple[Array, Array]:
        """Central differences of the mean loss by some entries of an array.

        Args:
            name: "W1", "b1", …
            entries: (V,) positions in the flattened array.

        Returns:
            (V,) the derivatives; and (V,) whether a unit changed sides between w − h and w + h.
        """
        derivatives, crossed = np.empty(len(entries)), np.empty(len(entries), bool)
        size = max(1, _BLOCK // (len(self._batch.X) * max(self.net.sizes[int(name[1:]) :])))
        for start in range(0, len(entries), size):
            block = slice(start, start + size)
            above, sides_above = self.evaluate(name, entries[block], h)
            below, sides_below = self.evaluate(name, entries[block], -h)
            # sample by sample: the difference of two means would have the rounding of the sums
            derivatives[block] = (above - below).mean(axis=1) / (2 * h)
            crossed[block] = (sides_above != sides_below).any(axis=1)
        return derivatives, crossed

    def evaluate(self, name: str, entries: Array, h: float) -> tuple[Array, Array]:
        """The losses (V, N) of V networks, in each of which one entry is larger by h.

        Returns:
            The losses; and (V, …) on which side of its kink each unit is that depends on the entry.
        """
        layer, V = int(name[1:]) - 1, len(entries)
        i, j = np.divmod(entries, self.net.sizes[layer + 1])
        # a weight Wᵢⱼ adds h·aᵢ to unit j, a bias bⱼ adds h
        z = self.Z[layer].T[j] + (h * self._inputs[layer].T[i] if name[0] == "W" else h)
        if layer == self._last:
            scores = np.repeat(self.Z[layer][None], V, axis=0)
            scores[np.arange(V), :, j] = z
            return self._losses(scores), np.empty((V, 0), bool)

        # what unit j passes on changes in proportion to its outgoing weights
        change = self._activated(z) - self._activated(self.Z[layer].T[j])
        mask = self._batch.masks[layer + 1]
        if mask is not None:
            change *= mask.T[j]
        outgoing = self.net.parameters.W[layer + 1][j]
        Z = self.Z[layer + 1] + change[:, :, None] * outgoing[:, None, :]
        sides = [z > 0]
        for above in range(layer + 2, self._last + 1):
            sides.append((Z > 0).reshape(V, -1))
            inputs = self._dropped(self._activated(Z), above)
            # one product for all rows of all networks
            rows = inputs.reshape(-1, inputs.shape[2]) @ self.net.parameters.W[above]
            Z = (rows + self.net.parameters.b[above]).reshape(V, -1, rows.shape[1])
        if not self.net.activation.kinked:
            sides = [np.empty((V, 0), bool)]
        return self._losses(Z), np.concatenate(sides, axis=1)

    def _dropped(self, A: Array, layer: int) -> Array:
        mask = self._batch.masks[layer]
        return A if mask is None else A * mask

    def _activated(self, Z: Array) -> Array:
        """f(Z), in a new array."""
        A = Z.copy()
        self.net.activation.forward(A, np.empty_like(A))
        return A

    def _losses(self, scores: Array) -> Array:
        """(V, N) losses of scores (V, N, C)."""
        V, N, C = scores.shape
        losses, delta = np.empty(V * N), np.empty((V * N, C))
        Y = np.tile(self._batch.Y, (V, 1))
        self.net.loss.evaluate(scores.reshape(V * N, C), Y, losses, delta)
        losses = losses.reshape(V, N)
        return losses if self._batch.weights is None else losses * self._batch.weights[:, 0]


@dataclass(frozen=True)
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
            results = self.over_arrays(part, GLANCED)
            worst = max(results, key=lambda result: result.error)
            mismatch = worst.mismatch(self.tolerance)
            skipped = sum(result.kinks_skipped for result in results)
            detail = (
                f"max relative error {worst.error:.1e} over "
                f"{sum(result.checked for result in results)} entries"
                + (f", {skipped} skipped at kinks" if skipped else "")
            )
            yield Check(f"{part}, {point}", mismatch is None, mismatch or detail)

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
            for name, entries in _choose_entries(self.net, limit, self.rng)
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


def penalty_differences(w: Array, reg: float, h: float = STEP) -> Array:
    """Central differences (V,) of the penalty by weights (V,): each changes its own term alone."""
    terms = [[l2_penalty(np.array([x + step]), reg) for step in (h, -h)] for x in w]
    above, below = np.array(terms).reshape(-1, 2).T
    differences: Array = (above - below) / (2 * h)
    return differences


def _choose_entries(net: MLP, limit: int, rng: np.random.Generator) -> Iterator[tuple[str, Array]]:
    """(name, positions in the flattened array) of up to `limit` entries of every array."""
    for name, array in net.params.items():
        yield name, np.sort(rng.choice(array.size, min(limit, array.size), replace=False))


def _draw_batch(
    net: MLP,
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    targets: npt.ArrayLike | None,
    class_weights: npt.ArrayLike | None,
    samples: int,
    rng: np.random.Generator,
) -> Buffers:
    """A batch of samples, no two with the same inputs, with targets, weights and dropout masks."""
    inputs, labels = np.asarray(X, np.float64), np.asarray(y)
    distinct = np.unique(inputs, axis=0, return_index=True)[1]
    rows = rng.choice(distinct, min(samples, len(distinct)), replace=False)
    batch = net.buffers(len(rows), weighted=class_weights is not None)
    batch.X[:], batch.y[:] = inputs[rows], labels[rows]
    batch.X /= max(1.0, np.abs(batch.X).max() / LARGEST_INPUT)
    batch.Y[:] = (np.eye(net.sizes[-1]) if targets is None else np.asarray(targets))[batch.y]
    if batch.weights is not None:
        batch.weights[:, 0] = np.asarray(class_weights)[batch.y]
    draw_dropout_masks(batch.masks, net.dropout_rates, rng)
    return batch


def _burn_in(net: MLP, batch: Buffers, steps: int, rng: np.random.Generator) -> None:
    """A short training, no longer than until the loss has halved: near 0, so are its gradients.

    Then the biases get a little noise, of ten draws the one by which a unit is farthest from its
    kink in all samples: hardly an entry has to be skipped there.
    """
    net.forward_pass(batch, drop=True)
    _train(net, batch, steps, rate=1e-3, goal=net.mean_loss(batch) / 2, drop=True)
    for layer, b in enumerate(net.parameters.b):
        Z = PerturbedLosses(net, batch).Z[layer]
        noise = 0.01 * rng.standard_normal((10, len(b)))
        distance = np.abs(Z + noise[:, None, :]).min(axis=1)
        b += noise[distance.argmax(axis=0), np.arange(len(b))]


# Sanity checks


def _loss_at_chance(net: MLP, batch: Buffers) -> Check:
    """With all parameters 0 every score is 0, and the loss is known: ln C for cross-entropy."""
    blank = in_double_precision(net)
    blank.parameters.flat[:] = 0
    plain = _plain(blank, batch, len(batch.X))
    blank.forward_pass(plain)
    loss, expected = blank.mean_loss(plain), blank.loss.at_chance(blank.sizes[-1])
    detail = f"{loss:.6f} with scores of 0, expected {expected:.6f}"
    return Check("loss at chance", math.isclose(loss, expected, rel_tol=1e-12), detail)


def _overfitting(net: MLP, batch: Buffers, rng: np.random.Generator) -> Check:
    """Twenty samples are learned by heart; fewer, where a layer is too narrow to part them.

    It is the equations that are tried, not the initial weights or the scaling of the inputs: both
    are such that any network learns quickly.
    """
    learner = in_double_precision(net)
    plain = _plain(learner, batch, min(20, len(batch.X), 1 + min(net.sizes[:-1]) // 2))
    plain.X -= plain.X.mean(axis=0)
    plain.X /= np.maximum(plain.X.std(axis=0), 1e-9) * math.sqrt(net.sizes[0])
    goal = OVERFITTED * learner.loss.at_chance(learner.sizes[-1])
    steps, loss = 0, math.inf
    for _ in range(_ATTEMPTS):  # all units of a narrow layer may be dead from the start
        learner.parameters.flat[:] = 0
        for W in learner.parameters.W:
            W[:] = rng.standard_normal(W.shape) * standard_deviation("glorot", *W.shape)
        steps, loss = _train(learner, plain, 2000, rate=0.03, goal=goal)
        if loss < goal:
            break
    detail = f"loss {loss:.2g} on {len(plain.X)} samples after {steps} steps"
    return Check("overfitting", loss < goal, f"{detail}, expected below {goal:.2g}")


def _penalty_raises_loss(net: MLP, batch: Buffers, reg: float, gradient: Gradient) -> Check:
    """With λ larger by 1, the loss is larger by ½Σ‖W‖²."""
    loss, _ = gradient(net, batch, reg)
    raised, _ = gradient(net, batch, reg + 1)
    expected = l2_penalty(net.parameters.weights, 1.0)
    passed = math.isclose(raised - loss, expected, rel_tol=1e-9, abs_tol=1e-9)
    detail = f"{loss:.6f} at λ = {reg:g}, {raised:.6f} at λ = {reg + 1:g}"
    return Check("penalty raises the loss", passed, detail)


def _whole_forward_passes(net: MLP, batch: Buffers, rng: np.random.Generator) -> Check:
    """Losses as this module computes them are those of the network with that parameter changed."""
    perturbed = PerturbedLosses(net, batch)
    worst = 0.0
    for name, entries in _choose_entries(net, 5, rng):
        losses, _ = perturbed.evaluate(name, entries, STEP)
        weights = net.params[name].reshape(-1)  # a view
        for entry, expected in zip(entries, losses.mean(axis=1), strict=True):
            before = weights[entry]
            weights[entry] += STEP
            net.forward_pass(batch, drop=True)
            loss = net.mean_loss(batch)
            weights[entry] = before
            worst = max(worst, abs(loss - expected) / max(1.0, abs(loss)))
    detail = f"perturbed losses differ by {worst:.1e} from those of whole forward passes"
    return Check("forward pass", bool(worst < 1e-12), detail)


def _plain(net: MLP, batch: Buffers, n: int) -> Buffers:
    """The first n samples with one-hot targets, all weighing the same, nothing dropped."""
    plain = net.buffers(n)
    plain.X[:] = batch.X[:n]
    plain.Y[:] = np.eye(net.sizes[-1])[batch.y[:n]]
    return plain


def _train(
    net: MLP, batch: Buffers, steps: int, *, rate: float, goal: float, drop: bool = False
) -> tuple[int, float]:
    """Train by Adam until the loss is below `goal`; the steps that were taken, and that loss."""
    adam = optimizer("adam", net)
    for step in range(steps + 1):
        net.forward_pass(batch, drop=drop)
        loss = net.mean_loss(batch)
        if loss < goal or step == steps:
            break
        net.backward_pass(batch, adam.gradient, drop=drop)
        adam.step(rate, 0.9)
    return step, loss


def _finite_or_none(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
