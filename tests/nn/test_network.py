"""The network: a case worked by hand, the two precisions, and what it says of wrong inputs."""

import math

import numpy as np
import pytest

from mlpcli.errors import InputError
from mlpcli.nn.losses import LOSSES, OF_TASK
from mlpcli.nn.network import CHUNK, MLP
from mlpcli.nn.parameters import Parameters

LN3 = math.log(3)


def by_hand(dtype=np.float64):
    """A 2-2-2 network whose second hidden unit is off for the input (1, 2).

    Z1 = (1 + 2/2, -1 + 2/2 - 1/2) = (2, -1/2), A1 = (2, 0), scores = (ln 3, 0), probs = (3/4, 1/4)
    """
    net = MLP([2, 2, 2], dtype=dtype, seed=None)
    net.params["W1"][:] = [[1, -1], [0.5, 0.5]]
    net.params["b1"][:] = [0, -0.5]
    net.params["W2"][:] = [[LN3 / 2, 0], [1, -1]]
    return net


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-14, atol=1e-16)


def test_forward_by_hand():
    close(by_hand().forward([[1.0, 2.0]]), [[LN3, 0]])


def test_probabilities_by_hand():
    close(by_hand().predict_proba([[1.0, 2.0]]), [[0.75, 0.25]])


def test_loss_and_gradient_by_hand():
    loss, gradient = by_hand().loss_and_grad([[1.0, 2.0]], [1])
    assert loss == pytest.approx(math.log(4), rel=1e-15)  # -ln 1/4
    close(gradient["b2"], [0.75, -0.75])  # δ2 = probs - target
    close(gradient["W2"], [[1.5, -1.5], [0, 0]])  # A1ᵀ·δ2
    close(gradient["b1"], [0.375 * LN3, 0])  # δ1 = δ2·W2ᵀ = (3/8 ln 3, 3/2), and the second is off
    close(gradient["W1"], [[0.375 * LN3, 0], [0.75 * LN3, 0]])  # Xᵀ·δ1


def test_penalty_by_hand_is_of_weights_and_not_of_biases():
    net = by_hand()
    loss, gradient = net.loss_and_grad([[1.0, 2.0]], [1], reg=0.1)
    squares = 1 + 1 + 0.25 + 0.25 + LN3**2 / 4 + 1 + 1
    assert loss == pytest.approx(math.log(4) + 0.05 * squares, rel=1e-15)
    close(gradient["W1"], [[0.375 * LN3 + 0.1, -0.1], [0.75 * LN3 + 0.05, 0.05]])
    close(gradient["W2"], [[1.5 + 0.05 * LN3, -1.5], [0.1, -0.1]])
    close(gradient["b1"], [0.375 * LN3, 0])
    close(gradient["b2"], [0.75, -0.75])


def test_the_loss_is_a_mean_and_its_penalty_does_not_depend_on_the_number_of_samples():
    net = by_hand()
    one, gradient = net.loss_and_grad([[1.0, 2.0]], [1], reg=0.1)
    three, of_three = net.loss_and_grad([[1.0, 2.0]] * 3, [1] * 3, reg=0.1)
    assert three == pytest.approx(one, rel=1e-15)
    for name in gradient:
        close(of_three[name], gradient[name])


def test_weighted_samples_count_by_their_weights():
    net = MLP([3, 4, 2], dtype=np.float64)
    X, y = np.random.default_rng(0).standard_normal((2, 3)), [0, 1]
    batch = net.buffers(2, weighted=True)
    batch.X[:], batch.Y[:], batch.weights[:, 0] = X, np.eye(2)[y], [0.5, 3.0]
    net.forward_pass(batch)
    each = [net.loss_and_grad(X[[k]], [y[k]])[0] for k in (0, 1)]
    assert net.mean_loss(batch) == pytest.approx((0.5 * each[0] + 3 * each[1]) / 2, rel=1e-14)


def test_without_hidden_layers_it_is_softmax_regression():
    net = MLP([3, 4], dtype=np.float64, seed=1)
    X, y = np.random.default_rng(0).standard_normal((5, 3)), [0, 1, 2, 3, 0]
    e = np.exp(X @ net.params["W1"])
    probs = e / e.sum(axis=1, keepdims=True)
    close(net.predict_proba(X), probs)
    _, gradient = net.loss_and_grad(X, y)
    assert list(gradient) == ["W1", "b1"]
    np.testing.assert_allclose(gradient["W1"], X.T @ (probs - np.eye(4)[y]) / 5, rtol=1e-12)


@pytest.mark.parametrize("loss", LOSSES)
def test_probabilities_are_those_of_the_loss(loss):
    net = MLP([3, 4, 2], "tanh", loss, dtype=np.float64)
    X = np.random.default_rng(0).standard_normal((5, 3))
    scores = np.tanh(X @ net.params["W1"]) @ net.params["W2"]
    if loss == "cross-entropy":
        expected = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    else:
        expected = scores if loss in OF_TASK["regression"] else 1 / (1 + np.exp(-scores))
    close(net.predict_proba(X), expected)


