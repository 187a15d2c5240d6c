"""`mlp predict`: what comes in, in whatever form, and the CSV that goes out."""

from __future__ import annotations

import csv
import io
import os
import shlex
import struct
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mlpcli import Model
from mlpcli.data.builtin import digits
from mlpcli.errors import DataError


@pytest.fixture
def iris(mlp, points: Path) -> str:
    """A model of three kinds of points, which it knows by heart; the table is `points.csv`."""
    mlp.trained("--data", "points.csv", *mlp.PLAIN, "--hidden", "8", "-o", "m.npz", "-q")
    return "m.npz"


@pytest.fixture
def images(mlp) -> str:
    """A quick model of the digits."""
    mlp.trained("--data", "digits", "--hidden", "16", "--epochs", "10", "-o", "d.npz", "-q")
    return "d.npz"


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def labels(text: str) -> list[str]:
    return [row["label"] for row in table(text)]


SPECIES = ["ant"] * 30 + ["bee"] * 30 + ["cow"] * 30


# Tables


def test_labels_come_back_as_they_were_written_and_stderr_says_how_many_are_right(
    mlp, iris: str
) -> None:
    outcome = mlp.ok("predict", iris, "points.csv")
    assert outcome.out == "\n".join(["label", *SPECIES]) + "\n"
    assert outcome.err == "points.csv: 90 of 90 right (100.00 %)\n"
    assert mlp.ok("predict", iris, "points.csv", "-q").err == ""


def test_columns_are_matched_by_name_and_others_are_left_out(mlp, iris: str) -> None:
    rows = [line.split(",") for line in Path("points.csv").read_text().splitlines()]
    mixed = [f"{h},{'note' if i == 0 else 'x'},{w}" for i, (w, h, _) in enumerate(rows)]
    Path("new.csv").write_text("\n".join(mixed) + "\n")
    outcome = mlp.ok("predict", iris, "new.csv")
    assert labels(outcome.out) == SPECIES
    assert outcome.err == ""


def test_without_a_header_columns_go_by_their_place(mlp, iris: str) -> None:
    rows = [line.split(",") for line in Path("points.csv").read_text().splitlines()[1:]]
    Path("bare.tsv").write_text("".join(f"{w}\t{h}\n" for w, h, _ in rows))
    assert labels(mlp.ok("predict", iris, "bare.tsv").out) == SPECIES
    Path("full.csv").write_text("".join(f"{w},{h},{s}\n" for w, h, s in rows))
    assert mlp.ok("predict", iris, "full.csv").err == "full.csv: 90 of 90 right (100.00 %)\n"
    Path("first.csv").write_text("".join(f"{s},{w},{h}\n" for w, h, s in rows))
    outcome = mlp.ok("predict", iris, "first.csv", "--label-column", "0")
    assert outcome.err == "first.csv: 90 of 90 right (100.00 %)\n"


def test_a_model_whose_label_came_first_looks_for_it_there(mlp, points: Path) -> None:
    rows = [line.split(",") for line in points.read_text().splitlines()[1:]]
    Path("first.csv").write_text("".join(f"{s},{w},{h}\n" for w, h, s in rows))
    mlp.ok("train", "--data", "first.csv", "--label-column", "0", "--hidden", "8", "-q")
    assert mlp.ok("predict", "model.npz", "first.csv").err.endswith("90 of 90 right (100.00 %)\n")


def test_probabilities_have_a_column_a_class_and_are_the_networks(mlp, iris: str) -> None:
    rows = table(mlp.ok("predict", iris, "points.csv", "--probabilities").out)
    assert list(rows[0]) == ["label", "p_ant", "p_bee", "p_cow"]
    for row in rows:
        probs = {name: float(row[f"p_{name}"]) for name in ("ant", "bee", "cow")}
        assert sum(probs.values()) == pytest.approx(1, abs=1e-5)
        assert max(probs, key=probs.get) == row["label"]  # type: ignore[arg-type]


