"""Committees: each member is fed as it was trained, from the same rows; the rest is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli.runs.model import load

NET = ("--hidden", "8", "--epochs", "30", "--batch-size", "10", "-q")


def write(name: str, columns: list[str], rows: list[dict[str, Any]], *, header: bool = True) -> str:
    lines = [",".join(columns)] if header else []
    lines += [",".join(str(row[column]) for column in columns) for row in rows]
    Path(name).write_text("\n".join(lines) + "\n")
    return name


@pytest.fixture
def rows(mlp) -> list[dict[str, Any]]:
    """120 rows of three classes that two of the columns, of very different scales, tell apart."""
    rng = np.random.default_rng(1)
    made = []
    for index in range(120):
        k = index % 3
        small, large = rng.normal(k, 0.1), rng.normal(1000 * (k == 1), 50)
        made.append(
            {
                "small": f"{small:.4f}",
                "large": f"{large:.1f}",
                "kind": "xyz"[k],
                "other": "uv"[k % 2],
            }
        )
    return made


def accuracy(mlp, *arguments: object) -> float:
    value: float = mlp.ok("evaluate", *arguments, "--json").json["accuracy"]
    return value


def test_members_trained_on_permuted_columns_are_each_fed_their_own(mlp, rows) -> None:
    one = write("one.csv", ["small", "large", "kind"], rows)
    two = write("two.csv", ["kind", "large", "small"], rows)
    mlp.ok("train", "--data", one, *NET, "-o", "a.npz")
    mlp.ok("train", "--data", two, "--label-column", "kind", *NET, "-o", "b.npz")
    assert accuracy(mlp, "a.npz") == accuracy(mlp, "b.npz") == 1
    for files in (("a.npz", "b.npz"), ("b.npz", "a.npz")):
        outcome = mlp.ok("evaluate", *files, "--data", one)
        each = [line for line in outcome.out.splitlines() if "accuracy" in line][:3]
        assert len(each) == 3
        assert all("accuracy 100.00 %" in line for line in each), outcome.out
        assert accuracy(mlp, *files) == 1  # on the first one's own test rows


def test_members_may_take_different_columns(mlp, rows) -> None:
    one = write("one.csv", ["small", "large", "kind"], rows)
    two = write("two.csv", ["small", "kind"], rows)
    mlp.ok("train", "--data", one, *NET, "-o", "a.npz")
    mlp.ok("train", "--data", two, *NET, "-o", "b.npz")
    assert accuracy(mlp, "a.npz", "b.npz") > 0.95
    code, said = mlp.error("evaluate", "b.npz", "a.npz")
    assert code == 3
    assert said.startswith("a.npz: cannot be asked what b.npz is asked: two.csv: ")
    assert "large" in said


def test_a_table_for_testing_is_opened_for_each_member_too(mlp) -> None:
    """Its categories are more than the training rows', so that one member alone knows of them."""
    lines = [f"{k % 10 / 10},{'ab'[k % 3 == 0]},{'ny'[k % 10 > 4]}" for k in range(90)]
    Path("train.csv").write_text("\n".join(["x,c,label", *lines]) + "\n")
    Path("test.csv").write_text("\n".join(["x,c,label", "0.1,z,n", *lines[:29]]) + "\n")
    about = ("train", "--data", "train.csv", "--test-data", "test.csv", "--epochs", 2)
    mlp.ok(*about, "-o", "both.npz")
    mlp.ok(*about, "--ignore", "c", "-o", "x.npz")
    labels = [line[-1] for line in Path("test.csv").read_text().split()[1:]]
    probs = np.zeros((30, 2))
    for model in ("both.npz", "x.npz"):
        lines = mlp.ok("predict", model, "test.csv", "--probabilities").out.split()[1:]
        probs += np.array([line.split(",")[1:] for line in lines], float) / 2
    loss = -np.mean(
        [np.log(row["ny".index(label)]) for row, label in zip(probs, labels, strict=True)]
    )
    for order in (("both.npz", "x.npz"), ("x.npz", "both.npz")):
        found = mlp.ok("evaluate", *order, "--json").json
        assert (found["samples"], found["loss"]) == (30, pytest.approx(loss, rel=1e-4))


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_each_split_is_opened_for_each_member(mlp, rows, split: str) -> None:
    for name, part in (("t", rows[:60]), ("v", rows[60:90]), ("s", rows[90:])):
        write(f"{name}.csv", ["small", "large", "kind"], part)
    tables = ("--data", "t.csv", "--val-data", "v.csv", "--test-data", "s.csv")
    mlp.ok("train", *tables, "--ignore", "large", *NET, "-o", "small.npz")
    mlp.ok("train", *tables, "--ignore", "small", *NET, "-o", "large.npz")
    alone = [mlp.ok("evaluate", f"{m}.npz", "--split", split).out for m in ("small", "large")]
    both = mlp.ok("evaluate", "small.npz", "large.npz", "--split", split).out.splitlines()
    assert both[1:3] == [said.splitlines()[1] for said in alone]


