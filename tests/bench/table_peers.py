"""Other learners of tables for `make tables`, with their defaults, and what they are fed.

A column of text whose values differ in more than half of the rows, and one that counts rows, is
left out; numbers are filled with the median and standardised, categories one-hot, all learned on
the training rows. The targets of scikit-learn's MLP are standardised, too.
"""

from __future__ import annotations

import importlib.metadata
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Maker = Callable[[bool], Any]  # of a learner of classes (True) or of numbers


@dataclass(frozen=True)
class Peer:
    """A learner with `fit`, `predict` and, for classes, `predict_proba`."""

    package: str
    make: Maker

    @property
    def version(self) -> str:
        return importlib.metadata.version(self.package)

    def __call__(self, train: Path, test: Path, target: str, task: str) -> dict[str, float]:
        """The scores on the test rows, and the seconds of reading, fitting and predicting."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of convergence, and of names of columns
            return self._scores(train, test, target, task == "classification")

    def _scores(self, train: Path, test: Path, target: str, classes: bool) -> dict[str, float]:
        from sklearn.metrics import log_loss

        begun = time.perf_counter()
        X, y, X_test, y_test = _encode(train, test, target, classes)
        learner = self.make(classes).fit(X, y)
        if not classes:
            error = learner.predict(X_test) - y_test
            result = {"RMSE": float(np.sqrt(np.mean(error**2)))}
        else:
            probs = learner.predict_proba(X_test)
            right = learner.classes_[probs.argmax(axis=1)] == y_test
            loss = log_loss(y_test, probs, labels=learner.classes_)
            result = {"accuracy": float(right.mean()), "log-loss": float(loss)}
        return result | {"seconds": time.perf_counter() - begun}


def _encode(train: Path, test: Path, target: str, classes: bool) -> tuple[Any, Any, Any, Any]:
    """(X, y, X_test, y_test) of two CSV files."""
    import pandas as pd
    from sklearn.compose import make_column_selector, make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    frames = [pd.read_csv(path, skipinitialspace=True) for path in (train, test)]
    targets = [frame.pop(target) for frame in frames]
    y, y_test = (t.astype(str).to_numpy() if classes else t.to_numpy(float) for t in targets)
    if classes:
        names, y = np.unique(y, return_inverse=True)
        y_test = np.searchsorted(names, y_test)
    kept = [name for name in frames[0] if not _identifies(frames[0][name])]
    encoder = make_column_transformer(
        (
            make_pipeline(SimpleImputer(strategy="median"), StandardScaler()),
            make_column_selector(dtype_include="number"),
        ),
        (
            OneHotEncoder(handle_unknown="ignore", sparse_output=False),
            make_column_selector(dtype_exclude="number"),
        ),
    )
    X = encoder.fit_transform(frames[0][kept])
    return X, y, encoder.transform(frames[1][kept]), y_test


def _identifies(column: Any) -> bool:
    """Whether a column only tells rows apart: it counts them, or is text that differs in most."""
    if column.dtype.kind in "fiub":
        whole = column.dtype.kind in "iu" and column.is_unique and column.is_monotonic_increasing
        return bool(whole and column.max() < 2 * len(column))
    return bool(column.nunique() > len(column) / 2)


def _mlp(classes: bool) -> Any:
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.preprocessing import StandardScaler

    if classes:
        return MLPClassifier(random_state=0)
    return TransformedTargetRegressor(MLPRegressor(random_state=0), transformer=StandardScaler())


def _linear(classes: bool) -> Any:
    from sklearn.linear_model import LogisticRegression, Ridge

    return LogisticRegression(max_iter=1000) if classes else Ridge()


def _histogram(classes: bool) -> Any:
    from sklearn import ensemble as trees

    if classes:
        return trees.HistGradientBoostingClassifier(random_state=0)
    return trees.HistGradientBoostingRegressor(random_state=0)


def _lightgbm(classes: bool) -> Any:
    from lightgbm import LGBMClassifier, LGBMRegressor

    return (LGBMClassifier if classes else LGBMRegressor)(verbose=-1, n_jobs=1, random_state=0)


def _realmlp(variant: str) -> Maker:
    def make(classes: bool) -> Any:
        import pytabkit

        maker = getattr(pytabkit, f"RealMLP_{variant}_{'Classifier' if classes else 'Regressor'}")
        return maker(device="cpu", n_threads=1, random_state=0)

    return make


PEERS = {
    "logistic or ridge regression": Peer("scikit-learn", _linear),
    "scikit-learn's MLP": Peer("scikit-learn", _mlp),
    "HistGradientBoosting": Peer("scikit-learn", _histogram),
    "LightGBM": Peer("lightgbm", _lightgbm),
}
SLOW = {
    "RealMLP-TD": Peer("pytabkit", _realmlp("TD")),
    "RealMLP-TD-S": Peer("pytabkit", _realmlp("TD_S")),
}


def installed(*, realmlp: bool) -> dict[str, Peer]:
    """The peers that are installed; of each other one a line is printed."""
    found = {}
    for label, peer in (PEERS | (SLOW if realmlp else {})).items():
        try:
            peer.version  # noqa: B018
        except importlib.metadata.PackageNotFoundError:
            print(f"{label} is left out: {peer.package} is not installed", file=sys.stderr)
        else:
            found[label] = peer
    return found
