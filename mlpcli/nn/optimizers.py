"""Optimizers: gradient → new weights.

Each lays the parameters w, the gradient g and its own state side by side as rows of one array. Then
a sum like μv − ηg − ηλw is itself a matrix product, coefficients · rows, which reads each number
once and uses every core.
"""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from mlpcli.nn.network import MLP
from mlpcli.nn.parameters import Parameters

Array = npt.NDArray[Any]


class Optimizer(Protocol):
    """Updates a network's parameters in place.

    Attributes:
        gradient: where the backward pass puts the gradient of the data's loss.
        steps: how many steps were taken.
    """

    gradient: Parameters
    steps: int

    def step(self, lr: float, momentum: float) -> None:
        """One update with learning rate η = lr."""

    def state(self) -> dict[str, Array]:
        """The arrays (P,) that, with `steps`, continue the optimizer exactly."""

    def restore(self, state: dict[str, Array], steps: int) -> None:
        """Continue from a `state` after `steps` steps."""


class Momentum:
    """Gradient descent with momentum, in CS231n's form, with the L2 penalty's gradient λw:

        v ← μv − η(g + λw),   w ← w + v

    With `nesterov`, the step looks ahead: w ← w + μv − η(g + λw) with the new v, as CS231n and
    PyTorch have it. With μ = 0 it is plain gradient descent.

    v and its successor take turns in the first and the last row, around w and g.
    """

    def __init__(self, net: MLP, reg: float = 0.0, *, nesterov: bool = False) -> None:
        flat = net.parameters.flat
        self._rows = np.zeros((4, len(flat)), flat.dtype)  # v, w, g, next v
        net.move_to(Parameters(net.sizes, self._rows[1]))
        self.gradient = Parameters(net.sizes, self._rows[2])
        self.steps = 0
        self._nesterov = nesterov
        self._ahead = np.empty_like(flat) if nesterov else None
        n = len(net.parameters.weights)
        self._parts = ((slice(0, n), reg), (slice(n, None), 0.0))

    def step(self, lr: float, momentum: float) -> None:
        rows = self._rows
        odd = self.steps % 2 == 1
        old, new = (slice(1, 4), 0) if odd else (slice(0, 3), 3)
        for part, reg in self._parts:
            v_w_g = [momentum, -lr * reg, -lr]
            coefficients = v_w_g[1:] + v_w_g[:1] if odd else v_w_g
            _combine(coefficients, rows[old, part], out=rows[new, part])
        step = rows[new]
        if self._ahead is not None:
            look, step = (slice(0, 3) if odd else slice(1, 4)), self._ahead
            for part, reg in self._parts:
                w_g_v = [-lr * reg, -lr, momentum]
                coefficients = w_g_v[2:] + w_g_v[:2] if odd else w_g_v
                _combine(coefficients, rows[look, part], out=step[part])
        np.add(rows[1], step, out=rows[1])
        self.steps += 1

    def state(self) -> dict[str, Array]:
        return {"velocity": self._rows[3 if self.steps % 2 else 0]}

    def restore(self, state: dict[str, Array], steps: int) -> None:
        self.steps = steps
        self._rows[3 if steps % 2 else 0] = state["velocity"]


class GradientDescent(Momentum):
    """w ← w − η(g + λw)."""

    def step(self, lr: float, momentum: float) -> None:
        super().step(lr, 0.0)


class Adam:
    """Adam (Kingma & Ba 2015, algorithm 1), with the L2 penalty in the gradient:

        m ← β₁m + (1 − β₁)g,   v ← β₂v + (1 − β₂)g²,
        w ← w − η·(m/(1 − β₁ᵗ)) / (√(v/(1 − β₂ᵗ)) + ε)

    With `decoupled` it is AdamW: the penalty stays out of g, and w ← w − ηλw besides (Loshchilov &
    Hutter 2019). β₁ is the momentum.
    """

    beta2 = 0.999
    epsilon = 1e-8

    def __init__(self, net: MLP, reg: float = 0.0, *, decoupled: bool = False) -> None:
        flat = net.parameters.flat
        self._rows = np.zeros((2, len(flat)), flat.dtype)  # w, g
        net.move_to(Parameters(net.sizes, self._rows[0]))
        self.gradient = Parameters(net.sizes, self._rows[1])
        self.steps = 0
        self._reg = reg
        self._decoupled = decoupled
        self._n_weights = len(net.parameters.weights)
        self._m = np.zeros_like(flat)
        self._v = np.zeros_like(flat)
        self._scratch = np.empty_like(flat)

    def step(self, lr: float, momentum: float) -> None:
        w, g = self._rows
        m, v, scratch = self._m, self._v, self._scratch
        self.steps += 1
        penalised = slice(0, self._n_weights)
        if self._reg and self._decoupled:
            np.multiply(w[penalised], 1 - lr * self._reg, out=w[penalised])
        elif self._reg:
            np.multiply(w[penalised], self._reg, out=scratch[penalised])
            np.add(g[penalised], scratch[penalised], out=g[penalised])

        np.subtract(g, m, out=scratch)
        np.multiply(scratch, 1 - momentum, out=scratch)
        np.add(m, scratch, out=m)

        np.multiply(g, g, out=g)
        np.subtract(g, v, out=g)
        np.multiply(g, 1 - self.beta2, out=g)
        np.add(v, g, out=v)

        unbiased = math.sqrt(1 - self.beta2**self.steps)
        np.sqrt(v, out=scratch)
        np.add(scratch, self.epsilon * unbiased, out=scratch)
        np.divide(m, scratch, out=scratch)
        np.multiply(scratch, lr * unbiased / (1 - momentum**self.steps), out=scratch)
        np.subtract(w, scratch, out=w)

    def state(self) -> dict[str, Array]:
        return {"m": self._m, "v": self._v}

    def restore(self, state: dict[str, Array], steps: int) -> None:
        self.steps = steps
        self._m[:] = state["m"]
        self._v[:] = state["v"]


def _combine(coefficients: list[float], rows: Array, out: Array) -> None:
    """out ← coefficients · rows, (k,)·(k, n) → (n,)."""
    np.matmul(np.array(coefficients, rows.dtype), rows, out=out)


OPTIMIZERS = ("momentum", "sgd", "nesterov", "adam", "adamw")
"""The names that `optimizer` knows."""


def optimizer(name: str, net: MLP, reg: float = 0.0) -> Optimizer:
    """The optimizer of that name for `net`, whose parameters it moves beside its state.

    Args:
        reg: λ of ½λΣ‖W‖²; with "adamw", the decoupled decay.
    """
    match name:
        case "momentum":
            return Momentum(net, reg)
        case "sgd":
            return GradientDescent(net, reg)
        case "nesterov":
            return Momentum(net, reg, nesterov=True)
        case "adam":
            return Adam(net, reg)
        case "adamw":
            return Adam(net, reg, decoupled=True)
    raise ValueError(f"no such optimizer: {name}")
