"""Tables as people have them, through every command."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mlpcli import Model

SMALL = ("--hidden", "8", "--epochs", "3", "-o", "m.npz")


def test_penguins_are_classified_by_default(mlp) -> None:
    said = mlp.ok("train", "--data", "penguins", *SMALL)
    assert "columns: 5 numbers, 2 categories (island, sex); label: species\n" in said.err
    assert "3 classes of species: Adelie Chinstrap Gentoo\n" in mlp.ok("show", "m.npz").out
    out = json.loads(mlp.ok("evaluate", "m.npz", "--json").out)
    assert (out["samples"], out["task"]) == (69, "classification")


def test_penguins_are_a_table_whose_label_can_be_chosen(mlp) -> None:
    said = mlp.ok("train", "--data", "penguins", "--label-column", "body_mass_g", *SMALL)
    assert "penguins: 2 rows without a label left out" in said.err
    assert (
        "columns: 4 numbers, 3 categories (species, island, sex); label: body_mass_g\n" in said.err
    )
    out = json.loads(mlp.ok("evaluate", "m.npz", "--json").out)
    assert out["task"] == "regression"
    assert out["rmse"] > 0


def test_standard_input_trains_and_needs_data_to_evaluate(
    mlp, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = "".join(f"{i * 7 % 11},{'ab'[i % 2]}\n" for i in range(60))
    content = f"x,kind\n{rows}"
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content.encode())))
    mlp.ok("train", "--data", "-", *SMALL)
    assert mlp.error("evaluate", "m.npz") == (
        3,
        "m.npz: was trained on standard input; name its data with --data",
    )
    Path("same.csv").write_text(content)
    out = json.loads(mlp.ok("evaluate", "m.npz", "--data", "same.csv", "--json").out)
    assert (out["split"], out["samples"]) == ("test", 12)
    mlp.ok("train", "--resume", "m.npz", "--data", "same.csv", "--epochs", "4", "-o", "n.npz")


@pytest.fixture
def parts() -> None:
    rng = np.random.default_rng(0)
    for name in ("1.csv", "2.csv", "test.csv", "val.csv"):
        rows = [
            f"{x:.3f},{['red', 'blue'][i % 2]},{int(x > 0)}"
            for i, x in enumerate(rng.standard_normal(40))
        ]
        Path(name).write_text("\n".join(["x,colour,y", *rows]) + "\n")


def test_several_files_and_parts_beside_them_are_found_again(mlp, parts: None) -> None:
    beside = ("--test-data", "test.csv", "--val-data", "val.csv")
    mlp.ok("train", "--data", "1.csv", "--data", "2.csv", *beside, *SMALL)
    out = json.loads(mlp.ok("evaluate", "m.npz", "--json").out)
    assert (out["split"], out["samples"]) == ("test", 40)
    out = json.loads(mlp.ok("evaluate", "m.npz", "--split", "train", "--json").out)
    assert (out["data"], out["samples"]) == ("1.csv, 2.csv", 80)
    out = json.loads(mlp.ok("evaluate", "m.npz", "--split", "val", "--json").out)
    assert out["samples"] == 40
    Path("2.csv").write_text("x,colour,y\n1,red,0\n")
    code, said = mlp.error("evaluate", "m.npz")
    assert code == 3
    assert said.startswith("1.csv, 2.csv: is not what m.npz was trained on")


def test_files_and_parts_beside_them_are_found_from_anywhere(mlp, parts: None, monkeypatch) -> None:
    """By the path that each was given by, its absolute path, or its name beside the checkpoint."""
    for name in ("models", "away", "else"):
        Path(name).mkdir()
    beside = ("--test-data", "test.csv", "--val-data", "val.csv")
    mlp.ok("train", "--data", "1.csv", *beside, *SMALL, "--stop-after", 1)
    Path("m.npz").rename("models/m.npz")
    own = mlp.ok("evaluate", "models/m.npz", "--json").out
    Path("val.csv").rename("models/val.csv")
    Path("1.csv").rename("away/1.csv")
    for name in ("1.csv", "test.csv", "val.csv"):  # of the same names, and of no use
        Path("else", name).write_text("x,colour,y\n1,red,0\n2,blue,1\n")
    monkeypatch.chdir("else")
    model = str(Path("..", "models", "m.npz"))
    code, said = mlp.error("evaluate", model)
    assert (code, said.split(": ")[1]) == (3, f"is not what {model} was trained on")
    Path("../away/1.csv").rename("../1.csv")
    again = mlp.ok("evaluate", model, "--json").out
    assert json.loads(again)["loss"] == json.loads(own)["loss"]
    mlp.ok("train", "--resume", model, "-q")
    for place in (".", ".."):
        Path(place, "test.csv").unlink()
    wanted = f"test.csv: the --test-data that {model} was trained with are gone; put them beside it"
    assert mlp.error("evaluate", model) == (3, wanted)


def test_the_command_that_repeats_a_run_names_every_file(mlp, parts: None) -> None:
    Path("run.toml").write_text('[data]\ndata = ["1.csv", "2.csv"]\nignore = ["colour"]\n')
    printed = mlp.ok("train", "--config", "run.toml", "--print-config").out
    assert 'data = ["1.csv", "2.csv"]' in printed
    assert 'ignore = ["colour"]' in printed
    printed = mlp.ok("train", "--config", "run.toml", "--data", "1.csv", "--print-config").out
    assert 'data = "1.csv"' in printed


def test_unseen_categories_and_missing_labels_of_new_rows_are_counted(mlp, parts: None) -> None:
    mlp.ok("train", "--data", "1.csv", *SMALL)
    Path("new.csv").write_text("colour,x,y\nteal,1,1\nred,,\nblue,-1,0\n")
    said = mlp.ok("predict", "m.npz", "new.csv")
    assert len(list(csv.reader(io.StringIO(said.out)))) == 4
    assert "new.csv: 1 cell has a category that m.npz does not know" in said.err
    assert "of 2 right" in said.err
    said = mlp.ok("evaluate", "m.npz", "--data", "new.csv")
    assert "1 cell has a category that m.npz does not know" in said.err
    assert "new.csv: 1 row without a label left out" in said.err
    assert "new.csv, all split: 2 samples" in said.out


COLUMNS = ("kind", "id", "a", "b")


@pytest.fixture
def rows() -> list[str]:
    rng = np.random.default_rng(1)
    a, b = rng.standard_normal((2, 120)).round(3)
    return [
        f"{'pos' if u > v else 'neg'},{i},{u},{v}"
        for i, (u, v) in enumerate(zip(a.tolist(), b.tolist(), strict=True))
    ]


@pytest.mark.parametrize("header", [True, False])
def test_a_header_may_be_missing_in_one_of_two_files(mlp, rows: list[str], header: bool) -> None:
    """The label is first, and a column that counts is left out: neither is where others look."""
    files = {True: "\n".join([",".join(COLUMNS), *rows]), False: "\n".join(rows)}
    Path("train.csv").write_text(files[header])
    Path("other.csv").write_text(files[not header])
    label = "kind" if header else "0"
    hidden = ("--hidden", "16", "--epochs", "60", "--embedding", "none", "-o", "m.npz")
    mlp.ok("train", "--data", "train.csv", "--label-column", label, *hidden)
    own = json.loads(mlp.ok("evaluate", "m.npz", "--split", "train", "--json").out)
    assert own["accuracy"] > 0.97
    out = json.loads(mlp.ok("evaluate", "m.npz", "--data", "other.csv", "--json").out)
    assert out["accuracy"] > 0.95
    assert out["samples"] == 120
    one, two = (mlp.ok("predict", "m.npz", name) for name in ("train.csv", "other.csv"))
    assert one.out == two.out
    assert one.err.split(": ")[1] == two.err.split(": ")[1]


def test_options_of_columns_go_into_the_checkpoint(mlp, rows: list[str]) -> None:
    Path("t.csv").write_text("\n".join([",".join(COLUMNS), *rows]))
    said = mlp.ok(
        "train",
        "--data",
        "t.csv",
        "--label-column",
        "Kind",
        "--ignore",
        "B",
        "--group",
        "id",
        *SMALL,
    )
    assert "columns: 1 number; left out: b (--ignore)" in said.err
    assert "120" not in re.sub(r"[\d,]+ samples/s", "", said.err)
    mlp.ok("evaluate", "m.npz")
    code, text = mlp.error("train", "--resume", "m.npz", "--epochs", "9", "--ignore", "a")
    assert code == 2
    assert "--ignore" in text


def test_rows_count_as_a_column_says(mlp) -> None:
    """Weights 1 and 0 are as if the rows of weight 0 were not there; 3 is as if there thrice."""
    rng = np.random.default_rng(2)
    x = rng.standard_normal(400).round(3)
    y = np.where(rng.random(400) < 0.5, x > 0, x < 0)  # half says one thing, half the other
    w = np.where(y == (x > 0), 3, 0)
    rows = [f"{a},{b},{int(c)}" for a, b, c in zip(x, w, y, strict=True)]
    Path("t.csv").write_text("\n".join(["x,w,y", *rows]))
    hidden = ("--hidden", "8", "--epochs", "30", "--embedding", "none", "-o", "m.npz")
    said = mlp.ok("train", "--data", "t.csv", "--sample-weight", "w", *hidden)
    assert "columns: 1 number" in said.err
    Path("new.csv").write_text("x\n-1\n-0.5\n0.5\n1\n")
    assert mlp.ok("predict", "m.npz", "new.csv").out.split() == ["label", "0", "0", "1", "1"]
    mlp.ok("train", "--resume", "m.npz", "--epochs", "31", "-o", "n.npz")
    Path("t.csv").write_text("\n".join(["x,w,y", *rows, "0.1,-2,1", "0.1,,1"]))
    code, text = mlp.error("train", "--data", "t.csv", "--sample-weight", "w", *hidden)
    assert (code, text) == (3, "t.csv: the weight of sample 401 is -2; weights are 0 or more")
    Path("t.csv").write_text("\n".join(["x,w,y", *rows, "0.1,much,1"]))
    assert mlp.error("train", "--data", "t.csv", "--sample-weight", "w", *hidden) == (
        3,
        "t.csv: row 402, column 'w': 'much' is not a number, as most are; correct it",
    )


def test_validation_rows_of_a_file_of_their_own_are_weighed_by_its_column(mlp) -> None:
    """Rows of weight 0 choose no epoch: it is as if they were not there."""
    rng = np.random.default_rng(3)

    def write(name: str, count: int, sign: int, weight: int) -> list[str]:
        x = rng.standard_normal((count, 2)).round(3)
        y = sign * (x[:, 0] - x[:, 1]) + rng.standard_normal(count)
        lines = [f"{b},{a},{int(c > 0)},{weight}" for (a, b), c in zip(x, y, strict=True)]
        Path(name).write_text("\n".join(["b,a,y,w", *lines]) + "\n")
        return lines

    write("train.csv", 150, 1, 2)
    write("val.csv", 60, 1, 5)
    clean = Path("val.csv").read_text()
    noise = write("noise.csv", 90, -1, 0)  # says the reverse
    Path("both.csv").write_text(clean + "\n".join(noise))
    words = ("--data", "train.csv", "--label-column", "y", "--hidden", 30, "--lr", 0.5, "-q")

    def best(val: str, *more: object) -> bytes:
        mlp.ok("train", *words, "--epochs", 20, "--val-data", val, *more, "-o", "m.npz")
        with np.load("m.npz") as file:
            return bytes(file["W1"].tobytes())

    by_weight = best("both.csv", "--sample-weight", "w")
    assert by_weight == best("val.csv", "--sample-weight", "w")
    Path("bare.csv").write_text(clean.replace("y,w", "y").replace(",5\n", "\n"))
    assert by_weight == best("bare.csv", "--sample-weight", "w")
    Path("bare.csv").write_text(Path("both.csv").read_text().replace("y,w", "y,v"))
    assert by_weight != best("bare.csv", "--sample-weight", "w")
    said = mlp.ok(
        "train", *words[:-1], "--epochs", 1, "--val-data", "bare.csv", "--sample-weight", "w"
    )
    assert "bare.csv: has no column 'w': its rows weigh the same" in said.err
    Path("noise.csv").write_text("\n".join(["b,a,y,w", *noise]))
    given = ("train", *words, "--val-data", "noise.csv", "--sample-weight", "w")
    assert mlp.error(*given) == (3, "train.csv: every validation row has the weight 0")
    Path("noise.csv").write_text("\n".join(["b,a,y,w", "1,2,1,1", "1,2,0,-1"]))
    assert mlp.error(*given) == (
        3,
        "train.csv: the validation set: the weight of sample 2 is -1; weights are 0 or more",
    )


@pytest.mark.parametrize("command", ["evaluate", "predict"])
def test_a_header_can_be_insisted_on_in_other_files(mlp, parts: None, command: str) -> None:
    mlp.ok("train", "--data", "1.csv", *SMALL)
    Path("odd.csv").write_text("1,red,1\n2,blue,0\n3,red,1\n")
    words = ("m.npz", "--data", "odd.csv") if command == "evaluate" else ("m.npz", "odd.csv")
    said = mlp.ok(command, *words, "--header", "no")
    assert "3 samples" in said.out or "of 3 right" in said.err
    code, text = mlp.error(command, *words, "--header", "yes")
    assert (code, text.split(";")[0]) == (3, "odd.csv: no column 'x'")


def test_what_was_said_of_a_models_columns_is_not_held_against_an_array(mlp, points: Path) -> None:
    mlp.ok("train", "--data", points, "--numeric", "0", "--epochs", 2, "-q")
    features = [line.split(",")[:2] for line in points.read_text().splitlines()[1:]]
    np.save("rows.npy", np.array(features, np.float64))
    answers = mlp.ok("predict", "model.npz", "rows.npy").out
    assert answers == mlp.ok("predict", "model.npz", points).out


def test_dates_of_new_rows_are_read_in_the_order_of_the_training_rows(mlp) -> None:
    """A single new date leaves it open whether the day or the month comes first."""
    rng = np.random.default_rng(4)
    drawn = rng.integers(1, [13, 29], (200, 2))
    when = [f"{month}/{day}/2021" for month, day in drawn]
    late = [int(cell.split("/")[0]) > 6 for cell in when]
    rows = [f"{cell},{int(y)}" for cell, y in zip(when, late, strict=True)]
    Path("us.csv").write_text("\n".join(["when,y", *rows]) + "\n")
    mlp.ok("train", "--data", "us.csv", "--hidden", 16, "--epochs", 60, "-q")
    Path("new.csv").write_text("when\n3/12/2021\n12/3/2021\n")
    assert mlp.ok("predict", "model.npz", "new.csv").out.split() == ["label", "0", "1"]
    iso = "\n".join("2021-{:0>2}-{:0>2},{}".format(*r.split("/")[:2], r[-1]) for r in rows)
    Path("iso.csv").write_text(f"when,y\n{iso}\n")
    mlp.ok("train", "--data", "iso.csv", "--hidden", 16, "--epochs", 2, "-q")
    assert mlp.error("predict", "model.npz", "new.csv")[1] == (
        "new.csv: row 2, column 'when': '3/12/2021' is not a date that can be read in one way "
        "only; correct it, or leave it empty"
    )


@pytest.mark.parametrize("more", [(), ("--numeric", "colour")])
def test_texts_are_no_numbers_to_predict(mlp, more: tuple[str, ...]) -> None:
    rows = [f"{i % 7},{('red', 'green', 'blue')[i % 3]}" for i in range(40)]
    Path("t.csv").write_text("\n".join(["x,colour", *rows]) + "\n")
    assert mlp.error("train", "--data", "t.csv", "--task", "regression", *more, "-q") == (
        3,
        "t.csv: its labels are text, which no regression can predict; give --task classification, "
        "or another --label-column",
    )


def write_csv(path: str, mark: str, names: list[str], *columns: list[str]) -> None:
    with Path(path).open("w", newline="") as file:
        csv.writer(file, delimiter=mark).writerows([names, *zip(*columns, strict=True)])


@pytest.mark.parametrize(
    ("name", "texts", "table"),
    [
        ("top speed", ["20", "35", "50"], "top speed\n20\n"),
        ("when", ["2020-01-01 12:00", "2021-03-02 00:30"], "when\n2020-01-01 12:00\n"),
        ("town", ["New York", "El Paso", "Rome"], "town\nNew York\nEl Paso\n"),
        ("price", ["$91,518.76", "$17,928.48", "$5.00"], "price\n$91,518.76\n$17,928.48\n"),
        ("a,b", ["5-A", "2-B", "3-C"], "a,b\n5-A\n2-B\n"),
        ("a,b", ["1,000", "2,000", "3,000"], '"a,b"\n"1,000"\n"2,000"\n'),
        ("#n", ["1", "5", "3"], "#n,label\n1,\n5,\n"),
        ("#n", ["yes", "no"], "# n\nyes\n"),
        ("n", ["yes", "no"], "#n,other\nyes,1\n"),
    ],
)
def test_a_models_names_tell_what_separates_cells(mlp, name, texts, table) -> None:
    cells = [texts[i * i % 7 % len(texts)] for i in range(60)]
    write_csv("t.csv", ",", ["k", name, "label"], ["1", "2"] * 30, cells, ["a", "b"] * 30)
    mlp.ok("train", "--data", "t.csv", "--ignore", "k", *SMALL, "-q")
    Path("rows.csv").write_text(table)
    found = mlp.ok("predict", "m.npz", "rows.csv", "--probabilities")
    rows = [text for text in texts if text in table]
    write_csv("plain.csv", ",", ["k", name], ["1"] * len(rows), rows)
    assert found.out == mlp.ok("predict", "m.npz", "plain.csv", "--probabilities").out
    assert "not know" not in found.err


def test_what_a_comma_means_is_what_it_meant_in_training(mlp) -> None:
    """Between commas 64,500 is a whole number, and so it is for that model between semicolons."""
    income = [f"{i * 977 % 90_000 + 1000:,}" for i in range(90)]
    rent = [f"{i * 331 % 9_000 + 1000:,}" for i in range(90)]
    write_csv("t.csv", ",", ["income", "rent"], income, rent)
    write_csv("test.csv", ",", ["income", "rent"], income[:9], rent[:9])
    write_csv("other.csv", ";", ["rent", "income"], rent[:9], income[:9])
    results = []
    for test in ("test.csv", "other.csv"):
        mlp.ok("train", "--data", "t.csv", "--test-data", test, *SMALL, "-q")
        own = json.loads(mlp.ok("evaluate", "m.npz", "--json").out)
        given = json.loads(mlp.ok("evaluate", "m.npz", "--data", test, "--json").out)
        results.append((own["rmse"], given["rmse"], mlp.ok("predict", "m.npz", test).out))
    assert results[0] == results[1]
    answers = [float(line) for line in results[0][2].splitlines()[1:]]
    truth = [float(text.replace(",", "")) for text in rent[:9]]
    rmse = float(np.sqrt(np.mean((np.array(answers) - truth) ** 2)))
    assert results[0][:2] == (pytest.approx(rmse, rel=1e-4), pytest.approx(rmse, rel=1e-4))


def test_of_several_tables_the_first_tells_what_a_comma_means(mlp) -> None:
    numbers = [f"{i * 977 % 90_000 + 1000:,}" for i in range(90)]
    labels = ["a", "b", "b"] * 30
    write_csv("all.csv", ",", ["x", "label"], numbers, labels)
    write_csv("1.csv", ",", ["x", "label"], numbers[:80], labels[:80])
    write_csv("2.csv", ";", ["x", "label"], numbers[80:], labels[80:])
    mlp.ok("train", "--data", "all.csv", *SMALL, "-q")
    one = np.load("m.npz")["W1"]
    mlp.ok("train", "--data", "1.csv", "--data", "2.csv", *SMALL, "-q")
    np.testing.assert_array_equal(np.load("m.npz")["W1"], one)


def test_numbers_with_units_are_read_alike_by_every_command_and_by_the_exported_file(mlp) -> None:
    rows = [(10 + i % 7 / 4, 800 + 13 * i % 500, 2 ** (i % 4), 20 + i % 37 / 8) for i in range(120)]
    text = ["mileage,engine,memory,power"]
    text += [f"{a} kmpl,{b} CC,{c}GB,{d:.3f} bhp" for a, b, c, d in rows]
    plain = [text[0], *(f"{a},{b},{c},{d}" for a, b, c, d in rows)]
    Path("cars.csv").write_text("\n".join(text) + "\n")
    Path("plain.csv").write_text("\n".join(plain) + "\n")
    said = mlp.ok("train", "--data", "cars.csv", "--hidden", "4", "--epochs", "2", "-o", "m.npz")
    assert "columns: 3 numbers; label: power\n" in said.err
    assert "from 10 to 11.5 kmpl" in mlp.ok("show", "m.npz").out
    mlp.ok("train", "--data", "plain.csv", "--hidden", "4", "--epochs", "2", "-o", "p.npz")
    own, other = (json.loads(mlp.ok("evaluate", f"{m}.npz", "--json").out) for m in "mp")
    assert own["rmse"] == pytest.approx(other["rmse"])
    Path("few.csv").write_text("\n".join(text[:50]) + "\n")
    Path("bare.csv").write_text("\n".join(plain[:50]) + "\n")
    scores = [mlp.ok("evaluate", "m.npz", "--data", f"{t}.csv", "--json") for t in ("few", "bare")]
    assert json.loads(scores[0].out)["rmse"] == json.loads(scores[1].out)["rmse"]
    answers = [mlp.ok("predict", "m.npz", table).out for table in ("cars.csv", "plain.csv")]
    assert answers[0] == answers[1]
    model = Model.load("m.npz")
    assert model.predict([["10 kmpl", "800 cc", "1 GB"]]) == model.predict([[10, 800, 1]])
    mlp.ok("export", "m.npz", "m.py")
    done = subprocess.run([sys.executable, "m.py", "cars.csv"], capture_output=True, text=True)
    assert [float(x) for x in done.stdout.split()[1:]] == pytest.approx(
        [float(x) for x in answers[0].split()[1:]], rel=1e-5
    )
    Path("odd.csv").write_text(text[0] + "\n10 mpg,800 CC,1GB,20 bhp\n")
    assert mlp.error("predict", "m.npz", "odd.csv") == (
        3,
        "odd.csv: row 2, column 'mileage': '10 mpg' is not a number; correct it, or leave it empty",
    )
