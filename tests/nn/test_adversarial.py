"""Samples that are moved by the loss's gradient: by hand, by definition, and beside other ways."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mlpcli.arrays import Array
from mlpcli.nn.adversarial import Attack
from mlpcli.nn.gradcheck.check import check_network
from mlpcli.nn.network import MLP
from mlpcli.nn.parameters import Buffers

D, C, N = 6, 4, 30
LOSSES = ["cross-entropy", "mse", "bce", "squared-error"]


def network(hidden: tuple[int, ...] = (9, 8), loss: str = "cross-entropy", **options: Any) -> MLP:
    return MLP([D, *hidden, C], "tanh", loss, **{"dtype": np.float64, "seed": 3, **options})


def batch_of(net: MLP) -> tuple[Buffers, Buffers]:
    """(some samples, room for as many that are moved)."""
    rng = np.random.default_rng(5)
    batch, moved = net.buffers(N), net.buffers(N)
    batch.X[:] = rng.normal(size=(N, D))
    batch.y[:] = rng.integers(C, size=N)
    batch.Y[:] = np.eye(C)[batch.y]
    return batch, moved


def moved_by(attack: Attack, net: MLP, *, seed: int = 0) -> tuple[Array, Array, Buffers]:
    """(X, r, the batch that was moved)."""
    batch, moved = batch_of(net)
    attack.move(net, batch, moved, np.random.default_rng(seed))
    return batch.X, moved.X - batch.X, moved


def losses_at(net: MLP, X: Array, Y: Array) -> Array:
    """(N,) each sample's loss."""
    batch = net.buffers(len(X))
    batch.X[:], batch.Y[:] = X, Y
    net.forward_pass(batch)
    return net.evaluate_loss(batch).copy()


def test_a_small_case_by_hand() -> None:
    """One score of x = (1, 2) by W = (3, −4)ᵀ is −5; the target is 0: the gradient is −5·W."""
    net = MLP([2, 1], loss="squared-error", dtype=np.float64)
    net.params["W1"][:, 0], net.params["b1"][:] = (3, -4), 0
    batch, moved = net.buffers(1), net.buffers(1)
    batch.X[:] = (1, 2)
    for attack, expected in (
        (Attack("linf", 0.5), (1 - 0.5, 2 + 0.5)),
        (Attack("l2", 0.5), (1 - 0.5 * 3 / 5, 2 + 0.5 * 4 / 5)),
    ):
        attack.move(net, batch, moved, np.random.default_rng(0))
        np.testing.assert_allclose(moved.X, [expected])


@pytest.mark.parametrize("loss", LOSSES)
def test_the_loss_rises_by_the_gradients_dual_norm(loss: str) -> None:
    net, size = network(loss=loss), 1e-6
    X, r, moved = moved_by(Attack("l2", size), net)
    np.testing.assert_allclose(np.linalg.norm(r, axis=1), size)
    g, Y = np.empty((N, D)), np.eye(C)[moved.y]
    for j in range(D):  # by central differences
        step = 1e-5 * np.eye(D)[j]
        g[:, j] = (losses_at(net, X + step, Y) - losses_at(net, X - step, Y)) / 2e-5
    np.testing.assert_allclose(r, size * g / np.linalg.norm(g, axis=1)[:, None], atol=1e-6 * size)
    X, r, _ = moved_by(Attack("linf", size), net)
    np.testing.assert_array_equal(np.sign(r), np.sign(g))
    np.testing.assert_allclose(np.abs(r), size)


def test_a_virtual_one_goes_where_the_answer_changes_most() -> None:
    """Of a softmax regression KL(p(x) ‖ p(x + r)) is ½rᵀHr, H = W(diag p − ppᵀ)Wᵀ, to 2nd order."""
    net = network(hidden=())
    attack, W = Attack("virtual", 1e-3), net.params["W1"]
    X, r, moved = moved_by(attack, net)
    d = np.random.default_rng(0).random((N, D)) - 0.5
    for x, step, direction, target in zip(X, r, d, moved.Y, strict=True):
        scores = x @ W + net.params["b1"]
        p = np.exp(scores) / np.exp(scores).sum()
        np.testing.assert_allclose(target, p)
        H = W @ (np.diag(p) - np.outer(p, p)) @ W.T
        np.testing.assert_allclose(step, 1e-3 * H @ direction / np.linalg.norm(H @ direction),
                                   atol=1e-7)  # fmt: skip


def test_a_virtual_one_asks_for_no_label() -> None:
    net = network()
    batch, moved = batch_of(net)
    Attack("virtual", 1.0).move(net, batch, moved, np.random.default_rng(0))
    there = moved.X.copy()
    batch.Y[:] = batch.Y[::-1].copy()
    Attack("virtual", 1.0).move(net, batch, moved, np.random.default_rng(0))
    np.testing.assert_array_equal(moved.X, there)


def test_what_is_drawn_for_a_sample_depends_on_its_place_alone() -> None:
    net = network()
    batch, moved = batch_of(net)
    attack = Attack("virtual", 1.0)
    attack.move(net, batch, moved, np.random.default_rng(0))
    some = slice(7, 20)
    attack.move(net, batch.rows(some), part := net.buffers(13), np.random.default_rng(0), first=7)
    np.testing.assert_allclose(part.X, moved.X[some], rtol=1e-12)


def test_what_has_no_gradient_stays() -> None:
    net = network(seed=None)  # all weights are 0
    for kind in ("l2", "linf", "virtual"):
        _, r, _ = moved_by(Attack(kind, 2.0), net)
        assert not r.any()


def test_what_is_dropped_of_a_sample_is_dropped_of_its_copy() -> None:
    net = network(dropout=0.5, input_dropout=0.3)
    batch, moved = batch_of(net)
    masks = [m for m in batch.masks if m is not None]
    for mask in masks:
        mask[:] = np.random.default_rng(1).integers(2, size=mask.shape) * 2
    Attack("l2", 1.0).move(net, batch, moved, np.random.default_rng(0), drop=True)
    for ours, theirs in zip(moved.masks, masks, strict=True):
        assert ours is not None
        np.testing.assert_array_equal(ours, theirs)
    dropped = masks[0] == 0
    assert not (moved.X - batch.X)[dropped].any()  # where x is 0 its gradient is, too
    assert (moved.X - batch.X)[~dropped].any()


@pytest.mark.parametrize("options", [{}, {"dropout": 0.4, "input_dropout": 0.2}, {"scaled": True}])
@pytest.mark.parametrize("activation", ["relu", "mish"])
def test_the_gradient_check_covers_the_inputs(options: dict[str, Any], activation: str) -> None:
    class Wrong(MLP):
        def input_gradient(self, batch: Buffers, out: Array, *, drop: bool = False) -> Array:
            super().input_gradient(batch, out, drop=drop)
            out[:, 2] *= 1.001
            return out

    def outcome(cls: type[MLP]) -> str | None:
        net = cls([D, 9, 8, C], activation, dtype=np.float64, seed=3, **options)
        rng = np.random.default_rng(0)
        return check_network(net, rng.normal(size=(50, D)), rng.integers(C, size=50)).failure()

    assert outcome(MLP) is None
    assert (outcome(Wrong) or "").startswith("input gradient, initial point: X[")
