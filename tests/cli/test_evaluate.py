"""`mlp evaluate` as it is called, on a model's own data and on other data."""

from __future__ import annotations

import base64
import json
import math
import re
from pathlib import Path

import numpy as np
import pytest

from mlpcli import MLP
from mlpcli.config.config import make_config
from mlpcli.runs.material import prepare

SMALL = ("--data", "digits", "--hidden", "8", "--epochs", "2", "-q")


@pytest.fixture
def trained(mlp, points: Path) -> Path:
    """A model of `points`, which it has learned; the table itself is its data."""
    options = (*mlp.PLAIN, "--hidden", "8", "--epochs", "60", "-q")
    mlp.ok("train", "--data", "points.csv", *options)
    return Path("model.npz")


def test_json_is_one_object_of_a_stable_shape(mlp) -> None:
    mlp.ok("train", *SMALL)
    outcome = mlp.ok("evaluate", "model.npz", "--json")
    assert (outcome.out.count("\n"), outcome.err) == (1, "")
    value = outcome.json
    assert list(value) == [
        *("task", "checkpoints", "data", "split", "samples", "loss", "accuracy", "error_rate"),
        *("per_class", "confusion"),
    ]
    assert (value["checkpoints"], value["data"], value["split"]) == (
        ["model.npz"],
        "digits",
        "test",
    )
    assert value["samples"] == 359
    confusion = np.array(value["confusion"])
    assert confusion.shape == (10, 10)
    assert confusion.sum() == 359
    assert value["accuracy"] == np.trace(confusion) / 359
    assert value["error_rate"] == pytest.approx(1 - value["accuracy"])
    for row, figures in zip(confusion, value["per_class"], strict=True):
        assert list(figures) == ["label", "precision", "recall", "f1", "support"]
        assert figures["support"] == row.sum()
    assert [figures["label"] for figures in value["per_class"]] == list(range(10))


def test_text_names_data_and_split_and_shows_two_tables(mlp, trained: Path) -> None:
    outcome = mlp.ok("evaluate", "model.npz")
    assert outcome.err == ""
    assert outcome.out == (
        "points.csv, test split: 18 samples\n"
        "model.npz: accuracy 100.00 % (95 % interval 82.41 to 100.00)  error 0.00 %  "
        + outcome.out.splitlines()[1].rpartition("  ")[2]
        + "\n\n"
        "class  precision    recall        f1  support\n"
        "ant     100.00 %  100.00 %  100.00 %        6\n"
        "bee     100.00 %  100.00 %  100.00 %        6\n"
        "cow     100.00 %  100.00 %  100.00 %        6\n"
        "\n"
        "true \\ predicted  ant  bee  cow\n"
        "ant                 6    .    .\n"
        "bee                 .    6    .\n"
        "cow                 .    .    6\n"
    )


@pytest.mark.parametrize(("split", "samples"), [("train", 1294), ("val", 144), ("test", 359)])
def test_each_split_has_the_rows_that_training_said(mlp, split: str, samples: int) -> None:
    mlp.ok("train", *SMALL)
    value = mlp.ok("evaluate", "model.npz", "--split", split, "--json").json
    assert (value["split"], value["samples"]) == (split, samples)


def test_without_a_test_set_the_training_rows_are_used_and_named(mlp) -> None:
    mlp.ok("train", "--data", "spiral", "--epochs", "2", "-q")
    value = mlp.ok("evaluate", "model.npz", "--json").json
    assert (value["data"], value["split"], value["samples"]) == ("spiral", "train", 270)
    assert mlp.error("evaluate", "model.npz", "--split", "test") == (
        3,
        "spiral: model.npz was trained without a test split",
    )


def test_the_models_own_file_given_again_keeps_its_splits(mlp, trained: Path) -> None:
    value = mlp.ok("evaluate", "model.npz", "--data", "points.csv", "--json").json
    assert (value["split"], value["samples"]) == ("test", 18)


# Other data


def test_all_rows_of_another_table_are_used(mlp, trained: Path, points: Path) -> None:
    lines = points.read_text().splitlines()
    Path("other.csv").write_text("\n".join(lines[:41]) + "\n")
    value = mlp.ok("evaluate", "model.npz", "--data", "other.csv", "--json").json
    assert (value["data"], value["split"], value["samples"]) == ("other.csv", "all", 40)
    assert value["accuracy"] == 1.0
    # the classes are the model's, also those that these rows do not have
    assert [figures["support"] for figures in value["per_class"]] == [30, 10, 0]


