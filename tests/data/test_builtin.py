"""The embedded digits and the generated spiral."""

from __future__ import annotations

import hashlib
from importlib import resources

import numpy as np
import pytest

from mlpcli.data import builtin


def test_digits() -> None:
    data = builtin.digits()
    assert data.source == "digits"
    assert data.X.shape == (1797, 64)
    assert data.X.dtype == np.uint8
    assert (data.X.min(), data.X.max(), data.image_shape) == (0, 16, (8, 8))
    assert data.image_shape == (8, 8)
    assert data.y.dtype == np.int64
    assert np.unique(data.y).tolist() == list(range(10))
    assert data.test_fraction == 0.2


def test_the_digest_of_the_digits_is_the_one_beside_them() -> None:
    files = resources.files("mlpcli.data").joinpath("files")
    digest = hashlib.sha256(files.joinpath("digits.npz").read_bytes()).hexdigest()
    assert builtin.digits().digest == digest
    assert digest in files.joinpath("digits.txt").read_text(encoding="utf-8")


@pytest.mark.peers
def test_the_digits_are_those_of_scikit_learn() -> None:
    datasets = pytest.importorskip(
        "sklearn.datasets", reason="needs scikit-learn (make test-peers)"
    )
    theirs = datasets.load_digits()
    data = builtin.digits()
    np.testing.assert_array_equal(data.X, theirs.data)
    np.testing.assert_array_equal(data.y, theirs.target)


def test_spiral_follows_its_equations() -> None:
    data = builtin.spiral()
    assert data.X.shape == (300, 2)
    assert data.X.dtype == np.float32
    assert np.bincount(data.y).tolist() == [100, 100, 100]
    r = np.linspace(0, 1, 100)
    np.testing.assert_allclose(np.hypot(*data.X.T), np.tile(r, 3), atol=1e-6)
    for j in range(3):
        x1, x2 = data.X[data.y == j][1:].T.astype(np.float64)
        noise = np.arctan2(x1, x2) - np.linspace(4 * j, 4 * (j + 1), 100)[1:]
        noise = (noise + np.pi) % (2 * np.pi) - np.pi
        assert abs(noise.mean()) < 0.08  # four deviations of the mean
        assert 0.14 < noise.std() < 0.26


def test_spiral_is_all_for_training_and_always_the_same() -> None:
    first, second = builtin.spiral(), builtin.spiral()
    assert first.test_fraction == 0
    assert not first.standardise
    np.testing.assert_array_equal(first.X, second.X)
    assert first.digest == second.digest
    assert first.digest == hashlib.sha256(first.X.tobytes() + first.y.tobytes()).hexdigest()
