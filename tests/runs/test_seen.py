"""Who has seen what: no figure is of rows that a model, or what it started from, learned from."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from mlpcli.runs.model import load

NET = (
    *("--hidden", "16", "--activation", "relu", "--dropout", "0", "--average", "none"),
    *("--optimizer", "adam", "--lr", "0.01", "--batch-size", "full", "-q"),
)


@pytest.fixture
def noise(mlp) -> Path:
    """Labels that nothing can be learned of, but that can be remembered: 100 rows, 10 columns."""
    rng = np.random.default_rng(0)
    lines = [",".join(f"{x:.3f}" for x in row) for row in rng.normal(size=(100, 10))]
    heads = ",".join(f"x{j}" for j in range(10))
    rows = [f"{line},{'ab'[i % 2]}" for i, line in enumerate(lines)]
    path = Path("noise.csv")
    path.write_text("\n".join([f"{heads},label", *rows]) + "\n")
    return path


def train(mlp, data: Path, output: str, *options: object) -> str:
    """What is said on stderr, by a run that remembers its rows if it has epochs enough."""
    said: str = mlp.ok("train", "--data", data, *NET, *options, "-o", output).err
    return said


def warned(mlp, *arguments: object) -> str:
    """What `evaluate` says on stderr, but for how little the model learned."""
    lines = mlp.ok("evaluate", *arguments).err.splitlines(keepends=True)
    return "".join(line for line in lines if "always answering" not in line)


def test_after_init_from_a_model_that_saw_all_no_figure_of_noise_looks_good(mlp, noise) -> None:
    train(mlp, noise, "all.npz", "--val-fraction", 0, "--test-fraction", 0, "--epochs", 300)
    assert mlp.ok("evaluate", "all.npz", "--json").json["accuracy"] > 0.95
    mlp.ok("train", "--data", noise, *NET[:-1], "--epochs", 1, "--init-from", "all.npz", "-q")
    for split, count in (("val", 8), ("test", 20)):
        assert mlp.error("evaluate", "model.npz", "--split", split) == (
            3,
            f"model.npz: started from all.npz, which was trained on all {count} {split} rows of "
            "noise.csv, which cannot test it; evaluate it on other rows, by --data",
        )
    mlp.ok("evaluate", "model.npz", "--split", "train")
    assert warned(mlp, "all.npz", "--split", "train") == ""


@pytest.fixture
def parts(noise) -> tuple[str, str, str]:
    """The rows in three tables."""
    head, *lines = noise.read_text().splitlines()
    for name, some in (("t.csv", lines[:60]), ("v.csv", lines[60:80]), ("s.csv", lines[80:])):
        Path(name).write_text("\n".join([head, *some]) + "\n")
    return "t.csv", "v.csv", "s.csv"


SAME = "was trained on rows of the same table, perhaps on"


def test_a_table_that_had_others_beside_it_is_known_again_by_itself(mlp, parts) -> None:
    t, v, s = parts
    train(mlp, t, "apart.npz", "--val-data", v, "--test-data", s, "--epochs", 1)
    train(mlp, t, "joined.npz", "--data", v, "--epochs", 1)
    warning = f"warning: {{}} {SAME} these: on new rows it may do worse\n"
    for model, source, seen in (
        ("apart.npz", t, True),
        ("apart.npz", v, False),
        ("apart.npz", s, False),
        ("joined.npz", t, True),
        ("joined.npz", v, True),
        ("joined.npz", s, False),
    ):
        Path("copy.csv").write_bytes(Path(source).read_bytes())
        said = warned(mlp, model, "--data", "copy.csv")
        assert said == (warning.format(model) if seen else "")
    assert warned(mlp, "apart.npz") == ""
    for split, source in (("val", v), ("test", s)):
        train(mlp, source, "other.npz", "--epochs", 1)
        said = warned(mlp, "apart.npz", "other.npz", "--split", split)
        assert said == warning.format("other.npz")


def test_a_run_from_a_model_that_saw_its_table_beside_others_says_so(mlp, parts) -> None:
    t, v, s = parts
    train(mlp, t, "apart.npz", "--val-data", v, "--test-data", s, "--epochs", 1)
    again = (*NET[:-1], "--init-from", "apart.npz", "--epochs", 1, "-o", "new.npz")
    said = mlp.ok("train", "--data", t, *again).err
    assert f"warning: apart.npz {SAME} the val rows, whose figures may be too good\n" in said
    said = warned(mlp, "new.npz")
    assert said.startswith(f"warning: new.npz: started from apart.npz, which {SAME} these")
    said = mlp.ok("train", "--data", t, "--val-data", v, "--test-data", s, *again).err
    assert "warning" not in said
    assert warned(mlp, "new.npz") == ""


def test_training_says_which_held_out_rows_were_trained_on_before(mlp, noise) -> None:
    train(mlp, noise, "one.npz", "--epochs", 1, "--seed", 1)
    options = ("--data", noise, *NET[:-1], "--epochs", 1, "--init-from", "one.npz")
    said = mlp.ok("train", *options).err
    assert "warning: one.npz was trained on " in said
    assert "val rows, whose figures will be too good; --val-fraction 0.1 --seed 1" in said
    assert "warning" not in mlp.ok("train", *options, "--seed", 1).err


def test_the_same_split_goes_on_from_run_to_run(mlp, noise) -> None:
    train(mlp, noise, "0.npz", "--epochs", 1)
    for number in range(1, 4):
        train(mlp, noise, f"{number}.npz", "--epochs", 1, "--init-from", f"{number - 1}.npz")
    assert [a.path for a in load(Path("3.npz")).ancestors] == ["0.npz", "1.npz", "2.npz"]
    for split in ("train", "val", "test"):
        mlp.ok("evaluate", "3.npz", "--split", split)


def test_an_ancestor_far_back_is_not_forgotten_nor_by_resuming(mlp, noise) -> None:
    train(mlp, noise, "0.npz", "--epochs", 1, "--test-fraction", 0.05)
    train(mlp, noise, "1.npz", "--epochs", 1, "--init-from", "0.npz")
    train(mlp, noise, "2.npz", "--epochs", 2, "--init-from", "1.npz", "--stop-after", 1)
    mlp.ok("train", "--resume", "2.npz", "-q")
    code, said = mlp.error("evaluate", "2.npz")
    assert code == 3
    assert said.startswith("2.npz: started from 0.npz, which was trained on 15 of the 20 test rows")


def test_an_ancestor_of_the_same_name_is_told_from_the_model_itself(mlp, noise) -> None:
    train(mlp, noise, "m.npz", "--epochs", 1, "--test-fraction", 0, "--val-fraction", 0)
    train(mlp, noise, "next.npz", "--epochs", 1, "--init-from", "m.npz")
    Path("next.npz").replace("m.npz")
    code, said = mlp.error("evaluate", "m.npz")
    assert code == 3
    assert said.startswith("m.npz: started from m.npz, which was trained on all 20 test rows")


def test_members_are_protected_in_any_order(mlp, noise) -> None:
    for test_fraction in (0.1, 0.2, 0.4):
        train(mlp, noise, f"{test_fraction}.npz", "--epochs", 1, "--test-fraction", test_fraction)
    for files in itertools.permutations(("0.1.npz", "0.2.npz", "0.4.npz")):
        code, said = mlp.error("evaluate", *files) if files[0] != "0.1.npz" else (3, "")
        assert code == 3
        if said:
            assert "test rows of noise.csv, which cannot test it" in said
            assert said.endswith("or each model by itself")


def test_the_rows_counted_are_those_that_were_trained_on(mlp, noise) -> None:
    """By hand: what is in the test part at one fraction and in the training part at another."""
    train(mlp, noise, "a.npz", "--epochs", 1, "--test-fraction", 0.4)
    train(mlp, noise, "b.npz", "--epochs", 1, "--test-fraction", 0.1, "--seed", 3)
    code, said = mlp.error("evaluate", "a.npz", "b.npz")
    # Held out by b: 10 of the 40 (the draws are nested), and of the other 30 its 9 to validate
    # can be among them: between 21 and 30 were trained on.
    seen = int(said.split(" was trained on ")[1].split(" of the 40 test rows")[0])
    assert code == 3
    assert 21 <= seen <= 30


def test_other_data_that_were_trained_on_are_said_once(mlp, noise, points) -> None:
    points.write_text("\n".join(points.read_text().splitlines()[:61]) + "\n")
    other = Path("other.csv")
    rows = noise.read_text().splitlines()
    other.write_text("\n".join([rows[0], *rows[1:51]]) + "\n")
    train(mlp, noise, "base.npz", "--epochs", 1)
    train(mlp, other, "model.npz", "--epochs", 1, "--init-from", "base.npz")
    outcome = mlp.ok("evaluate", "model.npz", "--data", noise)
    (line,) = outcome.err.splitlines()
    assert line == (
        "warning: model.npz: started from base.npz, which was trained on 72 of the 100 all rows of "
        "noise.csv: on new rows it will do worse"
    )


def test_of_an_unknown_ancestor_it_is_said(mlp, noise, checkpoints) -> None:
    train(mlp, noise, "model.npz", "--epochs", 1)
    meta = checkpoints.meta("model.npz")
    meta["ancestors"] = [{"path": "old.npz", "saw": "unknown"}]
    checkpoints.rewrite("model.npz", meta=json.dumps(meta))
    assert warned(mlp, "model.npz") == (
        "warning: model.npz: started from old.npz, which does not say what it was trained on: "
        "perhaps on rows of noise.csv\n"
    )
    assert warned(mlp, "model.npz", "--split", "train") == ""
