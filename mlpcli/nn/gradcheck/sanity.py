"""What CS231n would have checked before and beside the gradient."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from mlpcli.arrays import Array
from mlpcli.nn.gradcheck.outcome import Check
from mlpcli.nn.gradcheck.perturbed import STEP, Gradient, PerturbedLosses, in_double_precision
from mlpcli.nn.initialisation import standard_deviation
from mlpcli.nn.network import MLP
from mlpcli.nn.optimizers import optimizer
from mlpcli.nn.parameters import Buffers
from mlpcli.nn.regularisation import l2_penalty

OVERFITTED = 0.01
"""Overfitting succeeds below this share of the loss at chance."""


_ATTEMPTS = 5  # at overfitting


def choose_entries(net: MLP, limit: int, rng: np.random.Generator) -> Iterator[tuple[str, Array]]:
    """(name, positions in the flattened array) of up to `limit` entries of every array."""
    for name, array in net.params.items():
        yield name, np.sort(rng.choice(array.size, min(limit, array.size), replace=False))


def check_loss_at_chance(net: MLP, batch: Buffers) -> Check:
    """With all parameters 0 every score is 0, and the loss is known: ln C for cross-entropy."""
    blank = in_double_precision(net)
    blank.parameters.flat[:] = 0
    plain = blank.buffers(len(batch.X))
    plain.X[:], plain.Y[:] = batch.X, batch.Y
    if (C := net.sizes[-1]) > 1:  # unsmoothed
        plain.Y[:] = batch.Y.argmax(axis=1)[:, np.newaxis] == np.arange(C)
    blank.forward_pass(plain)
    loss, expected = blank.mean_loss(plain), blank.loss.at_zero(plain.Y)
    detail = f"{loss:.6f} with scores of 0, expected {expected:.6f}"
    return Check("loss at chance", math.isclose(loss, expected, rel_tol=1e-12), detail)


def check_overfitting(net: MLP, rng: np.random.Generator) -> Check:
    """Twenty samples are learned by heart; fewer, where a layer is too narrow to part them.

    It is the equations that are tried: the inputs are orthonormal and the classes come in turn, as
    samples of the data may be of one class, or too close to each other; and weights begin and
    learn in the way in which any network learns quickly.
    """
    learner = in_double_precision(net)
    learner.parametrisation = "standard"
    n, C = min(20, 1 + min(net.sizes[:-1]) // 2), net.sizes[-1]
    plain = learner.buffers(n)
    plain.X[:] = np.linalg.qr(rng.standard_normal((plain.X.shape[1], n)))[0].T
    in_turn = np.arange(n)[:, np.newaxis] % C == np.arange(C)
    plain.Y[:] = in_turn if C > 1 else rng.standard_normal((n, 1))
    goal = OVERFITTED * learner.loss.at_chance(learner.sizes[-1])
    steps, loss = 0, math.inf
    for _ in range(_ATTEMPTS):  # all units of a narrow layer may be dead from the start
        for W, b in zip(learner.parameters.W, learner.parameters.b, strict=True):
            W[:] = rng.standard_normal(W.shape) * standard_deviation("glorot", *W.shape)
            b[:] = 0
        steps, loss = train_briefly(learner, plain, 2000, rate=0.03, goal=goal)
        if loss < goal:
            break
    detail = f"loss {loss:.2g} on {len(plain.X)} samples after {steps} steps"
    return Check("overfitting", loss < goal, f"{detail}, expected below {goal:.2g}")


def check_penalty(net: MLP, batch: Buffers, reg: float, gradient: Gradient) -> Check:
    """With λ larger by 1, the loss is larger by ½Σ‖W‖²."""
    loss, _ = gradient(net, batch, reg)
    raised, _ = gradient(net, batch, reg + 1)
    expected = l2_penalty(net.parameters.weights, 1.0)
    passed = math.isclose(raised - loss, expected, rel_tol=1e-9, abs_tol=1e-9)
    detail = f"{loss:.6f} at λ = {reg:g}, {raised:.6f} at λ = {reg + 1:g}"
    return Check("penalty raises the loss", passed, detail)


def check_whole_forward_passes(net: MLP, batch: Buffers, rng: np.random.Generator) -> Check:
    """Losses as this module computes them are those of the network with that parameter changed."""
    perturbed = PerturbedLosses(net, batch)
    worst = 0.0
    for name, entries in choose_entries(net, 5, rng):
        losses, _ = perturbed.evaluate(name, entries, STEP)
        weights = net.params[name].flat
        for entry, expected in zip(entries, losses.mean(axis=1), strict=True):
            before = weights[entry]
            weights[entry] += STEP
            net.forward_pass(batch, drop=True)
            loss = net.mean_loss(batch)
            weights[entry] = before
            worst = max(worst, abs(loss - expected) / max(1.0, abs(loss)))
    detail = f"perturbed losses differ by {worst:.1e} from those of whole forward passes"
    return Check("forward pass", bool(worst < 1e-12), detail)


def train_briefly(
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
