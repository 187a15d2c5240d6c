"""Defaults by the kind of data: which kind it is, what it takes, and what goes before it."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli.config.config import make_config, resolve
from mlpcli.config.defaults import DEFAULTS, IMAGES, NUMBERS, PLANS, TABLES, kind_of_opened
from mlpcli.config.options import OPTIONS
from mlpcli.config.toml import check_sections
from mlpcli.data import catalog
from mlpcli.data.source import open_data
from mlpcli.runs.model import load
from mlpcli.text import as_typed

OWN = DEFAULTS[TABLES]


def test_every_default_of_a_kind_is_a_value_that_its_option_takes() -> None:
    for own in DEFAULTS.values():
        for name, value in own.items():
            assert OPTIONS[name].kind.check(value) == value
    assert DEFAULTS[IMAGES] == {}


def test_what_a_table_takes_by_default_can_be_taken_back_by_an_option() -> None:
    for name in OWN:
        assert OPTIONS[name].default is not None or name == "lr"


def test_a_table_has_its_own_defaults_and_the_others_of_all() -> None:
    values = make_config({"data": "points.csv"}, TABLES).values()
    for name, option in OPTIONS.items():
        if name not in ("data", "lr"):
            assert values[name] == OWN.get(name, option.default)
    assert values["lr"] == OWN["lr"]


@pytest.mark.parametrize("given", [{"parametrisation": "standard"}, {"init": "glorot"}])
def test_other_initial_weights_have_the_usual_rate_and_penalty(given: dict[str, str]) -> None:
    config, usual = make_config(given, NUMBERS), make_config({"optimizer": "adamw"})
    assert config.model.parametrisation == "standard"
    assert (config.train.lr, config.train.reg) == (usual.train.lr, usual.train.reg)


@pytest.mark.parametrize("optimizer", ["momentum", "sgd", "adam"])
def test_rate_and_decay_of_another_optimizer_are_its_own(optimizer: str) -> None:
    config = make_config({"optimizer": optimizer}, TABLES).train
    usual = make_config({"optimizer": optimizer}).train
    assert (config.lr, config.reg) == (usual.lr, usual.reg)
    assert config.choose == OWN["choose"]


def test_flag_and_file_go_before_the_kind_and_a_resumed_run_keeps_its_own(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text("[train]\nreg = 0.25\n[model]\nhidden = [5]\n")
    config = resolve({"dropout": 0.5}, path, kind_of=lambda data: TABLES)
    assert (config.train.reg, config.model.hidden, config.model.dropout) == (0.25, (5,), 0.5)
    assert config.model.activation == OWN["activation"]
    before = make_config({"hidden": (7,)})
    assert resolve({}, None, before, kind_of=lambda data: TABLES) == before


@pytest.mark.parametrize("kind", DEFAULTS)
def test_what_is_printed_and_the_flags_give_the_same_run(kind: str) -> None:
    config = make_config({"data": "points.csv", "reg": 0.5, "dropout": 0.0, "epochs": 3}, kind)
    printed = check_sections(tomllib.loads(config.to_toml()), "text")
    assert make_config(printed, TABLES) == make_config(printed, IMAGES) == config
    flags = make_config({"data": "points.csv", "loss": "mse"}, kind).to_flags(kind)
    assert flags == ["--data", "points.csv", "--loss", "mse"]


def written(folder: Path) -> dict[str, str]:
    """{what can be trained on, as --data takes it: its kind}."""
    rng = np.random.default_rng(0)
    y = np.arange(40) % 2
    X = rng.integers(0, 256, (40, 4, 4), np.uint8)
    np.savez(folder / "images.npz", X=X, y=y)
    np.savez(folder / "rows.npz", X=X.reshape(40, -1), y=y)
    for name, array in (("images", X), ("rows", X.reshape(40, -1))):
        (folder / name).mkdir()
        np.save(folder / name / "X.npy", array)
        np.save(folder / name / "y.npy", y)
    (folder / "idx").mkdir()
    for part in ("train", "t10k"):
        head = np.array([0x803, 40, 4, 4], ">i4").tobytes()
        (folder / "idx" / f"{part}-images-idx3-ubyte").write_bytes(head + X.tobytes())
        labels = np.array([0x801, 40], ">i4").tobytes() + y.astype(np.uint8).tobytes()
        (folder / "idx" / f"{part}-labels-idx1-ubyte").write_bytes(labels)
    prices = [f"{a},{b}" for a, b in rng.normal(size=(40, 2)).tolist()]
    (folder / "prices.csv").write_text("\n".join(["x,price", *prices]) + "\n")
    lines = [f"{a},{b}" for a, b in zip(rng.normal(size=40), y, strict=True)]
    (folder / "points.csv").write_text("\n".join(["x,label", *lines]) + "\n")
    return {
        **{"images.npz": IMAGES, "rows.npz": TABLES, "images": IMAGES, "rows": TABLES},
        **{
            "idx": IMAGES,
            "points.csv": TABLES,
            "prices.csv": TABLES,
            "penguins": TABLES,
            "digits": IMAGES,
        },
        "spiral": IMAGES,
    }


def test_the_kind_that_is_told_without_opening_is_that_of_the_opened_data(mlp) -> None:
    for source, kind in written(Path()).items():
        assert catalog.kind_of_source(source, None) == kind, source
        data = open_data(source, data_dir=Path("none"))
        assert kind_of_opened(data.source, data.image_shape, "classification") == kind, source
        of_numbers = kind_of_opened(data.source, data.image_shape, "regression")
        assert of_numbers == (NUMBERS if kind == TABLES else kind), source
        printed = tomllib.loads(mlp.ok("train", "--data", source, "--print-config").out)
        assert printed["train"]["choose"] == ("loss" if kind == TABLES else "accuracy"), source


def test_numbers_to_predict_have_their_own_defaults_in_print_config_and_in_the_run(mlp) -> None:
    written(Path())
    asked = ("train", "--data", "prices.csv", "--hidden", 3, "--epochs", 1)
    own = DEFAULTS[NUMBERS]
    for task in ((), ("--task", "regression")):
        printed = tomllib.loads(mlp.ok(*asked, *task, "--lr", 0.5, "--print-config").out)
        run = mlp.ok(*asked, *task, "--lr", 0.5, "--json", "--dry-run").json
        for found in (printed, run["config"]):
            assert found["model"]["activation"] == own["activation"]
            assert found["model"]["dropout"] == own["dropout"]
            assert found["train"]["reg"] == own["reg"]
            assert found["train"]["lr"] == 0.5
            assert found["model"]["hidden"] == [3]
    classes = ("--task", "classification", "--print-config")
    printed = tomllib.loads(mlp.ok(*asked, *classes).out)
    assert printed["model"]["activation"] == OWN["activation"]


def test_the_run_of_a_printed_config_and_a_resumed_one_keep_values_of_another_kind(mlp) -> None:
    written(Path())
    given = ("--data", "prices.csv", "--activation", "mish", "--dropout", 0.2, "--hidden", 3)
    Path("run.toml").write_text(mlp.ok("train", *given, "--print-config").out)
    mlp.ok("train", "--config", "run.toml", "--epochs", 1)
    config = load(Path("model.npz")).config
    assert (config.model.activation, config.model.dropout) == ("mish", 0.2)
    mlp.ok("train", "--resume", "model.npz", "--epochs", 2)
    assert load(Path("model.npz")).config.model == config.model
    Path("prices.csv").unlink()  # which has nothing to say of what a run that goes on takes
    printed = tomllib.loads(mlp.ok("train", "--resume", "model.npz", "--print-config").out)
    assert (printed["model"]["activation"], printed["model"]["dropout"]) == ("mish", 0.2)
    assert printed["train"]["epochs"] == 2


def test_other_data_are_tables_unless_they_are_said_to_be_images() -> None:
    assert catalog.kind_of_source(None, None) == IMAGES
    assert catalog.kind_of_source(("a.csv", "b.csv"), None) == TABLES
    assert catalog.kind_of_source("-", None) == TABLES
    assert catalog.kind_of_source("pixels.csv", (28, 28)) == IMAGES
    assert catalog.kind_of_source("there is no such.npz", None) == TABLES
    assert catalog.kind_of_source("there is no such folder", None) == TABLES


def test_the_first_line_says_it_and_the_plan_is_the_kinds(mlp, points: Path, checkpoints) -> None:
    told = "the defaults are those for tables (--print-config shows them)"
    outcome = mlp.ok("train", "--data", points, "--hidden", 2, "--stop-after", 1)
    assert outcome.err.splitlines()[0].endswith(told)
    steps = max(PLANS[TABLES].steps, PLANS[TABLES].epochs)
    plan = checkpoints.meta("model.npz")["config"]["train"]
    assert plan["epochs"] == steps  # 65 rows are one batch
    assert told not in mlp.ok("train", "--data", "digits", "--hidden", 2, "--epochs", 1).err
    again = mlp.ok("train", "--resume", "model.npz", "--epochs", steps + 1, "--stop-after", 2).err
    assert told not in again


def test_help_shows_the_defaults_of_each_kind(mlp) -> None:
    text = " ".join(mlp.ok("train", "--help").out.split())
    for name, value in OWN.items():
        other, shown = DEFAULTS[NUMBERS][name], as_typed(value)
        shown += "" if other == value else f"; for tables with numbers to predict {as_typed(other)}"
        assert f"for tables {shown}]" in text, name


def best_epoch(mlp: Any, *options: object) -> int:
    still = ("--data", "points.csv", "--hidden", 3, "--epochs", 4, "--lr", 1e-30, "--json")
    epoch: int = mlp.ok("train", *still, "--reg", 0, "--average", "none", *options).json[
        "best_epoch"
    ]
    return epoch


def test_of_equally_good_epochs_the_last_is_kept_by_loss_and_the_first_by_accuracy(
    mlp, points: Path
) -> None:
    assert best_epoch(mlp, "--choose", "loss") == 4
    assert best_epoch(mlp, "--choose", "accuracy") == 1
    assert best_epoch(mlp, "--choose", "last") == 4


@pytest.mark.parametrize("choose", ["loss", "last"])
def test_the_epoch_that_is_kept_is_the_one_that_was_asked_for(
    choose: str, mlp, points: Path
) -> None:
    options = ("--hidden", 8, "--lr", 0.05, "--epochs", 30, "--log", "m.jsonl", "--json")
    found = mlp.ok("train", "--data", points, *options, "--choose", choose).json
    lines = [json.loads(line) for line in Path("m.jsonl").read_text().splitlines()]
    losses = [line["val_loss"] for line in lines if line["event"] == "epoch"]
    wanted = 30 if choose == "last" else 1 + losses.index(min(losses))
    assert found["best_epoch"] == wanted
    assert found["validation"]["loss"] == pytest.approx(losses[wanted - 1], rel=1e-6)


def test_patience_without_a_choice_is_refused(mlp, points: Path) -> None:
    assert mlp.error("train", "--data", points, "--choose", "last", "--patience", 3) == (
        2,
        "--patience waits for a better epoch; give --choose loss or accuracy",
    )