def test_columns_of_another_table_are_matched_by_name(mlp, trained: Path, points: Path) -> None:
    rows = [line.split(",") for line in points.read_text().splitlines()]
    shuffled = [[label, height, "9", width] for width, height, label in rows]
    shuffled[0] = ["species", "height", "surplus", "width"]
    Path("other.csv").write_text("\n".join(map(",".join, shuffled)) + "\n")
    value = mlp.ok("evaluate", "model.npz", "--data", "other.csv", "--json").json
    assert (value["samples"], value["accuracy"]) == (90, 1.0)


def test_a_column_that_is_missing_is_named(mlp, trained: Path) -> None:
    Path("other.csv").write_text("width,hight,species\n1,2,ant\n3,4,bee\n")
    code, said = mlp.error("evaluate", "model.npz", "--data", "other.csv")
    assert code == 3
    assert said.startswith("other.csv: no column 'height'")
    Path("other.csv").write_text("width,height,kind\n1,2,ant\n3,4,bee\n")
    code, said = mlp.error("evaluate", "model.npz", "--data", "other.csv")
    assert said.startswith("other.csv: no column 'species'")
    mlp.ok("evaluate", "model.npz", "--data", "other.csv", "--label-column", "kind")
    assert mlp.error("evaluate", "model.npz", "--data", "other.csv", "--label-column", "width") == (
        3,
        "other.csv: no labels beside the inputs; give --label-column",
    )


def test_a_label_that_training_has_not_seen_is_named_with_its_row(mlp, trained: Path) -> None:
    Path("other.csv").write_text("width,height,species\n1,2,ant\n3,4,dog\n")
    assert mlp.error("evaluate", "model.npz", "--data", "other.csv") == (
        3,
        "other.csv has the label dog (sample 2), which no training row has; "
        "train on data with every class, or remove those rows",
    )


def test_data_of_another_width_are_refused(mlp, trained: Path) -> None:
    Path("other.csv").write_text("1,2,3,ant\n3,4,5,bee\n")
    assert mlp.error("evaluate", "model.npz", "--data", "other.csv") == (
        3,
        "other.csv: has 4 columns and no header; model.npz takes 2 columns of inputs and a label",
    )
    assert mlp.error("evaluate", "model.npz", "--data", "digits") == (
        3,
        "digits: has 64 inputs per row, model.npz takes 2",
    )


@pytest.mark.parametrize("split", ["train", "val"])
def test_other_data_have_no_split_that_training_made(mlp, trained: Path, split: str) -> None:
    Path("other.csv").write_text("width,height,species\n1,2,ant\n3,4,bee\n")
    assert mlp.error("evaluate", "model.npz", "--data", "other.csv", "--split", split) == (
        3,
        f"other.csv: is not what model.npz was trained on, so it has no {split} split",
    )


def test_other_data_are_scaled_as_the_training_data_were(mlp, trained: Path) -> None:
    # alone, this row would be standardised to 0; with the training rows' scaling it is an ant
    Path("other.csv").write_text("width,height,species\n0,10,ant\n")
    value = mlp.ok("evaluate", "model.npz", "--data", "other.csv", "--json").json
    assert value["accuracy"] == 1.0


def test_the_test_set_that_comes_with_other_data_is_used(mlp, trained: Path) -> None:
    X, y = np.array([[0.0, 10.0], [4.0, 6.0]]), np.array(["ant", "bee"])
    np.savez("other.npz", X=X, y=y, X_test=X[1:], y_test=y[1:])
    value = mlp.ok("evaluate", "model.npz", "--data", "other.npz", "--json").json
    assert (value["split"], value["samples"], value["accuracy"]) == ("test", 1, 1.0)


def test_data_that_are_gone_or_changed_are_told(mlp, trained: Path, points: Path) -> None:
    points.write_text(points.read_text().replace("cow", "cat"))
    assert mlp.error("evaluate", "model.npz") == (
        3,
        "points.csv: is not what model.npz was trained on: its contents have changed since",
    )
    points.unlink()
    assert mlp.error("evaluate", "model.npz") == (
        3,
        "points.csv: the data that model.npz was trained on are gone; name them with --data",
    )


