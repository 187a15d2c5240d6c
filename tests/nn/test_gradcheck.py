"""The gradient check passes what is right, fails what is wrong, and counts what it cannot say."""

import json
import math

import numpy as np
import pytest

from mlpcli.nn.activations import ACTIVATIONS
from mlpcli.nn.gradcheck import check as gradcheck
from mlpcli.nn.gradcheck import perturbed
from mlpcli.nn.gradcheck.check import check_network, loss_and_gradient, relative_errors
from mlpcli.nn.gradcheck.outcome import GradientCheck, ParameterCheck
from mlpcli.nn.gradcheck.perturbed import PerturbedLosses, in_double_precision
from mlpcli.nn.losses import LOSSES, OF_TASK, CrossEntropy
from mlpcli.nn.network import MLP
from mlpcli.nn.regularisation import draw_dropout_masks


def some_data(D=6, C=3, M=40):
    rng = np.random.default_rng(7)
    return rng.standard_normal((M, D)), rng.integers(C, size=M)


def check(net, **options):
    return check_network(net, *some_data(net.sizes[0], net.sizes[-1]), **options)


def corrupted(change):
    """The gradient with `change` applied to it, loss as it is."""

    def gradient(net, batch, reg):
        loss, arrays = loss_and_gradient(net, batch, reg)
        change(arrays)
        return loss, arrays

    return gradient


# What is right passes


@pytest.mark.parametrize("dropout", [0.0, 0.4], ids=["whole", "dropped"])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(
    ("activation", "hidden"),
    [*((name, [8, 7]) for name in ACTIVATIONS), ("relu", [8]), ("relu", [])],
)
def test_every_network_passes(activation, loss, hidden, dropout):
    net = MLP([6, *hidden, 3], activation, loss, dropout=dropout, input_dropout=dropout / 2)
    result = check(net, reg=0.01)
    assert result.failure() is None
    assert result.passed
    assert result.max_relative_error <= 1e-6
    assert [p.name for p in result.parameters] == list(net.params)
    assert [p.shape for p in result.parameters] == [a.shape for a in net.params.values()]
    # nothing is left out but what lies at a kink, and that is next to nothing
    for parameter, array in zip(result.parameters, net.params.values(), strict=True):
        assert parameter.checked + parameter.kinks_skipped == array.size
        assert parameter.kinks_skipped <= array.size / 4


def test_all_79510_parameters_of_784_100_10_pass():
    rng = np.random.default_rng(0)
    X = rng.random((30, 784)) * (rng.random((30, 784)) < 0.2)  # as sparse as MNIST's pixels
    result = check_network(MLP([784, 100, 10]), X, rng.integers(10, size=30), reg=1e-3)
    assert result.failure() is None
    assert sum(p.checked for p in result.parameters) == 79_510
    assert 0 < result.max_relative_error < 2e-7


def test_smoothed_targets_and_weighted_rows_pass():
    X, y = some_data()
    net, smoothed = MLP([6, 8, 3]), 0.9 * np.eye(3) + 0.1 / 3
    assert check_network(net, X, smoothed[y], reg=0.01).failure() is None
    assert check_network(MLP([6, 8, 3], loss="mse"), X, smoothed[y]).failure() is None
    assert check_network(net, X, y, reg=0.01, weights=0.5 + y).failure() is None


@pytest.mark.parametrize("parametrisation", ["standard", "ntk"])
@pytest.mark.parametrize("sizes", [[6, 2], [6, 5, 3]])
def test_samples_of_one_class_or_hardly_apart_are_no_trouble(sizes, parametrisation):
    """They tell nothing of the equations."""
    X, y = some_data()
    net = MLP(sizes, parametrisation=parametrisation)
    assert check_network(net, X, 0 * y).failure() is None
    assert check_network(net, 1 + 1e-7 * X, y % sizes[-1]).failure() is None