def test_a_dash_reads_csv_from_stdin(mlp, iris: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stdin = SimpleNamespace(buffer=io.BytesIO(b"height,width\n10.1,0.2\n2.1,7.9\n"))
    monkeypatch.setattr(sys, "stdin", stdin)
    assert labels(mlp.ok("predict", iris, "-").out) == ["ant", "cow"]


def test_a_file_is_written_whole_or_not_at_all(mlp, iris: str) -> None:
    Path("out.csv").write_text("old")
    Path("bad.csv").write_text('width,height\n1,2\n1,"x\n')
    assert mlp.error("predict", iris, "bad.csv", "-o", "out.csv")[0] == 3
    assert Path("out.csv").read_text() == "old"
    outcome = mlp.ok("predict", iris, "points.csv", "-o", "new/out.csv")
    assert outcome.out == ""
    assert Path("new/out.csv").read_text().splitlines() == ["label", *SPECIES]


def test_labels_that_the_model_does_not_know_are_wrong_and_are_counted(mlp, iris: str) -> None:
    text = Path("points.csv").read_text().replace("cow", "dog")
    Path("dogs.csv").write_text(text)
    assert mlp.ok("predict", iris, "dogs.csv").err == (
        "dogs.csv: 60 of 90 right (66.67 %); 30 have a label that m.npz does not know\n"
    )


@pytest.mark.parametrize(
    ("content", "code", "said"),
    [
        ("width,species\n1,ant\n", 3, "no column 'height'; there is 'width', 'species'"),
        ("1,2,3,4\n5,6,7,8\n", 3, "new.csv: has 4 columns and no header; m.npz takes 2"),
        ("width,height\n1,x\n", 3, "new.csv: row 2, column 'height': 'x' is not a number"),
        ("", 3, "new.csv: is empty"),
    ],
    ids=["a column is missing", "too wide", "no number", "empty"],
)
def test_tables_that_do_not_fit_are_refused(
    mlp, iris: str, content: str, code: int, said: str
) -> None:
    Path("new.csv").write_text(content)
    found, text = mlp.error("predict", iris, "new.csv")
    assert found == code
    assert said in text


def test_what_is_no_input_is_refused(mlp, iris: str) -> None:
    Path("notes.doc").write_text("1,2\n")
    Path("book.xlsx").write_bytes(b"PK")
    Path("folder").mkdir()
    kinds = (
        "give a table (.csv, .tsv, .txt, .data, .gz), a .parquet, an .npz with X and y, an .npy, "
        "a .png or .jpg, an IDX file, or - for a table on standard input"
    )
    assert mlp.error("predict", iris, "no.csv") == (3, f"no.csv: does not exist; {kinds}")
    assert mlp.error("predict", iris, "no.xyz") == (3, f"no.xyz: does not exist; {kinds}")
    assert mlp.error("predict", iris, "folder") == (3, f"folder: is a folder; {kinds}")
    assert mlp.error("predict", iris, "notes.doc") == (
        3,
        f"notes.doc: not a kind of file that can be read; {kinds}",
    )
    assert mlp.error("predict", iris, "book.xlsx") == (
        3,
        "book.xlsx: is an Excel workbook; save the sheet as CSV",
    )
    assert mlp.error("predict", iris, "points.csv", "points.csv")[0] == 2
    assert mlp.error("predict", iris, "points.csv", "--no-prepare")[0] == 2
    assert mlp.error("predict", "points.csv", "points.csv")[0] == 3


# Arrays


def test_arrays_are_predicted_with_labels_and_without(mlp, images: str) -> None:
    data = digits()
    X, y = data.X[:200], data.y[:200]
    np.savez("with.npz", X=X, y=y)
    np.savez("without.npz", X=X.reshape(-1, 8, 8))
    np.save("X.npy", X.astype(np.float64))
    np.save("fortran.npy", np.asfortranarray(X))
    first = mlp.ok("predict", images, "with.npz")
    right = sum(int(label) == true for label, true in zip(labels(first.out), y, strict=True))
    assert first.err == f"with.npz: {right} of 200 right ({right / 2:.2f} %)\n"
    assert right > 180
    for name in ("without.npz", "X.npy", "fortran.npy"):
        outcome = mlp.ok("predict", images, name)
        assert outcome.out == first.out
        assert outcome.err == ""


def test_idx_files_are_predicted_with_the_labels_beside_them(mlp, images: str) -> None:
    data = digits()
    X = struct.pack(">4B3I", 0, 0, 8, 3, 50, 8, 8) + data.X[:50].tobytes()
    y = struct.pack(">4BI", 0, 0, 8, 1, 50) + data.y[:50].astype(np.uint8).tobytes()
    Path("new-images-idx3-ubyte").write_bytes(X)
    outcome = mlp.ok("predict", images, "new-images-idx3-ubyte")
    assert len(labels(outcome.out)) == 50
    assert outcome.err == ""
    Path("new-labels-idx1-ubyte").write_bytes(y)
    assert " of 50 right" in mlp.ok("predict", images, "new-images-idx3-ubyte").err


def test_pixels_from_0_to_1_are_warned_of(mlp, images: str) -> None:
    np.save("X.npy", digits().X[:5] / 16)
    assert mlp.ok("predict", images, "X.npy").err == (
        "warning: X.npy: its values go up to 1, those that d.npz was trained on to 16; "
        "multiply them\n"
    )


@pytest.mark.parametrize(("offset", "unit"), [(1.7e9, 50.0), (0.0, 1e-46)])
def test_a_row_alone_is_answered_as_among_others(mlp, offset: float, unit: float) -> None:
    """Whether float32 holds a column's differences is known from the training rows."""
    rng = np.random.default_rng(0)
    rows = [f"{offset + unit * a!r},{b!r}" for a, b in rng.normal(0, 1, (60, 2)).tolist()]
    labelled = [f"{row},{'no' if k % 3 else 'yes'}" for k, row in enumerate(rows)]
    Path("t.csv").write_text("\n".join(["a,b,c", *labelled]) + "\n")
    mlp.ok("train", "--data", "t.csv", "--epochs", "20", "--hidden", "8", "-q")
    answers = mlp.ok("predict", "model.npz", "t.csv", "--probabilities").out.splitlines()
    assert len(set(answers[1:])) > 50
    for row, answer in zip(rows[:5], answers[1:], strict=False):
        Path("row.csv").write_text(f"a,b\n{row}\n")
        said = mlp.ok("predict", "model.npz", "row.csv", "--probabilities").out
        assert said.splitlines()[1] == answer


def test_a_row_whose_scores_overflow_has_no_answer_and_the_others_have(mlp, iris: str) -> None:
    np.save("X.npy", np.array([[1.0, 9.0], [1e308, -1e308], [8.0, 2.0]]))
    code, text = mlp.error("predict", iris, "X.npy", "-o", "out.csv")
    assert code == 3
    assert text == "row 2 is too large for m.npz: its scores overflow"
    assert Path("out.csv").read_text() == 'label\nant\n""\ncow\n'
    np.save("X.npy", np.array([[1e308, -1e308]]))
    assert mlp.error("predict", iris, "X.npy", "-o", "none.csv") == (
        3,
        "row 1 is too large for m.npz: its scores overflow",
    )
    assert not Path("none.csv").exists()


def test_rows_that_cannot_be_read_are_told_and_the_others_are_answered(mlp, iris: str) -> None:
    lines = ["width,height,note", "0,10,a", "0,x,b", "8,2,c", "8", "4,6,d", "4,1e300,e", "0,10,f"]
    Path("new.csv").write_text("\n".join(lines) + "\n")
    outcome = mlp("predict", iris, "new.csv", "--keep", "note", "-o", "out.csv")
    assert outcome.code == 3
    assert Path("out.csv").read_text().splitlines() == [
        "note,label",
        *("a,ant", "b,", "c,cow", ",", "d,bee", "e,", "f,ant"),
    ]
    assert outcome.err.splitlines() == [
        "warning: new.csv: row 5 has 1 column, expected 3 as in the first row; fill it up or "
        "remove it, or quote the cells that hold a ','",
        "warning: new.csv: row 7, column 'height': '1e300' is not finite in float32; "
        "correct it, drop the row, or rescale the column",
        "mlp: 3 of 7 have no answer; the first: new.csv: row 3, column 'height': 'x' is not a "
        "number; correct it, or leave it empty",
    ]


def test_many_bad_rows_are_counted_and_a_few_are_told(mlp, iris: str) -> None:
    rows = [f"{n},{'x' if n % 2 else 10}" for n in range(100)]
    Path("new.csv").write_text("\n".join(["width,height", *rows]) + "\n")
    outcome = mlp("predict", iris, "new.csv")
    assert (outcome.code, outcome.out.count('""')) == (3, 50)
    assert len(outcome.err.splitlines()) == 12
    assert "50 of 100 have no answer" in outcome.err


def test_the_inputs_columns_are_written_beside_the_answers_as_they_were(mlp, iris: str) -> None:
    lines = ["name;height;width;label", '"Åsa; née";10,0;00;x', ';2;8;"y ""z"""']
    Path("new.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    text = mlp.ok("predict", iris, "new.csv", "--with-inputs").out
    assert list(csv.reader(io.StringIO(text))) == [
        ["name", "height", "width", "label", "predicted_label"],
        ["Åsa; née", "10,0", "00", "x", "ant"],
        ["", "2", "8", 'y "z"', "cow"],
    ]
    kept = mlp.ok("predict", iris, "new.csv", "--keep", "width,0", "--probabilities").out
    first = next(csv.reader(io.StringIO(kept)))
    assert first == ["width", "name", "label", "p_ant", "p_bee", "p_cow"]
    assert mlp.error("predict", iris, "new.csv", "--keep", "wide") == (
        3,
        "new.csv: no column 'wide'; did you mean 'width'?",
    )
    flags = ("--with-inputs", "--keep", "width")
    assert mlp.error("predict", iris, "new.csv", *flags)[0] == 2
    np.save("X.npy", np.array([[0.5, 10.0]]))
    assert mlp.ok("predict", iris, "X.npy", "--with-inputs").out == "x1,x2,label\n0.5,10.0,ant\n"


def test_what_comes_by_a_pipe_is_kept_too(mlp, iris: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(b"width,height\n0,10\n8,2\n"))
    monkeypatch.setattr("sys.stdin", stream)
    out = mlp.ok("predict", iris, "-", "--with-inputs").out
    assert out == "width,height,label\n0,10,ant\n8,2,cow\n"


def test_a_committee_averages_what_its_members_say(mlp, iris: str) -> None:
    # the second takes the same columns in another order, from a table without the label
    rows = [line.split(",") for line in Path("points.csv").read_text().splitlines()]
    Path("turned.csv").write_text("\n".join(f"{h},{s},{w}" for w, h, s in rows) + "\n")
    flags = ("--label-column", "species", "--hidden", "5", "--epochs", "3", "--seed", "4", "-q")
    mlp.ok("train", "--data", "turned.csv", *flags, "-o", "n.npz")
    one, two, both = (
        table(mlp.ok("predict", *models, "points.csv", "--probabilities").out)
        for models in ((iris,), ("n.npz",), (iris, "n.npz"))
    )
    for a, b, mean in zip(one, two, both, strict=True):
        for name in ("p_ant", "p_bee", "p_cow"):
            assert float(mean[name]) == pytest.approx(
                (float(a[name]) + float(b[name])) / 2, abs=2e-6
            )
    mlp.ok("train", "--data", "digits", "--hidden", "none", "--epochs", "1", "-q", "-o", "d.npz")
    assert mlp.error("predict", iris, "d.npz", "points.csv")[0] == 3
    assert mlp.error("predict", iris, "n.npz") == (2, "INPUT… is missing; see mlp predict --help")


def test_json_says_what_was_written(mlp, iris: str) -> None:
    Path("new.csv").write_text("width,height\n0,10\n8,\n")
    outcome = mlp.ok("predict", iris, "new.csv", "--json", "-o", "out.csv")
    assert outcome.json == {
        "model": "m.npz",
        "rows": 2,
        "output": "out.csv",
        "unseen": 0,
        "missing": 1,
    }
    alone = mlp.ok("predict", iris, "new.csv", "--json")
    assert (alone.json["output"], alone.json["answers"][0]) == (None, "ant")
    assert alone.out.count("\n") == 1


def test_categories_that_the_model_does_not_know_are_counted(mlp) -> None:
    rng = np.random.default_rng(0)
    rows = [
        f"{'red' if y else 'blue'},{rng.normal():.3f},{'yes' if y else 'no'}" for y in [0, 1] * 40
    ]
    Path("t.csv").write_text("\n".join(["colour,x,good", *rows]) + "\n")
    mlp.ok("train", "--data", "t.csv", "--hidden", "8", "-q")
    Path("new.csv").write_text("x,colour\n0,red\n0,green\n,blue\n0,\n")
    outcome = mlp.ok("predict", "model.npz", "new.csv", "-o", "out.csv", "--json")
    assert outcome.err == "new.csv: 1 cell has a category that model.npz does not know\n"
    assert (outcome.json["unseen"], outcome.json["missing"]) == (1, 2)
    answers = Path("out.csv").read_text().splitlines()[1:]
    assert (answers[0], answers[2]) == ("yes", "no")


# Pictures


def test_pictures_are_predicted_by_name(mlp, images: str) -> None:
    image_module = pytest.importorskip("PIL.Image", reason="Pillow is not installed (extra report)")
    data, names = digits(), []
    for row in range(30):
        pixels = np.kron(data.X[row].reshape(8, 8) * (255 / 16), np.ones((12, 12)))
        page = np.full((150, 200), 250, np.uint8)
        page[20:116, 40:136] = 250 - pixels * (220 / 255)
        names.append(f"{row}.png" if row % 2 else f"{row}.jpg")
        image_module.fromarray(page).save(names[-1])
    outcome = mlp.ok("predict", images, *names)
    rows = table(outcome.out)
    assert [row["file"] for row in rows] == names
    right = sum(int(row["label"]) == true for row, true in zip(rows, data.y[:30], strict=True))
    assert right >= 24
    assert outcome.err == ""
    image_module.fromarray((data.X[0] * 15).reshape(8, 8)).save("small.png")
    assert mlp.ok("predict", images, "--no-prepare", "small.png").out == (
        f"file,label\nsmall.png,{data.y[0]}\n"
    )
    assert mlp.error("predict", images, "--no-prepare", "0.jpg") == (
        3,
        "0.jpg: has 200 × 150 pixels, the model takes 8 × 8; "
        "leave out --no-prepare to have it fitted",
    )


def test_a_blank_picture_among_many_has_no_answer_and_the_others_have(mlp, images: str) -> None:
    image_module = pytest.importorskip("PIL.Image", reason="Pillow is not installed (extra report)")
    pixels = np.kron(255 - digits().X[0].reshape(8, 8) * 15, np.ones((12, 12))).astype(np.uint8)
    image_module.fromarray(pixels).save("a.png")
    image_module.fromarray(np.full((90, 90), 240, np.uint8)).save("blank.png")
    Path("torn.png").write_bytes(b"\x89PNG")
    outcome = mlp("predict", images, "a.png", "blank.png", "torn.png", "a.png")
    alone = mlp.ok("predict", images, "a.png").out.splitlines()[1]
    assert outcome.code == 3
    assert outcome.out.splitlines() == ["file,label", alone, "blank.png,", "torn.png,", alone]
    assert outcome.err.splitlines() == [
        "warning: torn.png: is not a PNG or JPEG picture, or is damaged",
        "mlp: 2 of 4 have no answer; the first: blank.png: shows nothing but its background; "
        "give a picture of one thing",
    ]
    assert mlp.error("predict", images, "blank.png")[0] == 3
    assert mlp.error("predict", images, "a.png", "--with-inputs") == (
        2,
        "--with-inputs is for tables, and pictures have no columns",
    )


def test_a_model_of_no_images_takes_no_pictures(mlp, iris: str) -> None:
    code, text = mlp.error("predict", iris, "photo.png")
    assert code == 3
    assert "m.npz was trained on no images (points.csv)" in text
    assert mlp.error("predict", iris, "photo.png", "--label-column", "0")[0] == 2


def test_without_pillow_one_line_says_how_to_get_it(
    mlp, images: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlpcli.data.formats import pictures as module

    monkeypatch.setattr(module, "find_spec", lambda name: None)
    assert mlp.error("predict", images, "a.png") == (
        1,
        "a.png: pictures need Pillow; install it by: "
        + shlex.join([sys.executable, "-m", "pip", "install", "pillow"]),
    )


def test_class_names_are_beside_their_numbers(mlp, images: str, checkpoints: Any) -> None:
    meta = checkpoints.meta(images)
    meta["data"]["class_names"] = [f"digit {k}" for k in range(10)]
    import json

    checkpoints.rewrite(images, meta=json.dumps(meta))
    np.save("X.npy", digits().X[:3])
    for row in table(mlp.ok("predict", images, "X.npy").out):
        assert row["name"] == f"digit {row['label']}"


@pytest.mark.skipif(
    "MLP_TEST_MIRROR" not in os.environ,
    reason="MLP_TEST_MIRROR names no folder with the real mnist/",
)
def test_photographs_of_held_out_mnist_digits_are_read(mlp) -> None:
    """Dark on white, off centre, 200 × 150, lit from a side and noisy: 9 of 10 at least."""
    image_module = pytest.importorskip("PIL.Image", reason="Pillow is not installed (extra report)")
    from PIL import ImageFilter

    from mlpcli.data.formats import idx

    folder = Path(os.environ["MLP_TEST_MIRROR"]) / "mnist"
    mlp.ok("train", "--data", folder, "--epochs", "3", "-q")
    X = idx.read(folder / "t10k-images-idx3-ubyte.gz", 3)
    y = idx.read(folder / "t10k-labels-idx1-ubyte.gz", 1)
    rng = np.random.default_rng(0)
    chosen = rng.choice(len(X), 100, replace=False)
    for n, row in enumerate(chosen):
        size = int(rng.integers(50, 110))
        digit = image_module.fromarray(np.array(X[row])).resize((size, size))
        ink = np.zeros((150, 200))
        top, left = rng.integers(0, 151 - size), rng.integers(0, 201 - size)
        blurred = digit.filter(ImageFilter.GaussianBlur(1))
        ink[top : top + size, left : left + size] = np.asarray(blurred) / 255
        light = np.linspace(1, rng.uniform(0.8, 1), 200) * 240
        photograph = light * (1 - ink) + 40 * ink + rng.normal(0, 4, ink.shape)
        image_module.fromarray(np.clip(photograph, 0, 255).astype(np.uint8)).save(f"{n:03}.png")
    rows = table(mlp.ok("predict", "model.npz", *(f"{n:03}.png" for n in range(100))).out)
    right = [row["label"] == str(y[k]) for row, k in zip(rows, chosen, strict=True)]
    tens = [sum(right[i : i + 10]) for i in range(0, 100, 10)]
    assert sum(right) >= 90, tens


def test_a_reader_that_has_enough_is_no_fault_of_the_input(mlp, points: Path) -> None:
    mlp.ok("train", "--data", points, "--epochs", 1, "-q")
    process = mlp.process("predict", "model.npz", points)
    process.stdout.close()
    assert "cannot be read" not in process.stderr.read()
    process.stderr.close()
    process.wait(timeout=60)


def test_an_image_that_lacks_a_pixel_is_said_to_and_the_others_are_answered(mlp, images) -> None:
    rows = [list(map(str, row)) for row in digits().X[:4].astype(int).tolist()]
    whole = "".join(",".join(row) + "\n" for row in rows)
    Path("whole.csv").write_text(whole)
    rows[2][9] = ""
    Path("gap.csv").write_text("".join(",".join(row) + "\n" for row in rows))
    Path("labelled.csv").write_text("".join(",".join([*row, "3"]) + "\n" for row in rows))
    answers = mlp.ok("predict", images, "whole.csv").out.splitlines()
    outcome = mlp("predict", images, "gap.csv")
    assert outcome.out.splitlines() == [*answers[:3], '""', answers[4]]
    said = "row 3 lacks a pixel; fill it in, or drop the row"
    assert (outcome.code, outcome.err) == (3, f"mlp: {said}\n")
    assert mlp.error("evaluate", images, "--data", "labelled.csv") == (3, f"labelled.csv: {said}")
    shape = ("--image-shape", "8,8", "-q")
    code, text = mlp.error("train", "--data", "labelled.csv", *shape)
    assert (code, text) == (3, f"labelled.csv: {said}, or leave out --image-shape 8,8")
    with pytest.raises(DataError, match=f"^{said}$"):
        Model.load(images).predict([[float(cell or "nan") for cell in row] for row in rows])
    mlp.ok("export", images, "d.py", "-q")
    with Path("gap.csv").open() as gap:
        done = subprocess.run(
            [sys.executable, "d.py"], stdin=gap, capture_output=True, text=True, check=False
        )
    assert done.stderr == "d.py: row 3: lacks a pixel\n"