def test_a_label_column_by_index_is_the_models_again(mlp) -> None:
    rows = [f"{label},{x + 5 * (label == 'b')}" for x in range(20) for label in "ab"]
    Path("first.csv").write_text("\n".join(rows) + "\n")
    Path("other.csv").write_text("\n".join(rows[:10]) + "\n")
    mlp.ok("train", "--data", "first.csv", "--label-column", "0", "--epochs", "2", "-q")
    value = mlp.ok("evaluate", "model.npz", "--data", "other.csv", "--json").json
    assert value["samples"] == 10
    np.savez("other.npz", X=np.zeros((2, 1)), y=np.array(["a", "b"]))
    assert mlp.ok("evaluate", "model.npz", "--data", "other.npz", "--json").json["samples"] == 2


# Committees


def test_several_models_are_shown_one_by_one_and_then_as_a_committee(mlp) -> None:
    for seed in (1, 2, 3):
        mlp.ok("train", *SMALL, "--seed", seed, "-o", f"{seed}.npz")
    paths = ("1.npz", "2.npz", "3.npz")
    lines = mlp.ok("evaluate", *paths).out.splitlines()
    assert [line.partition(":")[0] for line in lines[1:5]] == [*paths, "committee of 3"]
    value = mlp.ok("evaluate", *paths, "--json").json
    assert value["checkpoints"] == list(paths)
    assert f"accuracy {100 * value['accuracy']:.2f} %" in lines[4]
    alone = [mlp.ok("evaluate", path, "--json").json for path in paths]
    assert value["loss"] < np.mean([one["loss"] for one in alone])  # by Jensen's inequality


def test_a_committee_of_one_model_twice_is_that_model(mlp) -> None:
    mlp.ok("train", *SMALL)
    one = mlp.ok("evaluate", "model.npz", "--json").json
    two = mlp.ok("evaluate", "model.npz", "model.npz", "--json").json
    assert two["confusion"] == one["confusion"]
    assert two["loss"] == pytest.approx(one["loss"], rel=1e-5)


def test_models_that_do_not_answer_the_same_question_are_no_committee(
    mlp, trained: Path, points: Path
) -> None:
    mlp.ok("train", *SMALL, "-o", "digits.npz")
    assert mlp.error("evaluate", "model.npz", "digits.npz") == (
        3,
        "digits.npz: takes 64 pixels, model.npz takes 2 columns: they cannot be a committee",
    )
    Path("zoo.csv").write_text(points.read_text().replace("ant", "ape"))
    mlp.ok("train", "--data", "zoo.csv", "--epochs", "1", "-o", "zoo.npz", "-q")
    assert mlp.error("evaluate", "model.npz", "zoo.npz") == (
        3,
        "zoo.npz: has other classes than model.npz: they cannot be a committee",
    )


def test_a_model_that_overflows_is_told_instead_of_a_loss_of_nan(mlp, checkpoints) -> None:
    mlp.ok("train", *SMALL)
    checkpoints.rewrite("model.npz", W1=np.full((64, 8), 3e38, np.float32))
    assert mlp.error("evaluate", "model.npz", "--json") == (
        3,
        "digits: the loss of model.npz on it is not finite: it overflows",
    )


def test_a_model_is_needed_and_must_be_one(mlp) -> None:
    assert mlp.error("evaluate") == (
        2,
        "MODEL.npz… is missing; see mlp evaluate --help",
    )
    assert mlp.error("evaluate", "none.npz") == (
        3,
        "none.npz: no such file; `mlp train -o none.npz` makes one",
    )
    assert mlp.error("evaluate", "my model.npz")[1].endswith(
        "no such file; `mlp train -o 'my model.npz'` makes one"
    )
    assert mlp.error("evaluate", "rows.csv")[1] == (
        "rows.csv: no such file; a model is an .npz file that `mlp train` has written"
    )
    Path("folder").mkdir()
    assert mlp.error("evaluate", "folder") == (3, "folder: cannot be read: Is a directory")
    Path("text.npz").write_text("not a checkpoint")
    assert mlp.error("evaluate", "text.npz") == (
        3,
        "text.npz: not a checkpoint of mlp, or a damaged one (File is not a zip file); "
        "if there is no other copy, train it again",
    )
    np.savez("other.npz", X=np.zeros(3))
    code, said = mlp.error("evaluate", "other.npz")
    assert code == 3
    assert re.match(r"other\.npz: (holds an array 'X', which no checkpoint has|is not a che)", said)


