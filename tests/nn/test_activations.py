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
    "gelu": lambda z: z / (1 + math.exp(-math.sqrt(8 / math.pi) * (z + 0.044715 * z**3))),
    "silu": lambda z: z / (1 + math.exp(-z)),
    "selu": lambda z: 1.05070098 * (z if z > 0 else 1.67326324 * (math.exp(z) - 1)),
    "mish": lambda z: z * math.tanh(math.log1p(math.exp(z))),
}


def apply(name, values, dtype=np.float64):
    A = np.array([values], dtype)
    ACTIVATIONS[name].forward(A, np.empty_like(A))
    return A


def slope(name, values, dtype=np.float64):
    """The derivative at these inputs."""
    A, Z = apply(name, values, dtype), np.array([values], dtype)
    return ACTIVATIONS[name].derivative(A, out=Z, scratch=np.empty_like(A))


@pytest.mark.parametrize("name", FORMULAS)
def test_forward_is_the_formula(name):
    expected = [FORMULAS[name](z) for z in VALUES]
    rtol = 1e-8 if name == "selu" else 1e-13  # its constants are rounded
    np.testing.assert_allclose(apply(name, VALUES)[0], expected, rtol=rtol)


@pytest.mark.parametrize("name", FORMULAS)
def test_derivative_is_that_of_forward(name):
    h, z = 1e-6, np.array(VALUES)
    expected = (apply(name, z + h) - apply(name, z - h)) / (2 * h)
    np.testing.assert_allclose(slope(name, z), expected, rtol=1e-8)


@pytest.mark.parametrize("name", FORMULAS)
def test_derivative_overwrites_its_argument(name):
    A, Z = apply(name, VALUES), np.array([VALUES])
    out = Z if ACTIVATIONS[name].needs_input else A
    expected = slope(name, VALUES)
    assert ACTIVATIONS[name].derivative(A, out=out, scratch=np.empty_like(A)) is out
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nothing_overflows_far_from_0(name, dtype):
    far = apply(name, [-1e4, 1e4], dtype)
    assert far.dtype == dtype
    assert np.isfinite(far).all()
    assert np.isfinite(slope(name, [-1e4, 1e4], dtype)).all()


def test_saturated_units_have_no_slope():
    for name in ("tanh", "sigmoid"):
        derivative = slope(name, [-1e3, 1e3])
        np.testing.assert_array_equal(derivative, 0)


def test_at_the_kink_the_left_slope_counts():
    assert slope("relu", [0.0])[0, 0] == 0
    assert slope("leaky-relu", [0.0])[0, 0] == 0.01


def test_only_the_rectifiers_have_a_kink():
    assert {n for n, f in ACTIVATIONS.items() if f.kinked} == {"relu", "leaky-relu", "selu"}


def test_far_out_the_smooth_rectifiers_are_the_rectifier():
    for name in ("gelu", "silu", "mish"):
        for dtype in (np.float32, np.float64):
            np.testing.assert_allclose(apply(name, [-1e4, 1e4], dtype)[0], [0, 1e4], atol=1e-6)
            np.testing.assert_allclose(slope(name, [-1e4, 1e4], dtype)[0], [0, 1], atol=1e-6)


def test_selu_keeps_the_mean_and_the_deviation_of_a_standard_normal():
    """Its constants are made for that (Klambauer et al. 2017, equation 14)."""
    z = np.random.default_rng(0).standard_normal(1_000_000)
    A = apply("selu", z)
    assert A.mean() == pytest.approx(0, abs=5e-3)
    assert A.std() == pytest.approx(1, abs=5e-3)
