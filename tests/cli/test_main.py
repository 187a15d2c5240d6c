"""The command itself: help, mistyped words, streams that fail, and one line an error."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import click
import pytest

import mlpcli
from mlpcli import cli
from mlpcli.cli import COMMANDS, group, run
from mlpcli.cli.paths import AnyPath
from mlpcli.config.kinds import ACTIVATIONS
from mlpcli.config.options import OPTIONS
from mlpcli.config.toml import own_configs
from mlpcli.errors import (
    CheckpointError,
    ConfigError,
    DataError,
    DivergedError,
    DownloadError,
    ExitCode,
    GradientCheckError,
    InputError,
    MlpError,
    OutputError,
    StoppedError,
    UsageError,
)

commands = pytest.mark.parametrize("name", COMMANDS)


def command_of(name: str) -> click.Command:
    command: click.Command = getattr(import_module(f"mlpcli.cli.{name}"), name)
    return command


# Help


def test_help_lists_every_command_with_what_it_does(mlp) -> None:
    text = mlp.ok("--help").out
    for name, what in COMMANDS.items():
        assert f"  {name}" in text
        assert what.split(".")[0].split(",")[0] in " ".join(text.split())
    assert mlp.ok("-h").out == text


def test_version_is_the_packages(mlp) -> None:
    assert mlp.ok("--version").out == f"mlp {mlpcli.__version__}\n"


def test_without_arguments_help_is_shown_and_nothing_done(mlp) -> None:
    outcome = mlp()
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith("Usage: mlp [OPTIONS] COMMAND [ARGS]...\n")


@commands
def test_every_command_has_help_for_itself_and_for_every_option(mlp, name: str) -> None:
    text = mlp.ok(name, "--help").out
    assert text.startswith(f"Usage: mlp {name} ")
    command = command_of(name)
    assert command.help
    for param in command.params:
        if isinstance(param, click.Option):
            assert param.help, param.name
            assert param.opts[0] in text


def test_train_has_a_flag_for_every_hyperparameter(mlp) -> None:
    text = mlp.ok("train", "--help").out
    flags = {flag for param in command_of("train").params for flag in param.opts}
    for option in OPTIONS.values():
        assert option.flag in flags
        assert f"{option.flag} " in text


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_the_configs_in_examples_come_with_the_package(mlp, name: str) -> None:
    named = re.findall(r"^  +.*\bmlp .* --config (\S+)", mlp.ok(*name.split(), "--help").out, re.M)
    assert set(named) <= own_configs().keys()


def test_what_data_are_used_by_default_is_said_by_the_command(mlp) -> None:
    train, *others = (
        " ".join(mlp.ok(name, "--help").out.split())
        for name in ("train", "evaluate", "show", "gradcheck")
    )
    assert "Default: mnist if downloaded, else digits." in train
    assert "Default: mnist" not in " ".join(others)
    assert all("Default: the model's own" in text for text in others)


def test_help_shows_defaults_and_the_common_options_first(mlp) -> None:
    text = " ".join(mlp.ok("train", "--help").out.split())
    places = [
        text.index(f"{word} ") for word in ("Common options:", "--activation", "Files and output:")
    ]
    assert places == sorted(places)
    assert "softmax regression. [100; for tables 256,256]" in text
    assert "Passes over the training rows. Default: 20, or as many as make 1,000 steps" in text


# What is mistyped


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["trian"], "no such command: trian; did you mean train?"),
        (["xyz"], "no such command: xyz; see mlp --help"),
        (["train", "--hiden", "5"], "no such option: --hiden; did you mean --hidden?"),
        (["train", "--learning-rate", "1"], "no such option: --learning-rate; did you mean --lr?"),
        (
            ["train", "--batch_size", "1"],
            "no such option: --batch_size; did you mean --batch-size?",
        ),
        (["train", "--weight-decay=1"], "no such option: --weight-decay; did you mean --reg?"),
        (["train", "--zzzzzz"], "no such option: --zzzzzz; see mlp train --help"),
        (["evaluate", "m.npz", "--learning-rate", "1"], "no such option: --learning-rate; "),
        (["train", "--lr"], "--lr needs a value"),
        (["train", "--lr", "fast"], "--lr fast: expected a number above 0"),
        (
            ["train", "--threads", "0"],
            "--threads (MLP_THREADS) 0: expected a whole number at least 1",
        ),
        (
            ["train", "points.csv"],
            "points.csv: give data by --data points.csv, as in mlp train --data points.csv",
        ),
        (["evaluate", "m.npz", "--splt", "val"], "no such option: --splt; did you mean --split?"),
        (["fit"], "no such command: fit; did you mean train?"),
        (["Test"], "no such command: Test; did you mean evaluate?"),
        (["evaluat"], "no such command: evaluat; did you mean evaluate?"),
        (["train", "--target", "y"], "no such option: --target; did you mean --label-column?"),
        (["train", "--targt", "y"], "no such option: --targt; did you mean --label-column?"),
        (["train", "--test", "0.3"], "no such option: --test; did you mean --test-fraction?"),
        (["train", "--l1", "1"], "no such option: --l1; there is no L1 penalty; --reg is the L2"),
        (["train", "--device", "cuda"], "no such option: --device; mlp computes on the CPU; "),
        (["train", "--onnx", "m.onnx"], "no such option: --onnx; mlp export model.npz model.onnx"),
        (["train", "--size-batch", "9"], "no such option: --size-batch; did you mean --batch-size"),
        (["train", "--n-jobs", "2"], "no such option: --n-jobs; did you mean --threads?"),
        (["train", "--max-depth", "3"], "no such option: --max-depth; see mlp train --help"),
        (["train", "--lr", "1", "--lr", "2"], "--lr is given twice; give it once"),
        (["train", "-o", "a.npz", "--output", "b.npz"], "--output is given twice; give it once"),
        (["train", "--data", "iris"], "iris: no such data set or file; --data takes mnist, "),
        (["train", "--json=3"], "--json takes no value"),
        (["evaluate", "m.npz", "--split", "tset"], "--split 'tset' is not one of 'train', "),
        (["download", "mnits"], "'mnits' is not one of 'mnist', 'fashion-mnist', 'digits', "),
        (["predict", "m.npz"], "INPUT… is missing; see mlp predict --help"),
        (["--versoin"], "no such option: --versoin; did you mean --version?"),
        (["train", "--config", "run.toml"], "run.toml: [train] has no key lrr; did you mean lr?"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_mistyped_is_answered_by_the_nearest_right_one(
    mlp, arguments: list[str], said: str
) -> None:
    Path("run.toml").write_text("[train]\nlrr = 1\n")
    code, text = mlp.error(*arguments)
    assert code == (3 if "iris" in arguments else 2)
    assert text.startswith(said)
    assert Path("run.toml").exists()
    assert not Path("model.npz").exists()


def test_a_model_and_an_input_that_are_swapped_are_told_apart(mlp, points: Path) -> None:
    mlp.ok("train", "--data", "points.csv", "--epochs", 1, "-q")
    assert mlp.error("predict", "points.csv", "model.npz") == (
        2,
        "points.csv: is no checkpoint, but model.npz is one; the model comes first: "
        "mlp predict model.npz points.csv",
    )


def test_no_name_of_another_tool_stands_for_two_options() -> None:
    names = [also for option in OPTIONS.values() for also in option.also]
    assert len(names) == len(set(names))
    assert not set(names) & set(OPTIONS)


def test_an_environment_variable_that_is_wrong_is_a_usage_error(
    mlp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLP_THREADS", "many")
    code, text = mlp.error("train", "--data", "digits")
    assert code == 2
    assert text.startswith("--threads (MLP_THREADS) many: expected a whole number")


@commands
def test_an_empty_path_is_named_and_is_not_the_folder_here(mlp, name: str) -> None:
    params = command_of(name).params
    for param in params:
        assert type(param.type) is not click.Path, f"{param.name} takes an empty path"
        if not isinstance(param.type, AnyPath):
            continue
        words = {p.name: "x" for p in params if isinstance(p, click.Argument) and p.required}
        if isinstance(param, click.Option):
            said, arguments = param.opts[-1], [param.opts[-1], "", *words.values()]
        else:
            said = param.make_metavar(click.Context(command_of(name)))
            arguments = [*(words | {param.name: ""}).values()]
        assert mlp.error(name, *arguments) == (2, f"{said} is empty; give a path")
    assert not any(Path.cwd().iterdir())


def test_a_missing_config_file_is_an_input_error(mlp) -> None:
    assert mlp.error("train", "--config", "none.toml") == (
        3,
        "none.toml: cannot be read: No such file or directory",
    )


# Errors


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (MlpError("text"), 1),
        (OutputError("text"), 1),
        (UsageError("text"), 2),
        (ConfigError("text"), 2),
        (InputError("text"), 3),
        (DataError("text"), 3),
        (DownloadError("text"), 3),
        (CheckpointError("text"), 3),
        (DivergedError("text"), 4),
        (GradientCheckError("text"), 5),
        (StoppedError("text", ExitCode.INTERRUPTED), 130),
        (StoppedError("text", ExitCode.TERMINATED), 143),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_error_is_one_line_and_its_exit_code(
    mlp, monkeypatch: pytest.MonkeyPatch, error: MlpError, code: int
) -> None:
    raising(monkeypatch, error)
    outcome = mlp("train")
    assert (outcome.code, outcome.out, outcome.err) == (code, "", "mlp: text\n")


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (MemoryError(), 1, "out of memory; lower --batch-size or --hidden"),
        (OSError(5, "Input/output error", "disk"), 1, "disk: Input/output error"),
        (OutputError("a\nb\tc \x1b[31mred\x07"), 1, "a b c \\x1b[31mred\\x07"),
    ],
)
def test_what_python_raises_is_one_line_too(
    mlp, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, said: str
) -> None:
    raising(monkeypatch, error)
    assert mlp.error("train") == (code, said)


def test_what_needs_less_memory_is_an_option_of_the_command(
    mlp, monkeypatch: pytest.MonkeyPatch
) -> None:
    raising(monkeypatch, MemoryError())
    said = "out of memory; free some, or give fewer rows"
    assert mlp.error("predict", "model.npz", "rows.csv") == (1, said)


def test_a_defect_is_one_line_that_says_where_it_is(mlp, monkeypatch: pytest.MonkeyPatch) -> None:
    raising(monkeypatch, ZeroDivisionError("by\nzero"))
    outcome = mlp("train")
    assert outcome.code == 1
    assert outcome.err.startswith(
        "mlp: a defect of mlp, please report it: ZeroDivisionError: by zero at "
    )
    assert outcome.err.count("\n") == 1


def raising(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Let every command raise this."""

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(group, "main", fail)