def test_a_committee_is_not_scored_on_rows_that_a_member_was_trained_on(mlp):
    for seed in (1, 2):
        mlp.ok(
            "train", "--data", "digits", "--epochs", 1, "--seed", seed, "-o", f"{seed}.npz", "-q"
        )
    mlp.ok("evaluate", "1.npz", "2.npz")  # the test rows are the same for every seed
    assert mlp.error("evaluate", "1.npz", "2.npz", "--split", "val") == (
        3,
        "2.npz was trained on 135 of the 144 val rows of digits, which cannot test it; "
        "evaluate it on other rows, by --data, or each model by itself",
    )
    for fraction in (0.05, 0.5):
        options = ("--epochs", 1, "--test-fraction", fraction, "-o", f"{fraction}.npz", "-q")
        mlp.ok("train", "--data", "digits", *options)
    code, text = mlp.error("evaluate", "1.npz", "0.05.npz")
    assert code == 3
    assert re.match(r"0\.05\.npz was trained on \d+ of the 359 test rows of digits", text)
    mlp.ok("evaluate", "1.npz", "0.5.npz")  # whose test rows are those and more


def test_data_of_another_scale_are_warned_of_both_ways(mlp) -> None:
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (60, 4, 4)).astype(np.uint8)
    y = (X[:, :2].mean(axis=(1, 2)) > X[:, 2:].mean(axis=(1, 2))).astype(int)
    np.savez("bytes.npz", X=X, y=y)
    np.savez("shares.npz", X=X / 255, y=y)
    for data, other, said in (
        (
            "bytes",
            "shares",
            "its values go up to 1, those that bytes.model.npz was trained on to 25",
        ),
        (
            "shares",
            "bytes",
            "its values go up to 255, those that shares.model.npz was trained on to",
        ),
    ):
        model = f"{data}.model.npz"
        mlp.ok("train", "--data", f"{data}.npz", "--hidden", 4, "--epochs", 1, "-q", "-o", model)
        assert (
            f"warning: {other}.npz: {said}"
            in mlp.ok("evaluate", model, "--data", f"{other}.npz").err
        )
        assert mlp.ok("evaluate", model).err == ""


def test_images_are_scored_after_they_were_moved(mlp) -> None:
    mlp.ok(*mlp.once("train", *SMALL, "--epochs", "8", "--hidden", "32"))
    plain = mlp.ok("evaluate", "model.npz", "--json").json
    moved = mlp.ok("evaluate", "model.npz", "--adversarial", "l2:0.5", "--json").json
    assert moved.pop("adversarial") == "l2:0.5"
    assert moved.keys() == plain.keys()
    assert moved["accuracy"] < plain["accuracy"] - 0.2
    text = mlp.ok("evaluate", "model.npz", "--adversarial", "linf:0.1").out
    assert text.startswith("digits, test split: 359 samples, each moved by linf:0.1\n")
    scored = mlp.ok("evaluate", "model.npz", "--adversarial", "linf:0.1", "--json").json
    assert scored["accuracy"] == pytest.approx(accuracy_of_moved(0.1))


def accuracy_of_moved(size: float) -> float:
    """Of `model.npz` on the test rows of digits, each pixel moved by `size`; in plain NumPy."""
    config = make_config({"data": "digits"})
    material = prepare(config, Path())
    test = material.splits.test
    assert test is not None
    W1, b1, W2, b2 = MLP.load("model.npz").params.values()
    x, t = test.X[test.rows] / 16, np.eye(10)[test.y[test.rows]]
    A = np.maximum(x @ W1 + b1, 0)
    e = np.exp(A @ W2 + b2)
    delta = ((e / e.sum(axis=1, keepdims=True) - t) @ W2.T) * (A > 0)
    x = x + size * np.sign(delta @ W1.T)
    answers = (np.maximum(x @ W1 + b1, 0) @ W2 + b2).argmax(axis=1)
    return float(np.mean(answers == t.argmax(axis=1)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--adversarial", "l3:1"), "--adversarial l3:1: expected one of l2, linf, virtual with a "
         "size above 0, as in l2:2.0, or none"),
        (("--adversarial", "l2"), "--adversarial l2: expected one of l2, linf, virtual with a size "
         "above 0, as in l2:2.0, or none"),
        (("--adversarial", "l2:-1"), "--adversarial l2:-1: expected one of l2, linf, virtual with "
         "a size above 0, as in l2:2.0, or none"),
        (("--adversarial", "l2:1", "--importance"),
         "--adversarial l2:1.0: cannot be beside --importance; leave one of them out"),
        (("--adversarial", "l2:1", "model.npz"), "--adversarial l2:1.0: moves images by the "
         "gradient of one network; give a checkpoint of one"),
    ],
)  # fmt: skip
def test_what_cannot_be_moved_is_refused(mlp, arguments, message) -> None:
    mlp.trained(*SMALL)
    assert mlp.error("evaluate", "model.npz", *arguments) == (2, message)


