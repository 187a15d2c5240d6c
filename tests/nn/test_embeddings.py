"""Periodic embeddings: the equation, its gradient, and what of them is whose."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from mlpcli.arrays import Array
from mlpcli.errors import UsageError
from mlpcli.nn.gradcheck.check import check_network, loss_and_gradient
from mlpcli.nn.network import MLP
from mlpcli.nn.optimizers import optimizer
from mlpcli.nn.parameters import Parameters

D, M, C, N = 5, 3, 4, 30


def some_data(columns: int = D) -> tuple[Array, Array]:
    rng = np.random.default_rng(7)
    return rng.normal(size=(N, columns)), rng.integers(C, size=N)


def network(hidden: tuple[int, ...] = (8,), embedded: int = M, **options: Any) -> MLP:
    return MLP([D, *hidden, C], "tanh", embedded=embedded, dtype=np.float64, seed=3, **options)


def inputs_one_by_one(net: MLP, X: Array) -> Array:
    """What the first layer takes, each number by itself."""
    w, b, V, c = (net.params[f"E{k}"] for k in (1, 2, 3, 4))
    rows = []
    for x in X:
        e = []
        for j in range(net.embedded):
            waves = [math.cos(2 * math.pi * w[j, k] * x[j] + b[j, k]) for k in range(16)]
            e += [sum(waves[k] * V[j, k, o] for k in range(16)) + c[j, o] for o in range(3)]
        rows.append([*e, *x])
    return np.array(rows)


@pytest.mark.parametrize("embedded", [1, M, D])
@pytest.mark.parametrize("hidden", [(), (8,), (8, 7)])
def test_the_scores_are_those_of_the_equation(hidden: tuple[int, ...], embedded: int) -> None:
    net, (X, _) = network(hidden, embedded), some_data()
    A = inputs_one_by_one(net, X)
    for layer in range(1, len(hidden) + 2):
        Z = A @ net.params[f"W{layer}"] + net.params[f"b{layer}"]
        A = np.tanh(Z)
    np.testing.assert_allclose(net.forward(X), Z, rtol=1e-12, atol=1e-12)


def test_a_network_without_embeddings_has_none() -> None:
    net = network(embedded=0)
    assert list(net.params) == ["W1", "b1", "W2", "b2"]
    assert net.buffers(3).waves is None


def test_parameters_are_counted_and_each_is_in_one_array() -> None:
    net = network()
    assert [net.params[f"E{k}"].shape for k in (1, 2, 3, 4)] == [
        (M, 16), (M, 16), (M, 16, 3), (M, 3),
    ]  # fmt: skip
    assert net.params["W1"].shape == (D + 3 * M, 8)
    flat = net.parameters.flat
    assert len(flat) == Parameters.count(net.sizes, embedded=M) == (14 + 1) * 8 + 9 * 4 + M * 83
    flat[:] = np.arange(len(flat))
    held = np.concatenate([array.ravel() for array in net.params.values()])
    assert sorted(held) == list(range(len(flat)))


def test_the_initial_values_are_distributed_as_published() -> None:
    arrays = MLP([400, 2], embedded=400, dtype=np.float64, seed=0).params
    w, b, V, c = (arrays[f"E{k}"] for k in (1, 2, 3, 4))
    assert w.std() == pytest.approx(0.1, rel=0.03)
    assert abs(w.mean()) < 0.005
    for array, bound in ((b, math.pi), (V, 0.25), (c, 0.25)):
        assert 0.97 * bound < np.abs(array).max() <= bound
        assert array.std() == pytest.approx(bound / math.sqrt(3), rel=0.05)


@pytest.mark.parametrize("dropout", [0.0, 0.4], ids=["whole", "dropped"])
@pytest.mark.parametrize("hidden", [[], [8], [8, 7]], ids=["none", "8", "8-7"])
@pytest.mark.parametrize("activation", ["relu", "tanh", "mish"])
def test_the_gradient_passes(activation: str, hidden: list[int], dropout: float) -> None:
    net = MLP([D, *hidden, C], activation, embedded=M, dropout=dropout, input_dropout=dropout / 2)
    result = check_network(net, *some_data(), reg=0.01)
    assert result.failure() is None
    assert [p.name for p in result.parameters] == list(net.params)
    assert sum(p.checked + p.kinks_skipped for p in result.parameters) == len(net.parameters.flat)


@pytest.mark.parametrize("name", ["E1", "E2", "E3", "E4"])
def test_a_wrong_gradient_of_an_embedding_fails(name: str) -> None:
    def wrong(net: MLP, batch: Any, reg: float) -> tuple[float, dict[str, Array]]:
        loss, gradient = loss_and_gradient(net, batch, reg)
        gradient[name][1] *= 1.001
        return loss, gradient

    result = check_network(network(), *some_data(), gradient=wrong)
    assert result.failure()
    assert max(result.parameters, key=lambda p: p.error).name == name


def test_only_weights_of_layers_have_a_penalty() -> None:
    net, (X, y) = network(), some_data()
    _, plain = net.loss_and_grad(X, y)
    _, penalised = net.loss_and_grad(X, y, reg=0.5)
    for name, array in net.params.items():
        added = 0.5 * array if name.startswith("W") else np.zeros_like(array)
        np.testing.assert_allclose(penalised[name] - plain[name], added, atol=1e-15)


def test_embeddings_learn_at_half_of_the_rate() -> None:
    net, (X, y) = network(), some_data()
    _, gradient = net.loss_and_grad(X, y)
    before = {name: array.copy() for name, array in net.params.items()}
    method = optimizer("sgd", net)
    for name, array in method.gradient.named().items():
        array[:] = gradient[name]
    method.step(0.5, 0.0)
    for name, array in net.params.items():
        rate = 0.25 if name.startswith("E") else 0.5
        expected = before[name] - rate * gradient[name]
        np.testing.assert_allclose(array, expected, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("hidden", [(), (8,)])
def test_one_hot_inputs_beside_embeddings_are_those_of_the_whole_matrix(
    hidden: tuple[int, ...],
) -> None:
    """Two blocks of inputs of which only the place of the 1 is kept."""
    rng = np.random.default_rng(0)
    places = np.column_stack([4 + rng.integers(70, size=N), 74 + rng.integers(80, size=N)])
    places[rng.random(places.shape) < 0.2] = -1
    X = np.zeros((N, 154))
    X[:, :4] = rng.normal(size=(N, 4))
    for row, hot in zip(X, places, strict=True):
        row[hot[hot >= 0]] = 1
    net = MLP([154, *hidden, C], "tanh", embedded=M, dtype=np.float64, seed=1)
    y = np.arange(N) % C
    loss, expected = net.loss_and_grad(X, y)
    batch = net.buffers(N, widths=(4, 2))
    assert batch.hot is not None
    batch.X[:], batch.hot[:], batch.Y[:] = X[:, :4], places, np.eye(C)[y]
    net.forward_pass(batch)
    assert net.mean_loss(batch) == pytest.approx(loss, rel=1e-14)
    gradient = net.parameters.like(np.full_like(net.parameters.flat, 9))
    net.backward_pass(batch, gradient)
    for name, array in gradient.named().items():
        np.testing.assert_allclose(array, expected[name], rtol=1e-11, atol=1e-15)


@pytest.mark.parametrize("scaled", [False, True], ids=["plain", "scaled"])
@pytest.mark.parametrize("ranks", [2, 3, 7])
def test_pieces_by_pieces_the_gradient_is_the_whole_one(ranks: int, scaled: bool) -> None:
    net, (X, y) = network(scaled=scaled), some_data()
    of_scale = net.params.get("s1", np.empty(0))  # its gradient is of the rows of W1 that are there
    of_scale[:] = np.random.default_rng(1).normal(1, 0.5, len(of_scale))
    _, expected = net.loss_and_grad(X, y)
    batch = net.buffers(N)
    batch.X[:], batch.Y[:] = X, np.eye(C)[y]
    net.forward_pass(batch)
    net.mean_loss(batch)
    net.propagate_back(batch)
    P = len(net.parameters.flat)
    gradient = net.parameters.like(np.full(P, np.nan))
    ends = np.linspace(0, P, ranks + 1).astype(int)
    parts = [net.parameters.whole_rows(slice(*pair)) for pair in pairwise(ends)]
    assert parts[0].start == 0
    assert [part.stop for part in parts] == [*(part.start for part in parts[1:]), P]
    for part in parts:
        before = gradient.flat.copy()
        net.collect_gradient(batch, gradient, net.parameters.pieces(part))
        outside = np.ones(P, bool)
        outside[part] = outside[P - len(of_scale) :] = False
        np.testing.assert_array_equal(gradient.flat[outside], before[outside])
    for name, array in gradient.named().items():
        np.testing.assert_allclose(array, expected[name], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("embedded", [-1, 6, 1.0, True])
def test_other_numbers_of_inputs_are_refused(embedded: Any) -> None:
    with pytest.raises(UsageError, match="expected how many of the 5 inputs, the first ones, are"):
        network(embedded=embedded)
