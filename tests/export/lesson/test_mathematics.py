"""The page's own code under Node, compared with NumPy's network, number by number."""

from __future__ import annotations

import base64
import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mlpcli import MLP, Model
from mlpcli.data.encoder import Encoder
from mlpcli.data.encoding import LARGE, Category, Date, Encoding, Number
from mlpcli.data.pose import Pose, PoseNormaliser
from mlpcli.data.source import open_data
from mlpcli.export.lesson_inputs import describe_encoding
from mlpcli.nn.activations import ACTIVATIONS
from mlpcli.nn.losses import LOSSES, OF_TASK
from mlpcli.nn.regularisation import l2_penalty
from mlpcli.runs.model import load

N, RATE, REG = 1000, 0.3, 0.01
OPTIONS: dict[str, Any] = {"init": "normal", "dtype": np.float64, "seed": 3}


def expected(net: MLP, X: Any, Y: Any, reg: float = REG) -> dict[str, Any]:
    """What NumPy makes of X and targets Y (N, C), as the page's code says it."""
    batch = net.buffers(len(X))
    batch.X[:], batch.Y[:] = X, Y
    gradient = net.parameters.like(np.empty_like(net.parameters.flat))
    scores = net.forward_pass(batch).copy()
    loss = net.mean_loss(batch) + l2_penalty(net.parameters.weights, reg)
    net.backward_pass(batch, gradient)
    gradient.weights += reg * net.parameters.weights
    pairs = {"W": (net.parameters.W, gradient.W), "b": (net.parameters.b, gradient.b)}
    return {
        "scores": scores,
        "answers": net.predict_proba(X),
        "loss": loss,
        "gradient": {name: slopes for name, (_, slopes) in pairs.items()},
        "next": {
            name: [w - RATE * slope for w, slope in zip(*pair, strict=True)]
            for name, pair in pairs.items()
        },
    }


def assert_same(found: dict[str, Any], wanted: dict[str, Any], within: float) -> None:
    """Each array, relative to its largest entry or to 1."""
    for key, value in wanted.items():
        if isinstance(value, dict):
            assert_same(found[key], value, within)
        elif isinstance(value, list):
            assert len(found[key]) == len(value)
            for one, other in zip(found[key], value, strict=True):
                assert_same({key: one}, {key: other}, within)
        else:
            size = within * max(1, float(np.abs(value).max()))
            np.testing.assert_allclose(np.array(found[key]), value, rtol=0, atol=size, err_msg=key)


