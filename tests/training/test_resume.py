"""A run that is stopped anywhere and resumed ends in the bytes of one that was not."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mlpcli.commands.stopping import Signals
from mlpcli.runs import checkpoint
from mlpcli.runs.checkpoint import Writer
from mlpcli.training.progress import Snapshot

PLAN = ("--data", "digits", "--hidden", "8", "--epochs", "4", "--seed", "3", "-q")

VARIANTS = {
    "momentum": (),
    "sgd": ("--optimizer", "sgd"),
    "nesterov": ("--optimizer", "nesterov"),
    "adam": ("--optimizer", "adam"),
    "adamw": ("--optimizer", "adamw", "--reg", "0.01"),
    "constant": ("--lr-schedule", "constant"),
    "linear": ("--lr-schedule", "linear", "--warmup", "1.5"),
    "step": ("--lr-schedule", "step", "--lr-step", "1.5"),
    "exponential": ("--lr-schedule", "exponential", "--lr-decay", "0.5"),
    "dropout": ("--dropout", "0.5", "--input-dropout", "0.2"),
    "class weights": ("--class-weight", "balanced"),
    "max-norm": ("--max-norm", "0.5"),
    "clip-norm": ("--clip-norm", "0.1"),
    "final momentum": ("--momentum", "0.5", "--final-momentum", "0.99"),
    "label smoothing": ("--label-smoothing", "0.1"),
    "float64": ("--dtype", "float64"),
    "mse": ("--loss", "mse", "--activation", "sigmoid", "--init", "normal"),
    "a last batch of one": ("--batch-size", "1293"),
    "full batches": ("--batch-size", "full"),
    "no hidden layer": ("--hidden", "none"),
    "no validation": ("--val-fraction", "0"),
    "patience": ("--patience", "1", "--lr", "2"),
    "affine": ("--augment", "affine", "--gentle-classes", "1,7"),
    "elastic": ("--augment", "elastic", "--mirror-images", "--batch-size", "100"),
    "exponential average": ("--average", "ema", "--average-decay", "0.9"),
    "average of the tail": ("--average", "tail", "--average-from", "0.4"),
    "average, few steps": ("--average", "ema", "--batch-size", "full"),
    "norms by layer": ("--max-norm", "0.5,2"),
    "posed": ("--deslant", "--digit-width", "6", "--augment", "affine"),
    "mixup": ("--mixup", "0.4", "--augment", "affine"),
    "adversarial": ("--adversarial", "virtual:1.0", "--dropout", "0.2"),
    "embeddings": ("--data", "penguins", "--embedding", "periodic", "--input-dropout", "0.1"),
    "everything": (
        *("--optimizer", "adam", "--dropout", "0.3", "--class-weight", "balanced"),
        *("--max-norm", "1", "--label-smoothing", "0.2", "--final-momentum", "0.5"),
        *("--augment", "elastic", "--average", "ema"),
    ),
}

variants = pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS)


@pytest.fixture
def stop_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Lets the next run find a signal, when it looks for the so-many-th time; 0: never."""

    def stop(steps: int) -> None:
        looked = 0

        def asked(_: Signals) -> int:
            nonlocal looked
            looked += 1
            return signal.SIGINT if looked == steps else 0

        monkeypatch.setattr(Signals, "asked", asked)

    return stop


@variants
def test_stopped_after_each_epoch_and_resumed_ends_in_the_same_bytes(
    mlp, checkpoints, options: tuple[str, ...]
) -> None:
    mlp.trained(*mlp.once(*PLAN, *options), "-o", "whole.npz")
    mlp.ok(*mlp.once("train", *PLAN, *options), "-o", "parts.npz", "--stop-after", "1")
    for epoch in (2, 3):
        mlp.ok("train", "--resume", "parts.npz", "-q", "--stop-after", epoch)
    mlp.ok("train", "--resume", "parts.npz", "-q")
    checkpoints.assert_same("whole.npz", "parts.npz")