def test_rows_of_a_table_are_not_moved(mlp, trained: Path) -> None:
    assert mlp.error("evaluate", "model.npz", "--adversarial", "l2:1") == (
        2,
        "--adversarial l2:1.0: points.csv holds no images, and only pixels are moved; leave it out",
    )


@pytest.mark.parametrize("command", ["evaluate", "show", "gradcheck"])
def test_a_table_in_the_models_place_is_told_from_a_damaged_model(
    mlp, points: Path, command: str
) -> None:
    assert mlp.error(command, "points.csv") == (
        3,
        "points.csv: is no model, an .npz file that `mlp train` has written; name the model first, "
        "and then what it is to read",
    )


@pytest.mark.parametrize("where", ["--data", "--test-data"])
def test_rows_are_numbered_as_in_their_file(mlp, where: str) -> None:
    """Though some were left out, and the test rows are drawn."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=200)
    y = [f"{value:.3f}" if i % 5 else "" for i, value in enumerate(10 * x)]
    y[7] = "5000"
    write = "\n".join(["x,y", *(f"{a:.4f},{b}" for a, b in zip(x, y, strict=True))]) + "\n"
    Path("t.csv").write_text(write)
    Path("other.csv").write_text(write + "0.5,5.0\n")
    given = ("--test-data", "other.csv") if where == "--test-data" else ()
    mlp.ok("train", "--data", "t.csv", *given, "--hidden", 3, "--epochs", 2, "-q")
    asked = () if given else ("--data", "other.csv")
    said = mlp.ok("evaluate", "model.npz", *asked, "--report", "page.html").out
    assert re.search(r"largest errors +target +answer +error\nrow 8 +5000 ", said)
    errors = Path("page.html").read_text(encoding="utf-8").split("<h2>The largest errors</h2>")[1]
    assert '<th scope="row">8</th>' in errors
    drawn = mlp.ok("evaluate", "model.npz").out
    for number, target in re.findall(r"^row (\d+) +(\S+)", drawn, re.M):
        assert float(y[int(number) - 1]) == pytest.approx(float(target), rel=1e-3)


def test_whatever_names_a_row_numbers_it_as_its_file_does(mlp) -> None:
    """The lesson, the page's pictures, a wrong weight, and a pixel that is missing."""
    rng = np.random.default_rng(0)
    pixels, labels = rng.integers(0, 99, (60, 4)), rng.integers(0, 2, 60)
    cells = [[*map(str, row), str(y)] for row, y in zip(pixels, labels, strict=True)]
    for row in cells[::3]:
        row[4] = ""

    def write(path: str, rows: list[list[str]]) -> None:
        Path(path).write_text("\n".join(["a,b,c,d,y", *map(",".join, rows)]) + "\n")

    write("t.csv", cells)
    images = ("train", "--data", "t.csv", "--image-shape", "2,2", "--hidden", 2, "--epochs", 1)
    mlp.ok(*images, "-q")
    mlp.ok("export", "model.npz", "lesson.html")
    lesson = Path("lesson.html").read_text(encoding="utf-8")
    facts = json.loads(re.findall(r'id="facts">(.*?)</script>', lesson)[0])
    for sample in facts["samples"]:
        raw = np.frombuffer(base64.b64decode(sample["raw"]["data"]), sample["raw"]["dtype"])
        assert raw.tolist() == pixels[sample["row"] - 1].tolist()
    mlp.ok("evaluate", "model.npz", "--split", "train", "--report", "page.html")
    shown = re.findall(
        r'alt="sample (\d+)".*?<b>(\d)</b> taken for', Path("page.html").read_text(encoding="utf-8")
    )
    assert len(shown) > 5
    assert all(cells[int(number) - 1][4] == true for number, true in shown)
    weights = ("train", "--data", "w.csv", "--sample-weight", "d", "--epochs", 1)
    write("w.csv", [*cells, ["1", "2", "3", "-4", "0"]])
    said = "w.csv: the weight of sample 61 is -4; weights are 0 or more"
    assert mlp.error(*weights) == (3, said)
    cells[7][2] = ""
    write("t.csv", cells)
    said = "t.csv: row 8 lacks a pixel; fill it in, or drop the row"
    assert mlp.error("evaluate", "model.npz", "--data", "t.csv") == (3, said)
    assert mlp.error(*images)[1].startswith(said)


