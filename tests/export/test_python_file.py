"""The exported Python file: as a module, as a command, and as something that people read."""

from __future__ import annotations

import ast
import csv
import json
import re
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli import Model

ROWS = [[0.1, 9.9], [4.2, 6.0], [7.9, 2.2]]
RIGHT = ["ant", "bee", "cow"]
TEXTS = [("red", "small"), ("blue", "large")]


def imported(path: Path) -> Any:
    spec = spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def exported(mlp, points: Path) -> Path:
    """A model of widths and heights, that tells ants, bees and cows apart."""
    mlp.trained("--data", points.name, *mlp.PLAIN, "--hidden", 100, "--epochs", 20, "-q")
    mlp.ok("export", "model.npz", "points.py")
    return mlp.folder / "points.py"


@pytest.fixture(params=[(), ("-S",)], ids=["with NumPy", "without NumPy"])
def ask(request: pytest.FixtureRequest, python: Any, exported: Path) -> Callable[..., Any]:
    """Run the file on a text; "-S" keeps NumPy from it."""

    def ask(text: str | bytes, *arguments: str) -> Any:
        return python(request.param, exported, *arguments, text=text)

    return ask


# As a module


@pytest.fixture(params=[True, False], ids=["with NumPy", "without NumPy"])
def module(request: pytest.FixtureRequest, exported: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    if not request.param:
        monkeypatch.setitem(sys.modules, "numpy", None)
    return imported(exported)


@pytest.mark.parametrize(
    "rows",
    [
        ROWS,
        [tuple(row) for row in ROWS],
        [[str(value) for value in row] for row in ROWS],
        [{"height": height, "width": width, "age": 3} for width, height in ROWS],
        np.array(ROWS),
        np.array(ROWS, np.float32),
        np.array(ROWS).astype(int),
        [[int(value) for value in row] for row in ROWS],
        iter,
    ],
    ids=[
        *("lists", "tuples", "texts", "dicts", "array", "float32", "int64", "whole", "generator"),
    ],
)
def test_rows_may_come_in_any_form(module: Any, rows: Any) -> None:
    assert module.predict(iter(ROWS) if rows is iter else rows) == RIGHT


def test_probabilities_are_in_the_order_of_the_classes(module: Any) -> None:
    probs = module.predict_proba(ROWS)
    assert module.classes() == RIGHT
    assert [max(range(3), key=row.__getitem__) for row in probs] == [0, 1, 2]
    assert all(abs(sum(row) - 1) < 1e-6 for row in probs)


def test_it_tells_its_columns(module: Any) -> None:
    assert module.columns() == ["width", "height"]


def test_a_structured_array_has_names_and_what_is_masked_is_missing(module: Any) -> None:
    named = np.array([(1.0, 7.0), (6.0, 2.0)], [("height", float), ("width", float)])
    assert module.predict_proba(named) == module.predict_proba([[7.0, 1.0], [2.0, 6.0]])
    masked = np.ma.masked_equal([[7.0, 1.0], [2.0, 6.0]], 2)
    assert module.predict_proba(masked) == module.predict_proba([[7.0, 1.0], [None, 6.0]])


def test_no_rows_have_no_labels(module: Any) -> None:
    assert module.predict([]) == []


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([1.0], "row 2: has 1 values, expected 2"),
        ([1.0, 2.0, 3.0], "row 2: has 3 values, expected 2"),
        ({"width": 1.0}, "row 2: has no column 'height'"),
        ("23", "row 2: is '23', expected 2"),
        (2.0, "row 2: is 2.0, expected 2"),
        ({1.5}, "row 2: is {1.5}, expected 2"),
        ([1.0, "tall"], "row 2, column 'height': 'tall' is not a number"),
        ([1.0, float("inf")], "row 2, column 'height': inf is not a number"),
        ([1.0, 1e39], "row 2, column 'height': 1e+39 is not a number"),
        ([1.0, True], "row 2, column 'height': True is not a number"),
    ],
)
def test_a_row_that_cannot_be_is_told_by_its_number(module: Any, row: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        module.predict([[1.0, 2.0], row])


@pytest.mark.filterwarnings("ignore:rows. 'x' goes from 1234 to 1234")
def test_of_a_model_with_decimal_commas_texts_have_them_and_numbers_do_not(mlp) -> None:
    rows = "".join(f"{i * 37 % 50},{i % 10}5;{'ab'[i % 2]}\n" for i in range(60))
    Path("comma.csv").write_text("x;label\n" + rows)
    mlp.ok("train", "--data", "comma.csv", "--hidden", 4, "--epochs", 2, "-q")
    mlp.ok("export", "model.npz", "comma.py")
    same = [1.234, "1,234", np.float32(1.234), Decimal("1.234"), np.float64(1.234), "1.234e0"]
    whole = [1234, "1.234", np.int64(1234), Decimal(1234), "1234", "1.234,0"]
    for predictor in (Model.load("model.npz"), imported(Path("comma.py"))):
        for values in (same, whole):
            probs = [predictor.predict_proba([[value]])[0] for value in values]
            together = predictor.predict_proba([[value] for value in values])
            np.testing.assert_allclose(probs, np.tile(probs[0], (6, 1)), atol=1e-6)
            np.testing.assert_allclose(together, probs, atol=1e-6)


class Ambiguous:
    """As pandas writes a missing value: nothing is equal to it, and nothing is not."""

    def __eq__(self, other: object) -> Any:
        return self

    __ne__, __hash__ = __eq__, object.__hash__

    def __bool__(self) -> bool:
        raise TypeError("boolean value of NA is ambiguous")

    def __str__(self) -> str:
        return "<NA>"


@pytest.mark.filterwarnings("ignore:rows. 1 cell has a category")
@pytest.mark.parametrize(
    ("name", "values", "cells"),
    [
        ("top speed", ["20", 30, 1e-3, np.float32(0.5)], ["20", "30", "0.001", "0.5"]),
        (
            "x",
            [None, float("nan"), Ambiguous(), np.datetime64("NaT", "D"), "?"],
            ["", "", "", "", ""],
        ),
        ("x", ["$1,234", "1,234", " 5 "], ["$1234", "1234", "5"]),
        ("name", ["a;b", "c;d", "", "#red", 'say "hi"'], ["a;b", "c;d", "", "#red", 'say "hi"']),
        ("name", ["sep=;", "[[1]]", "PK\x03\x04"], ["sep=;", "[[1]]", "other"]),
        ("day", [np.datetime64("2020-03-05"), None], ["2020-03-05", ""]),
        ("sent", ["few", 7, "none"], ["", "7", ""]),
    ],
)
def test_a_row_in_memory_is_no_text_to_be_guessed(mlp, name, values, cells) -> None:
    """Of one column, so that nothing else tells what the cells are."""
    texts = ["a;b", "c;d", "#red", 'say "hi"', "sep=;", "[[1]]"]
    columns = {
        "top speed": [str(j) for j in range(60)],
        "x": [str(j * 37 % 2001) for j in range(60)],
        "name": [texts[j % len(texts)] for j in range(60)],
        "day": [f"2020-0{1 + j % 9}-05" for j in range(60)],
        "sent": [*["many"] * 9, *map(str, range(51))],
    }
    with Path("one.csv").open("w", newline="") as file:
        lines = zip(columns[name], ["low", "high"] * 30, strict=True)
        csv.writer(file).writerows([(name, "label"), *lines])
    options = ("--numeric", "sent") if name == "sent" else ()
    mlp.ok("train", "--data", "one.csv", "--hidden", 4, "--epochs", 2, "-q", *options)
    mlp.ok("export", "model.npz", "one.py")
    with Path("rows.csv").open("w", newline="") as file:
        csv.writer(file).writerows([(name, "label"), *((cell, "low") for cell in cells)])
    said = mlp.ok("predict", "model.npz", "rows.csv", "--probabilities", "--header", "yes").out
    answers = [[row["p_high"], row["p_low"]] for row in csv.DictReader(said.splitlines())]
    expected = np.array(answers, float)
    for predictor in (Model.load("model.npz"), imported(Path("one.py"))):
        all_rows = predictor.predict_proba([[value] for value in values])
        one_by_one = [predictor.predict_proba([{name: value}])[0] for value in values]
        np.testing.assert_allclose(all_rows, expected, atol=2e-5)
        np.testing.assert_allclose(one_by_one, expected, atol=2e-5)


# As a command


def test_it_answers_as_mlp_predict_does(mlp, ask: Any) -> None:
    table = "width,height\n" + "".join(f"{x},{y}\n" for x, y in ROWS)
    Path("rows.csv").write_text(table)
    for flags in ((), ("--probabilities",)):
        done = ask(table, *flags)
        assert (done.returncode, done.stderr) == (0, "")
        expected = mlp.ok("predict", "model.npz", "rows.csv", *flags).out
        if flags:
            assert done.stdout.splitlines()[0] == expected.splitlines()[0]
        else:
            assert done.stdout == expected


@pytest.mark.parametrize(
    "table",
    [
        "width,height\n0.1,9.9\n4.2,6.0\n7.9,2.2\n",
        "height,age,width\n9.9,1,0.1\n6.0,2,4.2\n2.2,3,7.9\n",
        "width;height\r\n0.1;9.9\r\n4.2;6.0\r\n7.9;2.2",
        "width\theight\n0.1\t9.9\n\n4.2\t6.0\n7.9\t2.2\n",
        '\ufeff"width", "height"\n0.1, "9.9"\n4.2,6.0\n7.9,2.2\n',
        "species,width,height\ncow,0.1,9.9\ncow,4.2,6.0\ncow,7.9,2.2\n",
        "0.1,9.9\n4.2,6.0\n7.9,2.2\n",
        "0.1,9.9,cow\n4.2,6.0,cow\n7.9,2.2,cow\n",
    ],
    ids=["plain", "order", "semicolon", "tabs", "quoted", "label", "bare", "bare with label"],
)
def test_tables_as_people_have_them(ask: Any, table: str) -> None:
    done = ask(table)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "label\nant\nbee\ncow\n"


@pytest.mark.parametrize(
    ("trained", "bare"),
    [
        ("kind,width,height", ["kind,width,height", "width,height", "width,height,kind"]),
        ("width,kind,height", ["width,kind,height", "width,height"]),
        ("id,kind,width,height", ["id,kind,width,height", "id,width,height", "width,height"]),
        ("kind,width,id,height", ["kind,width,id,height", "kind,width,height", "width,height,id"]),
    ],
)
def test_a_table_without_names_is_matched_as_mlp_matches_it(
    mlp, ask: Any, trained: str, bare: list[str]
) -> None:
    def rows(names: str, per_class: int) -> str:
        cells = [
            {"id": 1000 + 7 * i, "kind": k, "width": f"{x + i / 50:.2f}", "height": y}
            for i in range(per_class)
            for k, (x, y) in enumerate(ROWS)
        ]
        return "".join(",".join(str(row[n]) for n in names.split(",")) + "\n" for row in cells)

    Path("named.csv").write_text(f"{trained}\n{rows(trained, 40)}")
    flags = ("--ignore", "id") if "id" in trained.split(",") else ()
    mlp.ok(
        *("train", "--data", "named.csv", "--label-column", "kind", *flags),
        *("--epochs", 20, "-q"),
    )
    mlp.ok("export", "model.npz", "points.py")
    for number, names in enumerate(bare):
        Path("bare.csv").write_text(rows(names, 1))
        expected, done = mlp("predict", "model.npz", "bare.csv"), ask(rows(names, 1))
        assert done.returncode == expected.code, names
        assert done.stdout == expected.out, names
        if number == 0:
            assert done.stdout == "label\n0\n1\n2\n"


def test_names_in_another_case_are_names_also_above_text(mlp, ask: Any) -> None:
    pairs = [("red", "small", "yes"), ("blue", "large", "no"), ("red", "large", "no")]
    lines = [",".join(row) + "\n" for row in pairs * 20]
    Path("texts.csv").write_text("colour,size,ripe\n" + "".join(lines))
    mlp.ok("train", "--data", "texts.csv", "--epochs", 30, "-q")
    mlp.ok("export", "model.npz", "points.py")
    table = "Size, Colour\nsmall,red\nlarge,blue\n"
    Path("rows.csv").write_text(table)
    done = ask(table)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == mlp.ok("predict", "model.npz", "rows.csv").out == "label\nyes\nno\n"


def test_a_file_may_be_named(ask: Any) -> None:
    Path("rows.csv").write_text("width,height\n0.1,9.9\n")
    assert ask("", "rows.csv").stdout == "label\nant\n"


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("", "is empty; one row per sample is expected"),
        ("width,height\n", "has a header and no rows"),
        ("width,height\n1,2\n3\n", "row 3 has 1 column, expected 2 as in the first row; …"),
        ("width,height\n1,tall\n", "row 2, column 'height': 'tall' is not a number; …"),
        ("width,height\n1,1e99\n", "row 2, column 'height': '1e99' is not finite in float32; …"),
        ("width,age\n1,2\n", "no column 'height'; …"),
        ("1,2,3,4,5\n", "has 5 columns and no header; …"),
        ('width,height\n1,"2\n', "row 2 has a quote that is not closed, …"),
        (b"width,height\n\xff,2\n", "row 2 is not UTF-8 (byte 13 is 0xff); …"),
        (b"width,height\n\0,2\n", "row 2 has a NUL byte (byte 13); this is not a text file"),
        (b"PK\x03\x04", "is a zip archive (or a workbook such as .xlsx), not text; …"),
    ],
)
def test_a_table_that_cannot_be_ends_in_the_line_of_mlp_predict(
    mlp, ask: Any, table: Any, message: str
) -> None:
    Path("rows.csv").write_bytes(table if isinstance(table, bytes) else table.encode())
    code, line = mlp.error("predict", "model.npz", "rows.csv")
    beginning = f"rows.csv: {message.rstrip('…')}"
    assert (code, line[: len(beginning)]) == (3, beginning)
    done = ask("", "rows.csv")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == f"points.py: {line}\n".replace("model.npz", "points.py")
    on_stdin = ask(table)
    assert (on_stdin.returncode, on_stdin.stdout) == (3, "")
    assert on_stdin.stderr == done.stderr.replace("rows.csv", "stdin")


