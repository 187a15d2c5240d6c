"""Initial weights have the deviations that their papers give."""

import math

import numpy as np
import pytest

from mlpcli.nn.initialisation import INITS, standard_deviation
from mlpcli.nn.network import MLP


def test_deviations_are_those_of_the_papers():
    assert standard_deviation("he", 784, 100) == pytest.approx(math.sqrt(2 / 784))
    assert standard_deviation("glorot", 784, 100) == pytest.approx(math.sqrt(2 / 884))
    assert standard_deviation("normal", 784, 100) == 0.01


def test_scale_multiplies_and_with_normal_it_is_the_deviation():
    assert standard_deviation("he", 50, 7, 3.0) == pytest.approx(3 * math.sqrt(2 / 50))
    assert standard_deviation("glorot", 50, 7, 0.0) == 0
    assert standard_deviation("normal", 50, 7, 1.0) == 1


@pytest.mark.parametrize("init", INITS)
def test_weights_of_a_network_have_that_deviation_and_biases_are_0_or_normal_too(init):
    net = MLP([300, 200, 5], init=init, dtype=np.float64, seed=3)
    W1 = net.params["W1"]
    sigma = standard_deviation(init, 300, 200)
    # of 60,000 normal numbers: within five standard errors
    assert W1.std() == pytest.approx(sigma, rel=5 / math.sqrt(2 * W1.size))
    assert abs(W1.mean()) < 5 * sigma / math.sqrt(W1.size)
    assert np.mean(np.abs(W1) < sigma) == pytest.approx(math.erf(math.sqrt(0.5)), abs=0.01)
    if init == "normal":
        assert net.params["b1"].std() == pytest.approx(sigma, rel=5 / math.sqrt(2 * 200))
        assert net.params["b2"].all()
    else:
        assert not net.params["b1"].any()
        assert not net.params["b2"].any()


def test_weights_depend_on_the_seed_alone():
    first, again, other = (MLP([4, 3, 2], seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.parameters.flat, again.parameters.flat)
    assert np.all(first.params["W1"] != other.params["W1"])


def test_both_precisions_start_from_the_same_weights():
    single, double = (MLP([4, 3, 2], seed=1, dtype=dtype) for dtype in ("float32", "float64"))
    np.testing.assert_array_equal(single.parameters.flat, double.parameters.flat.astype(np.float32))


def test_without_a_seed_all_is_0():
    assert not MLP([4, 3, 2], seed=None).parameters.flat.any()