@pytest.mark.parametrize("loss", OF_TASK["regression"])
def test_a_regression_passes_and_its_kinks_are_skipped(loss):
    X, y = some_data()
    Y = (y - 1.0)[:, None] + 0.1 * X[:, :1]
    result = check_network(MLP([6, 8, 1], "tanh", loss), X, Y, reg=0.01)
    assert result.failure() is None
    at_kink = check_network(MLP([6, 1], loss="absolute-error"), X, 0 * Y, burn_in_steps=0)
    assert sum(p.kinks_skipped for p in at_kink.parameters) >= 0


def test_a_step_across_the_kink_of_a_loss_is_seen():
    net = MLP([1, 1], loss="absolute-error", dtype=np.float64, seed=None)
    batch = net.buffers(1)
    batch.X.fill(1)
    batch.Y.fill(0)  # the score is the target
    assert PerturbedLosses(net, batch).differences("W1", np.arange(1))[1].tolist() == [True]
    batch.Y.fill(0.1)
    assert PerturbedLosses(net, batch).differences("W1", np.arange(1))[1].tolist() == [False]


@pytest.mark.parametrize("scale", [1e-3, 255.0, 1e5])
def test_inputs_of_any_scale_pass(scale):
    X, y = some_data()
    for activation in ("relu", "tanh"):
        result = check_network(MLP([6, 20, 3], activation), scale * X, y, reg=1e-3)
        assert result.failure() is None


def test_large_inputs_of_small_weights_pass():
    """A step of h in such a weight would be one of 1 in the unit that it leads to."""
    X, y = some_data()
    net = MLP([6, 8, 3], "tanh")
    net.params["W1"][:] /= 1e5
    assert check_network(net, 1e5 * X, y).failure() is None


def test_a_strongly_curved_loss_passes():
    X, y = some_data()
    net = MLP([6, 20, 20, 3], "tanh", "bce", init="normal", init_scale=1.5)
    assert check_network(net, 4 * X, y).failure() is None


@pytest.mark.parametrize("seed", [1, 4, 6])
def test_a_narrow_network_may_have_to_try_again_to_overfit(seed):
    assert check(MLP([3, 2, 2, 3]), seed=seed).failure() is None


@pytest.mark.parametrize(("init", "init_scale"), [("normal", None), ("normal", 2.0), ("he", 20.0)])
def test_initial_weights_of_any_scale_pass(init, init_scale):
    net = MLP([6, 10, 10, 10, 3], init=init, init_scale=init_scale)
    assert check(net, reg=1e-3).failure() is None


def test_a_row_of_zeros_is_no_trouble():
    """It puts every unit on its kink while the biases are 0."""
    X, y = some_data()
    X[::2] = 0
    assert check_network(MLP([6, 8, 3]), X, y).failure() is None


def test_tiny_inputs_are_no_trouble():
    """As cells beside one of 1e30 are that nothing scales."""
    X, y = some_data()
    assert check_network(MLP([6, 8, 3]), 1e-30 * X, y).failure() is None


@pytest.mark.parametrize("sizes", [[2, 1, 2], [1, 2], [3, 2, 2, 3]])
def test_the_smallest_networks_pass(sizes):
    assert check(MLP(sizes, "leaky-relu")).failure() is None


def test_fewer_samples_than_asked_for_will_do():
    X, y = some_data(M=3)
    assert check_network(MLP([6, 8, 3]), X, y).passed


def test_the_network_is_left_as_it_was():
    net = MLP([6, 8, 3], dropout=0.5)
    before = net.parameters.flat.copy()
    check(net, reg=0.1)
    np.testing.assert_array_equal(net.parameters.flat, before)
    assert net.dtype == net.params["W1"].dtype == np.float32