def test_rows_of_several_tables_are_named_by_their_own_file(mlp) -> None:
    rng = np.random.default_rng(0)
    cells: dict[str, list[str]] = {}
    for path, count in (("a.csv", 70), ("b.csv", 1), ("c.csv", 50)):
        x = rng.normal(size=count)
        cells[path] = [f"{v:.4f},{10 * v:.3f}" if i % 5 else f"{v:.4f}," for i, v in enumerate(x)]
        cells[path][-1] = f"{x[-1]:.4f},{x[-1]:.3f}"
        Path(path).write_text("\n".join(["x,y", *cells[path]]) + "\n")
    given = [word for path in cells for word in ("--data", path)]
    mlp.ok("train", *given, "--hidden", 3, "--epochs", 2, "-q")
    said = mlp.ok("evaluate", "model.npz", *given, "--report", "page.html").out
    rows = re.findall(r"^row (\d+) of (.\.csv) +(\S+)", said, re.M)
    page = Path("page.html").read_text(encoding="utf-8").split("<h2>The largest errors</h2>")[1]
    rows += re.findall(r'<th scope="row">(\d+) of (.\.csv)</th><td>(\S+?)</td>', page)
    mlp.ok("export", "model.npz", "lesson.html")
    facts = re.findall(
        r'id="facts">(.*?)</script>', Path("lesson.html").read_text(encoding="utf-8")
    )[0]
    rows += [(one["row"], one["file"], one["label"]) for one in json.loads(facts)["samples"]]
    assert len(rows) > 20
    assert {path for _, path, _ in rows} >= {"a.csv", "c.csv"}
    for number, path, target in rows:
        assert float(cells[path][int(number) - 1].split(",")[1]) == pytest.approx(
            float(target), 1e-3
        )
    for path, weight in (("a.csv", "3"), ("b.csv", "1"), ("c.csv", "-2")):
        Path(path).write_text(f"x,w,y\n1,9,\n2,{weight},3\n4,1,5\n")
    assert mlp.error("train", *given, "--sample-weight", "w", "--epochs", 1) == (
        3,
        "a.csv, b.csv, c.csv: the weight of sample 2 of c.csv is -2; weights are 0 or more",
    )


def test_an_unknown_label_is_told_by_its_row_in_the_file(mlp) -> None:
    Path("t.csv").write_text("x,kind\n" + "".join(f"{i},{'ab'[i % 2]}\n" for i in range(40)))
    Path("other.csv").write_text("x,kind\n1,\n2,a\n3,\n4,dog\n")
    mlp.ok("train", "--data", "t.csv", "--hidden", 3, "--epochs", 1, "-q")
    said = mlp.error("evaluate", "model.npz", "--data", "other.csv")[1]
    assert said.startswith("other.csv has the label dog (sample 4), which no training row has")


