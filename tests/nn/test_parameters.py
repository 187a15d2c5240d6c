"""One flat array and its views; buffers and their cuts."""

import numpy as np
import pytest

from mlpcli.nn.parameters import Buffers, Parameters

SIZES = [3, 4, 2]


def test_every_number_is_in_one_array_and_in_one_view():
    parameters = Parameters(SIZES, np.arange(26.0))
    assert Parameters.count(SIZES) == 26
    assert {name: a.shape for name, a in parameters.named().items()} == {
        "W1": (3, 4), "b1": (4,), "W2": (4, 2), "b2": (2,),
    }  # fmt: skip
    numbers = np.concatenate([a.ravel() for a in parameters.named().values()])
    assert sorted(numbers) == list(range(26))


def test_weights_come_first():
    parameters = Parameters(SIZES, np.arange(26.0))
    np.testing.assert_array_equal(parameters.weights, np.arange(20))
    np.testing.assert_array_equal(parameters.W[1].ravel(), np.arange(12, 20))
    np.testing.assert_array_equal(parameters.b[0], np.arange(20, 24))


def test_views_live_in_the_flat_array():
    parameters = Parameters(SIZES, np.zeros(26))
    parameters.named()["b2"][1] = 5
    parameters.named()["W1"][0, 0] = 7
    assert parameters.flat[25] == 5
    assert parameters.weights[0] == 7
    parameters.flat.fill(1)
    assert parameters.W[0].sum() == 12


def test_names_come_layer_by_layer():
    assert list(Parameters(SIZES, np.zeros(26)).named()) == ["W1", "b1", "W2", "b2"]


def test_buffers_have_masks_only_where_something_is_dropped():
    buffers = Buffers.allocate(SIZES, 5, np.float32, drops=[False, True])
    assert buffers.masks[0] is None
    assert buffers.masks[1] is not None
    assert buffers.masks[1].shape == buffers.dropped[1].shape == (5, 4)
    assert buffers.weights is None
    assert Buffers.allocate(SIZES, 5, "f4", drops=[0, 0], weighted=True).weights.shape == (5, 1)


@pytest.mark.parametrize(("classes", "by_class"), [(2, True), (64, True), (65, False)])
def test_scores_of_few_classes_lie_class_by_class_and_of_many_row_by_row(classes, by_class):
    buffers = Buffers.allocate([3, 4, classes], 5, np.float32, drops=[False, False])
    for array in (buffers.outputs[-1], buffers.deltas[-1], buffers.Y):
        assert array.shape == (5, classes)
        assert array.flags.f_contiguous == by_class
        assert array.flags.c_contiguous != by_class


def test_the_first_rows_of_buffers_are_views_of_them():
    buffers = Buffers.allocate(SIZES, 5, np.float64, drops=[True, False])
    few = buffers.first(2)
    for whole, part in [
        (buffers.X, few.X),
        (buffers.Y, few.Y),
        (buffers.losses, few.losses),
        (buffers.outputs[0], few.outputs[0]),
        (buffers.deltas[1], few.deltas[1]),
        (buffers.masks[0], few.masks[0]),
    ]:
        part.fill(3)
        assert len(part) == 2
        np.testing.assert_array_equal(whole[:2], 3)
    assert few.weights is None
    assert few.masks[1] is None


def test_the_views_of_as_many_rows_are_made_once():
    buffers = Buffers.allocate(SIZES, 5, np.float64, drops=[False, False])
    assert buffers.first(3) is buffers.first(3)
    assert buffers.first(3) is not buffers.first(2)
    assert buffers.first(5) is buffers
