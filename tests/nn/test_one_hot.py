"""Products with one-hot blocks are those with the whole matrix."""

from __future__ import annotations

import numpy as np
import pytest

from mlpcli.arrays import Array
from mlpcli.nn import one_hot
from mlpcli.nn.network import MLP
from mlpcli.nn.parameters import Parameters

N, M, H = 40, 3, 7
BLOCKS = ((3, 70), (73, 5), (78, 200))  # where each begins, and its length
D = 278


@pytest.fixture
def rows() -> tuple[Array, Array, Array]:
    """(dense (N, M), hot (N, K) with some that have none, the whole X (N, D))."""
    rng = np.random.default_rng(0)
    dense = rng.normal(size=(N, M))
    hot = np.column_stack([first + rng.integers(0, n, N) for first, n in BLOCKS])
    hot[rng.random(hot.shape) < 0.2] = -1
    hot[:, 1] = np.where(np.arange(N) % 3, 74, 75)  # many share a place
    X = np.zeros((N, D))
    X[:, :M] = dense
    for row, places in zip(X, hot, strict=True):
        row[places[places >= 0]] = 1
    return dense, hot, X


def test_forward(rows: tuple[Array, Array, Array]) -> None:
    dense, hot, X = rows
    W = np.random.default_rng(1).normal(size=(D, H))
    out = np.full((N, H), np.nan)
    assert one_hot.multiply(dense, hot, W, out) is out
    np.testing.assert_allclose(out, X @ W, rtol=1e-13)


@pytest.mark.parametrize("start", [0, 2, 3, 60, 74, 75, 90, 277])
@pytest.mark.parametrize("stop", [1, 3, 73, 74, 76, 200, 278, None])
def test_the_gradient_of_any_part_of_the_rows(
    rows: tuple[Array, Array, Array], start: int, stop: int | None
) -> None:
    dense, hot, X = rows
    delta = np.random.default_rng(1).normal(size=(N, H))
    part = slice(start, stop)
    if not range(D)[part]:
        return
    out = np.full((D, H), 9.0)
    one_hot.collect(dense, hot, delta, part, out)
    expected = np.full((D, H), 9.0)
    expected[part] = (X.T @ delta)[part]
    np.testing.assert_allclose(out, expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("none", [True, False])
def test_rows_without_blocks_or_without_numbers(none: bool) -> None:
    hot = np.full((4, 1), -1) if none else np.array([[0], [2], [2], [1]])
    W = np.arange(12.0).reshape(3, 4)
    out = one_hot.multiply(np.empty((4, 0)), hot, W, np.empty((4, 4)))
    assert np.array_equal(out, np.zeros((4, 4)) if none else W[[0, 2, 2, 1]])
    gradient = np.full((3, 4), 9.0)
    one_hot.collect(np.empty((4, 0)), hot, np.ones((4, 4)), slice(None), gradient)
    assert gradient[:, 0].tolist() == ([0, 0, 0] if none else [1, 1, 2])


@pytest.mark.parametrize("hidden", [[], [5]])
def test_a_network_has_the_gradient_that_it_has_of_the_whole_matrix(
    rows: tuple[Array, Array, Array], hidden: list[int]
) -> None:
    dense, hot, X = rows
    net = MLP([D, *hidden, 2], "tanh", dtype=np.float64, seed=1)
    y = np.arange(N) % 2
    loss, expected = net.loss_and_grad(X, y)
    batch = net.buffers(N, widths=(M, len(BLOCKS)))
    assert batch.hot is not None
    batch.X[:], batch.hot[:], batch.Y[:] = dense, hot, np.eye(2)[y]
    gradient = Parameters(net.sizes, np.full_like(net.parameters.flat, 9))
    net.forward_pass(batch)
    assert net.mean_loss(batch) == pytest.approx(loss, rel=1e-14)
    net.backward_pass(batch, gradient)
    for name, array in gradient.named().items():
        np.testing.assert_allclose(array, expected[name], rtol=1e-11, atol=1e-15)


def test_inputs_that_are_dropped_are_all_there() -> None:
    net = MLP([D, 2], input_dropout=0.5)
    batch = net.buffers(N, widths=(M, len(BLOCKS)))
    assert batch.hot is None
    assert batch.X.shape == (N, D)
