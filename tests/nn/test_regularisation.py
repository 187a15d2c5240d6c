"""L2, dropout, max-norm and clipping."""

import numpy as np
import pytest

from mlpcli.nn.network import MLP
from mlpcli.nn.regularisation import clip_norm, draw_dropout_masks, l2_penalty, limit_norms


def test_penalty_is_half_lambda_times_the_sum_of_squares():
    assert l2_penalty(np.array([3.0, -4.0]), 0.1) == pytest.approx(0.05 * 25)


def test_a_mask_is_0_or_what_keeps_the_expectation():
    mask = np.empty((400, 500))
    draw_dropout_masks([mask], [0.2], np.random.default_rng(0))
    assert set(np.unique(mask)) == {0, 1.25}
    assert mask.mean() == pytest.approx(1, abs=0.005)  # five standard errors
    assert np.mean(mask == 0) == pytest.approx(0.2, abs=0.005)


def test_masks_are_a_function_of_the_generator():
    masks = [np.empty((4, 6), np.float32) for _ in range(3)]
    for mask, seed in zip(masks, (1, 1, 2), strict=True):
        draw_dropout_masks([None, mask], [0.0, 0.5], np.random.default_rng(seed))
    np.testing.assert_array_equal(masks[0], masks[1])
    assert np.any(masks[0] != masks[2])


def test_dropped_inputs_have_no_say_and_the_others_count_for_them():
    net = MLP([3, 2], input_dropout=0.5, dtype=np.float64)
    batch = net.buffers(1)
    batch.X[:] = [[1.0, 2.0, 4.0]]
    batch.masks[0][:] = [[2.0, 0.0, 2.0]]
    scores = net.forward_pass(batch, drop=True)
    np.testing.assert_allclose(scores, [[2, 0, 8]] @ net.params["W1"], rtol=1e-15)
    np.testing.assert_allclose(
        net.forward_pass(batch), [[1, 2, 4]] @ net.params["W1"], rtol=1e-15
    )  # nothing is dropped in use


def test_max_norm_shortens_the_weights_into_a_unit_and_turns_none():
    W = np.array([[3.0, 0.3], [4.0, 0.4]])  # norms 5 and 0.5, by columns
    limit_norms(W, 2.0)
    np.testing.assert_allclose(W, [[1.2, 0.3], [1.6, 0.4]], rtol=1e-15)


def test_max_norm_leaves_short_ones_to_the_bit_also_those_of_0():
    W = np.array([[0.6, 0.0], [0.7, 0.0]], np.float32)
    before = W.copy()
    limit_norms(W, 1.0)
    np.testing.assert_array_equal(W, before)


def test_clipping_shortens_a_long_gradient_and_turns_it_not():
    gradient = np.array([3.0, -4.0])
    clip_norm(gradient, 1.0)
    np.testing.assert_allclose(gradient, [0.6, -0.8], rtol=1e-15)


def test_clipping_leaves_a_short_gradient():
    gradient = np.array([0.3, -0.4])
    clip_norm(gradient, 1.0)
    np.testing.assert_array_equal(gradient, [0.3, -0.4])