@pytest.mark.parametrize("shape", [(4, 3), (2,), (2, 2, 2)])
def test_inputs_of_the_wrong_shape_are_refused(shape):
    for method in ("forward", "predict_proba"):
        with pytest.raises(InputError) as refused:
            getattr(by_hand(), method)(np.zeros(shape))
        assert str(refused.value) == f"X has the shape {shape}, expected (N, 2)"
    with pytest.raises(InputError, match=r"expected \(N, 2\)"):
        by_hand().loss_and_grad(np.zeros(shape), [0])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_all_arrays_are_of_the_precision_asked_for(dtype):
    net = by_hand(dtype)
    loss, gradient = net.loss_and_grad([[1.0, 2.0]], [1], reg=0.1)
    assert isinstance(loss, float)
    arrays = [*net.params.values(), *gradient.values(), net.forward([[1, 2]])]
    assert {a.dtype for a in arrays} == {np.dtype(dtype)}


def test_single_precision_agrees_with_double():
    (loss32, g32), (loss64, g64) = (
        by_hand(dtype).loss_and_grad([[1.0, 2.0]], [1], reg=0.1) for dtype in ("f4", "f8")
    )
    assert loss32 == pytest.approx(loss64, rel=1e-6)
    for name in g64:
        np.testing.assert_allclose(g32[name], g64[name], rtol=1e-6)


def test_a_prediction_of_many_rows_is_that_of_each():
    net = MLP([3, 4, 2], dtype=np.float64)
    X = np.random.default_rng(0).standard_normal((2 * CHUNK + 1, 3))
    probs = net.predict_proba(X)
    assert probs.shape == (2 * CHUNK + 1, 2)
    for row in (0, CHUNK - 1, CHUNK, 2 * CHUNK):
        np.testing.assert_allclose(probs[row], net.predict_proba(X[[row]])[0], rtol=1e-13)


def test_no_rows_have_no_predictions():
    assert by_hand().predict_proba(np.empty((0, 2))).shape == (0, 2)


def test_parameters_keep_their_values_when_they_move():
    net = MLP([3, 4, 2])
    before = {name: array.copy() for name, array in net.params.items()}
    home = np.full(26, np.nan, np.float32)
    net.move_to(Parameters([3, 4, 2], home))
    for name, array in net.params.items():
        np.testing.assert_array_equal(array, before[name])
        assert np.shares_memory(array, home)


def test_adopted_parameters_keep_the_values_that_they_have():
    net = MLP([2, 2, 2], dtype=np.float64)
    net.adopt(by_hand().parameters)
    close(net.forward([[1.0, 2.0]]), [[LN3, 0]])


def test_params_are_live():
    net = by_hand()
    net.params["b2"][:] = [0, LN3]
    close(net.predict_proba([[1.0, 2.0]]), [[0.5, 0.5]])


def test_sigmoid_units_and_the_quadratic_cost_are_nielsens_equations():
    """Chapter 2, BP1-BP4, for one sample, written in his columns."""
    net = MLP([3, 4, 2], "sigmoid", "mse", dtype=np.float64, seed=5)
    x, y = np.array([[0.2], [-1.0], [0.7]]), np.array([[0.0], [1.0]])
    w1, w2 = net.params["W1"].T, net.params["W2"].T
    a1 = 1 / (1 + np.exp(-(w1 @ x)))
    a2 = 1 / (1 + np.exp(-(w2 @ a1)))
    delta2 = (a2 - y) * a2 * (1 - a2)
    delta1 = (w2.T @ delta2) * a1 * (1 - a1)
    loss, gradient = net.loss_and_grad(x.T, [1])
    assert loss == pytest.approx(float(((a2 - y) ** 2).sum() / 2), rel=1e-14)
    np.testing.assert_allclose(gradient["W2"], (delta2 @ a1.T).T, rtol=1e-12)
    np.testing.assert_allclose(gradient["W1"], (delta1 @ x.T).T, rtol=1e-12)
    np.testing.assert_allclose(gradient["b1"], delta1[:, 0], rtol=1e-12)


def test_a_pass_of_a_very_wide_network_takes_fewer_samples_and_says_the_same():
    wide = MLP([1, 1_000_000, 2], seed=None)
    assert wide.chunk == 2
    assert MLP([784, 800, 10], seed=None).chunk == CHUNK
    net = MLP([1, 300_000, 2], dtype=np.float64)
    X = np.linspace(-1, 1, 2 * net.chunk + 1)[:, None]
    assert net.chunk == 6
    alone = [net.forward(X[i : i + 1])[0] for i in (0, 5, 6, 12)]
    np.testing.assert_allclose(net.forward(X)[[0, 5, 6, 12]], alone, rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu", "silu", "selu", "mish"])
def test_the_last_few_rows_of_an_epoch_have_the_gradient_that_they_have_alone(activation, dtype):
    """They take only a part of the buffers, so that their numbers lie apart in memory."""
    rng = np.random.default_rng(0)
    net = MLP([4, 5, 3], activation, embedded=3, scaled=True, dtype=dtype)
    parameters = net.parameters
    for size in range(2, 18):
        buffers = net.buffers(size)
        for n in {1, 2, size - 1}:
            X, y = rng.normal(size=(n, 4)), rng.integers(0, 3, n)
            batch, gradient = buffers.first(n), parameters.like(np.zeros_like(parameters.flat))
            batch.X[:], batch.Y[:] = X, np.eye(3)[y]
            net.forward_pass(batch)
            loss = net.mean_loss(batch)
            net.backward_pass(batch, gradient)
            alone, wanted = net.loss_and_grad(X, y)
            tolerance = {"rtol": 1e-5, "atol": 100 * np.finfo(dtype).eps}
            np.testing.assert_allclose(loss, alone, **tolerance)
            for name, array in gradient.named().items():
                np.testing.assert_allclose(array, wanted[name], **tolerance)
