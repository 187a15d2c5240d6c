"""Optimizers by facts that do not come from their own formulas.

On the quadratic ½aw² the gradient is aw, and gradient descent with momentum is a linear recurrence,
w ← pw + q·(w before), whose solution is known in closed form.
"""

import numpy as np
import pytest

from mlpcli.nn.network import MLP
from mlpcli.nn.optimizers import OPTIMIZERS, optimizer

CURVATURES = np.array([0.1, 0.7, 1.0, 2.5, 5.0, 9.0])  # a; 2-2 has four weights and two biases
LR, MU = 0.1, 0.8


def network():
    """A 2-2 network whose parameters are all away from 0."""
    net = MLP([2, 2], dtype=np.float64, seed=None)
    net.parameters.flat[:] = [1.0, -2.0, 0.5, 3.0, -1.5, 0.25]
    return net


def descend(name, steps, *, reg=0.0, lr=LR, momentum=MU):
    """The parameters after each of `steps` steps on the quadratic, the start first."""
    net = network()
    method = optimizer(name, net, reg)
    path = [net.parameters.flat.copy()]
    for _ in range(steps):
        method.gradient.flat[:] = CURVATURES * net.parameters.flat
        method.step(lr, momentum)
        path.append(net.parameters.flat.copy())
    return np.array(path)


def recurrence(p, q, first, second, steps):
    """Terms 0 … steps of w₍ₜ₊₁₎ = p·wₜ + q·w₍ₜ₋₁₎, by the roots of r² = pr + q."""
    root = np.sqrt((p * p + 4 * q).astype(complex))
    r1, r2 = (p + root) / 2, (p - root) / 2
    c1 = (second - r2 * first) / (r1 - r2)
    t = np.arange(steps + 1)[:, None]
    return (c1 * r1**t + (first - c1) * r2**t).real


def test_gradient_descent_shrinks_a_quadratic_geometrically():
    path = descend("sgd", 30)
    expected = path[0] * (1 - LR * CURVATURES) ** np.arange(31)[:, None]
    np.testing.assert_allclose(path, expected, rtol=1e-12, atol=1e-14)


def test_momentum_on_a_quadratic_is_a_damped_oscillation():
    path = descend("momentum", 60)
    step = 1 - LR * CURVATURES
    expected = recurrence(step + MU, -MU, path[0], step * path[0], 60)
    np.testing.assert_allclose(path, expected, rtol=1e-10, atol=1e-12)


def test_nesterov_on_a_quadratic_is_the_sequence_of_points_looked_ahead_to():
    path = descend("nesterov", 60)
    step = 1 - LR * CURVATURES  # y ← x + μ(x − x before), x ← step·y; the network holds the y
    p, q = (1 + MU) * step, -MU * step
    expected = recurrence(p, q, path[0], p * path[0] - MU * path[0], 60)
    np.testing.assert_allclose(path, expected, rtol=1e-10, atol=1e-12)


def test_without_momentum_all_three_are_gradient_descent():
    plain = descend("sgd", 20)
    for name in ("momentum", "nesterov"):
        np.testing.assert_allclose(descend(name, 20, momentum=0.0), plain, rtol=1e-13)


def test_gradient_descent_takes_no_notice_of_the_momentum():
    np.testing.assert_array_equal(descend("sgd", 5, momentum=0.9), descend("sgd", 5, momentum=0.0))


@pytest.mark.parametrize("name", ["momentum", "sgd", "nesterov"])
def test_the_penalty_is_curvature_of_weights_alone(name):
    """A weight of curvature a behaves as one of a + λ without a penalty; a bias does not."""
    curved = CURVATURES + np.array([0.3] * 4 + [0.0] * 2)
    net = network()
    method = optimizer(name, net)
    for _ in range(40):
        method.gradient.flat[:] = curved * net.parameters.flat
        method.step(LR, MU)
    np.testing.assert_allclose(descend(name, 40, reg=0.3)[-1], net.parameters.flat, rtol=1e-10)


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_adams_first_step_is_lr_against_the_sign_of_the_gradient(name):
    path = descend(name, 1, lr=0.01, momentum=0.9)
    np.testing.assert_allclose(path[1] - path[0], -0.01 * np.sign(path[0]), rtol=1e-6)


