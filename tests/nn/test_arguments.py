"""What a network says of arguments from Python that cannot be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mlpcli import MLP
from mlpcli.errors import InputError, UsageError

X = np.eye(4, 3)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"activation": "rleu"}, "activation 'rleu': expected one of relu, "),
        ({"activation": "rleu"}, "did you mean relu?"),
        ({"activation": None}, "activation None: expected one of relu, "),
        ({"loss": "crossentropy"}, "did you mean cross-entropy?"),
        ({"init": "xavier"}, "init 'xavier': expected one of he, glorot, normal"),
        ({"sizes": [3]}, "sizes [3]: expected two or more whole numbers from 1"),
        ({"sizes": [3, 0, 2]}, "sizes [3, 0, 2]: expected two or more whole numbers"),
        ({"sizes": [3, 2.5]}, "sizes [3, 2.5]: expected two or more whole numbers"),
        ({"sizes": [3, True]}, "sizes [3, True]: expected two or more whole numbers"),
        ({"dropout": 1.0}, "dropout 1.0: expected a share from 0 to below 1"),
        ({"input_dropout": -0.1}, "input_dropout -0.1: expected a share"),
        ({"dropout": float("nan")}, "dropout nan: expected a share"),
        ({"init_scale": -1}, "init_scale -1: expected a number from 0"),
        ({"init_scale": float("nan")}, "init_scale nan: expected a number from 0"),
        ({"seed": -1}, "seed -1: expected a whole number from 0, or None"),
        ({"seed": 1.5}, "seed 1.5: expected a whole number from 0, or None"),
        ({"dtype": "int32"}, "dtype int32: expected float32 or float64"),
        ({"dtype": "nothing"}, "dtype nothing: expected float32 or float64"),
    ],
)
def test_a_network_that_cannot_be_is_refused(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as error:
        MLP(arguments.pop("sizes", [3, 4, 2]), **arguments)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("y", "said"),
    [
        ([0, 1, -1, 0], "y[2] is -1, expected labels from 0 to 1"),
        ([0, 1, 2, 0], "y[2] is 2, expected labels from 0 to 1"),
        ([0, 1, 1], "y has the shape (3,), expected (4,), a label per row"),
        (np.ma.masked_equal([0, 1, 1, 0], 1), "y has masked values; fill them in, or leave"),
        ([0, 1, 1, 0, 1], "y has the shape (5,), expected (4,), a label per row"),
        ([[0], [1], [1], [0]], "y has the shape (4, 1), expected (4,), a label per row; try y.rav"),
        (np.eye(4, 2), "y has the shape (4, 2), expected (4,), a label per row"),
        (1, "y has the shape (), expected (4,), a label per row"),
        ([0.0, 1.0, 1.0, 0.0], "y is of dtype float64, expected whole numbers from 0 to 1"),
        (["a", "b", "a", "b"], "y is of dtype <U1, expected whole numbers from 0 to 1"),
        ([True, False, True, True], "y is of dtype bool, expected whole numbers from 0 to 1"),
    ],
)
def test_labels_that_are_none_are_refused(y: Any, said: str) -> None:
    with pytest.raises(InputError) as error:
        MLP([3, 4, 2]).loss_and_grad(X, y)
    assert str(error.value).startswith(said)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (np.eye(3, 4), "X has the shape (3, 4), expected (N, 3)"),
        (X[0], "X has the shape (3,), expected (N, 3)"),
        ([[1, 2, 3], [4, 5]], "X has rows of different lengths"),
        (np.ma.masked_equal([[1, 2, 3]], 2), "X has masked values; fill them in, or leave"),
        ([["a", "b", "c"]], "X is of dtype <U1, expected numbers"),
        ([[None, 1, 2]], "X is of dtype object, expected numbers"),
    ],
)
def test_inputs_that_are_none_are_refused_wherever_they_are_given(rows: Any, said: str) -> None:
    net = MLP([3, 4, 2])
    for call in (net.forward, net.predict_proba, lambda X: net.loss_and_grad(X, [0, 1, 0])):
        with pytest.raises(InputError) as error:
            call(rows)
        assert str(error.value).startswith(said)


def test_to_set_a_parameter_writes_to_the_network() -> None:
    net = MLP([3, 2])
    W, b = np.arange(6.0).reshape(3, 2), np.array([5, -1])
    net.params["W1"] = W
    net.params["b1"] -= 1
    net.params.update(b1=net.params["b1"] + b)
    np.testing.assert_array_equal(net.forward(X), X @ W + [4, -2])
    assert list(net.params) == ["W1", "b1"]
    assert len(net.params) == 2
    for change, said in (
        (lambda: net.params.update(W2=W), "there is no W2, but W1, b1"),
        (lambda: net.params.update(W1=W.T), r"W1 has the shape \(2, 3\), expected \(3, 2\)"),
        (lambda: net.params.update(b1=7), r"b1 has the shape \(\), expected \(2,\)"),
        (lambda: net.params.pop("b1"), "b1 cannot be left out"),
    ):
        with pytest.raises(InputError, match=f"^{said}$"):
            change()
    np.testing.assert_array_equal(net.forward(X), X @ W + [4, -2])


def test_no_rows_have_no_mean_loss() -> None:
    net = MLP([3, 4, 2])
    assert net.predict_proba(X[:0]).shape == (0, 2)
    with pytest.raises(InputError, match="X has no rows"):
        net.loss_and_grad(X[:0], np.empty(0, int))
    with pytest.raises(UsageError, match="reg -1: expected a number from 0"):
        net.loss_and_grad(X, [0, 1, 0, 1], reg=-1)


def test_numbers_to_predict_have_a_loss_and_its_gradient() -> None:
    """½(s − y)², whose derivative by a bias of the output is the mean of s − y."""
    net = MLP([3, 1], loss="squared-error", dtype=np.float64)
    y = np.array([0.5, -1.0, 2.0, 0.0])
    scores = net.forward(X)[:, 0]
    loss, gradient = net.loss_and_grad(X, y)
    assert loss == pytest.approx(0.5 * np.mean((scores - y) ** 2))
    assert gradient["b1"][0] == pytest.approx(np.mean(scores - y))
    with pytest.raises(
        InputError, match=r"y has the shape \(4, 1\).*a number per row; try y\.ravel"
    ):
        net.loss_and_grad(X, y[:, None])
    with pytest.raises(InputError, match="not finite; expected numbers"):
        net.loss_and_grad(X, [0, np.nan, 0, 1])
    with pytest.raises(InputError, match="has 2 outputs, but numbers are predicted by one"):
        MLP([3, 2], loss="huber").loss_and_grad(X, y)


def test_unsigned_and_small_integers_are_labels() -> None:
    net = MLP([3, 4, 2], dtype=np.float64)
    losses = {
        net.loss_and_grad(X, np.array([0, 1, 1, 0], dtype))[0]
        for dtype in ("u1", "i1", "i8", ">i4")
    }
    assert len(losses) == 1
