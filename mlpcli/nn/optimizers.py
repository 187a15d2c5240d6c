"""Optimizers: gradient → new weights.

Each lays the parameters w, the gradient g and its own state side by side as rows of one array, and
goes through them block by block: a block stays in the cache for all that is done to it. A sum like
μv − ηg − ηλw is itself a matrix product, coefficients · rows, which reads each number once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from mlpcli.arrays import Array
from mlpcli.nn.network import MLP
from mlpcli.nn.parameters import Parameters

BLOCK = 32_768
"""How many parameters are updated at a time: in float32, five rows of them are 640 kB."""

_LINE = 16  # numbers; rows begin where a cache line does


class Optimizer:
    """Updates a network's parameters in place. A subclass says how, and what else it remembers.

    Args:
        net: whose parameters are moved beside the optimizer's state.
        reg: λ of ½λΣ‖W‖².
        zeros: makes the array of all rows, where others shall see it, too.

    Attributes:
        gradient: where the gradient of the data's loss is to be put before a step.
        steps: how many steps were taken.
    """

    remembers: tuple[str, ...] = ()
    """The names of the rows of state, which come after those of w and g."""

    def __init__(self, net: MLP, reg: float = 0.0, zeros: Callable[..., Array] = np.zeros) -> None:
        flat = net.parameters.flat
        P, stride = len(flat), -(-len(flat) // _LINE) * _LINE
        self._rows = zeros((2 + len(self.remembers), stride), flat.dtype)[:, :P]
        net.move_to(Parameters(net.sizes, self._rows[0]))
        self.gradient = Parameters(net.sizes, self._rows[1])
        self.steps = 0
        self._reg = reg
        self._n_weights = len(net.parameters.weights)
        self._scratch = np.empty((2, min(BLOCK, P)), flat.dtype)
        self.update_only(slice(0, P))

    def update_only(self, part: slice) -> None:
        """Leave all but `part` of the parameters to others from now on."""
        self._blocks = [
            (self._rows[:, start:stop], self._scratch[:, : stop - start], reg)
            for start, stop, reg in self._spans(part)
        ]

    def _spans(self, part: slice) -> Iterator[tuple[int, int, float]]:
        """(start, stop, λ) of each block: biases, which are not penalised, are in other ones."""
        n = self._n_weights
        weights = (part.start, min(part.stop, n), self._reg)
        biases = (max(part.start, n), part.stop, 0.0)
        for first, last, reg in (weights, biases):
            for start in range(first, last, BLOCK):
                yield start, min(start + BLOCK, last), reg

    def step(self, lr: float, momentum: float) -> None:
        """One update with learning rate η = lr."""
        self.steps += 1
        for rows, scratch, reg in self._blocks:
            self._update(rows, scratch, reg, lr, momentum)

    def _update(self, rows: Array, scratch: Array, reg: float, lr: float, momentum: float) -> None:
        """The same for a block: rows w, g and what is remembered, (2 + k, n); scratch (2, n)."""
        raise NotImplementedError

    def state(self) -> dict[str, Array]:
        """The arrays (P,) that, with `steps`, continue the optimizer exactly."""
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
    """

    remembers = ("m", "v")
    beta2 = 0.999
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
        """The gradient with the penalty's."""
        if not reg:
            return g
        np.multiply(w, reg, out=scratch)
        return np.add(g, scratch, out=scratch)


class AdamW(Adam):
    """Adam with the penalty out of g: w ← w − ηλw besides (Loshchilov & Hutter 2019)."""

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
"""Each optimizer by the name that `--optimizer` knows it by."""


def optimizer(
    name: str, net: MLP, reg: float = 0.0, zeros: Callable[..., Array] = np.zeros
) -> Optimizer:
    """The optimizer of that name for `net`; for the arguments see `Optimizer`.

    With "adamw", `reg` is the decoupled decay.
    """
    if name not in OPTIMIZERS:
        raise ValueError(f"no such optimizer: {name}")
    return OPTIMIZERS[name](net, reg, zeros)
