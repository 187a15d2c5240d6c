"""What is written is never what is read, nor somebody else's, nor under a wrong name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

SMALL = ("--data", "points.csv", "--hidden", "4", "--epochs", "2", "-q")


@pytest.fixture
def here(mlp, points: Path) -> dict[str, bytes]:
    """A folder with a table, a model, a config and a log, and what is in them."""
    mlp.ok("train", *SMALL, "--log", "log.jsonl")
    Path("run.toml").write_text("[train]\nlr = 0.1\n")
    return contents()


def contents() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path().iterdir() if path.is_file()}


@pytest.mark.parametrize(
    "arguments",
    [
        ("predict", "model.npz", "points.csv", "-o", "points.csv"),
        ("predict", "model.npz", "points.csv", "-o", "./points.csv"),
        ("train", *SMALL, "--log", "points.csv"),
        ("train", *SMALL, "--config", "run.toml", "--log", "run.toml"),
        ("train", *SMALL, "--init-from", "model.npz", "-o", "other.npz", "--log", "model.npz"),
        ("train", "--resume", "model.npz", "--epochs", "3", "--log", "model.npz"),
        ("train", *SMALL, "--init-from", "model.npz"),
        ("train", *SMALL[2:], "--data", "data.npz", "-o", "data.npz"),
    ],
    ids=" ".join,
)
def test_an_output_that_is_read_is_refused_and_untouched(mlp, here, arguments: Any) -> None:
    np.savez("data.npz", X=np.eye(20), y=np.arange(20) % 2)
    before = contents()
    code, text = mlp.error(*arguments)
    assert code == 2, text
    assert contents() == before


def test_under_another_name_it_is_the_same_file(mlp, here) -> None:
    os.link("points.csv", "twin.csv")
    Path("link.csv").symlink_to("points.csv")
    for name in ("twin.csv", "link.csv"):
        code, text = mlp.error("predict", "model.npz", "points.csv", "-o", name)
        assert (code, text.partition(",")[0]) == (
            2,
            f"{name}: is read by this command (points.csv)",
        )


def test_a_report_is_not_written_over_the_data(mlp, here) -> None:
    pytest.importorskip("matplotlib")
    os.link("points.csv", "points.html")
    before = contents()
    options = ("--data", "points.csv", "--report", "points.html")
    assert mlp.error("evaluate", "model.npz", *options)[0] == 2
    assert contents() == before


@pytest.mark.parametrize("name", ["model.npz", "model.npz~"])
def test_what_is_no_checkpoint_is_not_replaced(mlp, here, name: str) -> None:
    np.savez("data.npz", X=np.eye(20), y=np.arange(20) % 2)
    os.replace("data.npz", name)
    before = contents()
    code, text = mlp.error("train", *SMALL)
    assert (code, text) == (
        2,
        f"{name}: is no checkpoint of mlp, and would be replaced; move it away, or name another "
        "file with -o",
    )
    assert contents() == before


def test_what_is_no_log_is_not_replaced_where_the_old_log_is_kept(mlp, here) -> None:
    Path("log.jsonl~").write_text("mine")
    before = contents()
    code, text = mlp.error("train", *SMALL, "--log", "log.jsonl")
    assert (code, text.split(",")[0]) == (2, "log.jsonl~: is no log of mlp")
    assert contents() == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("train", *SMALL, "-o", "foo.h5"), "-o foo.h5: a checkpoint is an .npz file; name it foo"),
        (
            ("evaluate", "model.npz", "--report", "x.pdf"),
            "--report x.pdf: is a page; name it x.html",
        ),
        (
            ("predict", "model.npz", "points.csv", "-o", "x.xlsx"),
            "-o x.xlsx: what comes out is CSV; name it x.csv",
        ),
    ],
)
def test_a_name_of_another_kind_of_file_is_refused(mlp, here, arguments: Any, said: str) -> None:
    if "--report" in arguments:
        pytest.importorskip("matplotlib")
    code, text = mlp.error(*arguments)
    assert code == 2
    assert text.startswith(said)
    assert contents() == here


def test_a_resumed_link_is_written_through(mlp, here) -> None:
    os.mkdir("elsewhere")
    os.rename("model.npz", "elsewhere/model.npz")
    Path("link.npz").symlink_to("elsewhere/model.npz")
    mlp.ok("train", "--resume", "link.npz", "--epochs", 3, "-q")
    assert Path("link.npz").is_symlink()
    assert mlp.ok("show", "elsewhere/model.npz", "--json").json["models"][0]["epochs"] == 3


def test_devices_and_pipes_take_what_is_a_stream_and_no_checkpoint(mlp, here) -> None:
    assert mlp.ok("predict", "model.npz", "points.csv", "-o", "/dev/null").out == ""
    assert mlp.ok("train", *SMALL, "--log", "/dev/null").code == 0
    assert Path("/dev/null").is_char_device()
    assert mlp.error("train", *SMALL, "-o", "/dev/null") == (
        1,
        "/dev/null: is not a regular file; name another",
    )


def test_standard_output_is_named_by_a_hyphen(mlp, here) -> None:
    whole = mlp.ok("predict", "model.npz", "points.csv").out
    command = (sys.executable, "-m", "mlpcli", "predict", "model.npz", "points.csv", "-o", "-")
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert result.stdout == whole
    command = (sys.executable, "-m", "mlpcli", "train", *map(str, SMALL), "--log", "-")
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    lines = [line for line in result.stdout.splitlines() if line.startswith("{")]
    assert [json.loads(line)["event"] for line in lines] == ["start", "epoch", "epoch", "end"]
    assert not Path("-").exists()


@pytest.mark.parametrize(
    ("command", "flag"),
    [
        (("predict", "model.npz", "points.csv"), "-o"),
        (("evaluate", "model.npz"), "--report"),
        (("train", "--data", "points.csv", "--epochs", 1), "--log"),
    ],
)
def test_standard_output_is_not_shared_with_json(mlp, here, command, flag: str) -> None:
    said = f"{flag} -: standard output is for --json; name a file"
    assert mlp.error(*command, flag, "-", "--json") == (2, said)
    assert contents() == here


def test_nothing_is_left_of_a_command_that_fails(mlp, here) -> None:
    assert mlp.error("train", "--data", "none.csv", "-o", "a/b/model.npz")[0] == 3
    assert mlp.error("predict", "model.npz", "none.csv", "-o", "a/b/out.csv")[0] == 3
    assert contents() == here
    assert not Path("a").exists()


def test_a_report_is_there_even_if_nobody_reads_what_is_printed(mlp, here) -> None:
    pytest.importorskip("matplotlib")
    command = (sys.executable, "-m", "mlpcli", "evaluate", "model.npz", "--report", "r.html")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        process.stdout.close()  # as `| head -0` does
        process.wait(60)
    assert Path("r.html").read_text(encoding="utf-8").endswith("</html>\n")


def test_pictures_alone_are_drawn_in_silence(mlp, here) -> None:
    pytest.importorskip("matplotlib")
    outcome = mlp.ok("show", "model.npz", "--curves", "c.png", "-q")
    assert (outcome.out, outcome.err) == ("", "")
    assert Path("c.png").stat().st_size > 1000


# What is printed


def test_nothing_that_came_from_a_file_steers_the_terminal(mlp, here, checkpoints) -> None:
    meta = checkpoints.meta("model.npz")
    evil = "\x1b]0;owned\x07\x9b31m\u202e"
    meta["task"]["classes"] = [evil + label for label in meta["task"]["classes"]]
    checkpoints.rewrite("model.npz", meta=json.dumps(meta))
    os.rename("points.csv", "points\x1b[2J.csv")
    for arguments in (
        ("show", "model.npz"),
        ("evaluate", "model.npz"),
        ("predict", "model.npz", "points\x1b[2J.csv", "-o", "out.csv"),
        ("train", "--data", "points\x1b[2J.csv", "--epochs", 1, "-o", "m\x1b[1m.npz"),
    ):
        outcome = mlp(*arguments)
        for text in (outcome.out, outcome.err):
            assert not [c for c in text if c != "\n" and not c.isprintable()], (arguments, text)


def test_no_name_breaks_a_line(mlp, here) -> None:
    """As a line that is somebody else's could look like one of ours."""
    os.rename("points.csv", "points\nmlp: a.csv")
    os.rename("model.npz", "m\nmlp: .npz")
    (folder := Path("a\nmlp: b")).mkdir()
    for arguments in (
        ("show", "m\nmlp: .npz"),
        ("show", "m\nmlp: .npz", "m\nmlp: .npz", "gone\nmlp: .npz"),
        ("evaluate", "m\nmlp: .npz", "m\nmlp: .npz"),
        ("predict", "m\nmlp: .npz", "points\nmlp: a.csv", "-o", "out.csv"),
        ("train", "--data", "points\nmlp: a.csv", "--epochs", 1, "-o", folder / "m.npz"),
        ("train", "--resume", folder / "m.npz", "--epochs", 2, "--threads", 2),
        ("export", "m\nmlp: .npz", folder / "m.py"),
    ):
        outcome = mlp(*arguments)
        for line in outcome.out.splitlines() + outcome.err.splitlines()[:-1]:
            assert not line.startswith("mlp: "), (arguments, line)