def test_adam_walks_at_lr_where_the_gradient_stays():
    net = network()
    start, method = net.parameters.flat.copy(), optimizer("adam", net)
    gradient = np.array([3.0, -0.2, 1e-2, 50.0, -1.0, 1e3])
    for _ in range(25):
        method.gradient.flat[:] = gradient
        method.step(0.01, 0.9)
    np.testing.assert_allclose(net.parameters.flat, start - 0.25 * np.sign(gradient), atol=1e-5)


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_without_any_memory_adam_takes_the_sign_of_each_gradient(name):
    net = network()
    method = optimizer(name, net, beta2=0.0)
    for scale in (1.0, -1e-3, 1e4):
        before = net.parameters.flat.copy()
        method.gradient.flat[:] = gradient = scale * CURVATURES
        method.step(0.01, 0.0)
        moved = net.parameters.flat - before
        np.testing.assert_allclose(moved, -0.01 * np.sign(gradient), rtol=1e-4)


def test_the_smaller_beta2_the_sooner_a_large_gradient_is_forgotten():
    """n steps after it, a step is lr·√((1 − β₂ⁿ⁺¹)/(1 − β₂)/(1 + 10⁸·β₂ⁿ)), with one of 1 since."""
    for beta2 in (0.9, 0.95, 0.99):
        net = network()
        method = optimizer("adam", net, beta2=beta2)
        for n in range(31):
            before = net.parameters.flat.copy()
            method.gradient.flat.fill(1.0 if n else 1e4)
            method.step(0.01, 0.0)
        v = sum(beta2**k for k in range(30)) + 1e8 * beta2**30
        expected = 0.01 * np.sqrt((1 - beta2**31) / (1 - beta2) / v)
        np.testing.assert_allclose(before - net.parameters.flat, expected, rtol=1e-6)


def test_adam_does_not_move_without_a_gradient():
    net = network()
    method = optimizer("adam", net)
    method.gradient.flat.fill(0)
    method.step(0.01, 0.9)
    np.testing.assert_array_equal(net.parameters.flat, network().parameters.flat)


def test_adamw_is_adam_and_a_decay_of_the_weights():
    plain, decayed = descend("adam", 1), descend("adamw", 1, reg=0.3)
    decay = LR * 0.3 * plain[0]
    decay[4:] = 0  # biases
    np.testing.assert_allclose(plain[1] - decayed[1], decay, rtol=1e-12, atol=1e-15)


def test_adam_has_the_penalty_in_its_gradient():
    """Where there is nothing else in it, every weight takes a first step of lr, and no bias."""
    net = network()
    method = optimizer("adam", net, 1e-3)
    method.gradient.flat.fill(0)
    method.step(0.01, 0.9)
    moved = net.parameters.flat - network().parameters.flat
    np.testing.assert_allclose(np.abs(moved), [0.01] * 4 + [0.0] * 2, rtol=1e-4)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("done", [0, 4, 5])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_restored_optimizer_goes_on_to_the_same_bits(name, done, dtype):
    def walk(net, method, steps):
        for step in steps:
            rng = np.random.default_rng(step)
            method.gradient.flat[:] = rng.standard_normal(len(net.parameters.flat))
            method.step(0.05, 0.9)

    whole = MLP([3, 4, 2], dtype=dtype)
    method = optimizer(name, whole, 0.01)
    walk(whole, method, range(done))
    weights = whole.parameters.flat.copy()
    state = {key: array.copy() for key, array in method.state().items()}
    walk(whole, method, range(done, 12))

    resumed = MLP([3, 4, 2], dtype=dtype, seed=None)
    other = optimizer(name, resumed, 0.01)
    resumed.parameters.flat[:] = weights
    other.restore(state, done)
    walk(resumed, other, range(done, 12))

    assert resumed.parameters.flat.tobytes() == whole.parameters.flat.tobytes()
    assert other.steps == method.steps == 12
    for key, array in method.state().items():
        assert other.state()[key].tobytes() == array.tobytes()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_network_keeps_its_weights_and_its_params_stay_live(name):
    net = network()
    method = optimizer(name, net)
    np.testing.assert_array_equal(net.parameters.flat, network().parameters.flat)
    method.gradient.flat.fill(1)
    method.step(0.1, 0.9)
    assert np.all(net.params["W1"].ravel() < network().parameters.weights)


def test_an_optimizer_of_another_name_is_an_error():
    with pytest.raises(ValueError, match="no such optimizer: lbfgs"):
        optimizer("lbfgs", network())