def test_a_model_that_is_no_better_than_one_answer_for_all_is_told_of(mlp, points: Path) -> None:
    rng = np.random.default_rng(0)
    noise = [f"{a:.3f},{b:.3f}" for a, b in rng.normal(size=(200, 2))]
    about = ("--hidden", 3, "--epochs", 1, "-q")
    rare = [f"{row},{'yes' if i % 40 == 0 else 'no'}" for i, row in enumerate(noise)]
    Path("rare.csv").write_text("\n".join(["a,b,answer", *rare]) + "\n")
    mlp.ok("train", "--data", "rare.csv", *about)
    done = mlp.ok("evaluate", "model.npz", "--data", "rare.csv")
    assert "accuracy 97.50 %" in done.out
    said = "warning: always answering no, the most frequent class, would be right for 97.5 %, "
    assert done.err == f"{said}which is no worse\n"
    assert mlp.ok("evaluate", "model.npz", "--data", "rare.csv", "-q").err == ""
    for rows in (rare[1:2], rare[1:20]):  # of one class: any answer for all tells nothing
        Path("one.csv").write_text("\n".join(["a,b,answer", *rows]) + "\n")
        assert "always" not in mlp.ok("evaluate", "model.npz", "--data", "one.csv").err

    numbers = [f"{row},{y:.3f}" for row, y in zip(noise, rng.normal(size=200), strict=True)]
    Path("numbers.csv").write_text("\n".join(["a,b,number", *numbers]) + "\n")
    mlp.ok("train", "--data", "numbers.csv", *about)
    done = mlp.ok("evaluate", "model.npz", "--data", "numbers.csv", "--json")
    spread = np.std([float(row.rsplit(",", 1)[1]) for row in numbers])
    said = f"warning: always answering the mean of the targets would be off by {spread:.4g}, "
    assert (f"{said}which is no worse" in done.err) == (done.json["rmse"] >= spread)
    Path("one.csv").write_text(f"a,b,number\n{numbers[0]}\n")
    assert "always" not in mlp.ok("evaluate", "model.npz", "--data", "one.csv").err

    mlp.ok("train", "--data", points, *mlp.PLAIN, "--epochs", 40, "-q")
    assert mlp.ok("evaluate", "model.npz").err == ""


def test_training_tells_so_too_of_the_rows_that_were_held_out(mlp) -> None:
    rng = np.random.default_rng(0)
    noise = [f"{a:.3f},{b:.3f}" for a, b in rng.normal(size=(400, 2))]
    about = ("--hidden", 3, "--epochs", 1)
    rare = [f"{row},{'yes' if i % 10 == 0 else 'no'}" for i, row in enumerate(noise)]
    Path("rare.csv").write_text("\n".join(["a,b,answer", *rare]) + "\n")
    done = mlp.ok("train", "--data", "rare.csv", *about)
    assert re.search(r"validation: accuracy +90.62 %", done.out)  # 29 of 32
    said = "warning: always answering no, the most frequent class, would be right for 9"
    assert f"{said}0.6 %, which is no worse on the validation rows\n" in done.err
    assert mlp.ok("train", "--data", "rare.csv", *about, "-q").err == ""
    done = mlp.ok("train", "--data", "rare.csv", *about, "--folds", 5)
    assert f"{said}0.0 %, which is no worse out of fold\n" in done.err

    by_sign = [f"{row},{row[0] == '-'}" for row in noise]
    Path("sign.csv").write_text("\n".join(["a,b,negative", *by_sign]) + "\n")
    for more in ((), ("--folds", 5)):
        assert "always" not in mlp.ok("train", "--data", "sign.csv", "--epochs", 9, *more).err

    numbers = rng.normal(size=400).tolist()
    rows = [f"{row},{number}" for row, number in zip(noise, numbers, strict=True)]
    Path("numbers.csv").write_text("\n".join(["a,b,number", *rows]) + "\n")
    done = mlp.ok("train", "--data", "numbers.csv", *about, "--lr", 0.1, "--seed", 1, "--json")
    told = re.search(r"mean of the targets would be off by ([0-9.]+), which is no worse", done.err)
    r2, rmse = done.json["validation"]["r2"], done.json["validation"]["rmse"]
    assert told
    assert r2 < 0
    assert float(told[1]) == pytest.approx(rmse / math.sqrt(1 - r2), rel=1e-3)


def test_another_header_than_in_training_does_not_move_the_split(mlp) -> None:
    rows = [f"{'ab'[i % 2]},{'uvw'[i % 3]},{'pq'[i // 2 % 2]}\n" for i in range(60)]
    Path("t.csv").write_text("size,shape,kind\n" + "".join(rows))
    mlp.ok("train", "--data", "t.csv", "--epochs", 1, "-q")
    assert mlp.error("evaluate", "model.npz", "--data", "t.csv", "--header", "no") == (
        3,
        "model.npz: was trained on 60 rows of t.csv, and 61 are read now; evaluate it with --data "
        "and the --header and --label-column of its training, or train again",
    )
    mlp.ok("evaluate", "model.npz", "--data", "t.csv")
