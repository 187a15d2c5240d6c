"""Tables as people have them, through every command."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

SMALL = ("--hidden", "8", "--epochs", "3", "-o", "m.npz")


def test_penguins_are_classified_by_default(mlp) -> None:
    said = mlp.ok("train", "--data", "penguins", *SMALL)
    assert "columns: 5 numbers, 2 categories (island, sex)" in said.err
    out = json.loads(mlp.ok("evaluate", "m.npz", "--json").out)
    assert (out["samples"], out["task"]) == (69, "classification")


def test_penguins_are_a_table_whose_label_can_be_chosen(mlp) -> None:
    said = mlp.ok("train", "--data", "penguins", "--label-column", "body_mass_g", *SMALL)
    assert "penguins: 2 rows without a label left out" in said.err
    assert "columns: 4 numbers, 3 categories (species, island, sex)" in said.err
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
