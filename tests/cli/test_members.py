"""`mlp train --members K` and `--folds K`: several networks in one file, and what becomes of it."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from mlpcli import MLP, Model
from mlpcli.cli import run
from mlpcli.config.config import make_config
from mlpcli.data.builtin import digits
from mlpcli.data.dataset import Dataset
from mlpcli.data.split import Fold, Split, split
from mlpcli.errors import CheckpointError
from mlpcli.runs import build
from mlpcli.runs.material import prepare_opened
from mlpcli.runs.model import load

TRAIN = ("train", "--data", "digits", "--members", "3", "--hidden", "12", "--epochs", "3")
ONE = ("--threads", "1", "-q")
TWO = ("--threads", "2", "-q")


def part(data: Dataset, number: int, of: int = 10, **options: Any) -> Split:
    """The rows that member `number` holds out."""
    held_out = split(data, fold=Fold(number, of), **options).val
    assert held_out is not None
    return held_out


def wilson(right: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share, as its formula stands in textbooks."""
    p, z = right / n, 1.96
    root = z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return (p + z**2 / (2 * n) - root) / (1 + z**2 / n), (p + z**2 / (2 * n) + root) / (
        1 + z**2 / n
    )


def test_member_i_is_the_single_run_with_its_seed_and_held_out_part_byte_for_byte(
    mlp, checkpoints
) -> None:
    mlp.ok(*TRAIN, "--seed", 5, "--dropout", 0.2, *TWO)
    arrays, data = checkpoints.arrays("model.npz"), digits()
    values = {"hidden": (12,), "epochs": 3, "seed": 5, "members": 3, "dropout": 0.2}
    for number in range(3):
        material = prepare_opened(make_config(values), data, number)
        assert material.splits.val
        assert np.array_equal(material.splits.val.rows, part(data, number, seed=5).rows)
        alone = make_config(values | {"seed": 5 + number, "members": None})
        trainer = build.trainer(alone, material, build.network(alone, *material.sizes))
        for _ in trainer.epochs(3, lambda: None):
            pass
        last = arrays[f"members/{number}/resume/last"]
        assert trainer.net.parameters.flat.tobytes() == last.tobytes()
        trainer.use_best()
        for name, array in trainer.net.params.items():
            assert array.tobytes() == arrays[f"members/{number}/{name}"].tobytes()


def test_out_of_fold_figures_are_of_each_row_by_the_member_that_held_it_out(mlp) -> None:
    said = mlp.ok(*TRAIN, *ONE, "--json").json
    data, model = digits(), load(Path("model.npz"))
    right, losses = [], []
    for number, member in enumerate(model.each):
        rows = part(data, number)
        probs = member.predict_proba(data.X[rows.rows])
        truth = data.y[rows.rows]
        right.append(probs.argmax(axis=1) == truth)
        losses.append(-np.log(probs[np.arange(len(truth)), truth]))
        assert said["members"][number]["validation"]["accuracy"] == right[-1].mean()
        assert said["members"][number]["best_epoch"] == member.epoch
    correct, loss = np.concatenate(right), np.concatenate(losses)
    found = said["out_of_fold"]
    assert found["samples"] == len(correct) == 432
    assert found["rows"] == len(data.y) - 359
    assert found["accuracy"] == correct.mean() == said["validation"]["accuracy"]
    assert found["loss"] == pytest.approx(loss.mean(), rel=1e-5)
    low_high = wilson(int(correct.sum()), len(correct))
    assert found["intervals"]["accuracy"] == pytest.approx(low_high)
    assert mlp.ok("show", "model.npz", "--json").json["models"][0]["out_of_fold"] == found
    assert mlp.ok("evaluate", "model.npz", "--json").json["out_of_fold"] == found