@pytest.fixture
def apart(mlp, rows) -> tuple[str, str]:
    """Two models, each of one column of the table, and of a category or of none."""
    table = write("t.csv", ["small", "large", "other", "kind"], rows)
    mlp.ok("train", "--data", table, "--only", "small", *NET, "-o", "small.npz")
    mlp.ok("train", "--data", table, "--ignore", "small", *NET, "-o", "large.npz")
    return "small.npz", "large.npz"


def test_a_row_is_answered_by_all_members_or_by_none_in_any_order(mlp, apart) -> None:
    lines = ["1,900,u", "1,x,u", "y,900,v", "1,,w", "z,900,q", ",1,u"]
    Path("new.csv").write_text("\n".join(["small,large,other", *lines]) + "\n")
    for files in (apart, apart[::-1]):
        outcome = mlp("predict", *files, "new.csv", "-q", "--probabilities")
        assert outcome.code == 3
        answers = outcome.out.splitlines()[1:]
        assert [answer == ",,," for answer in answers] == [False, True, True, False, True, False]
        *warnings, last = mlp("predict", *files, "new.csv").err.splitlines()
        assert last == (
            "mlp: 3 of 6 have no answer; the first: new.csv: row 3, column 'large': 'x' is not a "
            "number; correct it, or leave it empty"
        )
        assert warnings == [
            "new.csv: 2 cells have categories that a model of the committee does not know",
            "warning: new.csv: row 4, column 'small': 'y' is not a number; correct it, or leave it "
            "empty",
            "warning: new.csv: row 6, column 'small': 'z' is not a number; correct it, or leave it "
            "empty",
        ]
        said = mlp("predict", *files, "new.csv", "-q", "--json").json
        assert (said["unseen"], said["missing"]) == (2, 2)


def test_what_a_table_has_that_only_a_later_member_takes_is_said(mlp, apart, rows) -> None:
    rows[3]["other"] = "w"
    other = write("other.csv", ["small", "large", "other", "kind"], rows)
    for files in (apart, apart[::-1]):
        said = mlp.ok("evaluate", *files, "--data", other).err
        assert said == "warning: other.csv: 1 cell has a category that large.npz does not know\n"


def test_a_column_that_one_member_takes_for_lenient_numbers_is_read_so_for_it_alone(
    mlp, rows
) -> None:
    rows[0]["large"] = "none so far"
    table = write("t.csv", ["small", "large", "kind"], rows)
    plain = write("plain.csv", ["small", "large", "kind"], rows[1:])
    mlp.ok("train", "--data", plain, "--only", "small", *NET, "-o", "small.npz")
    mlp.ok("train", "--data", plain, "--ignore", "small", *NET, "-o", "strict.npz")
    numeric = ("--numeric", "large", "--ignore", "small")
    mlp.ok("train", "--data", table, *numeric, *NET, "-o", "lenient.npz")
    for files in (("small.npz", "lenient.npz"), ("lenient.npz", "small.npz")):
        assert mlp.ok("predict", *files, table).out.count("\n") == 121
    for files in (("strict.npz", "lenient.npz"), ("lenient.npz", "strict.npz")):
        assert mlp("predict", *files, table).code == 3


def test_the_committees_answer_is_the_mean_of_the_members(mlp, rows) -> None:
    one = write("one.csv", ["small", "large", "kind"], rows)
    two = write("two.csv", ["kind", "large", "small"], rows)
    mlp.ok("train", "--data", one, "--hidden", 4, "--epochs", 2, "-q", "-o", "a.npz")
    other = ("--label-column", "kind", "--scale", "none", "--activation", "tanh")
    mlp.ok("train", "--data", two, *other, "--hidden", 4, "--epochs", 2, "-q", "-o", "b.npz")
    probs = []
    for file, data in (("a.npz", one), ("b.npz", two)):
        lines = mlp.ok("predict", file, data, "--probabilities").out.splitlines()[1:]
        probs.append([[float(p) for p in line.split(",")[1:]] for line in lines])
    mean = np.mean(probs, axis=0)
    labels = ["xyz".index(row["kind"]) for row in rows]
    expected = -np.log(mean[np.arange(len(labels)), labels]).mean()
    said = mlp.ok(
        "evaluate", "a.npz", "b.npz", "--data", write("c.csv", list(rows[0]), rows), "--json"
    )
    assert said.json["loss"] == pytest.approx(expected, rel=1e-4)


