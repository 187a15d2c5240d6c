"""Training, compared with the same written in plain NumPy, a new array for every operation."""

import math

import numpy as np
import pytest

from mlpcli.config.config import make_config
from mlpcli.data.batches import Batches
from mlpcli.data.dataset import Dataset
from mlpcli.runs import build
from mlpcli.runs.material import prepare_opened

N, D, C = 230, 7, 3


def synthetic(seed=0):
    """A table of two noisy measurements of the class among others, on scales of their own."""
    rng = np.random.default_rng(seed)
    y = rng.integers(C, size=N)
    X = rng.standard_normal((N, D))
    X[:, :2] += 2 * np.eye(C)[y][:, :2]
    return Dataset("synthetic", X * [1, 10, 0.1, 1, 1, 1, 1] + 5, y, digest="", image_shape=(1, D))


def trained(**values):
    """(initial parameters, trainer, its material) of a run in double precision."""
    values = {
        "hidden": (12, 9), "dtype": "float64", "batch_size": 32, "epochs": 50, "lr": 0.05,
        "reg": 0.01, "val_fraction": 0.0, "test_fraction": 0.0, "scale": "standard",
    } | values  # fmt: skip
    config = make_config(values)
    material = prepare_opened(config, synthetic())
    net = build.network(config, *material.sizes)
    start = {name: array.copy() for name, array in net.params.items()}
    trainer = build.trainer(config, material, net)
    for _ in trainer.epochs(values["epochs"], lambda: None):
        pass
    return start, trainer, material


def reference(
    start, trainer, material, update, *, epochs=50, activation="relu", smoothing=0.0, moved=0.0,
    mixed=0.0,
):  # fmt: skip
    """The parameters after as many epochs, step by step as the equations have it.

    With `moved`, a copy of each sample is moved by this much along its gradient's direction; with
    `mixed`, each is mixed with the next one of its batch by λ ~ Beta(mixed, mixed), or 1 − λ.
    """
    f, slope = {
        "relu": (lambda Z: np.where(Z > 0, Z, 0), lambda A: np.where(A > 0, 1, 0)),
        "tanh": (np.tanh, lambda A: 1 - A**2),
    }[activation]
    raw, y = material.data.X, material.splits.train.y
    X = (raw - raw.mean(axis=0)) / raw.std(axis=0)
    targets = (1 - smoothing) * np.eye(C) + smoothing / C
    w = {name: array.copy() for name, array in start.items()}
    L, t = len(w) // 2, 0
    steps = math.ceil(N / 32)

    def passes(w, x, Y):
        """The gradient of the mean loss, and that of each sample with respect to x."""
        A = [x]
        for k in range(1, L + 1):
            Z = A[-1] @ w[f"W{k}"] + w[f"b{k}"]
            A.append(f(Z) if k < L else Z)
        e = np.exp(A[-1])
        delta = (e / e.sum(axis=1, keepdims=True) - Y) / len(x)
        g = {}
        for k in reversed(range(1, L + 1)):
            g[f"W{k}"] = A[k - 1].T @ delta
            g[f"b{k}"] = delta.sum(axis=0)
            delta = (delta @ w[f"W{k}"].T) * (slope(A[k - 1]) if k > 1 else 1)
        return g, delta

    for epoch in range(epochs):
        order = trainer.batches.order(epoch)
        for step in range(steps):
            rows = order[32 * step : 32 * (step + 1)]
            x, Y = X[rows], targets[y[rows]]
            if moved:
                _, slopes = passes(w, x, Y)
                r = moved * slopes / np.linalg.norm(slopes, axis=1, keepdims=True)
                x, Y = np.vstack([x, x + r]), np.vstack([Y, Y])
            if mixed:
                share = np.random.default_rng([0, 5, epoch, step]).beta(mixed, mixed)
                share = max(share, 1 - share)
                x, Y = (share * a + (1 - share) * np.vstack([a[1:], a[:1]]) for a in (x, Y))
            g, _ = passes(w, x, Y)
            lr = 0.05 * 0.5 * (1 + math.cos(math.pi * t / (epochs * steps)))
            t += 1
            update(w, g, lr, t)
    return w


def with_momentum():
    v = {}

    def update(w, g, lr, t):
        for name in w:
            slope = g[name] + (0.01 * w[name] if name[0] == "W" else 0)
            v[name] = 0.9 * v.get(name, 0) - lr * slope
            w[name] = w[name] + v[name]

    return update


def with_adam():
    m, v = {}, {}

    def update(w, g, lr, t):
        for name in w:
            slope = g[name] + (0.01 * w[name] if name[0] == "W" else 0)
            m[name] = 0.9 * m.get(name, 0) + 0.1 * slope
            v[name] = 0.999 * v.get(name, 0) + 0.001 * slope**2
            mean, square = m[name] / (1 - 0.9**t), v[name] / (1 - 0.999**t)
            w[name] = w[name] - lr * mean / (np.sqrt(square) + 1e-8)

    return update


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize(
    ("optimizer", "update"), [("momentum", with_momentum), ("adam", with_adam)]
)
def test_four_hundred_steps_end_at_the_weights_of_plain_numpy(activation, optimizer, update):
    start, trainer, material = trained(activation=activation, optimizer=optimizer)
    assert trainer.progress.step == 400
    expected = reference(start, trainer, material, update(), activation=activation)
    scale = np.abs(trainer.net.parameters.flat).max()
    for name, array in trainer.net.params.items():
        np.testing.assert_allclose(array, expected[name], rtol=1e-12, atol=1e-12 * scale)


def test_smoothed_targets_are_those_of_plain_numpy():
    start, trainer, material = trained(label_smoothing=0.1)
    expected = reference(start, trainer, material, with_momentum(), smoothing=0.1)
    for name, array in trainer.net.params.items():
        np.testing.assert_allclose(array, expected[name], rtol=1e-12, atol=1e-12)


def test_moved_samples_are_those_of_plain_numpy():
    start, trainer, material = trained(adversarial="l2:0.5", activation="tanh")
    expected = reference(start, trainer, material, with_momentum(), activation="tanh", moved=0.5)
    for name, array in trainer.net.params.items():
        np.testing.assert_allclose(array, expected[name], rtol=1e-12, atol=1e-12)
    _, plain, _ = trained(activation="tanh")
    assert not np.allclose(plain.net.parameters.flat, trainer.net.parameters.flat, atol=1e-3)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_mixed_samples_are_those_of_plain_numpy(smoothing):
    start, trainer, material = trained(mixup=0.4, label_smoothing=smoothing)
    expected = reference(start, trainer, material, with_momentum(), mixed=0.4, smoothing=smoothing)
    for name, array in trainer.net.params.items():
        np.testing.assert_allclose(array, expected[name], rtol=1e-12, atol=1e-12)
    _, plain, _ = trained(label_smoothing=smoothing)
    assert not np.allclose(plain.net.parameters.flat, trainer.net.parameters.flat, atol=1e-3)


def test_the_run_learns():
    """Else the comparison above would say little."""
    _, trainer, material = trained()
    X = np.empty((N, D))
    y = np.empty(N, np.intp)
    whole = Batches(material.splits.train, material.encoding, N, np.float64)
    whole.cut(whole.in_order(), 0, X, y)
    assert np.mean(trainer.net.forward(X).argmax(axis=1) == y) > 0.8