def test_the_result_is_a_function_of_the_seed():
    net = MLP([6, 8, 3], dropout=0.5)
    first, again, other = (check(net, seed=seed).to_json() for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_the_main_pass_is_after_a_short_training():
    def gradients(**options):
        return [p.analytic for p in check(MLP([6, 8, 3]), **options).parameters]

    assert gradients() == gradients(burn_in_steps=50)
    for trained, untrained in zip(gradients(), gradients(burn_in_steps=0), strict=True):
        assert trained != pytest.approx(untrained, rel=1e-3)


def test_a_large_network_has_a_sample_of_every_array_checked(monkeypatch):
    monkeypatch.setattr(gradcheck, "ALL_UP_TO", 100)
    monkeypatch.setattr(gradcheck, "SAMPLED", 10)
    result = check(MLP([6, 20, 3], "tanh"))
    assert [p.checked for p in result.parameters] == [10, 10, 10, 3]
    assert result.passed


# What is wrong fails


@pytest.mark.parametrize("index", [(0, 0), (4, 5)])
@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
def test_one_derivative_that_is_wrong_by_a_factor_of_1_0005_fails(activation, index):
    def change(arrays):
        arrays["W1"][index] *= 1.0005

    net = MLP([6, 8, 3], activation, seed=4)
    result = check(net, gradient=corrupted(change))
    assert not result.passed
    assert result.max_relative_error == pytest.approx(5e-4, rel=0.01)
    worst = result.parameters[0]
    assert worst.worst_index == index
    assert worst.analytic == pytest.approx(1.0005 * worst.numeric, rel=1e-6)
    assert result.failure() == (
        f"W1[{index[0]}, {index[1]}] has the derivative {worst.analytic:.10g} by backpropagation, "
        f"{worst.numeric:.10g} by central differences: relative error 5.0e-04, tolerance 1e-06"
    )


@pytest.mark.parametrize("name", ["W1", "b1", "W2", "b2"])
def test_a_wrong_sign_in_any_array_fails(name):
    def change(arrays):
        arrays[name] *= -1

    result = check(MLP([6, 8, 3]), gradient=corrupted(change))
    assert result.failure().startswith(f"{name}[")
    assert {p.name for p in result.parameters if p.error > 1e-6} == {name}


def test_a_tolerance_that_is_wide_enough_lets_it_pass():
    def change(arrays):
        arrays["W1"] *= 1.0005

    assert check(MLP([6, 8, 3]), gradient=corrupted(change), tolerance=1e-3).passed


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_derivative_that_is_no_number_fails_and_json_has_null(value):
    def change(arrays):
        arrays["b2"][1] = value

    result = check(MLP([6, 8, 3]), gradient=corrupted(change))
    assert result.failure().startswith(f"b2[1] has the derivative {value} by backpropagation")
    assert result.max_relative_error == math.inf
    report = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert report["max_relative_error"] is None
    assert report["parameters"][3]["analytic"] is None
    assert report["parameters"][3]["worst_index"] == [1]


def test_weights_that_are_not_finite_fail():
    net = MLP([6, 8, 3])
    net.params["W2"][0, 0] = np.nan
    assert not check(net).passed


def test_a_penalty_on_biases_fails_by_its_name():
    def gradient(net, batch, reg):
        loss, arrays = loss_and_gradient(net, batch, reg)
        arrays["b1"] += reg * net.params["b1"]
        return loss, arrays

    result = check(MLP([6, 8, 3]), reg=0.5, gradient=gradient)
    failed = [c.name for c in result.checks if not c.passed]
    assert failed == ["penalty, after burn-in", "whole loss, after burn-in"]  # b1 is 0 before


def test_a_forgotten_penalty_fails_even_where_it_is_not_used():
    def gradient(net, batch, reg):
        return loss_and_gradient(net, batch, 0.0)

    failed = [c.name for c in check(MLP([6, 8, 3]), gradient=gradient).checks if not c.passed]
    assert failed == [
        "penalty, initial point",
        "penalty raises the loss",
        "penalty, after burn-in",
    ]


def test_a_backward_pass_that_forgets_its_masks_fails():
    def gradient(net, batch, reg):
        net.forward_pass(batch, drop=True)
        loss = net.mean_loss(batch)
        wrong = in_double_precision(net).parameters
        net.backward_pass(batch, wrong, drop=False)
        return loss, wrong.named()

    assert not check(MLP([6, 8, 3], dropout=0.5), gradient=gradient).passed


def test_a_loss_that_is_not_that_of_chance_fails():
    class Doubled(CrossEntropy):
        def evaluate(self, scores, Y, losses, delta):
            super().evaluate(scores, Y, losses, delta)
            losses *= 2
            delta *= 2

    net = MLP([6, 8, 3])
    net.loss = Doubled()
    assert check(net).failure() == ("loss at chance: 2.197225 with scores of 0, expected 1.098612")


def test_a_network_that_cannot_learn_fails():
    class Deaf(MLP):
        def backward_pass(self, batch, gradient, *, drop=False):
            gradient.flat.fill(0)

    failed = [c for c in check(Deaf([6, 8, 3])).checks if not c.passed]
    assert failed[0].name == "overfitting"
    assert failed[0].detail.endswith("on 4 samples after 2000 steps, expected below 0.011")


def test_a_forward_pass_that_is_not_that_of_the_equations_fails():
    class Shifted(MLP):
        def forward_pass(self, batch, *, drop=False):
            scores = super().forward_pass(batch, drop=drop)
            scores[:, 0] += 1e-8 * np.sum(self.params["b1"])
            return scores

    assert [c.name for c in check(Shifted([6, 8, 3])).checks if not c.passed] == ["forward pass"]


# Kinks


def test_entries_by_which_a_unit_crosses_its_kink_are_counted_and_not_compared():
    net, batch = one_unit_at_its_kink()
    derivatives, crossed = PerturbedLosses(net, batch).differences("W1", np.arange(4))
    # W1[:, 0] leads to the unit at 0; its first input is 0, so that W1[0, 0] does not move it
    np.testing.assert_array_equal(crossed, [False, False, True, False])
    assert derivatives[0] == 0
    _, crossed = PerturbedLosses(net, batch).differences("b1", np.arange(2))
    np.testing.assert_array_equal(crossed, [True, False])
    _, crossed = PerturbedLosses(net, batch).differences("W2", np.arange(4))
    assert not crossed.any()


def test_a_kink_in_a_layer_further_up_is_seen():
    net = MLP([1, 1, 2, 2], dtype=np.float64, seed=None)
    for W in net.parameters.W:
        W.fill(1)
    net.params["b2"][:] = [-1.0, 0.0]  # Z2 = (0, 1) for an input of 1
    batch = net.buffers(1)
    batch.X.fill(1)
    batch.Y[:] = [[1, 0]]
    losses_of = PerturbedLosses(net, batch)
    assert losses_of.differences("W1", np.arange(1))[1].tolist() == [True]
    assert losses_of.differences("W2", np.arange(2))[1].tolist() == [True, False]


def test_smooth_activations_have_no_kink_to_cross():
    net, batch = one_unit_at_its_kink("tanh")
    for name, array in net.params.items():
        assert not PerturbedLosses(net, batch).differences(name, np.arange(array.size))[1].any()


def test_an_array_most_of_which_lies_at_kinks_does_not_pass_in_silence():
    proved = ParameterCheck("b1", (4,), 2, 2, 1e-9, (0,), 0.1, 0.1)
    most = ParameterCheck("b1", (4,), 1, 3, 1e-9, (0,), 0.1, 0.1)
    nothing = ParameterCheck("b1", (4,), 0, 4)
    assert GradientCheck(1e-6, [proved], []).passed
    assert not GradientCheck(1e-6, [most], []).passed
    assert GradientCheck(1e-6, [nothing], []).failure() == (
        "b1 is not verified: 4 of 4 entries lie at a kink of the activation; try another seed"
    )


def test_kinks_at_the_initial_point_are_told():
    X, y = some_data()
    result = check_network(MLP([6, 8, 3], init_scale=0), X, y)
    details = {c.name: c.detail for c in result.checks}
    assert details["data loss, initial point"].endswith("56 skipped at kinks")  # W1 and b1
    assert result.passed


# Its own means


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ["leaky-relu", "tanh"])
@pytest.mark.parametrize("dropout", [0.0, 0.4], ids=["whole", "dropped"])
@pytest.mark.parametrize("hidden", [[], [5], [5, 4, 6]], ids=["none", "5", "5-4-6"])
def test_perturbed_losses_are_those_of_whole_forward_passes(hidden, dropout, activation, loss):
    net = MLP([6, *hidden, 3], activation, loss, dropout=dropout, input_dropout=dropout, dtype="f8")
    net.parameters.flat[:] += 0.1  # biases too
    X, y = some_data(M=7)
    batch = net.buffers(7, weighted=True)
    batch.X[:], batch.Y[:], batch.weights[:, 0] = X, np.eye(3)[y], 1 + y
    draw_dropout_masks(batch.masks, net.dropout_rates, np.random.default_rng(1))
    losses_of = PerturbedLosses(net, batch)
    for name, array in net.params.items():
        losses, _ = losses_of.evaluate(name, np.arange(array.size), 0.3)
        for entry, of_samples in enumerate(losses):
            other = in_double_precision(net)
            other.params[name].reshape(-1)[entry] += 0.3
            other.forward_pass(batch, drop=True)
            loss = other.mean_loss(batch)
            assert of_samples.mean() == pytest.approx(loss, rel=1e-12)
            np.testing.assert_allclose(of_samples, batch.losses, rtol=1e-12, atol=1e-14)