@variants
def test_interrupted_within_epochs_and_resumed_ends_in_the_same_bytes(
    mlp, checkpoints, stop_at, options: tuple[str, ...]
) -> None:
    mlp.trained(*mlp.once(*PLAN, *options), "-o", "whole.npz")
    stop_at(3)
    mlp.error(*mlp.once("train", *PLAN, *options), "-o", "parts.npz")
    for steps in (1, 11, 7):
        stop_at(steps)
        mlp("train", "--resume", "parts.npz", "-q")
    stop_at(0)
    mlp.ok("train", "--resume", "parts.npz", "-q")
    checkpoints.assert_same("whole.npz", "parts.npz")


@pytest.fixture
def killed_after(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Lets the next run end as by SIGKILL, after so many of its checkpoints; 0: never."""
    write = Writer.write

    def kill(writes: int) -> None:
        done = 0

        def write_or_die(self: Writer, *arguments: Any) -> None:
            nonlocal done
            if done == writes > 0:
                raise Killed
            write(self, *arguments)
            done += 1

        monkeypatch.setattr(Writer, "write", write_or_die)

    return kill


class Killed(BaseException):
    """Nobody handles it, and nothing more is written."""


@variants
def test_killed_within_epochs_and_resumed_from_the_last_checkpoint_ends_in_the_same_bytes(
    mlp, checkpoints, killed_after, options: tuple[str, ...]
) -> None:
    mlp.trained(*mlp.once(*PLAN, *options), "-o", "whole.npz")
    killed_after(3)
    with pytest.raises(Killed):
        mlp(*mlp.once("train", *PLAN, *options), "-o", "parts.npz", "--checkpoint-every", "1e-9")
    within = checkpoints.progress("parts.npz")
    assert within["step"] <= 3
    killed_after(12)
    with suppress(Killed):  # plans of few steps come to their end
        mlp("train", "--resume", "parts.npz", "-q")
    assert checkpoints.progress("parts.npz")["step"] > within["step"]
    killed_after(0)
    mlp.ok("train", "--resume", "parts.npz", "-q")
    checkpoints.assert_same("whole.npz", "parts.npz")


def test_within_an_epoch_a_checkpoint_is_written_when_the_last_one_is_old_enough(
    mlp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eleven steps an epoch, a minute each."""
    clock = SimpleNamespace(minutes=0, monotonic=lambda: 60.0 * clock.minutes)
    writes: list[tuple[int, int]] = []
    write = Writer.write

    def asked(_: Signals) -> int:
        clock.minutes += 1
        return 0

    def record(self: Writer, snapshot: Snapshot, *arguments: Any) -> None:
        writes.append((snapshot.progress.epoch, snapshot.progress.batch))
        write(self, snapshot, *arguments)

    monkeypatch.setattr(Signals, "asked", asked)
    monkeypatch.setattr(checkpoint, "time", clock)
    monkeypatch.setattr(Writer, "write", record)
    mlp.ok("train", *PLAN, "--checkpoint-every", "5")
    within = [(0, 5), (0, 10), (1, 4), (1, 9), (2, 4), (2, 9), (3, 4), (3, 9)]
    assert [write for write in writes if write[1]] == within
    for options in (("--weights-only", "--checkpoint-every", "5"), ("--checkpoint-every", "12")):
        writes.clear()
        mlp.ok("train", *PLAN, *options)
        assert not any(batch for _, batch in writes)


def test_a_run_that_diverges_keeps_no_checkpoint_of_when_it_ran_away(mlp, checkpoints) -> None:
    every_step = ("--checkpoint-every", "1e-9", "-q")
    code, said = mlp.error("train", *PLAN, *every_step, "--lr", "1e4", "-o", "model.npz")
    assert code == 4
    assert said.endswith("; model.npz keeps the initial weights")
    mlp.ok("train", *PLAN, "--init-from", "model.npz", "-o", "good.npz", "--stop-after", "2")
    good = checkpoints.arrays("good.npz")
    code, said = mlp.error("train", "--resume", "good.npz", *every_step, "--lr", "1e4")
    assert code == 4
    assert said.endswith("; good.npz keeps the weights of epoch 2")
    for name, array in checkpoints.arrays("good.npz").items():
        assert (array == good[name]).all(), name
    mlp.ok("train", "--resume", "good.npz", "-q", "--lr", "0.1")


def test_the_time_that_is_up_stops_as_if_asked_to(mlp, checkpoints) -> None:
    mlp.ok("train", *PLAN, "-o", "whole.npz")
    first = mlp.ok("train", *PLAN[:-1], "-o", "parts.npz", "--max-time", "1e-9")
    assert "the time is up after epoch 1; resume with: mlp train --resume parts.npz" in first.err
    assert len(checkpoints.meta("parts.npz")["history"]) == 1
    mlp.ok("train", "--resume", "parts.npz", "-q")
    checkpoints.assert_same("whole.npz", "parts.npz")


def test_a_resumed_run_keeps_one_history_of_all_epochs(mlp, checkpoints) -> None:
    mlp.ok("train", *PLAN, "-o", "whole.npz")
    mlp.ok("train", *PLAN, "-o", "parts.npz", "--stop-after", "2")
    mlp.ok("train", "--resume", "parts.npz", "-q")
    whole, parts = (checkpoints.meta(path)["history"] for path in ("whole.npz", "parts.npz"))
    timed = {"seconds", "samples_per_second"}
    for a, b in zip(whole, parts, strict=True):
        assert {k: v for k, v in a.items() if k not in timed} == {
            k: v for k, v in b.items() if k not in timed
        }
    assert [entry["epoch"] for entry in parts] == [1, 2, 3, 4]
    assert sorted(entry["seconds"] for entry in parts) == [entry["seconds"] for entry in parts]


def test_another_seed_gives_other_weights(mlp, checkpoints) -> None:
    mlp.ok("train", *PLAN, "-o", "one.npz")
    mlp.ok(*mlp.once("train", *PLAN, "--seed", "4"), "-o", "two.npz")
    one, two = (checkpoints.arrays(path)["W1"] for path in ("one.npz", "two.npz"))
    assert (one != two).all()


def test_raised_epochs_go_on_toward_the_new_end_of_the_schedule(mlp, checkpoints) -> None:
    mlp.ok("train", *PLAN, "-o", "model.npz", "--lr-schedule", "linear", "--lr", "0.1")
    assert checkpoints.meta("model.npz")["history"][-1]["lr"] == pytest.approx(0.1 / 44, rel=1e-5)
    mlp.ok("train", "--resume", "model.npz", "--epochs", "8", "-q")
    history = checkpoints.meta("model.npz")["history"]
    rates = [entry["lr"] for entry in history]
    # the last step of epoch 5 is step 54 of 88
    assert rates[4:] == pytest.approx(
        [0.1 * (88 - step) / 88 for step in (54, 65, 76, 87)], rel=1e-5
    )


@pytest.mark.parametrize("threads", [1, 2])
def test_two_that_resume_one_run_at_once_write_no_epoch_twice_to_its_log(mlp, threads) -> None:
    log = ("-q", "--log", "log.jsonl", "--threads", threads)
    plan = ("--data", "digits", "--hidden", "200", "--epochs", "15")
    mlp.ok("train", *plan, "--stop-after", 1, *log)
    both = [mlp.process("train", "--resume", "model.npz", *log) for _ in range(2)]
    said = [process.communicate(timeout=120)[1] for process in both]
    ends = sorted(zip((process.returncode for process in both), said, strict=True))
    refused = "log.jsonl: another run is writing it; wait for its end, or name another --log"
    assert ends[0] == (0, "")
    assert ends[1] in ((1, f"mlp: {refused}\n"), (0, ""))  # or one came after the other's end
    events = [json.loads(line) for line in Path("log.jsonl").read_text().splitlines()]
    epochs = [event["epoch"] for event in events if event["event"] == "epoch"]
    assert epochs == list(range(1, 16))
