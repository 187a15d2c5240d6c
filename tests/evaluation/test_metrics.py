"""Loss, accuracy, the figures of each class and a committee's, against figures by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from mlpcli.data.encoding import Encoding, encode_numbers
from mlpcli.data.split import Split
from mlpcli.evaluation.metrics import Scorer, predict_members
from mlpcli.nn.network import MLP
from mlpcli.tasks.classification import Classification, ClassReport, roc_auc

# 10 samples of class 0: 8 found, 2 taken for class 1; 5 of class 1: 4 found, 1 taken for class 0;
# none of class 2, which is never predicted; 2 of class 3, both taken for class 0.
CONFUSION = np.array([[8, 2, 0, 0], [1, 4, 0, 0], [0, 0, 0, 0], [2, 0, 0, 0]])


def report_of(loss: float, confusion: Any) -> ClassReport:
    """The report with this confusion matrix."""
    true, said = np.indices(np.shape(confusion)).reshape(2, -1)
    counts = np.ravel(confusion)
    return ClassReport(np.repeat(true, counts), np.repeat(said, counts), len(confusion), loss)


def scores_of(right: int, samples: int) -> ClassReport:
    return report_of(0.0, [[right, samples - right], [0, 0]])


def score_committee(members: Any, split: Split) -> tuple[list[ClassReport], ClassReport]:
    task = Classification(np.arange(members[0][0].sizes[-1]))
    each, committee = predict_members(members, split, task)
    return [ClassReport.of(one, task) for one in each], ClassReport.of(committee, task)


TWO = Classification(np.arange(2))


def unscaled(D: int) -> Encoding:
    return encode_numbers([0.0] * D, [1.0] * D)


def linear(W: Any, b: Any = None, loss: str = "cross-entropy", dtype: Any = np.float64) -> MLP:
    """Softmax regression with these weights."""
    W = np.asarray(W, dtype)
    net = MLP(list(W.shape), loss=loss, dtype=dtype, seed=None)
    net.params["W1"][:] = W
    if b is not None:
        net.params["b1"][:] = b
    return net


def split_of(X: Any, y: Any, rows: Any = None) -> Split:
    X = np.asarray(X, np.float64)
    return Split("test", X, np.asarray(y, np.intp), np.arange(len(X)) if rows is None else rows)


def test_accuracy_is_the_share_on_the_diagonal() -> None:
    scores = report_of(0.5, CONFUSION)
    assert (scores.samples, scores.correct, scores.accuracy) == (17, 12, 12 / 17)


def test_the_figures_of_each_class_by_hand() -> None:
    zero, one, two, three = report_of(0.5, CONFUSION).per_class()
    # precision 8/11, recall 8/10, F1 = 2·8/(11 + 10)
    assert zero == {"precision": 8 / 11, "recall": 0.8, "f1": 16 / 21, "support": 10}
    assert one == {"precision": 4 / 6, "recall": 0.8, "f1": 8 / 11, "support": 5}
    assert two == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0}
    assert three == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 2}


def test_f1_is_the_harmonic_mean_of_precision_and_recall() -> None:
    for row in report_of(0.5, CONFUSION).per_class()[:2]:
        mean = 2 / (1 / row["precision"] + 1 / row["recall"])
        assert row["f1"] == pytest.approx(mean, rel=1e-15)


@pytest.mark.parametrize(
    ("right", "samples", "low", "high"),
    [
        (8, 10, 0.4902, 0.9433),
        (50, 100, 0.4038, 0.5962),
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (9800, 10000, 0.97707, 0.98257),
    ],
)
def test_the_interval_is_wilsons(right: int, samples: int, low: float, high: float) -> None:
    assert scores_of(right, samples).interval() == pytest.approx((low, high), abs=5e-5)


def test_the_ends_of_the_interval_are_where_the_score_test_just_rejects() -> None:
    # Wilson 1927: the p with |p̂ − p| = z·√(p(1 − p)/n)
    for right, samples in ((8, 10), (97, 100), (3, 7)):
        for p in scores_of(right, samples).interval():
            distance = abs(right / samples - p)
            assert distance == pytest.approx(1.96 * math.sqrt(p * (1 - p) / samples), rel=1e-12)


def test_the_interval_of_a_share_stays_within_0_and_1() -> None:
    for samples in range(1, 500):
        lowest, highest = scores_of(0, samples).interval(), scores_of(samples, samples).interval()
        assert f"{lowest[0]:.2f} {highest[1]:.2f}" == "0.00 1.00"
        assert 0 <= lowest[0] < lowest[1] < 1
        assert 0 < highest[0] < highest[1] <= 1


def test_scores_by_hand() -> None:
    # scores (x, 0): class 0 where x > 0; the loss is log(1 + e^∓x)
    net = linear([[1.0, 0.0]])
    scores = Scorer(net, split_of([[2.0], [-1.0], [3.0]], [0, 1, 1]), unscaled(1), TWO).score()[0]
    assert scores.figures == {"accuracy": 2 / 3}
    losses = [math.log1p(math.exp(-2)), math.log1p(math.exp(-1)), math.log1p(math.exp(3))]
    assert scores.loss == pytest.approx(sum(losses) / 3, rel=1e-14)


def test_only_the_rows_of_the_split_count_and_inputs_are_scaled() -> None:
    net = linear([[1.0, 0.0]])
    split = split_of([[2.0], [9.0], [12.0]], [0, -1, 1], rows=np.array([0, 2]))
    scores = Scorer(net, split, encode_numbers([10.0], [0.5]), TWO).score()[0]
    assert scores.figures == {"accuracy": 0.0}  # −4 and 1
    assert scores.samples == 2
    assert scores.loss == pytest.approx((math.log1p(math.exp(4)) + math.log1p(math.exp(1))) / 2)


@pytest.mark.parametrize("loss", ["cross-entropy", "mse", "bce"])
@pytest.mark.parametrize("chunk", [1, 7, 30, 31, 32, 1024])
def test_the_size_of_the_chunks_makes_no_difference(
    monkeypatch: pytest.MonkeyPatch, loss: str, chunk: int
) -> None:
    rng = np.random.default_rng(0)
    nets = [MLP([3, 5, 4], "tanh", loss, dtype=np.float64, seed=seed) for seed in (1, 2)]
    members = [(net, unscaled(3)) for net in nets]
    split = split_of(rng.normal(size=(31, 3)), rng.integers(4, size=31))
    each, committee = score_committee(members, split)
    monkeypatch.setattr(MLP, "chunk", chunk)
    for before, after in zip(
        [*each, committee],
        [*(one := score_committee(members, split))[0], one[1]],
        strict=True,
    ):
        assert np.array_equal(before.confusion, after.confusion)
        assert after.loss == pytest.approx(before.loss, rel=1e-13)


def test_a_committee_averages_probabilities() -> None:
    # softmax(log 9, 0) = (0.9, 0.1) and softmax(0, log 4) = (0.2, 0.8); the mean is (0.55, 0.45)
    members = [
        (linear([[math.log(9), 0.0]]), unscaled(1)),
        (linear([[0.0, math.log(4)]]), unscaled(1)),
    ]
    each, committee = score_committee(members, split_of([[1.0], [1.0]], [0, 1]))
    assert [one.confusion.tolist() for one in each] == [[[1, 0], [1, 0]], [[0, 1], [0, 1]]]
    assert committee.confusion.tolist() == [[1, 0], [1, 0]]
    assert committee.loss == pytest.approx(-(math.log(0.55) + math.log(0.45)) / 2, rel=1e-14)


def test_each_member_scales_by_itself_and_has_its_own_precision() -> None:
    single = linear([[1.0, 0.0]], dtype=np.float32)
    double = linear([[1.0, 0.0]], dtype=np.float64)
    members = [(single, encode_numbers([0.0], [0.5])), (double, encode_numbers([1.0], [1.0]))]
    each, committee = score_committee(members, split_of([[2.0]], [0]))
    alone = [math.log1p(math.exp(-1)), math.log1p(math.exp(-1))]
    assert [one.loss for one in each] == pytest.approx(alone, rel=1e-6)
    assert committee.loss == pytest.approx(alone[0], rel=1e-6)


def test_one_model_is_scored_as_itself_where_probabilities_vanish_too() -> None:
    each, committee = score_committee(
        [(linear([[10_000.0, 0.0]]), unscaled(1))], split_of([[1.0]], [1])
    )
    assert committee.loss == each[0].loss == 10_000.0


def test_a_committee_that_is_certain_and_wrong_has_a_finite_loss() -> None:
    members = [(linear([[10_000.0, 0.0]]), unscaled(1))] * 2
    _, committee = score_committee(members, split_of([[1.0]], [1]))
    assert 700 < committee.loss < math.inf


def test_scores_follow_the_weights_as_they_change() -> None:
    net = linear([[1.0, 0.0]])
    scorer = Scorer(net, split_of([[1.0]], [0]), unscaled(1), TWO)
    assert scorer.score()[0].headline == 1.0
    net.params["W1"][:] *= -1
    assert scorer.score()[0].headline == 0.0


def test_weighted_rows_count_as_often_in_the_score_that_chooses() -> None:
    net = linear([[1.0, 0.0]])
    split = split_of([[2.0], [-1.0], [3.0]], [0, 1, 1])
    weighted = Split("val", split.X, split.y, split.rows, weights=np.array([1.0, 1.0, 4.0]))
    plain, chosen = Scorer(net, weighted, unscaled(1), TWO).score()
    assert plain == Scorer(net, split, unscaled(1), TWO).score()[0]
    assert chosen.figures == {"accuracy": 2 / 6}
    losses = [math.log1p(math.exp(-2)), math.log1p(math.exp(-1)), 4 * math.log1p(math.exp(3))]
    assert chosen.loss == pytest.approx(sum(losses) / 6, rel=1e-14)


def test_the_area_under_the_curve_is_the_share_of_pairs_in_the_right_order() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        y = rng.integers(2, size=30)
        p = rng.integers(8, size=30) / 8  # with ties
        pairs = [1.0 if a > b else 0.5 if a == b else 0.0 for a in p[y == 1] for b in p[y == 0]]
        assert roc_auc(y, p) == pytest.approx(np.mean(pairs), rel=1e-12)
    assert roc_auc(np.zeros(3, int), np.ones(3)) is None
