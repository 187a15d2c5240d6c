"""Losses against formulas in plain Python, their derivatives against differences."""

import math

import numpy as np
import pytest

from mlpcli.nn.losses import LOSSES

SCORES = np.array([[0.5, -1.2, 2.1], [3.0, 3.0, -0.1], [-4.0, 0.3, 1.5], [0.1, 0.1, 0.2]])
ONE_HOT = np.eye(3)[[2, 0, 1, 1]]
SMOOTHED = 0.9 * ONE_HOT + 0.1 / 3


def evaluate(name, scores, Y):
    losses, delta = np.empty(len(scores), scores.dtype), np.empty_like(scores)
    LOSSES[name].evaluate(scores, Y.astype(scores.dtype), losses, delta)
    return losses, delta


def by_hand(name, scores, Y):
    """The loss of one sample, number by number."""
    if name == "cross-entropy":
        total = sum(math.exp(s) for s in scores)
        return -sum(y * math.log(math.exp(s) / total) for s, y in zip(scores, Y, strict=True))
    errors = [s - y for s, y in zip(scores, Y, strict=True)]
    if name == "squared-error":
        return sum(e * e for e in errors) / 2
    if name == "absolute-error":
        return sum(map(abs, errors))
    if name == "huber":
        return sum(e * e / 2 if abs(e) < 1 else abs(e) - 0.5 for e in errors)
    outputs = [1 / (1 + math.exp(-s)) for s in scores]
    if name == "mse":
        return sum((p - y) ** 2 for p, y in zip(outputs, Y, strict=True)) / 2
    return -sum(
        y * math.log(p) + (1 - y) * math.log(1 - p) for p, y in zip(outputs, Y, strict=True)
    )


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("Y", [ONE_HOT, SMOOTHED], ids=["one-hot", "smoothed"])
def test_loss_is_the_formula(name, Y):
    losses, _ = evaluate(name, SCORES, Y)
    expected = [by_hand(name, s, t) for s, t in zip(SCORES, Y, strict=True)]
    np.testing.assert_allclose(losses, expected, rtol=1e-14)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("Y", [ONE_HOT, SMOOTHED], ids=["one-hot", "smoothed"])
def test_delta_is_the_derivative_by_the_scores(name, Y):
    _, delta = evaluate(name, SCORES, Y)
    h = 1e-5
    for k in range(3):
        step = h * np.eye(3)[k]
        above, below = (evaluate(name, SCORES + s, Y)[0] for s in (step, -step))
        np.testing.assert_allclose(delta[:, k], (above - below) / (2 * h), atol=1e-9)


@pytest.mark.parametrize("name", LOSSES)
def test_scores_stay_as_they_are(name):
    scores = SCORES.copy()
    evaluate(name, scores, ONE_HOT)
    LOSSES[name].probabilities(scores, np.empty_like(scores))
    np.testing.assert_array_equal(scores, SCORES)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("name", "losses"),
    [
        ("cross-entropy", [0, 2e4, 1e4]),
        ("mse", [0, 1, 0.625]),
        ("bce", [0, 2e4, 1e4 + math.log(2)]),
    ],
)
def test_scores_of_ten_thousand_do_not_overflow(name, losses, dtype):
    # sure and right, sure and wrong, and one at 0 that should be high beside one that is high
    scores = np.array([[1e4, -1e4], [1e4, -1e4], [1e4, 0]], dtype)
    Y = np.array([[1, 0], [0, 1], [0, 1]])
    found, delta = evaluate(name, scores, Y)
    np.testing.assert_allclose(found, losses, rtol=1e-6)
    assert np.isfinite(delta).all()
    probs = np.empty_like(scores)
    LOSSES[name].probabilities(scores, probs)
    np.testing.assert_array_equal(probs[:2], [[1, 0], [1, 0]])


@pytest.mark.parametrize("name", LOSSES)
def test_loss_of_probabilities_is_that_of_their_scores(name):
    probs = np.empty_like(SCORES)
    LOSSES[name].probabilities(SCORES, probs)
    losses, _ = evaluate(name, SCORES, ONE_HOT)
    np.testing.assert_allclose(LOSSES[name].of_probabilities(probs, ONE_HOT), losses, rtol=1e-12)


@pytest.mark.parametrize("name", LOSSES)
def test_loss_of_a_probability_of_0_is_finite(name):
    probs, Y = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
    (loss,) = LOSSES[name].of_probabilities(probs, Y)
    assert 1 <= loss < 2000


def test_probabilities_of_the_softmax_sum_to_1_and_those_of_sigmoids_need_not():
    probs = np.empty_like(SCORES)
    LOSSES["cross-entropy"].probabilities(SCORES, probs)
    np.testing.assert_allclose(probs.sum(axis=1), 1, rtol=1e-15)
    LOSSES["bce"].probabilities(SCORES, probs)
    np.testing.assert_allclose(probs, 1 / (1 + np.exp(-SCORES)), rtol=1e-14)


@pytest.mark.parametrize(
    ("name", "loss"), [("cross-entropy", math.log(10)), ("mse", 1.25), ("bce", 10 * math.log(2))]
)
def test_loss_at_chance_is_known(name, loss):
    losses, _ = evaluate(name, np.zeros((1, 10)), np.eye(10)[:1])
    assert losses[0] == pytest.approx(loss, rel=1e-15)
    assert LOSSES[name].at_chance(10) == pytest.approx(loss, rel=1e-15)
