"""Data sets that need no network: `digits` and `penguins`, embedded, and `spiral`, generated."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import replace
from importlib import resources

import numpy as np

from mlpcli.data.columns import Layout, TableOptions
from mlpcli.data.dataset import Dataset
from mlpcli.data.formats.collect import collect
from mlpcli.data.formats.rows import as_dataset
from mlpcli.data.formats.table import TableReader


def digits() -> Dataset:
    """The 1,797 handwritten digits of UCI Optdigits (its test part), 8 × 8 pixels.

    X (1797, 64) uint8 from 0 to 16, y (1797,) int64 from 0 to 9. Source and licence are in
    `files/digits.txt`.
    """
    packed = resources.files("mlpcli.data").joinpath("files/digits.npz").read_bytes()
    with np.load(io.BytesIO(packed), allow_pickle=False) as arrays:
        X, y = arrays["X"], arrays["y"]
    return Dataset(
        source="digits",
        X=X.reshape(len(X), -1),
        y=y.astype(np.int64),
        digest=hashlib.sha256(packed).hexdigest(),
        image_shape=(8, 8),
        test_fraction=0.2,
    )


def spiral() -> Dataset:
    """The spiral of the CS231n case study: three arms of 100 points, drawn from seed 0.

    Along arm j the radius r goes from 0 to 1 and the angle θ from 4j to 4(j + 1), with noise of
    deviation 0.2; a point is (r sin θ, r cos θ). X (300, 2) float32, y (300,) int64 from 0 to 2. As
    in its source, all points are for training, and they are not scaled.
    """
    arms, points = 3, 100
    rng = np.random.default_rng(0)
    r = np.linspace(0.0, 1.0, points)
    theta = np.concatenate(
        [
            np.linspace(4 * j, 4 * (j + 1), points) + 0.2 * rng.standard_normal(points)
            for j in range(arms)
        ]
    )
    r = np.tile(r, arms)
    # float32, so that machines whose sine differs in the last bit of a double agree on the digest
    X = np.column_stack([r * np.sin(theta), r * np.cos(theta)]).astype(np.float32)
    y = np.repeat(np.arange(arms), points)
    return Dataset(
        source="spiral",
        X=X,
        y=y,
        digest=hashlib.sha256(X.tobytes() + y.tobytes()).hexdigest(),
        test_fraction=0.0,
        standardise=False,
    )


def penguins(options: TableOptions | None = None, layout: Layout | None = None) -> Dataset:
    """The 344 Palmer penguins, as a raw CSV with its gaps; the label is the species by default.

    Five columns of numbers (bill length and depth, flipper length in mm, body mass in g, year) and
    two of categories (island, sex). Source and licence are in `files/penguins.txt`.
    """
    content = resources.files("mlpcli.data").joinpath("files/penguins.csv").read_bytes()
    options = options or TableOptions()
    if options.label_column is None:
        options = replace(options, label_column="species")
    known = () if layout is None else layout.names
    table = collect([TableReader(io.BytesIO(content), "penguins", options, known)], options, layout)
    return as_dataset(table, ["penguins"])


ARRAYS: dict[str, Callable[[], Dataset]] = {"digits": digits, "spiral": spiral}

TABLES: dict[str, Callable[[TableOptions | None, Layout | None], Dataset]] = {"penguins": penguins}
"""Those that are a table like a person's own."""