def test_a_file_that_is_not_there_is_told(ask: Any) -> None:
    done = ask("", "none.csv")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == "points.py: none.csv: cannot be read: No such file or directory\n"


def test_what_is_assumed_of_a_table_is_said(mlp, ask: Any) -> None:
    done = ask("width,height,width\n0.1,9.9,7\n4.2,6.0,7\n")
    assert (done.returncode, done.stdout) == (0, "label\nant\nbee\n")
    assert done.stderr == (
        "points.py: stdin: the header has 'width' more than once; those after the first are "
        "numbered\n"
    )


def test_a_first_row_of_words_can_be_said_to_be_none_of_names(mlp, ask: Any) -> None:
    lines = [f"{colour},{size},{k % 2}\n" for k, (colour, size) in enumerate(TEXTS * 20)]
    Path("texts.csv").write_text("colour,size,ripe\n" + "".join(lines))
    mlp.ok("train", "--data", "texts.csv", "--epochs", 30, "-q")
    mlp.ok("export", "model.npz", "points.py")
    table = "red,small\nblue,large\n"
    Path("rows.csv").write_text(table)
    assert (ask(table).returncode, mlp("predict", "model.npz", "rows.csv").code) == (3, 3)
    expected = mlp.ok("predict", "model.npz", "rows.csv", "--header", "no").out
    assert ask(table, "--header", "no").stdout == expected == "label\n0\n1\n"


