"""A training step writes to arrays that are there: it makes none of the size of a batch."""

import tracemalloc

import numpy as np
import pytest

from mlpcli.config.config import make_config
from mlpcli.data.dataset import Dataset
from mlpcli.runs import build
from mlpcli.runs.material import prepare_opened

D, BATCH = 256, 1024


def peak_of_steps(values):
    """Bytes that the steps between the third and the last of an epoch add at most."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (8 * BATCH, D), np.uint8)
    data = Dataset("pixels", X, rng.integers(10, size=len(X)), digest="", image_shape=(16, 16))
    config = make_config(
        {"batch_size": BATCH, "epochs": 1, "val_fraction": 0.0, "test_fraction": 0.0} | values
    )
    material = prepare_opened(config, data)
    trainer = build.trainer(config, material, build.network(config, *material.sizes))
    peaks = []

    def on_step():
        if trainer.progress.batch == 2:
            tracemalloc.start()
            tracemalloc.reset_peak()
        elif tracemalloc.is_tracing():
            peaks.append(tracemalloc.get_traced_memory()[1])

    try:
        list(trainer.epochs(1, on_step))
    finally:
        tracemalloc.stop()
    assert len(peaks) == 5
    return max(peaks)


@pytest.mark.parametrize(
    "values",
    [
        {"hidden": (100,)},
        {"hidden": (100, 100), "dropout": 0.5, "input_dropout": 0.2},
        {"hidden": (100,), "activation": "sigmoid", "optimizer": "adam"},
        {"hidden": (100,), "optimizer": "nesterov", "class_weight": "balanced"},
        {"hidden": (100,), "clip_norm": 1.0, "label_smoothing": 0.1, "activation": "leaky-relu"},
        {"hidden": (100,), "adversarial": "l2:1.0"},
        {"hidden": (100,), "mixup": 0.4},
    ],
    ids=lambda values: " ".join(f"{name} {value}" for name, value in values.items()),
)
def test_a_step_makes_nothing_large(values):
    assert peak_of_steps(values) < BATCH * D * 4 / 4  # a quarter of the batch's inputs
