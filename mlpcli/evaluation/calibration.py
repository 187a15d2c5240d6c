"""Whether a model is as often right as it says."""

from __future__ import annotations

import numpy as np

from mlpcli.arrays import Array
from mlpcli.records import record
from mlpcli.tasks.task import Predictions


@record
class Calibration:
    """Whether a model that is 90 % sure is right nine times out of ten.

    Samples are sorted into M bins of equal width by their confidence, the probability of the
    predicted class: bin m has those above (m − 1)/M and up to m/M.

    Attributes:
        counts: (M,) samples of each bin.
        confidence: (M,) their mean confidence, 0 in an empty bin.
        accuracy: (M,) the share of them that is right, 0 in an empty bin.
    """

    counts: Array
    confidence: Array
    accuracy: Array

    @property
    def error(self) -> float:
        """The expected calibration error, Σₘ nₘ/N · |accuracyₘ − confidenceₘ|.

        Naeini, Cooper & Hauskrecht 2015; as Guo, Pleiss, Sun & Weinberger 2017 define it (On
        Calibration of Modern Neural Networks, equation 3).
        """
        gaps = np.abs(self.accuracy - self.confidence)
        return float(np.dot(self.counts, gaps) / self.counts.sum())


def calibration(predictions: Predictions, bins: int = 15) -> Calibration:
    """Sort predictions into bins of confidence; 15 are what Guo et al. 2017 use."""
    confidence = predictions.certainty
    assert confidence is not None
    chosen = np.clip(np.ceil(confidence * bins).astype(np.intp) - 1, 0, bins - 1)
    counts = np.bincount(chosen, minlength=bins)
    right = np.bincount(chosen, predictions.answers == predictions.y, minlength=bins)
    total = np.bincount(chosen, confidence, minlength=bins)
    filled = np.maximum(counts, 1)
    return Calibration(counts, total / filled, right / filled)