def test_out_of_fold_figures_of_a_regression_are_in_the_targets_unit(mlp) -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(150, 2))
    y = 100 + 20 * x[:, 0] - 5 * x[:, 1] + rng.normal(size=150)
    np.savetxt("numbers.csv", np.c_[x, y], fmt="%.17g", delimiter=",", header="a,b,c", comments="")
    about = ("--data", "numbers.csv", "--task", "regression", "--members", 4, "--epochs", 5, *ONE)
    said = mlp.ok("train", *about, "--json").json
    data = Dataset("numbers", x, y, "")
    squares = np.concatenate(
        [
            (member.predict(x[rows]) - y[rows]) ** 2
            for number, member in enumerate(load(Path("model.npz")).each)
            for rows in [part(data, number, task="regression").rows]
        ]
    )
    assert said["out_of_fold"]["samples"] == len(squares)
    assert said["out_of_fold"]["rmse"] == pytest.approx(np.sqrt(squares.mean()), rel=1e-5)
    low, high = said["out_of_fold"]["intervals"]["rmse"]
    assert low < said["out_of_fold"]["rmse"] < high
    assert Model.load("model.npz").predict_interval(x[:3]).shape == (3, 2)
    assert "members" in mlp.ok("show", "model.npz").out


@pytest.fixture
def three(mlp) -> Path:
    """Three members on the digits."""
    mlp.ok(*TRAIN, *ONE, "-o", "three.npz")
    return Path("three.npz")


def softmax_by_hand(X: npt.NDArray[Any], arrays: dict[str, Any], number: int) -> Any:
    """A member's probabilities; its pixels are divided by 16."""
    W1, b1, W2, b2 = (arrays[f"members/{number}/{n}"] for n in ("W1", "b1", "W2", "b2"))
    hidden = np.maximum(X / 16 @ W1.astype(float) + b1, 0)
    scores = hidden @ W2.astype(float) + b2
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def test_the_answers_are_the_mean_of_the_members(mlp, three: Path, checkpoints) -> None:
    X, arrays = digits().X[:50], checkpoints.arrays(three)
    expected = np.mean([softmax_by_hand(X, arrays, number) for number in range(3)], axis=0)
    model = Model.load(three)
    assert np.allclose(model.predict_proba(X), expected, atol=1e-5)
    assert np.array_equal(model.predict(X), expected.argmax(axis=1))
    np.savetxt("rows.csv", X, fmt="%d", delimiter=",")
    table = mlp.ok("predict", three, "rows.csv", "--probabilities", "--header", "no").out
    rows = list(csv.reader(io.StringIO(table)))
    assert np.allclose(np.array(rows[1:], float)[:, 1:], expected, atol=1e-5)
    assert mlp.ok("predict", three, "rows.csv", "--json").json["model"] == str(three)


def test_evaluate_shows_each_member_and_the_committee_on_rows_that_none_has_seen(
    mlp, three: Path, checkpoints
) -> None:
    said = mlp.ok("evaluate", three)
    lines = said.out.splitlines()
    assert [line.split(":")[0] for line in lines[1:5]] == [
        *(f"three.npz member {number}" for number in range(3)),
        "committee of 3",
    ]
    data, found = digits(), mlp.ok("evaluate", three, "--json").json
    test = split(data).test
    assert test is not None
    arrays = checkpoints.arrays(three)
    each = [softmax_by_hand(data.X[test.rows], arrays, number) for number in range(3)]
    truth = data.y[test.rows]
    assert found["accuracy"] == np.mean(np.mean(each, axis=0).argmax(axis=1) == truth)
    own = [np.mean(probs.argmax(axis=1) == truth) for probs in each]
    assert [member["accuracy"] for member in found["members"]] == own
    assert mlp.ok("evaluate", three, "--split", "train", "--json").json["samples"] == 1438


def test_held_out_rows_are_refused_together_and_the_honest_figures_are_named(
    mlp, three: Path
) -> None:
    accuracy = mlp.ok("show", three, "--json").json["models"][0]["out_of_fold"]["accuracy"]
    code, text = mlp.error("evaluate", three, "--split", "val")
    assert code == 3
    assert text.startswith("three.npz: what one member holds out the others were trained on; of")
    assert text.endswith(f"the accuracy is {100 * accuracy:.2f} %")


