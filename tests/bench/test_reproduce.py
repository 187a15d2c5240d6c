"""The rows of `make reproduce` and `make records`, and that a run which is done is not lost."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from mlpcli.config.config import check_flag, make_config
from mlpcli.config.kinds import Switch
from mlpcli.config.options import OPTIONS
from mlpcli.config.toml import read_config
from mlpcli.runs import build
from mlpcli.runs.material import prepare

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.toml"))

configs = pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "reproduce", Path(__file__).with_name("reproduce.py")
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["reproduce"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def reproduce(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    module = load()
    monkeypatch.setattr(module, "BUILD", tmp_path)
    monkeypatch.setattr(module, "RESULTS", tmp_path / "results.jsonl")
    return module


def test_every_config_is_a_row_and_every_row_a_config(reproduce: Any) -> None:
    assert {row.config for row in reproduce.ROWS} == {path.stem for path in CONFIGS}


@configs
def test_every_config_is_valid_and_says_what_it_is(path: Path) -> None:
    assert path.read_text().startswith("# ")
    config = make_config(read_config(path))
    assert config.train.epochs is not None  # fixed, so that the command is the result


@configs
def test_flags_give_the_same_run_as_the_config(path: Path) -> None:
    config = make_config(read_config(path))
    words = iter(config.to_flags())
    given = {}
    for flag in words:
        name = flag.removeprefix("--").replace("-", "_")
        switch = isinstance(OPTIONS[name].kind, Switch)
        given[name] = True if switch else check_flag(name, next(words))
    assert make_config(given) == config


def test_a_figure_is_reached_from_below_or_from_above(reproduce: Any) -> None:
    error = reproduce.Row("simard-plain", "", "error", 1.6, 1.5)
    accuracy = reproduce.Row("note", "", "accuracy", 93.0, 93.0)
    assert error.reaches(1.4, 1.5)
    assert not error.reaches(1.6, 1.5)
    assert accuracy.reaches(93.0, 93.0)
    assert not accuracy.reaches(92.9, 93.0)
    runs = [{"value": 1.7, "seconds": 9.0}, {"value": 1.5, "seconds": 11.0}]
    assert reproduce.line(error, runs) == (
        "| `simard-plain` |  | error | 1.60 | 1.50 | 1.60 ± 0.14 (not reached) | 2 | 10 |"
    )


def test_a_run_that_is_done_is_put_down_at_once_and_not_repeated(
    reproduce: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = reproduce.Row("spiral-linear", "CS231n", "train", 49.0, 49.0, seeds=2)
    runs = reproduce.results(row, 1, again=False)
    lines = [json.loads(line) for line in reproduce.RESULTS.read_text().splitlines()]
    assert lines == runs
    assert [(r["config"], r["seed"]) for r in runs] == [("spiral-linear", 0), ("spiral-linear", 1)]
    assert runs[0]["command"] == (
        "mlp train --config configs/spiral-linear.toml --seed 0 --threads 1"
    )
    assert 45 < runs[0]["value"] < 60

    monkeypatch.setattr(reproduce, "run", lambda *_: pytest.fail("it was repeated"))
    assert reproduce.results(row, 1, again=False) == runs
    monkeypatch.setattr(reproduce, "run", lambda *_: {"value": 1.0, "seconds": 1.0})
    assert [r["value"] for r in reproduce.results(row, 1, again=True)] == [1.0, 1.0]


def test_a_run_that_was_stopped_is_resumed(reproduce: Any, mlp: Any, monkeypatch: Any) -> None:
    row = reproduce.Row("spiral-linear", "CS231n", "train", 49.0, 49.0)
    monkeypatch.chdir(reproduce.ROOT)
    checkpoint = reproduce.BUILD / "runs" / "spiral-linear-3.npz"
    words = reproduce.train(row, 3)
    mlp.ok(*words, "-o", checkpoint, "--stop-after", 50, "-q")
    assert reproduce.is_of(checkpoint, row, 3)
    assert not reproduce.is_of(checkpoint, row, 4)
    result = reproduce.run(row, 3, 1)
    mlp.ok(*words, "-o", reproduce.BUILD / "whole.npz", "-q")
    whole = reproduce.evaluate(row, [reproduce.BUILD / "whole.npz"])
    assert result["value"] == whole
    assert len(json.loads(mlp.ok("show", checkpoint, "--json").out)["models"][0]["history"]) == 200


def test_the_best_epoch_on_the_test_rows_is_counted(
    reproduce: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = reproduce.Row("note", "", reproduce.BEST[0], 95.42, 95.0)
    monkeypatch.setattr(reproduce, "ROWS", [row])
    options = {"data": "digits", "hidden": (8,), "epochs": 6, "lr": 0.5, "seed": 1}
    monkeypatch.setattr(reproduce, "_config", lambda row, seed: make_config(options))
    result = reproduce.best_of_epochs("note", 1)
    after_each = []
    for epoch in range(1, 7):
        config = make_config(options | {"stop_after": epoch})
        material = prepare(config, Path())
        net = build.network(config, *material.sizes)
        for _ in build.trainer(config, material, net).epochs(epoch, lambda: None):
            pass
        test = material.splits.test
        assert test is not None
        answers = net.predict_proba(test.X[test.rows] / 16).argmax(axis=1)
        after_each.append(100 * float(np.mean(answers == test.y[test.rows])))
    assert result["value"] == pytest.approx(max(after_each))


def test_a_committee_is_counted_as_one(reproduce: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    row = reproduce.Row("committee", "", "error", 0.39, 0.5, seeds=3, committees=1)
    seen = []
    monkeypatch.setattr(reproduce, "run", lambda *_: {"value": 1.0, "seconds": 5.0})
    monkeypatch.setattr(reproduce, "evaluate", lambda _, paths: seen.extend(paths) or 0.4)
    ((result),) = reproduce.results(row, 2, again=False)
    assert (result["value"], result["seconds"]) == (0.4, 15.0)
    assert reproduce.line(row, [result]) == (
        "| `committee` |  | error | 0.39 | 0.50 | 0.40 | 3 together | 15 |"
    )
    assert [path.name for path in seen] == [f"committee-{seed}.npz" for seed in range(3)]


def test_members_have_their_own_options_by_turns_as_in_the_makefile(reproduce: Any) -> None:
    row = next(row for row in reproduce.ROWS if row.config == "committee")
    makefile = (reproduce.ROOT / "Makefile").read_text()
    assert len(row.own) == row.seeds
    for seed in range(2 * row.seeds):
        (flags,) = re.findall(rf"^committee_{seed % 5} := (.*)$", makefile, re.M) or [""]
        words = reproduce.train(row, seed)
        assert words == [
            *("train", "--config", "configs/committee.toml", "--seed", str(seed), *flags.split())
        ]


def test_committees_of_one_row_share_no_member(
    reproduce: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = reproduce.Row("committee", "", "error", 0.39, 0.5, seeds=2, committees=3)
    monkeypatch.setattr(reproduce, "run", lambda _, seed, __: {"value": 1.0, "seconds": seed})
    seeds = {row.checkpoint(seed): seed for seed in range(6)}
    monkeypatch.setattr(reproduce, "evaluate", lambda _, paths: sum(seeds[p] for p in paths))
    results = reproduce.results(row, 1, again=False)
    assert [(r["value"], r["seconds"]) for r in results] == [(1, 1), (5, 5), (9, 9)]
    assert "2 together, 3 ×" in reproduce.line(row, results)


def test_rows_of_the_same_options_share_their_runs(
    reproduce: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reproduce, "read_config", lambda path: {"data": "mnist"})
    names = {row.checkpoint(1).name for row in reproduce.ROWS}
    assert names == {f"{reproduce.ROWS[0].config}-1.npz"}


def test_a_member_whose_checkpoint_was_removed_is_trained_anew(
    reproduce: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = reproduce.Row("committee", "", "error", 0.39, 0.5, seeds=2, committees=1)
    trained = []

    def run(_: Any, seed: int, *__: Any) -> dict[str, float]:
        trained.append(seed)
        row.checkpoint(seed).parent.mkdir(exist_ok=True)
        row.checkpoint(seed).touch()
        return {"value": 1.0, "seconds": 5.0}

    monkeypatch.setattr(reproduce, "run", run)
    monkeypatch.setattr(reproduce, "evaluate", lambda *_: 0.4)
    reproduce.results(row, 1, again=False)
    reproduce.results(row, 1, again=False)
    row.checkpoint(1).unlink()
    reproduce.results(row, 1, again=False)
    assert trained == [0, 1, 1]


def test_a_row_that_does_not_exist_is_told(reproduce: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(sys, "argv", ["reproduce.py", "--only", "simard"])
    with pytest.raises(SystemExit, match=r"^--only simard: no such row; there are spiral-linear, "):
        reproduce.main()