def test_standard_streams_that_a_shell_put_into_files_are_appended_to(mlp, tmp_path: Path) -> None:
    for name, text in (("out", "before\n"), ("err", "")):
        (tmp_path / name).write_text(text)
    with (tmp_path / "out").open("a") as out, (tmp_path / "err").open("a") as err:
        start = [sys.executable, "-m", "mlpcli"]
        train = ["train", "--data", "digits", "--epochs", "1", "-q", "--log", "/dev/stderr"]
        subprocess.run([*start, *train], stdout=out, stderr=err, check=True)
        np.savez("rows.npz", X=np.zeros((3, 64)))
        predict = ["predict", "model.npz", "rows.npz", "-q", "-o", "/dev/stdout"]
        subprocess.run([*start, *predict], stdout=out, stderr=err, check=True)
    events = [json.loads(line)["event"] for line in (tmp_path / "err").read_text().splitlines()]
    assert events == ["start", "epoch", "end"]
    first, *_, head, a, b, c = (tmp_path / "out").read_text().splitlines()
    assert (first, head, a == b == c) == ("before", "label", True)
    assert not [name for name in os.listdir(tmp_path) if name in ("out~", "err~")]


def test_quiet_and_verbose_contradict_each_other(mlp) -> None:
    said = "-q and -v contradict each other; give one of them"
    for command in (("train", "--data", "digits"), ("evaluate", "model.npz"), ("download",)):
        assert mlp.error(*command, "-q", "-v") == (2, said)
