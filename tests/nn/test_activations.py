"""Activations against formulas written another way, and their derivatives against differences."""

import math

import numpy as np
import pytest

from mlpcli.nn.activations import ACTIVATIONS

VALUES = [-3.0, -0.7, -1e-3, 1e-3, 0.4, 2.5]
FORMULAS = {
    "relu": lambda z: z if z > 0 else 0.0,
    "leaky-relu": lambda z: z if z > 0 else z / 100,
    "tanh": math.tanh,
    "sigmoid": lambda z: 1 / (1 + math.exp(-z)),
}


def apply(name, values, dtype=np.float64):
    A = np.array([values], dtype)
    ACTIVATIONS[name].forward(A, np.empty_like(A))
    return A


def slope(name, A):
    """The derivative where the output is A."""
    return ACTIVATIONS[name].derivative(A, out=np.empty_like(A))


@pytest.mark.parametrize("name", FORMULAS)
def test_forward_is_the_formula(name):
    expected = [FORMULAS[name](z) for z in VALUES]
    np.testing.assert_allclose(apply(name, VALUES)[0], expected, rtol=1e-14)


@pytest.mark.parametrize("name", FORMULAS)
def test_derivative_is_that_of_forward(name):
    h, z = 1e-6, np.array(VALUES)
    expected = (apply(name, z + h) - apply(name, z - h)) / (2 * h)
    derivative = slope(name, apply(name, z))
    np.testing.assert_allclose(derivative, expected, rtol=1e-8)


@pytest.mark.parametrize("name", FORMULAS)
def test_derivative_overwrites_its_argument(name):
    A = apply(name, VALUES)
    assert ACTIVATIONS[name].derivative(A, out=A) is A


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nothing_overflows_far_from_0(name, dtype):
    far = apply(name, [-1e4, 1e4], dtype)
    assert far.dtype == dtype
    assert np.isfinite(far).all()
    assert np.isfinite(slope(name, far)).all()


def test_saturated_units_have_no_slope():
    for name in ("tanh", "sigmoid"):
        derivative = slope(name, apply(name, [-1e3, 1e3]))
        np.testing.assert_array_equal(derivative, 0)


def test_at_the_kink_the_left_slope_counts():
    assert slope("relu", apply("relu", [0.0]))[0, 0] == 0
    assert slope("leaky-relu", apply("leaky-relu", [0.0]))[0, 0] == 0.01


def test_only_the_rectifiers_have_a_kink():
    assert {n for n, f in ACTIVATIONS.items() if f.kinked} == {"relu", "leaky-relu"}