def test_the_result_does_not_depend_on_the_size_of_the_blocks(monkeypatch):
    net = MLP([6, 8, 7, 3])
    whole = check(net).to_json()
    monkeypatch.setattr(perturbed, "BLOCK", 1)
    assert check(net).to_json() == whole


def test_loss_and_gradient_are_those_of_the_public_method():
    net = MLP([6, 8, 3], dtype=np.float64)
    X, y = some_data()
    batch = net.buffers(len(X))
    batch.X[:], batch.Y[:] = X, np.eye(3)[y]
    loss, gradient = loss_and_gradient(net, batch, 0.3)
    expected_loss, expected = net.loss_and_grad(X, y, reg=0.3)
    assert loss == expected_loss
    for name in expected:
        np.testing.assert_array_equal(gradient[name], expected[name])


def test_relative_errors_have_a_floor():
    a, n = np.array([1.0, 1e-6, 0.0, np.nan]), np.array([1.1, 3e-6, 0.0, 1.0])
    np.testing.assert_allclose(relative_errors(a, n), [0.1 / 1.1, 0.02, 0, np.inf], rtol=1e-12)


def test_json_is_of_the_documented_shape():
    report = json.loads(json.dumps(check(MLP([6, 8, 3]), reg=0.1).to_json()))
    assert list(report) == ["passed", "tolerance", "max_relative_error", "parameters", "checks"]
    assert report["passed"] is True
    assert list(report["parameters"][0]) == [
        "name", "shape", "checked", "kinks_skipped", "max_relative_error", "worst_index",
        "analytic", "numeric",
    ]  # fmt: skip
    assert report["parameters"][0]["shape"] == [6, 8]
    assert len(report["parameters"][0]["worst_index"]) == 2
    assert {"name", "passed", "detail"} == set(report["checks"][0])
    assert [item["name"] for item in report["checks"]] == [
        "loss at chance",
        "overfitting",
        "data loss, initial point",
        "penalty, initial point",
        "whole loss, initial point",
        "input gradient, initial point",
        "penalty raises the loss",
        "forward pass",
        "data loss, after burn-in",
        "penalty, after burn-in",
        "whole loss, after burn-in",
        "input gradient, after burn-in",
    ]


def one_unit_at_its_kink(activation="relu"):
    """A 2-2-2 network and one sample, (0, 1), for which Z1 = (0, 1)."""
    net = MLP([2, 2, 2], activation, dtype=np.float64, seed=None)
    net.params["W1"][:] = [[1, 1], [0, 1]]
    net.params["W2"][:] = [[1, -1], [2, 0]]
    batch = net.buffers(1)
    batch.X[:] = [[0, 1]]
    batch.Y[:] = [[1, 0]]
    return net, batch
