"""`mlpcli.Model`: raw rows in, answers out, the same as those of `mlp predict`."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli import MLP, Model
from mlpcli.errors import CheckpointError, DataError
from mlpcli.runs.model import reads_alike


class Frame:
    """As much of a data frame as is needed: columns by name."""

    def __init__(self, columns: dict[str, list[float]]) -> None:
        self._columns, self.columns = columns, list(columns)

    def __getitem__(self, name: str) -> list[float]:
        return self._columns[name]


@pytest.fixture
def model(mlp, points: Path) -> Model:
    """Of a table of width, height and species, whose two columns have very different scales."""
    rows = [line.split(",") for line in points.read_text().splitlines()[1:]]
    lines = [f"{w},{1000 * float(h):.1f},{label}" for w, h, label in rows]
    Path("scaled.csv").write_text("\n".join(["width,height,species", *lines]) + "\n")
    mlp.ok("train", "--data", "scaled.csv", *mlp.PLAIN, "--hidden", 100, "--epochs", "40", "-q")
    return Model.load("model.npz")


def table() -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(Path("scaled.csv").read_text())))


FORMS: dict[str, Callable[[list[float], list[float]], Any]] = {
    "array": lambda w, h: np.array([w, h]).T,
    "float32 array": lambda w, h: np.array([w, h], np.float32).T,
    "lists": lambda w, h: [list(pair) for pair in zip(w, h, strict=True)],
    "tuples of a generator": lambda w, h: zip(w, h, strict=True),
    "arrays": lambda w, h: list(np.array([w, h]).T),
    "texts": lambda w, h: [[str(a), str(b)] for a, b in zip(w, h, strict=True)],
    "dicts": lambda w, h: [
        {"height": b, "surplus": "?", "width": a} for a, b in zip(w, h, strict=True)
    ],
    "dicts of texts": lambda w, h: [
        {"height": f"{b}", "width": f"{a}"} for a, b in zip(w, h, strict=True)
    ],
    "columns": lambda w, h: {"height": h, "width": w, "surplus": w},
    "data frame": lambda w, h: Frame({"height": h, "width": w}),
    "structured array": lambda w, h: np.array(
        list(zip(h, w, strict=True)), [("height", float), ("width", float)]
    ),
    "array of objects": lambda w, h: np.array([w, h], object).T,
    "array of lists": lambda w, h: np.array([*zip(w, h, strict=True), None], object)[:-1],
}


@pytest.mark.parametrize("form", FORMS)
def test_rows_may_come_in_any_form_and_are_those_of_mlp_predict(mlp, model, form: str) -> None:
    rows = table()
    widths = [float(row["width"]) for row in rows]
    heights = [float(row["height"]) for row in rows]
    said = list(
        csv.DictReader(
            io.StringIO(mlp.ok("predict", "model.npz", "scaled.csv", "--probabilities").out)
        )
    )
    given = FORMS[form](widths, heights)
    labels = model.predict(list(given) if form.startswith("tuples") else given)
    assert labels.tolist() == [row["label"] for row in said]
    assert np.mean([a == b["species"] for a, b in zip(labels, rows, strict=True)]) > 0.95
    probs = model.predict_proba(FORMS[form](widths, heights))
    expected = [[float(row[f"p_{label}"]) for label in model.classes] for row in said]
    np.testing.assert_allclose(probs, expected, atol=2e-5)


def test_what_is_masked_is_missing(model: Model) -> None:
    values, mask = np.array([[1.0, 7.0], [3.0, 4.0]]), np.array([[0, 1], [0, 0]], bool)
    expected = model.predict_proba([[1.0, None], [3.0, 4.0]])
    assert not np.allclose(expected, model.predict_proba(values))
    masked = np.ma.array(values, mask=mask)
    named = np.ma.array([(7.0, 1.0), (4.0, 3.0)], [("height", float), ("width", float)])
    named["height"][0] = np.ma.masked
    for rows in (masked, list(masked), {"width": masked[:, 0], "height": masked[:, 1]}, named):
        np.testing.assert_allclose(model.predict_proba(rows), expected, atol=1e-6)


def test_cells_with_categories_that_it_does_not_know_are_told_to_who_calls(mlp) -> None:
    lines = [f"{i % 7},{i % 2 == 0},{'ab'[i % 2]}" for i in range(60)]
    Path("flags.csv").write_text("\n".join(["x,flag,y", *lines]) + "\n")
    mlp.ok("train", "--data", "flags.csv", "--epochs", 20, "-q")
    model = Model.load("model.npz")
    assert model.predict([[1, True], [1, False]]).tolist() == ["a", "b"]
    said = "^rows: 2 cells have categories that model.npz does not know$"
    for ask in (model.predict, model.predict_proba):
        with pytest.warns(UserWarning, match=said) as told:
            ask([[1, 1], [1, "False"], [1, 0], [1, None]])
        assert told[0].filename == __file__


def test_members_that_read_rows_otherwise_each_have_all_that_a_generator_gives(mlp) -> None:
    rng = np.random.default_rng(0)
    lines = [f"{x:.3f},c{rng.integers(60)},{'ab'[int(x > 0)]}" for x in rng.normal(size=240)]
    Path("places.csv").write_text("\n".join(["x,place,y", *lines]) + "\n")
    mlp.ok("train", "--data", "places.csv", "--members", 3, "--epochs", 2, "-q")
    model = Model.load("model.npz")
    assert not all(reads_alike(model, member) for member in model.each)
    rows = [["0.1", "c1"], ["0.5", "c7"]]
    given = model.predict_proba(row for row in rows)
    np.testing.assert_array_equal(given, model.predict_proba(rows))


def test_a_model_is_shown_in_a_line_and_is_the_same_as_itself_alone(mlp, model: Model) -> None:
    assert repr(model) == "<Model model.npz: 2-100-3 on scaled.csv>"
    assert repr(MLP([784, 100, 10])) == "<MLP 784-100-10, float32>"
    again = Model.load("model.npz")
    assert model == model
    assert model != again
    assert len({model, again}) == 2
    mlp.ok("train", "--data", "scaled.csv", "--members", 2, "--epochs", 1, "-q", "-o", "two.npz")
    assert repr(Model.load("two.npz")).startswith("<Model two.npz: 2 networks of 2-")


def test_it_names_its_classes_and_columns(model: Model) -> None:
    assert model.classes.tolist() == ["ant", "bee", "cow"]
    assert model.columns == ["width", "height"]
    assert len(model.predict([])) == 0
    assert model.predict_proba(np.empty((0, 2))).shape == (0, 3)


def test_images_are_given_as_they_are_or_flat(mlp) -> None:
    mlp.ok("train", "--data", "digits", "--epochs", "20", "-q")
    from mlpcli.data.builtin import digits as open_digits

    data = open_digits()
    digits = Model.load("model.npz")
    flat = digits.predict(data.X[:100])
    assert flat.dtype == np.int64
    assert np.mean(flat == data.y[:100]) > 0.9
    assert digits.predict(data.X[:100].reshape(-1, 8, 8)).tolist() == flat.tolist()
    assert digits.predict(data.X[:100].tolist()).tolist() == flat.tolist()
    assert len(digits.predict(np.empty((0, 8, 8)))) == 0
    images = data.X[:3].reshape(3, 16, 4)
    for given, where in ((images, "rows"), ([*images], "rows: row 1")):
        with pytest.raises(DataError, match=rf"^{where}: an image is 16 × 4; .* takes 8 × 8$"):
            digits.predict(given)


def test_rows_of_another_scale_are_told_to_who_calls(mlp, model: Model) -> None:
    rows = np.array([[float(row["width"]), float(row["height"])] for row in table()])
    model.predict(rows)
    with pytest.warns(UserWarning, match=r"^rows: 'height' goes from .* trained on from .* unit$"):
        model.predict(rows * [1, 1000])
    mlp.ok("train", "--data", "digits", "--epochs", 1, "-q", "-o", "digits.npz")
    with pytest.warns(UserWarning, match=r"^rows: its values go up to 0\.5, .* multiply them$"):
        Model.load("digits.npz").predict(np.full((2, 8, 8), 0.5))


def test_numbers_are_predicted_in_their_unit(mlp) -> None:
    x = np.random.default_rng(0).normal(size=(120, 2))
    rows = [f"{a:.4f},{b:.4f},{5000 + 100 * a - 30 * b:.3f}" for a, b in x]
    Path("numbers.csv").write_text("\n".join(["a,b,target", *rows]) + "\n")
    options = (*mlp.PLAIN, "--hidden", "none", "--epochs", "300", "-q")
    mlp.ok("train", "--data", "numbers.csv", *options)
    model = Model.load("model.npz")
    answers = model.predict([[1, 0], [0, 1]])
    assert answers == pytest.approx([5100, 4970], abs=5)
    said = "model.npz: predicts numbers, which have no probabilities"
    with pytest.raises(DataError, match=said):
        model.predict_proba([[1, 0]])


A_LIST = "expected a list with a value for each row"


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([[1, 2, 3]], "rows: row 1 has 3 values; model.npz takes 2"),
        ([[1, 2], [1]], "rows: row 2 has 1 values; model.npz takes 2"),
        ([{"width": 1}], "rows: row 1: without the column 'height', which the model takes"),
        ({"width": [1]}, "rows: without the column 'height', which the model takes"),
        ([1, 2], "rows: row 1 is '1'; expected a list of 2 values"),
        (["ab"], "rows: row 1 is 'ab'; expected a list of 2 values"),
        ("1,2", "rows: is text; give rows, or call `mlp predict` on a file"),
        (np.zeros((3, 5)), "rows: are of the shape (3, 5); model.npz takes (N, 2)"),
        (np.array([["1", "2", "3"]]), "rows: row 1 has 3 values; model.npz takes 2"),
        (np.zeros(2), "rows: are of the shape (2,); model.npz takes (N, 2)"),
        (3, "rows: is '3'; give a list of rows"),
        (None, "rows: is 'None'; give a list of rows"),
        (np.array(3.0), "rows: is '3.0'; give a list of rows"),
        ([{1.0, 2.0}], "rows: row 1 is '{1.0, 2.0}'; expected a list of 2 values"),
        ({"width": 1, "height": [2]}, f"rows: column 'width' is '1'; {A_LIST}"),
        ({"width": [1], "height": "23"}, f"rows: column 'height' is '23'; {A_LIST}"),
        ({"width": Frame({}), "height": [2]}, "rows: column 'width' is '"),
        ({"width": [1, 2], "height": [3]}, "rows: have columns of 1 to 2 values"),
        ([["a", 1]], "rows: row 1, column 'width': 'a' is not a number"),
        ([[1e300, -1e300]], "row 1 is too large for model.npz: its scores overflow"),
    ],
)
@pytest.mark.filterwarnings("ignore:rows. 'width' goes from 1e.300")
def test_rows_that_are_none_are_refused(model: Model, rows: Any, said: str) -> None:
    with pytest.raises(DataError) as error:
        model.predict(rows)
    assert str(error.value).startswith(said)


def test_without_names_rows_are_in_order(mlp, points: Path) -> None:
    Path("plain.csv").write_text("\n".join(points.read_text().splitlines()[1:]) + "\n")
    mlp.ok("train", "--data", "plain.csv", "--epochs", "20", "-q")
    model = Model.load(Path("model.npz"))
    assert model.columns is None
    assert model.predict([[0, 10], [8, 2]]).tolist() == ["ant", "cow"]
    with pytest.raises(DataError, match=r"have names, but the columns of model\.npz have none"):
        model.predict([{"width": 1, "height": 2}])


def test_what_is_no_checkpoint_is_refused(mlp) -> None:
    with pytest.raises(CheckpointError, match=r"^none\.npz: no such file"):
        Model.load("none.npz")
