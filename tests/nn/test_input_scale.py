"""A learned scale of the first layer's inputs: the equation, its gradient, and how it learns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mlpcli.arrays import Array
from mlpcli.nn.gradcheck.check import check_network, loss_and_gradient
from mlpcli.nn.input_scale import without
from mlpcli.nn.network import MLP
from mlpcli.nn.optimizers import optimizer

D, M, C, N = 5, 3, 4, 30


def some_data() -> tuple[Array, Array]:
    rng = np.random.default_rng(7)
    return rng.normal(size=(N, D)), rng.integers(C, size=N)


def network(hidden: tuple[int, ...] = (8,), embedded: int = M, **options: Any) -> MLP:
    given: dict[str, Any] = {"dtype": np.float64, "seed": 3, **options}
    net = MLP([D, *hidden, C], "tanh", embedded=embedded, scaled=True, **given)
    net.params["s1"][:] = np.random.default_rng(1).normal(1, 0.5, len(net.params["s1"]))
    return net


@pytest.mark.parametrize("embedded", [0, M])
@pytest.mark.parametrize("hidden", [(), (8,), (8, 7)])
def test_each_input_is_multiplied_by_its_factor(hidden: tuple[int, ...], embedded: int) -> None:
    net, (X, _) = network(hidden, embedded), some_data()
    plain = MLP(net.sizes, "tanh", embedded=embedded, dtype=np.float64, seed=3)
    for name, array in plain.params.items():
        array[:] = net.params[name]
    assert "s1" not in plain.params
    if embedded:  # what e(x) gives is scaled, too: the rows of W1 stand for all of it
        for j, row in enumerate(plain.params["W1"]):
            row *= net.params["s1"][j]
        expected = plain.forward(X)
    else:
        expected = plain.forward(X * net.params["s1"])
    np.testing.assert_allclose(net.forward(X), expected, rtol=1e-12, atol=1e-12)
    for name, array in without(net.params).items():
        plain.params[name][:] = array
    np.testing.assert_allclose(plain.forward(X), net.forward(X), rtol=1e-12, atol=1e-12)


def test_a_small_case_by_hand() -> None:
    """One row x = (1, 2), s = (3, ½), W = (2, 4)ᵀ: the score is 3·1·2 + ½·2·4 = 10."""
    net = MLP([2, 1], loss="squared-error", scaled=True, dtype=np.float64)
    net.params["s1"][:], net.params["W1"][:, 0], net.params["b1"][:] = (3, 0.5), (2, 4), 0
    loss, gradient = net.loss_and_grad(np.array([[1.0, 2.0]]), np.array([9.0]))
    assert loss == pytest.approx(0.5)  # ½(10 − 9)², whose derivative is δ = 1
    np.testing.assert_allclose(gradient["s1"], [1 * 2, 2 * 4])
    np.testing.assert_allclose(gradient["W1"][:, 0], [1 * 3, 2 * 0.5])


def test_it_begins_at_one() -> None:
    assert np.array_equal(MLP([4, 3, 2], scaled=True).params["s1"], np.ones(4, np.float32))
    assert MLP([4, 3, 2], scaled=True, embedded=2).params["s1"].shape == (4 + 3 * 2,)


@pytest.mark.parametrize("embedded", [0, M])
@pytest.mark.parametrize("dropout", [0.0, 0.4], ids=["whole", "dropped"])
@pytest.mark.parametrize("hidden", [(), (8,), (8, 7)], ids=["none", "8", "8-7"])
def test_the_gradient_passes(hidden: tuple[int, ...], dropout: float, embedded: int) -> None:
    net = network(hidden, embedded, dropout=dropout, input_dropout=dropout / 2)
    result = check_network(net, *some_data(), reg=0.01)
    assert result.failure() is None
    assert [p.name for p in result.parameters] == list(net.params)
    assert sum(p.checked for p in result.parameters) == len(net.parameters.flat)


@pytest.mark.parametrize("name", ["s1", "W1", "E1"])
def test_a_wrong_gradient_fails(name: str) -> None:
    def wrong(net: MLP, batch: Any, reg: float) -> tuple[float, dict[str, Array]]:
        loss, gradient = loss_and_gradient(net, batch, reg)
        gradient[name][1] *= 1.001
        return loss, gradient

    result = check_network(network(), *some_data(), gradient=wrong)
    assert result.failure()
    assert max(result.parameters, key=lambda p: p.error).name == name


@pytest.mark.parametrize("parametrisation", ["standard", "ntk"])
def test_it_learns_at_six_times_the_rate_without_a_penalty(parametrisation: str) -> None:
    net, (X, y) = network(parametrisation=parametrisation), some_data()
    _, gradient = net.loss_and_grad(X, y)
    before = net.params["s1"].copy()
    method = optimizer("sgd", net, reg=0.3)
    for name, array in method.gradient.named().items():
        array[:] = gradient[name]
    method.step(0.05, 0.0)
    np.testing.assert_allclose(net.params["s1"], before - 0.3 * gradient["s1"], rtol=1e-13)


def test_a_checkpoint_keeps_it_and_every_command_takes_it(mlp) -> None:
    small = ("--data", "penguins", "--hidden", 6, "--epochs", 3, "--input-scale", "learned")
    mlp.ok("train", *small)
    net = MLP.load("model.npz")
    assert not np.array_equal(net.params["s1"], np.ones_like(net.params["s1"]))
    mlp.ok("evaluate", "model.npz", "--importance", "--report", "a.html")
    mlp.ok("gradcheck", "model.npz")
    assert "s1" in mlp.ok("show", "model.npz").out


def test_a_resumed_run_ends_in_the_bytes_of_a_whole_one(mlp) -> None:
    small = ("--data", "penguins", "--hidden", 6, "--input-scale", "learned", "--lr-schedule")
    mlp.ok("train", *small, "constant", "--epochs", 4, "-o", "whole.npz")
    mlp.ok("train", *small, "constant", "--epochs", 2, "-o", "half.npz")
    mlp.ok("train", "--resume", "half.npz", "--epochs", 4)
    with np.load("whole.npz") as whole, np.load("half.npz") as half:
        for name in ("s1", "W1", "resume/last", "resume/average"):
            assert np.array_equal(whole[name], half[name])


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"s1": None}, "`meta` has 4 layers, its arrays are of 3"),
        ({"s1": np.ones(3, np.float32)}, "s1 has the shape (3,), expected ("),
        ({"s1": np.ones(30)}, "s1 "),
    ],
)
def test_a_damaged_one_is_refused(mlp, checkpoints, change: dict[str, Any], text: str) -> None:
    small = ("--data", "penguins", "--hidden", 6, "--epochs", 1, "--input-scale", "learned")
    mlp.ok("train", *small)
    checkpoints.rewrite("model.npz", **change)
    code, said = mlp.error("evaluate", "model.npz")
    assert (code, text in said) == (3, True), said
