"""Expected calibration error, by hand, and the order of mistakes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mlpcli.evaluation.calibration import calibration
from mlpcli.evaluation.class_sections import most_confident_mistakes
from mlpcli.tasks.task import Predictions


def predictions(confidence: list[float], right: list[bool]) -> Predictions:
    y = np.zeros(len(right), np.intp)
    return Predictions(y, np.where(right, 0, 1), np.array(confidence), np.zeros(len(y)))


def test_two_bins_by_hand() -> None:
    """Four samples below one half and two above: 4/6·|1/4 − 0.45| + 2/6·|1 − 0.8| = 0.2."""
    given = predictions([0.4, 0.45, 0.45, 0.5, 0.7, 0.9], [True, False, False, False, True, True])
    bins = calibration(given, bins=2)
    assert bins.counts.tolist() == [4, 2]
    assert bins.accuracy.tolist() == [0.25, 1.0]
    np.testing.assert_allclose(bins.confidence, [0.45, 0.8])
    assert bins.error == pytest.approx(4 / 6 * 0.2 + 2 / 6 * 0.2)


def test_bins_are_closed_above_and_the_ends_are_in_them() -> None:
    bins = calibration(predictions([0.0, 0.2, 0.2001, 1.0], [True] * 4), bins=5)
    assert bins.counts.tolist() == [2, 1, 0, 0, 1]


def test_a_model_that_knows_how_sure_it_may_be_has_no_error() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.1, 1, 200_000)
    right = rng.uniform(size=len(confidence)) < confidence
    given = Predictions(
        np.zeros(len(right), np.intp), np.where(right, 0, 1), confidence, confidence
    )
    assert calibration(given).error < 0.005
    boastful = replace(given, certainty=np.ones_like(confidence))
    assert calibration(boastful).error == pytest.approx(0.45, abs=0.005)


def test_mistakes_come_the_most_confident_first() -> None:
    given = predictions([0.5, 0.9, 0.99, 0.7, 0.9], [False, False, True, False, False])
    assert most_confident_mistakes(given, 3).tolist() == [1, 4, 3]
    assert most_confident_mistakes(predictions([0.9], [True]), 3).tolist() == []
