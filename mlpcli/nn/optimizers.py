"""Optimizers: gradient → new weights.

Each keeps the parameters w, the gradient g and its own state side by side as rows of one array, and
updates them block by block, so that a block stays in the cache during its whole update. A sum like
μv − ηg − ηλw is itself a matrix product, coefficients · rows, which reads each number once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import groupby

import numpy as np

from mlpcli.arrays import Array
from mlpcli.nn.network import MLP
from mlpcli.nn.parameters import Parameters

BLOCK = 32_768
"""Parameters updated at a time: in float32, five rows of them are 640 kB."""

BETA2 = 0.999
"""β₂ of Adam, as published."""

_LINE = 16  # numbers; rows begin where a cache line does


class Optimizer:
    """Updates a network's parameters in place. A subclass says how, and which state it needs.

    The learning rate of an array is η times its own factor, see `MLP.rate_factors`.

    Args:
        net: the network, whose parameters move beside the optimizer's state.
        reg: λ of ½λΣ‖W‖².
        zeros: allocates the array of all rows, if other processes have to see it.

    Attributes:
        gradient: the gradient of the data's loss, to be filled in before each step.
        steps: the number of steps taken.
    """

    remembers: tuple[str, ...] = ()
    """Names of the state's rows, which come after those of w and g."""

    adaptive = False
    """Whether a step does not depend on the gradient's scale."""

    decoupled = False
    """Whether the penalty is a decay of the weights, at a rate without the factor."""

    def __init__(self, net: MLP, reg: float = 0.0, zeros: Callable[..., Array] = np.zeros) -> None:
        flat = net.parameters.flat
        P, stride = len(flat), -(-len(flat) // _LINE) * _LINE
        self._rows = zeros((2 + len(self.remembers), stride), flat.dtype)[:, :P]
        net.move_to(net.parameters.like(self._rows[0]))
        self.gradient = net.parameters.like(self._rows[1])
        self.steps = 0
        self._reg = reg
        self._factors = net.rate_factors(adaptive=self.adaptive)
        self._scratch = np.empty((2, min(BLOCK, P)), flat.dtype)
        self.update_only(slice(0, P))

    def update_only(self, part: slice, gradient: Parameters | None = None) -> None:
        """Restrict updates to `part` of the parameters; other processes do the rest.

        If that is this rank's share of a network, `gradient` has the views of it.
        """
        self.gradient = gradient or self.gradient
        self._blocks = [
            (self._rows[:, start:stop], self._scratch[:, : stop - start], reg, factor)
            for start, stop, reg, factor in self._split(part)
        ]

    def _split(self, part: slice) -> Iterator[tuple[int, int, float, float]]:
        """Yield (start, stop, λ, factor on η) of each block; only weights have a penalty."""
        biases = len(self.gradient.W)
        spans = zip(self.gradient.spans(), self._factors, strict=True)
        alike = groupby(enumerate(spans), key=lambda item: (item[0] < biases, item[1][1]))
        for (penalised, factor), group in alike:
            of_group = [span for _, (span, _) in group]
            reg = self._reg / (factor if self.decoupled else 1) if penalised else 0.0
            first, last = max(part.start, of_group[0].start), min(part.stop, of_group[-1].stop)
            for start in range(first, last, BLOCK):
                yield start, min(start + BLOCK, last), reg, factor

    def step(self, lr: float, momentum: float) -> None:
        """Update the parameters once, with learning rate η = lr."""
        self.steps += 1
        for rows, scratch, reg, factor in self._blocks:
            self._update(rows, scratch, reg, lr * factor, momentum)

    def _update(self, rows: Array, scratch: Array, reg: float, lr: float, momentum: float) -> None:
        """Update one block; `rows` (2 + k, n) is w, g, then the state; scratch (2, n)."""
        raise NotImplementedError

    def state(self) -> dict[str, Array]:
        """Return the arrays (P,) from which, with `steps`, the optimizer continues exactly."""
        return dict(zip(self.remembers, self._rows[2:], strict=True))

    def restore(self, state: dict[str, Array], steps: int) -> None:
        """Continue from a `state` after `steps` steps."""
        self.steps = steps
        for name, row in self.state().items():
            row[:] = state[name]


class Momentum(Optimizer):
    """Gradient descent with momentum, in CS231n's form, with the L2 penalty's gradient λw:

    v ← μv − η(g + λw),   w ← w + v
    """

    remembers = ("velocity",)

    def _update(self, rows: Array, scratch: Array, reg: float, lr: float, momentum: float) -> None:
        w, _, v = rows
        v[:] = _combine((-lr * reg, -lr, momentum), rows, out=scratch[0])
        np.add(w, v, out=w)


class Nesterov(Optimizer):
    """Momentum that looks ahead, as CS231n and PyTorch have it:

    v ← μv − η(g + λw),   w ← w + μv − η(g + λw)  with the new v
    """

    remembers = ("velocity",)

    def _update(self, rows: Array, scratch: Array, reg: float, lr: float, momentum: float) -> None:
        w, _, v = rows
        coefficients = (-lr * reg, -lr, momentum)
        v[:] = _combine(coefficients, rows, out=scratch[0])
        np.add(w, _combine(coefficients, rows, out=scratch[0]), out=w)


class GradientDescent(Optimizer):
    """w ← w − η(g + λw)."""

    def _update(self, rows: Array, scratch: Array, reg: float, lr: float, momentum: float) -> None:
        np.add(rows[0], _combine((-lr * reg, -lr), rows, out=scratch[0]), out=rows[0])


class Adam(Optimizer):
    """Adam (Kingma & Ba 2015, algorithm 1), with the L2 penalty in the gradient:

        m ← β₁m + (1 − β₁)g,   v ← β₂v + (1 − β₂)g²,
        w ← w − η·(m/(1 − β₁ᵗ)) / (√(v/(1 − β₂ᵗ)) + ε)

    β₁ is the momentum.

    Attributes:
        beta2: β₂.
    """

    remembers = ("m", "v")
    adaptive = True
    beta2 = BETA2
    epsilon = 1e-8

    def _update(self, rows: Array, scratch: Array, reg: float, lr: float, momentum: float) -> None:
        w, g, m, v = rows
        penalised, change = scratch
        g = self._penalise(w, g, penalised, lr, reg)

        np.subtract(g, m, out=change)
        np.multiply(change, 1 - momentum, out=change)
        np.add(m, change, out=m)

        np.multiply(g, g, out=change)
        np.subtract(change, v, out=change)
        np.multiply(change, 1 - self.beta2, out=change)
        np.add(v, change, out=v)

        unbiased = math.sqrt(1 - self.beta2**self.steps)
        np.sqrt(v, out=change)
        np.add(change, self.epsilon * unbiased, out=change)
        np.divide(m, change, out=change)
        np.multiply(change, lr * unbiased / (1 - momentum**self.steps), out=change)
        np.subtract(w, change, out=w)

    def _penalise(self, w: Array, g: Array, scratch: Array, lr: float, reg: float) -> Array:
        """Return the gradient with the penalty's added."""
        if not reg:
            return g
        np.multiply(w, reg, out=scratch)
        return np.add(g, scratch, out=scratch)


class AdamW(Adam):
    """Adam with the penalty not in g but apart, w ← w − ηλw (Loshchilov & Hutter 2019)."""

    decoupled = True

    def _penalise(self, w: Array, g: Array, scratch: Array, lr: float, reg: float) -> Array:
        if reg:
            np.multiply(w, 1 - lr * reg, out=w)
        return g


def _combine(coefficients: tuple[float, ...], rows: Array, out: Array) -> Array:
    """out ← coefficients · rows, (k,)·(k, n) → (n,)."""
    return np.matmul(np.array(coefficients, rows.dtype), rows, out=out)


OPTIMIZERS: dict[str, type[Optimizer]] = {
    "momentum": Momentum,
    "sgd": GradientDescent,
    "nesterov": Nesterov,
    "adam": Adam,
    "adamw": AdamW,
}
"""The optimizers, by their names in `--optimizer`."""


def optimizer(
    name: str,
    net: MLP,
    reg: float = 0.0,
    zeros: Callable[..., Array] = np.zeros,
    *,
    beta2: float = BETA2,
) -> Optimizer:
    """Return the optimizer of that name for `net`; for the arguments, see `Optimizer`.

    With "adamw", `reg` is the decoupled decay; `beta2` is of "adam" and "adamw".
    """
    if name not in OPTIMIZERS:
        raise ValueError(f"no such optimizer: {name}")
    made = OPTIMIZERS[name](net, reg, zeros)
    if isinstance(made, Adam):
        made.beta2 = beta2
    return made