def as_job(net: MLP, X: Any, Y: Any) -> dict[str, Any]:
    params = net.params
    layers = range(1, len(params) // 2 + 1)
    return {
        "job": "passes",
        "net": {
            "activation": next(k for k, v in ACTIVATIONS.items() if v is net.activation),
            "loss": next(k for k, v in LOSSES.items() if v is net.loss),
            "W": [params[f"W{layer}"].tolist() for layer in layers],
            "b": [params[f"b{layer}"].tolist() for layer in layers],
        },
        "X": X.tolist(),
        "Y": Y.tolist(),
        "reg": REG,
        "rate": RATE,
    }


def test_the_page_knows_every_activation_and_every_loss(node) -> None:
    (known,) = node({"job": "known"})
    assert set(known["activations"]) == set(ACTIVATIONS)
    assert set(known["losses"]) == set(LOSSES)


def test_a_thousand_rows_give_numpys_scores_gradients_and_step(node) -> None:
    """Every activation with every loss, two hidden layers and none."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((N, 7)), rng.integers(0, 4, N)
    X[rng.random(X.shape) < 0.3] = 0
    Y = {"classification": np.eye(4)[y], "regression": 2 * rng.standard_normal((N, 4))}
    kinds = {loss: kind for kind, losses in OF_TASK.items() for loss in losses}
    cases = [
        (kinds[loss], MLP([7, *hidden, 4], activation, loss, **OPTIONS))
        for loss in LOSSES
        for activation, hidden in (*((name, [9, 5]) for name in ACTIVATIONS), ("relu", []))
    ]
    found = node(*(as_job(net, X, Y[kind]) for kind, net in cases))
    for (kind, net), each in zip(cases, found, strict=True):
        assert_same(each, expected(net, X, Y[kind]), 1e-6)


def test_scores_of_any_size_overflow_nowhere(node) -> None:
    X = np.array([[1e4, -1e4], [-1e4, 1e4], [0.0, 0.0]])
    Y = np.eye(2)[[0, 0, 1]]
    nets = [MLP([2, 2], loss=loss, **OPTIONS) for loss in LOSSES]
    for net, found in zip(nets, node(*(as_job(net, X, Y) for net in nets)), strict=True):
        assert_same(found, expected(net, X, Y), 1e-6)
        assert np.isfinite(found["loss"])


@pytest.fixture
def embedded(node, lesson_of):
    """What a lesson's own weights make of raw rows, and what NumPy makes of them."""

    def both(path: Path, raw: Any, Y: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        model = load(path.with_suffix(".npz"))
        net = MLP(
            model.file.sizes,
            model.config.model.activation,
            model.config.model.loss,
            embedded=model.file.embedded,
            dtype=np.float64,
            seed=None,
        )
        for name, array in model.file.params.items():
            net.params[name][:] = array
        X = np.empty((len(raw), model.file.sizes[0]))
        Encoder(model.encoding, raw.dtype, np.float64).apply(raw, X)
        job = {"job": "lesson", "path": str(path), "raw": raw.tolist(), "rate": RATE, "reg": REG}
        (found,) = node(job | {"Y": Y.tolist()})
        return found, expected(net, X, Y)

    return both


def test_a_small_networks_lesson_answers_as_numpy_to_the_millionth(lesson_of, embedded) -> None:
    from mlpcli.data.builtin import digits

    data = digits()
    found, wanted = embedded(lesson_of("digits"), data.X[:N], np.eye(10)[data.y[:N]])
    assert_same(found, wanted, 1e-6)


def test_a_lesson_in_half_precision_answers_to_the_thousandth(lesson_of, embedded) -> None:
    with np.load(lesson_of("noise").with_name("noise.data.npz")) as file:
        raw, Y = file["X"][:N].reshape(N, -1), np.eye(10)[file["y"][:N]]
    found, wanted = embedded(lesson_of("noise"), raw, Y)
    assert_same(found, wanted, 1e-3)


def test_a_regressions_lesson_answers_as_numpy_to_the_millionth(lesson_of, embedded) -> None:
    path = lesson_of("prices")
    table = np.loadtxt(path.with_name("prices.csv"), delimiter=",", skiprows=1)
    task = load(path.with_suffix(".npz")).task
    found, wanted = embedded(path, table[:N, :-1], task.encode(table[:N, -1])[:, None])
    assert_same(found, wanted, 1e-6)


def test_every_line_computes_what_its_formula_says(node, lesson_of) -> None:
    """Products are products, shapes are shapes, gates and sums too; H is the hidden layer."""
    from mlpcli.data.builtin import digits

    data = digits()
    raw, Y = data.X[:3].tolist(), np.eye(10)[data.y[:3]]
    path = str(lesson_of("digits"))
    (lines,) = node({"job": "lines", "path": path, "raw": raw, "Y": Y.tolist()})
    assert [line["formula"] for line in lines] == [
        "Z₁ = X·W₁ + b₁",
        "H = ReLU(Z₁)",
        "scores = H·W₂ + b₂",
        "p = softmax(scores)",
        "L = −log p[y]",
        "∂L/∂L = 1",
        "δ₂ = ∂L/∂scores = p − Y",
        "∂L/∂b₂ = 1ᵀ·δ₂",
        "∂L/∂W₂ = Hᵀ·δ₂",
        "∂L/∂H = δ₂·W₂ᵀ",
        "δ₁ = ∂L/∂H ⊙ ReLU′(Z₁)",
        "∂L/∂b₁ = 1ᵀ·δ₁",
        "∂L/∂W₁ = Xᵀ·δ₁",
        "∂L/∂X = δ₁·W₁ᵀ",
    ]
    assert lines[0]["shapes"] == "(3 × 64) · (64 × 12) + (1 × 12) → (3 × 12)"
    assert lines[12]["shapes"] == "(64 × 3) · (3 × 12) → (64 × 12)"
    for line in lines:
        operands = [np.array(operand) for operand in line["operands"]]
        if line["kind"] == "product":
            left, right, result, *bias = operands
            np.testing.assert_allclose(left @ right + sum(bias), result, atol=1e-12)
        elif line["kind"] == "sums":
            np.testing.assert_allclose(operands[0].sum(axis=0, keepdims=True), operands[1])
        elif line["kind"] == "gate":
            np.testing.assert_allclose(operands[0] * operands[1], operands[2])
        elif line["kind"] == "delta":  # of the mean over the three samples
            np.testing.assert_allclose((operands[0] - operands[1]) / 3, operands[2])


@pytest.mark.parametrize("sizes", [[784, 100, 10], [2, 3], [6, 6, 6, 6]], ids=str)
@pytest.mark.parametrize("samples", [1, 6])
def test_of_all_ways_to_fit_two_factors_one_is_let_in(node, sizes, samples) -> None:
    """Also if all the dimensions are as long as each other, so that the numbers alone don't say."""
    (puzzles,) = node({"job": "puzzles", "sizes": sizes, "samples": samples})
    layers = len(sizes) - 1
    assert len(puzzles) == 3 * layers
    for puzzle in puzzles:
        (way,) = [way for way in puzzle["ways"] if way["fits"]]
        assert way["alone"]
        target, left, right = puzzle["target"], way["left"], way["right"]
        assert left["cols"] == right["rows"]
        assert (left["rows"], right["cols"]) == (target["rows"], target["cols"])
        product = f"{left['name']}·{right['name']}"
        if target["name"].startswith("∂L/∂W"):
            assert left["name"].endswith("ᵀ")
            assert right["name"].startswith("δ")
        elif target["name"].startswith("∂L/∂"):
            assert left["name"].startswith("δ")
            assert right["name"].endswith("ᵀ")
        else:
            assert "ᵀ" not in product
        assert all(way["why"] for way in puzzle["ways"])
    accidents = [way for p in puzzles for way in p["ways"] if "by accident" in way["why"]]
    assert bool(accidents) == (len({*sizes, samples}) < len(sizes) + 1)


def test_gaps_categories_and_dates_become_inputs_worked_out_by_hand(node) -> None:
    """A missing value is null, an unseen category -1; 2026-11-25 is day 20,782, a Wednesday."""
    number = {"kind": "number", "shift": 10.0, "factor": 0.5, "median": 13.0, "clip": False}
    encoding = {
        "parts": [
            number,
            number | {"clip": True},
            {"kind": "category", "categories": ["a", "b"], "rare": ["c", "d"], "missing": True},
            {"kind": "category", "categories": ["x", "y"], "rare": [], "missing": False},
            number
            | {
                "kind": "date",
                "shift": 20_000.0,
                "month": [0, 10],
                "weekday": [2, 3],
                "hour": [18],
            },
        ],
        "blocks": [
            {"part": part, "of": of, "values": values, "start": start}
            for part, of, values, start in (
                (0, "number", [""], 0),
                (1, "number", [""], 1),
                (4, "number", [""], 2),
                (0, "indicator", ["missing"], 3),
                (2, "category", ["a", "b", "rare", "missing"], 4),
                (3, "category", ["x", "y"], 8),
                (4, "month", ["0", "10"], 10),
                (4, "weekday", ["2", "3"], 12),
                (4, "hour", ["18"], 14),
            )
        ],
    }
    raw = [
        [12, 16, 1, 0, 20_782.75],
        [None, 4, 3, -1, 20_783],
        [10, 10, None, None, None],
        [10, 10, -1, 1, 20_000],
    ]
    bent = 3 / math.sqrt(2)
    wanted = [
        [1, bent, 391.375, 0, 0, 1, 0, 0, 1, 0, 0, 1, 1, 0, 1],
        [1.5, -bent, 391.5, 1, 0, 0, 1, 0, 0, 0, 0, 1, 0, 1, 0],
        [0, 0, -9993.5, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0],
    ]
    (found,) = node({"job": "encoded", "encoding": encoding, "raw": raw})
    np.testing.assert_allclose(found, wanted, atol=1e-12)


def test_a_thousand_rows_of_every_kind_of_column_are_encoded_as_in_training(node) -> None:
    encoding = Encoding(
        (
            Number("number", "a", 0, "standard", 3.0, 0.25, 2.0, missing=0.1),
            Number("number", "b", 1, "standard", -1.0, 2.0, 0.5),
            Category("category", "many", 2, tuple(f"{k:02}" for k in range(LARGE + 1))),
            Category("category", "c", 3, ("u", "v", "w"), ("rare one", "other"), missing=0.2),
            Category("category", "d", 4, ("x",)),
            Date("date", "e", 5, "standard", 19_000.0, 1e-3, 19_500.0, months=(0, 5, 11)),
            Date("date", "f", 6, "standard", 0.0, 1e-4, weekdays=(1, 6), hours=(0, 9, 23)),
        )
    )
    rng = np.random.default_rng(0)
    raw = np.column_stack(
        [
            rng.normal(3, 4, N),
            rng.normal(0, 1, N),
            rng.integers(-1, LARGE + 1, N),
            rng.integers(-1, 5, N),
            rng.integers(-1, 1, N),
            rng.integers(18_000, 21_000, N),
            rng.integers(0, 24 * 20_000, N) / 24,
        ]
    )
    raw[rng.random(raw.shape) < 0.1] = np.nan
    wanted = np.empty((N, encoding.width))
    Encoder(encoding, np.float64, np.float64).apply(raw, wanted)
    model: Any = SimpleNamespace(encoding=encoding, data=SimpleNamespace(image_shape=None))
    rows = [[None if np.isnan(v) else v for v in row] for row in raw.tolist()]
    (found,) = node({"job": "encoded", "encoding": describe_encoding(model), "raw": rows})
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-9)


# The drawing


def strokes(rng: np.random.Generator, side: int, *, dark: bool) -> Any:
    """A scribble as a pen makes it, on plain ground or on one that is lit from a side."""
    from PIL import Image, ImageDraw

    picture = Image.new("L", (side, side), 0)
    points = [tuple(p) for p in rng.uniform(0.2 * side, 0.8 * side, (6, 2))]
    ImageDraw.Draw(picture).line(points, fill=255, width=max(2, side // 14), joint="curve")
    grey = np.asarray(picture, np.float64)
    if rng.random() < 0.5:
        light = np.linspace(0, 40, side)
        grey = np.clip(grey * 0.8 + light + rng.normal(0, 2, grey.shape), 0, 255)
    return np.rint(255 - grey if dark else grey).astype(np.uint8)


def test_a_drawing_is_prepared_as_mlp_predict_prepares_a_picture(node, tmp_path: Path) -> None:
    from PIL import Image

    from mlpcli.data.formats.pictures import FRAME, read_image

    rng = np.random.default_rng(1)
    jobs, wanted = [], []
    for number in range(24):
        side = (280, 100, 28, 61)[number % 4]
        grey = strokes(rng, side, dark=number % 3 > 0)
        shape, frame = (((28, 28), FRAME), ((8, 8), 1.0), ((20, 32), FRAME))[number // 4 % 3]
        path = tmp_path / f"{number}.png"
        Image.fromarray(grey).save(path)
        wanted.append(read_image(path, shape, frame=frame))
        jobs.append(
            {"job": "prepare", "height": side, "width": side, "data": grey.ravel().tolist()}
            | {"shape": shape, "frame": frame}
        )
    for pixels, picture in zip(node(*jobs), wanted, strict=True):
        np.testing.assert_allclose(np.reshape(pixels, picture.shape), picture, rtol=0, atol=1e-3)


@pytest.mark.parametrize(
    "pose", [Pose((8, 8)), Pose((8, 8), True, 5.5), Pose((8, 8), False, 9.0)], ids=str
)
def test_images_are_brought_into_their_pose_as_in_training(node, pose: Pose) -> None:
    from mlpcli.data.builtin import digits

    shapes = (digits().X[::40].astype(float).tolist(), 8, 8), (np.eye(3, 12).tolist(), 3, 4)
    asked = {"job": "posed", "pose": {"deslant": pose.deslant, "width": pose.width}}
    jobs = [asked | {"images": r, "height": h, "width": w} for r, h, w in shapes]
    for found, (rows, h, w) in zip(node(*jobs), shapes, strict=True):
        normaliser = PoseNormaliser(replace(pose, shape=(h, w)), len(rows), np.float64)
        wanted = normaliser.apply(np.array(rows))
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-9)
        assert np.abs(np.array(found) - rows).max() > 0.01 or h == 3


@pytest.mark.parametrize("width", [(), ("--digit-width", "6")], ids=["upright", "6 wide"])
def test_a_models_samples_have_its_pose_and_are_answered_as_by_mlp_predict(
    node, mlp, width: tuple[str, ...]
) -> None:
    train = ("train", "--data", "digits", "--hidden", "12", "--epochs", "9", "--deslant", "-q")
    mlp.ok(*train, *width)
    mlp.ok("export", "model.npz", "lesson.html")
    path = str(mlp.folder / "lesson.html")
    (facts,) = node({"job": "facts", "path": path})
    assert facts["image"]["pose"] == {"deslant": True, "width": 6 if width else None}
    raw = np.array(node(*({"job": "unpacked", "packed": s["raw"]} for s in facts["samples"])))
    rows = [sample["row"] - 1 for sample in facts["samples"]]
    own = open_data("digits", data_dir=mlp.folder).X[rows].astype(float)
    posed = PoseNormaliser(Pose((8, 8), True, 6.0 if width else None), len(own), np.float64).apply(
        own
    )
    np.testing.assert_allclose(raw, posed, rtol=1e-6, atol=1e-6)
    Y = np.eye(10)[[0] * len(raw)].tolist()
    job = {"job": "lesson", "path": path, "raw": raw.tolist(), "Y": Y, "reg": 0.0, "rate": 0.1}
    (found,) = node(job)
    said = Model.load("model.npz").predict_proba(own)
    np.testing.assert_allclose(found["answers"], said, atol=1e-4)


def test_nothing_drawn_is_nothing(node) -> None:
    blank = {"job": "prepare", "height": 30, "width": 30, "shape": [28, 28], "frame": 0.7}
    faint = np.full(900, 255)
    faint[400:410] = 244
    assert node(
        blank | {"data": [255] * 900}, blank | {"data": [0] * 900}, blank | {"data": faint.tolist()}
    ) == [None, None, None]


def test_half_precision_is_read_to_the_bit(node, lesson_of) -> None:
    """Subnormals, the largest, both zeros; compared by what the page makes of them as biases."""
    halves = np.array([0, -0.0, 6e-8, -6.1e-5, 1, -2.5, 65504, 1 / 3], np.float16)
    packed = {"dtype": "float16", "data": base64.b64encode(halves.tobytes()).decode()}
    (found,) = node({"job": "unpacked", "packed": packed})
    assert found == halves.astype(np.float64).tolist()