def test_a_reader_that_goes_away_is_no_fault(exported: Path) -> None:
    table = "width,height\n" + "0.1,9.9\n" * 8_000
    command = f'"{sys.executable}" -I -S points.py | head -1'
    done = subprocess.run(
        command, shell=True, input=table, capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("label\n", "")


# As something that people read


def test_it_needs_the_standard_library_alone_and_an_older_python(exported: Path) -> None:
    tree = ast.parse(exported.read_text(encoding="utf-8"), feature_version=(3, 9))
    names = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert names - {"numpy"} <= sys.stdlib_module_names
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    assert not [call for call in calls if any(word.arg == "strict" for word in call.keywords)]
    assert "# type: ignore" not in exported.read_text(encoding="utf-8")
    assert len(exported.read_bytes()) < 55_000 + 2 * (2 * 100 + 100 + 100 * 3 + 3) * 4


def test_hostile_names_and_labels_are_literals_and_nothing_else(
    mlp, points: Path, checkpoints: Any
) -> None:
    mlp.ok("train", "--data", points, "--epochs", 1, "-q")
    mlp.ok("export", "model.npz", "plain.py")
    meta = checkpoints.meta("model.npz")
    hostile = sorted(['"""\nimport os\n', "'''); exit(1) #", "\\", "\u2028{}%s"])
    meta["task"]["classes"] = hostile[:3]
    meta["data"] |= {"source": hostile[0], "label_name": hostile[1]}
    for part, name in zip(meta["encoding"], hostile[2:], strict=True):
        part["column"] = name
    checkpoints.rewrite("model.npz", meta=json.dumps(meta))
    mlp.ok("export", "model.npz", "hostile.py")
    plain, theirs = (
        ast.parse(Path(name).read_text(encoding="utf-8")) for name in ("plain.py", "hostile.py")
    )
    for mine, other in zip(plain.body, theirs.body, strict=True):
        if isinstance(mine, ast.AnnAssign) and ast.unparse(mine.target) == "MODEL":
            assert isinstance(other, ast.AnnAssign)
            assert other.value is not None
            model = ast.literal_eval(other.value)
        else:
            assert ast.dump(mine) == ast.dump(other)
    assert model["classes"] == hostile[:3]
    assert imported(mlp.folder / "hostile.py").columns() == hostile[2:]
    assert imported(mlp.folder / "hostile.py").predict([[1, 2]])[0] in hostile


def test_names_of_numeric_labels_go_along(mlp, points: Path, checkpoints: Any, ask: Any) -> None:
    mlp.ok("train", "--data", "digits", "--hidden", 4, "--epochs", 1, "-q")
    meta = checkpoints.meta("model.npz")
    meta["data"]["class_names"] = ["zero", "one", "two", "three"]
    checkpoints.rewrite("model.npz", meta=json.dumps(meta))
    Path("rows.csv").write_text((",".join("3" * 64) + "\n") + (",".join("0369" * 16) + "\n"))
    mlp.ok("export", "model.npz", "points.py")
    assert (
        ask(Path("rows.csv").read_text()).stdout == mlp.ok("predict", "model.npz", "rows.csv").out
    )