def test_members_that_know_other_categories_are_each_read_their_own(mlp) -> None:
    """With another seed, other categories are among the training rows, or numbered otherwise."""
    rng = np.random.default_rng(0)
    places = rng.integers(60, size=240)
    label = np.where((places % 2 == 0) ^ (rng.random(240) < 0.03), "yes", "no")
    made = [
        {"x": f"{x:.3f}", "place": f"c{place:02d}", "label": said}
        for x, place, said in zip(rng.normal(size=240), places, label, strict=True)
    ]
    data = write("places.csv", ["x", "place", "label"], made)
    later = write("later.csv", ["place", "x", "label"], made[::-1])
    probs, known = [], []
    for seed in (1, 2):
        file = f"{seed}.npz"
        mlp.ok("train", "--data", data, "--seed", seed, "--hidden", 16, "-q", "-o", file)
        lines = mlp.ok("predict", file, later, "--probabilities").out.splitlines()[1:]
        probs.append([[float(p) for p in line.split(",")[1:]] for line in lines])
        known.append(load(Path(file)).encoding.columns)
    assert known[0] != known[1]
    mean = np.mean(probs, axis=0)
    right = ["no", "yes"].index
    expected = -np.log([p[right(row["label"])] for p, row in zip(mean, made[::-1], strict=True)])
    for files in (("1.npz", "2.npz"), ("2.npz", "1.npz")):
        said = mlp.ok("evaluate", *files, "--data", later, "--label-column", "label", "--json").json
        assert said["loss"] == pytest.approx(expected.mean(), rel=1e-3)
        assert accuracy(mlp, *files) > 0.9
    mlp.ok("export", "1.npz", "2.npz", "places.py")


def test_another_label_column_of_the_same_file_is_another_question(mlp, rows) -> None:
    for row in rows:
        row["kind"] = "xyz".index(row["kind"])
        row["twin"] = (row["kind"] + 1) % 3
    data = write("one.csv", ["small", "large", "kind", "twin"], rows)
    plain = write("plain.csv", ["small", "large", "kind", "twin"], rows, header=False)
    for file, source, label in (
        ("a.npz", data, "kind"),
        ("b.npz", data, "twin"),
        ("c.npz", plain, "2"),
        ("d.npz", plain, "3"),
    ):
        mlp.ok("train", "--data", source, "--label-column", label, *NET, "-o", file)
    assert mlp.error("evaluate", "a.npz", "b.npz") == (
        3,
        "b.npz: predicts twin, a.npz predicts kind: they cannot be a committee",
    )
    code, said = mlp.error("evaluate", "c.npz", "d.npz")
    assert code == 3
    assert said.startswith("d.npz: cannot be asked what c.npz is asked: it takes its labels from")


def test_pixels_of_another_scale_are_refused(mlp) -> None:
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (60, 4, 4)).astype(np.uint8)
    y = (X[:, 0].mean(axis=1) > X[:, 3].mean(axis=1)).astype(int)
    np.savez("bytes.npz", X=X, y=y)
    mlp.ok("train", "--data", "bytes.npz", "--hidden", 4, "--epochs", 1, "-q", "-o", "a.npz")
    mlp.ok("train", "--data", "digits", "--hidden", 4, "--epochs", 1, "-q", "-o", "b.npz")
    code, said = mlp.error("evaluate", "a.npz", "b.npz")
    assert code == 3
    assert said == "b.npz: takes 64 inputs, a.npz takes 16: they cannot be a committee"


def test_numbers_of_members_that_standardise_otherwise_are_averaged_in_their_unit(mlp) -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(200, 2))
    y = 1000 + 50 * x[:, 0] + 20 * x[:, 1]
    table = "\n".join(f"{a:.4f},{b:.4f},{t:.3f}" for (a, b), t in zip(x, y, strict=True))
    Path("t.csv").write_text(f"a,b,target\n{table}\n")
    skewed = "\n".join(line for line in table.splitlines() if float(line.split(",")[2]) > 1000)
    Path("s.csv").write_text(f"a,b,target\n{skewed}\n")
    net = (*mlp.PLAIN, "--hidden", "none", "--epochs", 200)
    fit = (*net, "--reg", 0, "--batch-size", 20, "-q")
    mlp.ok("train", "--data", "t.csv", *fit, "-o", "a.npz")
    mlp.ok("train", "--data", "s.csv", *fit, "-o", "b.npz")
    alone = mlp.ok("evaluate", "b.npz", "--data", "t.csv", "--json").json["rmse"]
    assert alone < 1
    assert mlp.ok("evaluate", "a.npz", "b.npz", "--json").json["rmse"] < 1
    assert mlp.ok("evaluate", "b.npz", "a.npz", "--json").json["rmse"] < 1


def test_an_export_is_of_one_row_for_all(mlp, rows) -> None:
    one = write("one.csv", ["small", "large", "kind"], rows)
    two = write("two.csv", ["kind", "large", "small"], rows)
    mlp.ok("train", "--data", one, *NET, "-o", "a.npz")
    mlp.ok("train", "--data", two, "--label-column", "kind", *NET, "-o", "b.npz")
    assert mlp.error("export", "a.npz", "b.npz", "c.py") == (
        3,
        "b.npz: takes other columns than a.npz, or in another order; export each by itself",
    )
