"""The NTK parametrisation: W = V/√n learns as V does if a layer is A·V/√n + b."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mlpcli.nn.network import MLP
from mlpcli.nn.optimizers import OPTIMIZERS, Adam, optimizer

SIZES, EMBEDDED = [5, 7, 6, 3], 2
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(20, 5)), np.arange(20) % 3
LR, MU, REG, STEPS = 0.05, 0.9, 0.3, 6


def network() -> MLP:
    return MLP(SIZES, "tanh", embedded=EMBEDDED, parametrisation="ntk", dtype="float64", seed=3)


def rate_of(name: str) -> float:
    """What the rate is multiplied by of V, b and the embeddings."""
    return {"W": 1.0, "b": 0.1, "E": 0.5}[name[0]]


Update = Callable[[Any, Any, dict[str, Any], float, int], Any]


def sgd(w: Any, g: Any, state: dict[str, Any], lr: float, t: int) -> Any:
    return w - lr * g


def momentum(w: Any, g: Any, state: dict[str, Any], lr: float, t: int) -> Any:
    state["v"] = MU * state.get("v", 0) - lr * g
    return w + state["v"]


def nesterov(w: Any, g: Any, state: dict[str, Any], lr: float, t: int) -> Any:
    state["v"] = MU * state.get("v", 0) - lr * g
    return w + MU * state["v"] - lr * g


def adam(w: Any, g: Any, state: dict[str, Any], lr: float, t: int) -> Any:
    state["m"] = MU * state.get("m", 0) + (1 - MU) * g
    state["s"] = 0.999 * state.get("s", 0) + 0.001 * g * g
    return w - lr * (state["m"] / (1 - MU**t)) / np.sqrt(state["s"] / (1 - 0.999**t))


RULES: dict[str, Update] = {
    "sgd": sgd, "momentum": momentum, "nesterov": nesterov, "adam": adam, "adamw": adam,
}  # fmt: skip


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_w_is_v_over_the_root_of_fan_in_after_every_step(name: str) -> None:
    net = network()
    roots = {f"W{n}": np.sqrt(len(W)) for n, W in enumerate(net.parameters.W, start=1)}
    free = {key: array * roots.get(key, 1) for key, array in net.params.items()}  # V, b, E
    twin = network()
    states: dict[str, dict[str, Any]] = {key: {} for key in free}
    made = optimizer(name, net, REG)
    if isinstance(made, Adam):
        made.epsilon = 0.0  # which alone would depend on the scale of the gradient
    for t in range(1, STEPS + 1):
        _, gradient = net.loss_and_grad(X, Y)
        for key, view in made.gradient.named().items():
            view[:] = gradient[key]
        made.step(LR, MU)

        for key, view in twin.params.items():
            view[:] = free[key] / roots.get(key, 1)
        _, gradient = twin.loss_and_grad(X, Y)
        for key, of_w in gradient.items():
            lr, of_v = LR * rate_of(key), of_w
            if key[0] == "W":
                if name == "adamw":  # a decay of V, which is one of W
                    free[key] = free[key] * (1 - lr * REG)
                else:
                    of_v = of_w + REG * twin.params[key]
            of_v = of_v / roots.get(key, 1)
            free[key] = RULES[name](free[key], of_v, states[key], lr, t)
    for key, array in net.params.items():
        assert np.allclose(array, free[key] / roots.get(key, 1), rtol=0, atol=1e-10), key


def test_initial_weights_are_those_of_a_standard_normal_v() -> None:
    net = MLP([400, 300, 10], parametrisation="ntk", seed=1)
    for W in net.parameters.W:
        assert float(W.std()) * np.sqrt(len(W)) == pytest.approx(1, abs=0.03)
    assert not any(b.any() for b in net.parameters.b)
    half = MLP([400, 300, 10], parametrisation="ntk", init_scale=0.5, seed=1)
    assert np.allclose(half.parameters.W[0], net.parameters.W[0] / 2)


@pytest.mark.parametrize("hidden", ["80,60", "400"])  # which share rows, and units
def test_two_processes_learn_as_one_does(mlp, hidden: str) -> None:
    for threads in (1, 2):
        mlp.ok(
            *("train", "--data", "digits", "--hidden", hidden, "--epochs", 1, "--dtype", "float64"),
            *("--parametrisation", "ntk", "--optimizer", "adamw", "--lr", 0.04, "--reg", 0.1),
            *("--threads", threads, "-o", f"{threads}.npz"),
        )
    one, two = MLP.load("1.npz").params, MLP.load("2.npz").params
    for name, array in one.items():
        assert np.allclose(array, two[name], rtol=0, atol=1e-10)


def test_initial_weights_of_another_kind_are_refused_beside_it(mlp) -> None:
    assert mlp.error("train", "--parametrisation", "ntk", "--init", "glorot") == (
        2,
        "--init glorot: --parametrisation ntk has initial weights of its own; leave it out, or "
        "give --init-scale",
    )
