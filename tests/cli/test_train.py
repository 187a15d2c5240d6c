"""`mlp train` as it is called: what it prints and writes, and what it says when it cannot."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

SMALL = ("--data", "digits", "--hidden", "8", "--epochs", "2")

EPOCH_LINE = re.compile(
    r"epoch \d/2  loss \d\.\d{4}  accuracy \d+\.\d\d %  "
    r"validation loss \d\.\d{4}  accuracy \d+\.\d\d % \(best \d+\.\d\d %\)  [\d,]+ samples/s"
)


# What it prints


def test_without_data_it_trains_on_digits_and_says_how_to_get_mnist(mlp) -> None:
    outcome = mlp.ok("train", "--epochs", "1", "--hidden", "8")
    notices = outcome.err.splitlines()
    assert notices[0] == (
        "no --data given and MNIST is not downloaded: training on digits; `mlp download` gets MNIST"
    )
    assert notices[1] == (
        "64-8-10 (610 parameters, float32) on digits: "
        "1,294 rows to train on, 144 to validate, 359 to test"
    )
    assert len(notices) == 3
    assert Path("model.npz").exists()


def test_off_a_terminal_there_is_a_plain_line_an_epoch(mlp) -> None:
    outcome = mlp.ok("train", *SMALL)
    _, *lines = outcome.err.splitlines()
    assert len(lines) == 2
    assert all(EPOCH_LINE.fullmatch(line) for line in lines), lines
    assert "\r" not in outcome.err
    assert "\x1b" not in outcome.err + outcome.out


def test_the_results_are_for_a_person(mlp) -> None:
    lines = mlp.ok("train", *SMALL).out.splitlines()
    figures = r"accuracy \d+\.\d\d %  loss \d\.\d{4}"
    assert re.fullmatch(rf"train:      {figures}  \(1,294 samples, epoch \d of 2\)", lines[0])
    assert re.fullmatch(rf"validation: {figures}  \(144 samples, epoch \d of 2\)", lines[1])
    assert re.fullmatch(r"model\.npz written: \d+\.\d s of training, [\d,]+ samples/s", lines[2])
    assert len(lines) == 3


def test_json_is_one_object_of_a_stable_shape(mlp) -> None:
    outcome = mlp.ok("train", *SMALL, "--json", "-o", "small.npz")
    assert outcome.out.count("\n") == 1
    value = outcome.json
    assert list(value) == [
        *("task", "checkpoint", "data", "architecture", "parameters", "epochs", "best_epoch"),
        *("train", "validation", "seconds", "samples_per_second"),
    ]
    assert value["checkpoint"] == "small.npz"
    assert value["data"] == "digits"
    assert value["architecture"] == [64, 8, 10]
    assert value["parameters"] == 64 * 8 + 8 + 8 * 10 + 10
    assert value["epochs"] == 2
    for part in ("train", "validation"):
        assert list(value[part]) == ["loss", "accuracy"]
    trained = 2 * 1294
    assert value["samples_per_second"] == pytest.approx(trained / value["seconds"])


def test_json_has_no_validation_where_nothing_is_held_out(mlp) -> None:
    value = mlp.ok("train", *SMALL, "--json", "--val-fraction", "0").json
    assert value["validation"] is None
    assert value["best_epoch"] == value["epochs"] == 2


def test_quiet_leaves_stderr_empty_and_shows_results(mlp) -> None:
    outcome = mlp.ok("train", *SMALL, "-q")
    assert outcome.err == ""
    assert outcome.out.startswith("train: ")


def test_verbose_shows_the_rate_and_the_size_of_the_steps(mlp) -> None:
    err = mlp.ok("train", *SMALL, "-v").err
    assert re.search(r"lr \d\S*  update ratio \d\.\de-\d\d", err)


@pytest.mark.parametrize(("epochs", "lines"), [(25, 25), (26, 13), (300, 25)])
def test_off_a_terminal_there_are_at_most_25_lines_of_epochs(mlp, epochs: int, lines: int) -> None:
    run = ("train", "--data", "spiral", "--hidden", "2", "--epochs", epochs)
    shown = [s for s in mlp.ok(*run).err.splitlines() if s.startswith("epoch ")]
    assert len(shown) == lines
    every = [s for s in mlp.ok(*run, "-v").err.splitlines() if s.startswith("epoch ")]
    assert len(every) == epochs


def terminal(mlp, *arguments: str, **environment: str) -> str:
    """What `mlp` shows where stderr is a terminal."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (25, 100))
    process = subprocess.Popen(
        [sys.executable, "-m", "mlpcli", *arguments],
        cwd=mlp.folder,
        env=os.environ
        | {"PYTHONPATH": str(Path(__file__).parents[2]), "TERM": "xterm"}
        | environment,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            block = os.read(ours, 4096)
        except OSError:  # the other end is closed
            break
        if not block:
            break
        shown += block
    os.close(ours)
    assert process.wait(60) == 0
    return shown.decode()


def test_on_a_terminal_there_is_a_bar_and_no_line_an_epoch(mlp) -> None:
    shown = terminal(mlp, "train", "--data", "digits", "--epochs", "30", "--batch-size", "8")
    assert not re.search(r"accuracy", shown)
    figures = r"loss \d\.\d{4}  val \d+\.\d\d % best \d+\.\d\d %"
    assert re.search(rf"\repoch \d+/30  {figures} \|.{{10,}}\| +\S+ samples/s \d\d:\d\d", shown)
    assert re.search(r"\r +\r$", shown)  # it is gone afterwards


def test_quiet_shows_no_bar_on_a_terminal(mlp) -> None:
    assert terminal(mlp, "train", *SMALL, "-q") == ""


# Options


def test_the_printed_config_gives_the_same_run(mlp, checkpoints) -> None:
    options = (
        *SMALL,
        *("--optimizer", "adam", "--dropout", "0.25", "--lr-schedule", "step", "--max-norm", "2"),
        *("--seed", "5", "--activation", "tanh", "--class-weight", "balanced", "--warmup", "0.5"),
    )
    text = mlp.ok("train", *options, "--print-config").out
    Path("run.toml").write_text(text)
    assert not Path("model.npz").exists()
    mlp.ok("train", *options, "-o", "flags.npz")
    mlp.ok("train", "--config", "run.toml", "-o", "file.npz")
    checkpoints.assert_same("flags.npz", "file.npz")
    assert mlp.ok("train", "--config", "run.toml", "--print-config").out == text


def test_the_resolved_config_is_in_the_checkpoint_and_in_the_first_line_of_the_log(
    mlp, checkpoints
) -> None:
    mlp.ok("train", "--data", "digits", "--hidden", "8", "--log", "log.jsonl", "-q")
    config = checkpoints.meta("model.npz")["config"]
    assert config["train"]["epochs"] == 91  # 1,000 steps of 11 an epoch
    assert config["train"]["lr"] == 0.1
    assert config["data"]["data"] == "digits"
    assert json.loads(Path("log.jsonl").read_text().splitlines()[0])["config"] == config


def test_a_dry_run_says_what_it_would_do_and_writes_nothing(mlp) -> None:
    outcome = mlp.ok(
        *("train", *SMALL, "--dry-run", "--json"),
        *("-o", "new/folder/model.npz", "--log", "logs/log.jsonl"),
    )
    assert outcome.err.splitlines()[-1] == "dry run: nothing was trained and nothing written"
    assert outcome.json["architecture"] == [64, 8, 10]
    assert outcome.json["samples"] == {"train": 1294, "val": 144, "test": 359}
    assert outcome.json["config"]["train"]["epochs"] == 2
    assert os.listdir() == []


def test_the_log_has_a_line_for_the_start_each_epoch_and_the_end(mlp) -> None:
    value = mlp.ok("train", *SMALL, "--log", "new/log.jsonl", "--json").json
    events = [json.loads(line) for line in Path("new/log.jsonl").read_text().splitlines()]
    assert [event["event"] for event in events] == ["start", "epoch", "epoch", "end"]
    start, first, second, end = events
    assert start["architecture"] == [64, 8, 10]
    assert {
        *("event", "epoch", "step", "seconds", "lr", "train_loss", "train_accuracy"),
        *("val_loss", "val_accuracy", "samples_per_second", "update_ratio"),
    } <= first.keys()
    assert (first["epoch"], first["step"], second["epoch"], second["step"]) == (1, 11, 2, 22)
    assert end == {"event": "end"} | value


def test_another_runs_log_is_kept_and_a_resumed_runs_is_continued(mlp) -> None:
    Path("log.jsonl").write_text("of another run\n")
    mlp.ok("train", *SMALL, "--stop-after", "1", "--log", "log.jsonl")
    assert Path("log.jsonl~").read_text() == "of another run\n"
    mlp.ok("train", "--resume", "model.npz", "--log", "log.jsonl")
    events = [json.loads(line) for line in Path("log.jsonl").read_text().splitlines()]
    assert [event["event"] for event in events] == ["start", "epoch", "end"] * 2
    assert Path("log.jsonl~").read_text() == "of another run\n"


def test_the_log_may_be_a_pipe(mlp) -> None:
    os.mkfifo("pipe")
    reader = os.open("pipe", os.O_RDONLY | os.O_NONBLOCK)
    mlp.ok("train", *SMALL, "--log", "pipe")
    assert os.read(reader, 1 << 16).decode().count("\n") == 4
    os.close(reader)
    assert sorted(os.listdir()) == ["model.npz", "pipe"]


def test_the_log_is_not_put_where_a_folder_or_the_checkpoint_is(mlp) -> None:
    Path("folder").mkdir()
    assert mlp.error("train", *SMALL, "--log", "folder") == (
        1,
        "folder: cannot be written: Is a directory",
    )
    assert os.listdir("folder") == []
    assert mlp.error("train", *SMALL, "--log", "./model.npz") == (
        2,
        "--log model.npz: is where the checkpoint goes; name another file",
    )


def test_it_stops_after_an_epoch_and_tells_where_the_plan_is(mlp, checkpoints) -> None:
    outcome = mlp.ok("train", *SMALL, "--stop-after", "1", "--json")
    assert outcome.json["epochs"] == 1
    assert "epoch 1/2 " in outcome.err
    assert checkpoints.meta("model.npz")["config"]["train"]["epochs"] == 2


def test_patience_stops_when_no_epoch_gets_better(mlp) -> None:
    outcome = mlp.ok(
        *("train", "--data", "digits", "--hidden", "8", "--epochs", "500", "--json"),
        *("--patience", "3", "--lr", "0.5"),
    )
    value = outcome.json
    assert value["epochs"] == value["best_epoch"] + 3 < 500
    assert (
        f"stopped early: none of 3 epochs was better than epoch {value['best_epoch']}"
        in outcome.err.splitlines()
    )


def test_the_best_epochs_weights_are_kept_and_the_results_are_of_them(mlp, checkpoints) -> None:
    value = mlp.ok(
        *("train", "--data", "digits", "--hidden", "8", "--epochs", "40", "--lr", "1.2", "--json")
    ).json
    meta = checkpoints.meta("model.npz")
    ranks = [(entry["val_accuracy"], -entry["val_loss"]) for entry in meta["history"]]
    best = value["best_epoch"]
    assert meta["epoch"] == best == ranks.index(max(ranks)) + 1
    assert best < 40
    assert value["validation"]["accuracy"] == pytest.approx(ranks[best - 1][0], rel=1e-5)
    assert value["validation"]["loss"] == pytest.approx(-ranks[best - 1][1], rel=1e-5)
    for split, part in (("train", "train"), ("val", "validation")):
        again = mlp.ok("evaluate", "model.npz", "--split", split, "--json").json
        assert again["loss"] == pytest.approx(value[part]["loss"], rel=1e-6)
        assert again["accuracy"] == value[part]["accuracy"]
    arrays = checkpoints.arrays("model.npz")
    assert (arrays["W1"].ravel() != arrays["resume/last"][: 64 * 8]).any()


def test_weights_only_leaves_out_what_resumes(mlp, checkpoints) -> None:
    mlp.ok("train", *SMALL, "--weights-only")
    assert list(checkpoints.arrays("model.npz")) == ["W1", "b1", "W2", "b2"]
    mlp.ok("evaluate", "model.npz")


def test_the_weights_are_plain_arrays_that_numpy_reads(mlp, checkpoints) -> None:
    mlp.ok("train", *SMALL, "--dtype", "float64")
    arrays = checkpoints.arrays("model.npz")
    assert {name: array.shape for name, array in arrays.items() if "/" not in name} == {
        "W1": (64, 8),
        "b1": (8,),
        "W2": (8, 10),
        "b2": (10,),
    }
    assert arrays["W1"].dtype == np.float64


def test_init_from_starts_at_the_weights_of_another_run(mlp, checkpoints) -> None:
    mlp.ok("train", *SMALL, "-o", "first.npz")
    mlp.ok("train", *SMALL, "-o", "second.npz", "--init-from", "first.npz", "--lr", "1e-30")
    first, second = (checkpoints.arrays(path) for path in ("first.npz", "second.npz"))
    assert np.array_equal(first["W1"], second["W1"])
    assert len(checkpoints.meta("second.npz")["history"]) == 2


# Where the checkpoint goes


def test_folders_that_are_missing_are_made(mlp) -> None:
    mlp.ok("train", *SMALL, "-o", "runs/today/model.npz")
    assert Path("runs/today/model.npz").exists()


def test_the_checkpoint_of_another_run_is_kept_with_a_notice(mlp, checkpoints) -> None:
    mlp.ok("train", *SMALL, "-o", "model.npz", "--seed", "1")
    first = Path("model.npz").read_bytes()
    outcome = mlp.ok("train", *SMALL, "-o", "model.npz", "--seed", "2")
    assert Path("model.npz~").read_bytes() == first
    notice = "the checkpoint that was there is kept as model.npz~"
    assert outcome.err.splitlines().count(notice) == 1
    second = Path("model.npz").read_bytes()
    mlp.ok("train", *SMALL, "-o", "model.npz", "--seed", "3")
    assert Path("model.npz~").read_bytes() == second
    assert sorted(os.listdir()) == ["model.npz", "model.npz~"]


def test_the_checkpoint_that_is_resumed_is_not_kept_beside_itself(mlp) -> None:
    mlp.ok("train", *SMALL, "--stop-after", "1")
    outcome = mlp.ok("train", "--resume", "model.npz")
    assert "kept" not in outcome.err
    assert os.listdir() == ["model.npz"]


def test_resumed_to_another_path_the_first_checkpoint_stays(mlp, checkpoints) -> None:
    mlp.ok("train", *SMALL, "--stop-after", "1", "-o", "first.npz")
    before = Path("first.npz").read_bytes()
    mlp.ok("train", "--resume", "first.npz", "-o", "second.npz")
    assert Path("first.npz").read_bytes() == before
    assert len(checkpoints.meta("second.npz")["history"]) == 2


def test_a_finished_run_that_is_resumed_says_so_and_writes_what_it_says(mlp, checkpoints) -> None:
    mlp.ok("train", *SMALL, "-o", "first.npz")
    outcome = mlp.ok("train", "--resume", "first.npz", "-o", "second.npz")
    assert "epoch 2 is already done; raise --epochs to continue" in outcome.err.splitlines()
    checkpoints.assert_same("first.npz", "second.npz")
    outcome = mlp.ok("train", "--resume", "first.npz", "--epochs", "9", "--stop-after", "1")
    assert "epoch 2 is already done; raise --stop-after to continue" in outcome.err.splitlines()


def test_an_output_that_cannot_be_written_is_known_before_training(mlp) -> None:
    Path("folder").mkdir()
    Path("file").touch()
    for output, said in (
        ("folder", "folder: is a folder; name a file to write"),
        ("/dev/null", "/dev/null: is not a regular file; name another"),
        ("file/model.npz", "file/model.npz: cannot be written: file is not a folder"),
    ):
        assert mlp.error("train", *SMALL, "-q", "-o", output) == (1, said)
    assert sorted(os.listdir()) == ["file", "folder"]


# What cannot be resumed


@pytest.mark.parametrize(
    ("flag", "value", "before"),
    [
        ("--hidden", "9,9", "8"),
        ("--hidden", "none", "8"),
        ("--optimizer", "adam", "momentum"),
        ("--seed", "1", "0"),
        ("--batch-size", "full", "128"),
        ("--dtype", "float64", "float32"),
        ("--init", "glorot", "he"),
        ("--test-fraction", "0.5", "the default"),
        ("--val-fraction", "0.2", "0.1"),
    ],
)
def test_what_a_resumed_run_cannot_change_is_refused(
    mlp, flag: str, value: str, before: str
) -> None:
    mlp.ok("train", *SMALL, "--stop-after", "1")
    content = Path("model.npz").read_bytes()
    assert mlp.error("train", "--resume", "model.npz", flag, value, "-q") == (
        2,
        f"{flag} {value}: model.npz was trained with {before}, which a resumed run cannot change; "
        "start a new run, with --init-from if the weights fit",
    )
    assert Path("model.npz").read_bytes() == content


def test_what_a_resumed_run_can_change_is_in_its_checkpoint(mlp, checkpoints) -> None:
    mlp.ok("train", *SMALL, "--stop-after", "1")
    mlp.ok("train", "--resume", "model.npz", "--epochs", "3", "--lr", "0.01", "--dropout", "0.5")
    config = checkpoints.meta("model.npz")["config"]
    assert config["train"]["epochs"] == 3
    assert config["train"]["lr"] == 0.01
    assert config["model"]["dropout"] == 0.5
    assert len(checkpoints.meta("model.npz")["history"]) == 3


def test_a_resumed_run_takes_back_an_option_by_its_default(mlp, checkpoints) -> None:
    mlp.ok("train", *SMALL, "--clip-norm", "1", "--stop-after", "1")
    mlp.ok("train", "--resume", "model.npz", "--clip-norm", "default")
    config = checkpoints.meta("model.npz")["config"]
    assert "clip_norm" not in config["train"]
    assert config["model"]["hidden"] == [8]
    assert mlp.error("train", "--resume", "model.npz", "--hidden", "default", "-q") == (
        2,
        "--hidden 100: model.npz was trained with 8, which a resumed run cannot change; "
        "start a new run, with --init-from if the weights fit",
    )


@pytest.mark.two_cores
def test_another_number_of_threads_is_told_when_resuming(mlp) -> None:
    mlp.ok("train", *SMALL, "--stop-after", "1", "--threads", "1")
    assert "threads" not in mlp.ok("train", "--resume", "model.npz", "--threads", "1").err
    err = mlp.ok("train", "--resume", "model.npz", "--epochs", "3", "--threads", "2").err
    assert (
        "model.npz was trained with --threads 1, now with 2: the last digits may differ; "
        "--threads 1 keeps them"
    ) in err.splitlines()


def test_resume_and_init_from_exclude_each_other(mlp) -> None:
    assert mlp.error("train", "--resume", "a.npz", "--init-from", "b.npz") == (
        2,
        "--resume continues a run, --init-from starts one: give one of them",
    )


def test_a_checkpoint_that_is_missing_is_named(mlp) -> None:
    said = "none.npz: no such file; `mlp train -o none.npz` makes one"
    assert mlp.error("train", "--resume", "none.npz") == (3, said)
    assert mlp.error("train", *SMALL, "--init-from", "none.npz", "-q") == (3, said)
    assert os.listdir() == []


def test_weights_only_cannot_be_resumed(mlp) -> None:
    mlp.ok("train", *SMALL, "--weights-only", "--stop-after", "1")
    assert mlp.error("train", "--resume", "model.npz", "-q") == (
        3,
        "model.npz: holds weights only and cannot be resumed; start from them with --init-from",
    )


def test_init_from_of_another_architecture_or_of_other_classes_is_refused(mlp, points) -> None:
    mlp.ok("train", "--data", "points.csv", "--hidden", "8", "--epochs", "1", "-o", "points.npz")
    assert mlp.error("train", *SMALL, "--init-from", "points.npz", "-q") == (
        3,
        "points.npz: is of 2-8-3, this run of 64-8-10; --hidden and the data must be the same",
    )
    Path("other.csv").write_text(points.read_text().replace("ant", "ape"))
    assert mlp.error(
        *("train", "--data", "other.csv", "--hidden", "8", "--epochs", "1", "-q"),
        *("--init-from", "points.npz"),
    ) == (3, "points.npz: was trained on other classes than these data have")


def test_data_that_changed_or_went_are_refused_when_resuming(mlp, points) -> None:
    arguments = ("--hidden", "4", "--epochs", "2", "--stop-after", "1", "-q")
    mlp.ok("train", "--data", "points.csv", *arguments)
    content = points.read_text()
    points.write_text(content.replace("ant", "ape"))
    assert mlp.error("train", "--resume", "model.npz", "-q") == (
        3,
        "points.csv: is not what model.npz was trained on: its contents have changed since",
    )
    points.rename("moved.csv")
    assert mlp.error("train", "--resume", "model.npz", "-q") == (
        3,
        "points.csv: the data that model.npz was trained on are gone; name them with --data",
    )
    code, said = mlp.error("train", "--resume", "model.npz", "--data", "nowhere.csv", "-q")
    assert (code, said.split(";")[0]) == (3, "nowhere.csv: no such data set or file")
    Path("moved.csv").write_text(content)
    mlp.ok("train", "--resume", "model.npz", "--data", "moved.csv", "-q")


def test_data_beside_the_checkpoint_are_found_from_anywhere(
    mlp, points, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mlp.ok("train", "--data", "points.csv", "--hidden", "4", "--epochs", "2", "--stop-after", "1")
    for name in ("away", "else"):
        (tmp_path / name).mkdir()
    points.rename("away/points.csv")
    Path("model.npz").rename("away/model.npz")
    Path("else/points.csv").write_text("a,b\nno,table\n")  # of the same name, and of no use
    monkeypatch.chdir("else")
    mlp.ok("train", "--resume", "../away/model.npz", "-q")


# Divergence


def test_a_run_that_diverges_at_once_saves_nothing_and_says_what_helps(mlp, write_old) -> None:
    old = write_old(Path("model.npz"))
    code, said = mlp.error("train", *SMALL, "--lr", "1e8")
    assert code == 4
    assert re.fullmatch(
        r"the loss became \d\S* in epoch 1; "
        r"lower --lr from 1e\+08 to 1e\+07 or add --clip-norm 1; nothing was saved",
        said,
    )
    assert Path("model.npz").read_bytes() == old
    assert os.listdir() == ["model.npz"]


@pytest.mark.parametrize("lr", ["1e38", "1e300"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_numbers_that_overflow_are_a_divergence_and_nothing_else_is_said(
    mlp, lr: str, dtype: str
) -> None:
    outcome = mlp("train", *SMALL, "--lr", lr, "--dtype", dtype, "-q")
    assert outcome.code == 4
    assert outcome.out == ""
    assert re.fullmatch(r"mlp: the (loss|weights) \S+ .*; nothing was saved\n", outcome.err)


@pytest.mark.parametrize("fraction", ["0.1", "0"])
def test_one_step_an_epoch_that_overflows_is_a_divergence_too(mlp, fraction: str) -> None:
    arguments = ("--batch-size", "full", "--val-fraction", fraction, "-q")
    code, _ = mlp.error("train", *SMALL, *arguments, "--lr", "1e38")
    assert code == 4


def test_a_later_divergence_keeps_the_last_good_weights(mlp, checkpoints) -> None:
    mlp.ok("train", *SMALL, "--stop-after", "1")
    good = checkpoints.arrays("model.npz")
    code, said = mlp.error("train", "--resume", "model.npz", "--lr", "1e9", "-o", "new.npz", "-q")
    assert code == 4
    assert said.endswith("; new.npz keeps the weights of epoch 1")
    kept = checkpoints.arrays("new.npz")
    for name in ("W1", "b1", "W2", "b2", "resume/last"):
        assert np.array_equal(kept[name], good[name])
    mlp.ok("train", "--resume", "new.npz", "--lr", "0.1", "-q")


@pytest.mark.parametrize(
    ("cause", "said"),
    [
        (("--init-scale", 1e6), "it was so before any step: lower --init-scale from 1e+06"),
        (("--reg", 1e5), "lower --reg from 100000 to 1"),
    ],
)
def test_what_is_advised_is_what_made_it_diverge(mlp, cause: tuple[str, float], said: str) -> None:
    code, text = mlp.error("train", *SMALL, *cause, "-q")
    assert code == 4
    assert text.endswith(f"; {said}; nothing was saved")
    mlp.ok("train", *SMALL, cause[0], 1, "-q")


def test_adam_without_a_bound_on_its_steps_is_advised_to_have_one(mlp) -> None:
    adam = ("--data", "digits", "--lr", 0.01, "--optimizer", "adam", "-q")
    code, text = mlp.error("train", *adam, "--beta2", 0)
    assert code == 4
    assert "; raise --beta2 from 0 above 0.81, the square of --momentum; nothing was" in text
    mlp.ok("train", *adam, "--beta2", 0.82)


def test_a_limited_gradient_is_not_advised_to_be_limited(mlp) -> None:
    _, said = mlp.error("train", *SMALL, "--lr", "1e20", "--clip-norm", "1", "-q")
    assert "lower --lr from 1e+20 to 1e+19; nothing was saved" in said


# Signals


LONG = ("--data", "digits", "--hidden", "200", "--batch-size", "8", "--epochs", "150")


def wait_for(path: Path) -> None:
    for _ in range(6000):
        if path.exists():
            return
        time.sleep(0.01)
    raise AssertionError(f"{path} does not appear")


@pytest.mark.parametrize(
    ("number", "code", "word"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")],
)
def test_a_signal_writes_the_checkpoint_and_prints_what_resumes_it(
    mlp, checkpoints, tmp_path: Path, number: int, code: int, word: str
) -> None:
    process = mlp.process("train", *LONG, "-o", "a b.npz", "-q", "--threads", "1")
    wait_for(tmp_path / "a b.npz")
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (code, "")
    assert err == f"mlp: {word}; resume with: mlp train --resume 'a b.npz' --threads 1\n"
    mlp.ok("train", "--resume", "a b.npz", "--stop-after", "1")
    progress = json.loads(str(checkpoints.arrays("a b.npz")["resume/progress"]))
    assert progress["step"] > 0
    assert os.listdir() == ["a b.npz"]


# A person's own table


def test_a_table_with_labels_in_words_is_learned(mlp, points, checkpoints) -> None:
    value = mlp.ok("train", "--data", "points.csv", "--hidden", "8", "--json").json
    assert value["architecture"] == [2, 8, 3]
    assert value["train"]["accuracy"] == 1.0
    meta = checkpoints.meta("model.npz")
    assert meta["task"]["classes"] == ["ant", "bee", "cow"]
    assert [part["column"] for part in meta["encoding"]] == ["width", "height"]
    assert all(part["shift"] for part in meta["encoding"])


def write_table(X: Any, y: Any) -> Path:
    rows = [",".join(map(str, [*row, label])) for row, label in zip(X, y, strict=True)]
    path = Path("table.csv")
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.mark.parametrize(
    ("X", "y", "said"),
    [
        ([[1, 2]], [0], "every training row has the label 0; a classifier needs at least two"),
        ([[1], [2], [3]], [5, 5, 5], "every training row has the label 5; a classifier needs"),
    ],
    ids=["one sample", "one class"],
)
def test_data_that_nothing_can_be_learned_from_are_refused(mlp, X, y, said: str) -> None:
    table = write_table(X, y)
    code, text = mlp.error("train", "--data", table, "-q")
    assert code == 3
    assert text.startswith(f"table.csv: {said}")
    assert os.listdir() == ["table.csv"]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_inputs_that_are_all_zero_and_constant_columns_are_trained_on(mlp, dtype: str) -> None:
    for X in (np.zeros((40, 3)), np.full((40, 3), 7.5)):
        table = write_table(X, [0, 1] * 20)
        value = mlp.ok("train", "--data", table, "--epochs", "3", "--json", "--dtype", dtype).json
        assert value["train"]["accuracy"] == pytest.approx(0.5, abs=0.05)
        assert value["train"]["loss"] == pytest.approx(np.log(2), abs=0.05)


def test_one_input_and_a_batch_larger_than_the_data_are_trained_on(mlp) -> None:
    table = write_table([[x] for x in range(40)], [int(x >= 20) for x in range(40)])
    options = (*mlp.PLAIN, "--hidden", 100, "--batch-size", "1000000", "--json")
    value = mlp.ok("train", "--data", table, *options).json
    assert value["architecture"] == [1, 100, 2]
    assert value["train"]["accuracy"] == 1.0


def test_a_thousand_classes_are_trained_on(mlp) -> None:
    labels = [label for label in range(1000) for _ in range(3)]
    table = write_table([[label % 32, label // 32] for label in labels], labels)
    options = ("--task", "classification", "--hidden", "4", "--epochs", "1", "--json")
    value = mlp.ok("train", "--data", table, *options).json
    assert value["architecture"] == [2, 4, 1000]
    out = mlp.ok("evaluate", "model.npz", "-q").out
    assert out.endswith("(the confusion matrix of 1000 classes is in --json)\n")


def test_two_samples_are_enough(mlp) -> None:
    table = write_table([[0.0], [1.0]], ["no", "yes"])
    value = mlp.ok("train", "--data", table, "--json").json
    assert value["validation"] is None
    assert value["train"]["accuracy"] == 1.0


def test_inputs_that_overflow_are_named_as_the_cause(mlp) -> None:
    rows = [f"{(i % 7 - 3) * 1e38:g},{i % 5},{'ab'[i % 2]}\n" for i in range(60)]
    Path("huge.csv").write_text("".join(rows), encoding="ascii")
    code, said = mlp.error("train", "--data", "huge.csv", "--scale", "none", "--epochs", "2")
    assert code == 4
    assert said.endswith(
        "the inputs reach 3e+38, which --scale none leaves as they are: leave it out; "
        "nothing was saved"
    )
    mlp.ok("train", "--data", "huge.csv", "--epochs", "2")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--data", "penguins", "--adversarial", "linf:0.1"), "--adversarial linf:0.1: penguins "
         "holds no images, and only pixels are moved; leave it out"),
        (("--data", "digits", "--scale", "standard", "--embedding", "periodic", "--adversarial",
          "l2:1"),
         "--adversarial l2:1.0: cannot be beside --embedding periodic; leave one of them out"),
    ],
)  # fmt: skip
def test_what_an_attack_cannot_move_is_refused(mlp, options, message) -> None:
    assert mlp.error("train", *options) == (2, message)
    assert not (mlp.folder / "model.npz").exists()