def test_test_rows_of_another_run_that_a_member_saw_are_refused(mlp, three: Path) -> None:
    mlp.ok("train", "--data", "digits", "--test-fraction", 0.5, "--epochs", 1, "-q", "-o", "a.npz")
    code, text = mlp.error("evaluate", "a.npz", three)
    assert code == 3
    assert "three.npz member 0 was trained on" in text
    assert mlp.ok("evaluate", three, "a.npz", "--json").json["samples"] == 359


def test_gradcheck_proves_every_member(mlp, three: Path) -> None:
    said = mlp.ok("gradcheck", three, "--json").json
    assert said["passed"]
    names = [entry["name"] for entry in said["parameters"]]
    assert names == [f"members/{i}/{n}" for i in range(3) for n in ("W1", "b1", "W2", "b2")]
    assert {check["name"].rsplit("/", 1)[0] for check in said["checks"]} == {
        f"members/{i}" for i in range(3)
    }


def test_one_file_is_exported_as_a_committee_or_a_member_of_it(mlp, three: Path) -> None:
    mlp.ok("export", three, "all.py", "-q")
    X = digits().X[:20]
    np.savetxt("rows.csv", X, fmt="%d", delimiter=",")
    space: dict[str, Any] = {"__name__": "all"}
    exec(Path("all.py").read_text(encoding="utf-8"), space)
    assert mlp.error("export", three, "lesson.html")[0] == 2
    mlp.ok("export", three, "lesson.html", "--member", 2, "-q")
    assert mlp.error("export", three, "all.py", "--member", 3) == (
        2,
        "--member 3: there are 3 networks, counted from 0",
    )


def test_a_network_starts_from_the_member_of_its_number(mlp, three: Path, checkpoints) -> None:
    still = ("--data", "digits", "--hidden", 12, "--epochs", 1, "--lr", "1e-30", "--reg", 0)
    arrays = checkpoints.arrays(three)
    said = mlp.ok("train", *still, "--init-from", three, "--threads", 1, "-o", "one.npz").err
    assert "starting from member 0 of the 3 of three.npz" in said
    assert checkpoints.arrays("one.npz")["W1"].tobytes() == arrays["members/0/W1"].tobytes()
    mlp.ok("train", *still, "--init-from", three, "--members", 4, *ONE, "-o", "four.npz")
    four = checkpoints.arrays("four.npz")
    for number, source in enumerate((0, 1, 2, 0)):
        assert four[f"members/{number}/W1"].tobytes() == arrays[f"members/{source}/W1"].tobytes()
    code, text = mlp.error("evaluate", "one.npz", "--split", "val")
    assert code == 3
    assert "one.npz: started from three.npz member 0, which was trained on" in text


def test_nothing_is_scored_out_of_fold_if_a_member_started_from_what_saw_its_rows(
    mlp, three: Path
) -> None:
    about = ("train", "--data", "digits", "--hidden", 12, "--epochs", 1)
    again = mlp.ok(*about, "--members", 3, "--init-from", three, *ONE, "--json", "-o", "a.npz")
    assert again.json["out_of_fold"]["samples"] == 432  # each from the one that held out the same
    mlp.ok(*about, "-q", "-o", "one.npz")
    more = ("--members", 3, "--threads", 1, "--json", "-o", "b.npz")
    said = mlp.ok(*about, *more, "--init-from", "one.npz")
    assert said.json["out_of_fold"] is None
    assert "warning: one.npz was trained on " in said.err
    assert "of the 144 val rows, whose figures will be too good\n" in said.err
    code, text = mlp.error("evaluate", "b.npz", "--split", "val")
    assert code == 3
    assert text.endswith("the others were trained on; evaluate it on other rows, by --data")


def test_mlp_load_takes_one_member_and_says_so(mlp, three: Path, checkpoints) -> None:
    net = MLP.load(three, member=1)
    assert net.params["W1"].tobytes() == checkpoints.arrays(three)["members/1/W1"].tobytes()
    with pytest.raises(CheckpointError, match="holds several networks, the members 0, 1, 2; load"):
        MLP.load(three)
    with pytest.raises(CheckpointError, match="and no member 3"):
        MLP.load(three, member=3)