# Streams


def finished(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def test_output_that_cannot_be_written_is_one_line(mlp) -> None:
    with open("/dev/full", "w") as full:
        process = mlp.process("--version", stdout=full)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (1, "mlp: the output: No space left on device\n")


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a checkpoint and rows."""
    folder: Path = tmp_path_factory.mktemp("digits")
    rows = "\n".join(",".join(["1"] * 64) for _ in range(3))
    (folder / "rows.csv").write_text(rows + "\n")
    small = ("--data", "digits", "--hidden", "2", "--epochs", "1", "-o", str(folder / "m.npz"))
    assert run(["train", *small, "-q"]) == 0
    return folder


def in_shell(folder: Path, words: str) -> tuple[int, str]:
    """(exit code, stderr) of a command with its redirections."""
    command = f'exec "{sys.executable}" -m mlpcli {words}'
    done = subprocess.run(["sh", "-c", command], cwd=folder, capture_output=True, timeout=60)
    return done.returncode, done.stderr.decode()


@pytest.mark.parametrize(
    "words",
    ["show m.npz", "evaluate m.npz -q", "predict m.npz rows.csv", "train --data digits --dry-run"],
)
@pytest.mark.parametrize(
    ("stream", "problem"),
    [(">&-", "Bad file descriptor"), (">/dev/full", "No space left on device")],
)
def test_of_a_closed_or_full_output_the_output_is_named(
    digits: Path, words: str, stream: str, problem: str
) -> None:
    code, err = in_shell(digits, f"{words} --json {stream}")
    assert (code, err.splitlines()[-1]) == (1, f"mlp: the output: {problem}")


@pytest.mark.parametrize(
    ("words", "code", "err"),
    [
        ("show m.npz 2>&-", 0, ""),
        ("train --data nosuch 2>&-", 3, ""),
        ("predict m.npz - <&-", 3, "mlp: stdin: is empty; one row per sample is expected\n"),
        ("predict m.npz rows.csv -q -o out.csv >&- <&-", 0, ""),
    ],
)
def test_other_streams_that_are_closed_give_and_take_nothing(
    digits: Path, words: str, code: int, err: str
) -> None:
    assert in_shell(digits, words) == (code, err)


def test_a_reader_that_has_gone_is_no_error_to_speak_of(mlp) -> None:
    process = mlp.process("train", "--help")
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait(60) in (0, 1)  # it may have written all before


def test_letters_that_the_locale_does_not_have_are_shown_by_their_codes(mlp) -> None:
    code, out, err = finished(mlp.process("train", "--help", PYTHONIOENCODING="latin-1"))
    assert (code, err) == (0, "")
    assert "\\u03bb" in out  # λ
    code, out, err = finished(mlp.process("train", "--data", "λ", PYTHONIOENCODING="latin-1"))
    assert (code, out) == (3, "")
    assert "mlp: \\u03bb: no such data set or file" in err


def test_json_is_all_that_stdout_has(mlp) -> None:
    process = mlp.process("train", "--data", "digits", "--hidden", "2", "--epochs", "1", "--json")
    code, out, err = finished(process)
    assert code == 0, err
    assert out.startswith("{")
    assert out.count("\n") == 1


# Completion


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("mlp ", set(COMMANDS)),
        ("mlp tr", {"train"}),
        ("mlp train --hid", {"--hidden"}),
        ("mlp train --activation ", {*ACTIVATIONS}),
        ("mlp train --activation t", {"tanh"}),
        ("mlp train --data sp", {"spiral"}),
    ],
)
def test_the_shell_completes_commands_options_and_values(mlp, words: str, offered: set) -> None:
    process = mlp.process(
        _MLP_COMPLETE="bash_complete",
        COMP_LINE=words,
    )
    code, out, err = finished(process)
    assert (code, err) == (0, "")
    assert {line.partition(",")[2] for line in out.splitlines()} == offered


def test_the_module_is_the_command() -> None:
    assert cli.main.__module__ == "mlpcli.cli"
    assert mlpcli.__all__ == ["MLP", "Model", "__version__"]
    assert mlpcli.MLP.__name__ == "MLP"
    with pytest.raises(AttributeError, match="has no attribute 'MPL'"):
        _ = mlpcli.MPL  # type: ignore[attr-defined]