def test_the_number_of_processes_changes_no_byte(mlp, checkpoints) -> None:
    mlp.ok(*TRAIN, *ONE, "-o", "one.npz")
    mlp.ok(*TRAIN, *TWO, "-o", "two.npz")
    checkpoints.assert_same("one.npz", "two.npz")


@pytest.mark.parametrize("threads", [ONE, TWO], ids=["here", "apart"])
def test_stopped_and_resumed_members_end_in_the_same_bytes(
    mlp, checkpoints, threads: tuple[str, ...]
) -> None:
    more = ("--optimizer", "adam", "--average", "ema", "--dropout", 0.3)
    mlp.ok(*TRAIN, *more, *threads, "-o", "whole.npz")
    mlp.ok(*TRAIN, *more, *threads, "-o", "parts.npz", "--stop-after", 1)
    assert {len(m["history"]) for m in checkpoints.meta("parts.npz")["members"]} == {1}
    mlp.ok("train", "--resume", "parts.npz", *threads)
    checkpoints.assert_same("whole.npz", "parts.npz")
    assert not Path("parts.npz~").exists()


LONG = ("train", "--data", "digits", "--members", "3", "--hidden", "40", "--epochs", "70")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What such a run ends in that nothing stops."""
    path = tmp_path_factory.mktemp("whole") / "whole.npz"
    assert run([*LONG, *ONE, "-o", str(path)]) == 0
    return path


@pytest.mark.parametrize(
    ("number", "threads"),
    [(signal.SIGKILL, ONE), (signal.SIGKILL, TWO), (signal.SIGINT, TWO), (signal.SIGTERM, ONE)],
)
def test_killed_or_interrupted_and_resumed_members_end_in_the_same_bytes(
    mlp, checkpoints, whole: Path, number: int, threads: tuple[str, ...]
) -> None:
    every = ("--checkpoint-every", "1e-3")
    process = mlp.process(*LONG, *threads, *every, "-o", "parts.npz", "--log", "log.jsonl")
    end = time.monotonic() + 60
    while not Path("parts.npz").exists():
        assert time.monotonic() < end
        time.sleep(0.005)
    process.send_signal(number)
    err = process.communicate(timeout=60)[1]
    assert process.returncode in (128 + number, -number), err
    if number != signal.SIGKILL:
        assert "resume with: mlp train --resume parts.npz" in err
    members = load(Path("parts.npz"), resume=True).each
    assert any(member.epochs < 70 for member in members) or len(members) < 3
    mlp.ok("train", "--resume", "parts.npz", *threads, "--log", "log.jsonl")
    checkpoints.assert_same(whole, "parts.npz")
    lines = [json.loads(line) for line in Path("log.jsonl").read_text().splitlines()]
    epochs = sorted((e["member"], e["epoch"]) for e in lines if e["event"] == "epoch")
    assert epochs == [(member, epoch) for member in range(3) for epoch in range(1, 71)]


@pytest.mark.two_cores
def test_a_member_whose_process_is_killed_is_named_and_what_was_trained_is_kept(
    mlp, checkpoints, whole: Path
) -> None:
    process = mlp.process(*LONG, *TWO, "-o", "parts.npz", "--checkpoint-every", "1e-3")
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    end = time.monotonic() + 60
    while not Path("parts.npz").exists() or not children.read_text().split():
        assert time.monotonic() < end
        time.sleep(0.005)
    os.kill(int(children.read_text().split()[0]), signal.SIGKILL)
    err = process.communicate(timeout=60)[1]
    assert process.returncode == 1, err
    assert re.match(
        r"mlp: member \d was killed by signal 9; free memory, or use --threads 1; resume with: "
        r"mlp train --resume parts\.npz --threads 2\n$",
        err,
    )
    mlp.ok("train", "--resume", "parts.npz", *TWO)
    checkpoints.assert_same(whole, "parts.npz")


def test_the_time_is_of_the_run_and_patience_of_a_member(mlp, checkpoints) -> None:
    said = mlp.ok(*TRAIN, "--threads", 1, "--max-time", "1e-9").err
    assert "the time is up; resume with: mlp train --resume model.npz" in said
    began = [m for m in checkpoints.meta("model.npz")["members"] if m is not None]
    assert len(began) == 1
    assert len(began[0]["history"]) == 1
    mlp.ok("evaluate", "model.npz")
    mlp.ok("train", "--resume", "model.npz", *ONE)
    mlp.ok(*TRAIN, *ONE, "-o", "whole.npz")
    checkpoints.assert_same("whole.npz", "model.npz")
    said = mlp.ok(*mlp.once(*TRAIN, "--threads", 1, "--epochs", 500, "--patience", 2)).err
    for number in range(3):
        assert f"member {number}: stopped early: none of 2 epochs was better than epoch" in said


def test_categories_that_a_member_has_not_seen_are_no_obstacle(mlp, checkpoints) -> None:
    rng = np.random.default_rng(0)
    lines = ["size,shop,sold"]
    for row in range(120):  # some shops have a single row
        shop = f"rare{row}" if row % 20 == 0 else "abc"[row % 3]
        lines.append(f"{rng.normal():.3f},{shop},{'yes' if shop == 'a' else 'no'}")
    Path("shops.csv").write_text("\n".join(lines) + "\n")
    about = ("--data", "shops.csv", "--categorical", "shop", "--members", 10, "--epochs", 20)
    about += ("--embedding", "none", "--hidden", 8)
    mlp.ok("train", *about, *ONE, "-o", "whole.npz")
    widths = {member.file.sizes[0] for member in load(Path("whole.npz")).each}
    assert len(widths) > 1
    assert mlp.ok("evaluate", "whole.npz", "--json").json["accuracy"] > 0.9
    mlp.ok("gradcheck", "whole.npz", "-q")
    mlp.ok("export", "whole.npz", "shops.py", "-q")
    table = mlp.ok("predict", "whole.npz", "shops.csv").out
    rows = [dict(zip(("size", "shop"), line.split(","), strict=False)) for line in lines[1:]]
    with pytest.warns(UserWarning, match=r"^rows: .* that whole\.npz does not know$"):
        answers = Model.load("whole.npz").predict(rows).tolist()
    assert answers == [line.split(",")[0] for line in table.splitlines()[1:]]
    mlp.ok("train", *about, *ONE, "-o", "parts.npz", "--max-time", "1e-9")
    mlp.ok("train", "--resume", "parts.npz", *ONE)
    checkpoints.assert_same("whole.npz", "parts.npz")


def test_with_validation_data_or_none_members_differ_by_their_seeds(mlp, points: Path) -> None:
    small = ("--data", points, "--members", 2, "--hidden", 4, "--epochs", 3, *ONE, "--json")
    said = mlp.ok("train", *small, "--val-fraction", 0)
    assert said.json["out_of_fold"] is None
    assert said.json["members"][0]["validation"] is None
    a, b = load(Path("model.npz")).each
    assert not np.array_equal(a.file.params["W1"], b.file.params["W1"])
    said = mlp.ok("train", *small, "--val-data", points, "-o", "b.npz")
    assert said.json["members"][1]["validation"] is not None
    assert said.json["out_of_fold"] is None


def test_val_fraction_and_more_than_ten_members_make_other_parts(mlp) -> None:
    said = mlp.ok(*mlp.once(*TRAIN, "--epochs", 1), "--val-fraction", 0.2, *ONE, "--json").json
    assert said["out_of_fold"]["samples"] == sum(len(part(digits(), k, 5)) for k in range(3))
    said = mlp.ok(*mlp.once(*TRAIN, "--members", 12, "--epochs", 1), *ONE, "--json").json
    assert said["out_of_fold"]["samples"] == said["out_of_fold"]["rows"] == 1438


def test_one_member_is_a_single_network(mlp, checkpoints) -> None:
    mlp.ok("train", "--data", "digits", "--epochs", 1, "--members", 1, *ONE, "-o", "a.npz")
    mlp.ok("train", "--data", "digits", "--epochs", 1, *ONE, "-o", "b.npz")
    checkpoints.assert_same("a.npz", "b.npz")


def test_folds_score_each_row_by_a_network_that_never_saw_it_and_write_nothing(mlp) -> None:
    about = ("train", "--data", "digits", "--hidden", 12, "--epochs", 2, "--folds", 4)
    said = mlp.ok(*about, *ONE, "--json").json
    assert said["checkpoint"] is None
    assert not list(Path().iterdir())
    data = digits()
    right = 0
    for number in range(4):
        parts = split(data, fold=Fold(number, 4, scores=True))
        assert parts.test
        assert said["folds"][number]["test"].keys() == {"loss", "accuracy"}
        right += round(said["folds"][number]["test"]["accuracy"] * len(parts.test))
    assert said["out_of_fold"]["samples"] == said["out_of_fold"]["rows"] == 1438
    assert said["out_of_fold"]["accuracy"] == pytest.approx(right / 1438)
    assert mlp.ok(*about, *TWO, "--json").json["out_of_fold"] == said["out_of_fold"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            ("--folds", 3, "-o", "a.npz"),
            "--folds only scores, and writes no checkpoint; leave out -o",
        ),
        (
            ("--folds", 3, "--members", 2),
            "--folds scores one network per part; leave out --members",
        ),
        (("--members", 0), "--members 0: expected a whole number at least 1 and at most 1000"),
        (("--folds", 1), "--folds 1: a network is tested on what it is trained without; give 2"),
    ],
)
def test_what_does_not_go_together_is_refused(mlp, arguments: tuple[Any, ...], text: str) -> None:
    assert mlp.error("train", "--data", "digits", *arguments) == (2, text)
    assert not list(Path().iterdir())


def test_members_cannot_be_changed_when_a_run_goes_on(mlp, three: Path) -> None:
    code, text = mlp.error("train", "--resume", three, "--members", 4)
    assert code == 2
    assert text.startswith("--members 4: three.npz was trained with 3, which a resumed run cannot")


def test_a_member_that_diverges_is_named_and_the_others_are_kept(mlp) -> None:
    for threads, named in ((ONE, "0"), (TWO, "[01]")):  # of two, the first to say so
        code, text = mlp.error(*TRAIN, "--lr", "1e6", *threads)
        assert code == 4
        assert re.match(f"member {named}: the loss became", text)
        assert "lower --lr from 1e+06 to 100000" in text


DAMAGE: dict[str, tuple[dict[str, Any], str]] = {
    "an array is missing": ({"members__1__b2": None}, "the array b2 is missing"),
    "a member is missing": (
        {f"members__1__{n}": None for n in ("W1", "b1", "W2", "b2")}
        | {f"members__1__resume__{n}": None for n in ("last", "progress", "optimizer__velocity")},
        "`meta` does not agree with its arrays on members/1",
    ),
    "an array of no member": ({"members__7__W1": np.zeros((64, 12))}, "arrays on members/7"),
    "an array beside members": ({"W1": np.zeros((64, 12))}, "arrays on arrays beside members"),
    "an unknown array": ({"members__0__V1": 1.0}, "'members/0/V1', which no checkpoint has"),
    "a number with a zero": ({"members__00__W1": 1.0}, "'members/00/W1', which no checkpoint has"),
    "a meta inside": ({"members__0__meta": "{}"}, "'members/0/meta', which no checkpoint has"),
    "numbers that are none": (
        {"members__2__b1": np.full(12, np.nan, np.float32)},
        "b1 holds values that are not finite",
    ),
}


@pytest.mark.parametrize(("changes", "text"), DAMAGE.values(), ids=DAMAGE)
def test_damaged_arrays_end_in_one_line(
    mlp, three: Path, checkpoints, changes: dict[str, Any], text: str
) -> None:
    checkpoints.rewrite(three, **changes)
    code, said = mlp.error("evaluate", three)
    assert code == 3
    assert said.startswith("three.npz: ")
    assert text in said


META: dict[str, tuple[Any, str]] = {
    "no list": (lambda m: m.update(members={}), "members is an object, expected a list"),
    "an empty list": (lambda m: m.update(members=[]), "members has 0 items, expected 1 to 1,000"),
    "no member": (lambda m: m["members"].__setitem__(0, 5), "members[0] is 5, expected an object"),
    "none begun": (
        lambda m: m.update(members=[None] * 3),
        "does not agree with its arrays on members/0",
    ),
    "a key too few": (lambda m: m["members"][2].pop("epoch"), "members[2] has the keys"),
    "a key too many": (lambda m: m["members"][1].update(format=3), "members[1] has the keys"),
    "another task": (
        lambda m: m["members"][1]["task"].update(classes=list(range(1, 11))),
        "three.npz member 1 answers another question than member 0",
    ),
    "another layer": (
        lambda m: m["members"][1]["layers"][0].update(outputs=5),
        "outputs is 5, expected 12",
    ),
    "an old format": (lambda m: m.update(format=1), "does not agree with its arrays on members"),
    "no members declared": (
        lambda m: m["config"]["train"].pop("members"),
        "the file holds several",
    ),
    "figures that are none": (
        lambda m: m["out_of_fold"].update(loss="low"),
        "out_of_fold.loss is 'low', expected a number",
    ),
    "no headline": (lambda m: m["out_of_fold"].update(figures={}), "has no accuracy of what"),
}


@pytest.mark.parametrize(("change", "text"), META.values(), ids=META)
def test_damaged_meta_ends_in_one_line(
    mlp, three: Path, checkpoints, change: Any, text: str
) -> None:
    meta = checkpoints.meta(three)
    change(meta)
    checkpoints.rewrite(three, meta=json.dumps(meta))
    for command in (("evaluate", three), ("show", three), ("train", "--resume", three, *ONE)):
        code, said = mlp.error(*command)
        assert code == 3
        assert said.startswith("three.npz")
        assert text in said


def test_members_are_named_in_the_report(mlp, three: Path) -> None:
    mlp.ok("evaluate", three, "--report", "page.html", "-q")
    page = Path("page.html").read_text(encoding="utf-8")
    assert "Committee of 3" in page
    assert "three.npz member 2" in page
    assert page.count("mlp train --data digits") == 1


def test_a_log_has_every_epoch_of_every_member(mlp) -> None:
    mlp.ok(*TRAIN, *TWO, "--log", "log.jsonl")
    lines = [json.loads(line) for line in Path("log.jsonl").read_text().splitlines()]
    assert [line["event"] for line in (lines[0], lines[-1])] == ["start", "end"]
    assert lines[0]["members"] == 3
    found = sorted((line["member"], line["epoch"]) for line in lines[1:-1])
    assert found == [(member, epoch) for member in range(3) for epoch in (1, 2, 3)]


def test_sample_weights_groups_and_balanced_classes_go_with_members(mlp) -> None:
    rng = np.random.default_rng(5)
    lines = ["x,z,household,w,kind"]
    for row in range(160):
        k = int(row % 4 == 0)
        lines.append(f"{rng.normal(3 * k):.3f},{rng.normal():.3f},h{row // 4},{row % 3 + 1},{k}")
    Path("homes.csv").write_text("\n".join(lines) + "\n")
    about = ("--group", "household", "--sample-weight", "w", "--class-weight", "balanced")
    said = mlp.ok(
        *("train", "--data", "homes.csv", "--label-column", "kind", *about),
        *("--members", 4, "--epochs", 5, *ONE, "--json"),
    ).json
    assert said["out_of_fold"]["samples"] % 4 == 0
    assert mlp.ok("evaluate", "model.npz", "--json").json["samples"] == 32


@pytest.mark.parametrize("how", ["--quiet", "--json"])
def test_a_target_beyond_all_others_in_a_fold_is_said_to_overflow(mlp, how: str) -> None:
    """A value that stands for a missing one elsewhere, as 1e37, and no JSON of infinity."""
    rows = [f"{i % 29},{i % 7},{1e37 if i == 3 else i % 29 * 2.5 + i % 7}" for i in range(200)]
    Path("rows.csv").write_text("\n".join(["a,b,y", *rows]) + "\n")
    code, text = mlp.error("train", "--data", "rows.csv", "--folds", 2, "--epochs", 1, how)
    assert code == 3
    assert re.fullmatch(
        r"rows\.csv: the loss of network \d on what it holds out is not finite: it overflows", text
    )
