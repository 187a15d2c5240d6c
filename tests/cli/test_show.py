"""`mlp show`: one checkpoint in words, several as a table, and both for scripts."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli.text import sparkline

SMALL = ("train", "--data", "digits", "--hidden", "8", "--epochs", "4", "-q")


@pytest.fixture
def runs(mlp) -> list[str]:
    """Three runs that differ in their rate and width, of 4 epochs each."""
    for name, flags in (
        ("slow", ("--lr", "0.001")),
        ("fast", ("--lr", "0.1")),
        ("wide", ("--hidden", "32,16")),
    ):
        mlp.ok(*mlp.once(*SMALL, *flags), "-o", f"runs/{name}.npz")
    return [f"runs/{name}.npz" for name in ("slow", "fast", "wide")]


def test_one_checkpoint_is_described(mlp) -> None:
    mlp.ok(*SMALL, "--reg", "1e-3")
    out = mlp.ok("show", "model.npz").out
    assert out.startswith("model.npz\n")
    assert re.search(r"network +64-8-10, 610 parameters \(float32\), relu, cross-entropy", out)
    assert re.search(r"data +digits: 1,797 rows, images of 8 by 8, 10 classes: 0 1 2 3", out)
    assert re.search(r"training +4 epochs in \d\.\d s, weights of epoch \d, 1 thread\b", out)
    assert re.search(r"validation accuracy +\d+\.\d\d % +[▁-█]{4} +\d+\.\d\d %", out)
    assert re.search(r"dead units +\d", out)
    assert re.search(r"W1 +\(64, 8\) +512 ", out)
    assert "reg = 0.001" in out


def test_the_command_that_is_shown_gives_the_same_run(mlp, checkpoints) -> None:
    flags = ("--optimizer", "adam", "--activation", "tanh", "--hidden", "8,4", "--seed", "3")
    mlp.ok(*mlp.once(*SMALL, *flags), "--threads", "1", "-o", "a b.npz")
    (line,) = re.findall(r"repeat +mlp (.*)", mlp.ok("show", "a b.npz").out)
    words = shlex.split(line)
    assert words[-2:] == ["-o", "a b.npz"]
    mlp.ok(*words[:-1], "again.npz", "-q")
    checkpoints.assert_same("a b.npz", "again.npz")


def test_several_are_a_table_the_best_first_with_what_they_differ_in(mlp, runs) -> None:
    head, *lines = mlp.ok("show", *runs).out.splitlines()
    assert head.split() == ["model", "validation", "loss", "network", "lr", "epoch", "seconds"]
    scores = [float(line.split()[1]) for line in lines]
    assert scores == sorted(scores, reverse=True)
    assert lines[-1].startswith("runs/slow.npz")
    assert {line.split()[4] for line in lines} == {"64-8-10", "64-32-16-10"}
    assert " 0.001 " in lines[-1]


def test_a_model_without_validation_comes_last(mlp, runs) -> None:
    mlp.ok(*SMALL, "--val-fraction", "0", "-o", "runs/blind.npz")
    last = mlp.ok("show", "runs/blind.npz", *runs).out.splitlines()[-1]
    assert last.split()[:3] == ["runs/blind.npz", "-", "-"]


def test_scripts_read_json_and_csv(mlp, runs) -> None:
    models = mlp.ok("show", *runs, "--json").json["models"]
    assert [model["checkpoint"] for model in models][-1] == "runs/slow.npz"
    first = models[0]
    assert first["data"] == "digits"
    assert first["epochs"] == 4
    assert first["classes"] == list(range(10))
    assert first["config"]["train"]["batch_size"] == 128
    best = first["history"][first["best_epoch"] - 1]
    assert first["validation"] == {"loss": best["val_loss"], "accuracy": best["val_accuracy"]}

    rows = list(csv.DictReader(io.StringIO(mlp.ok("show", *runs, "--csv").out)))
    assert [row["checkpoint"] for row in rows] == [model["checkpoint"] for model in models]
    assert float(rows[0]["val_accuracy"]) == best["val_accuracy"]
    assert {row["hidden"] for row in rows} == {"8", "32,16"}
    assert rows[-1]["lr"] == "0.001"


def test_models_that_predict_numbers_are_compared_by_their_rmse(mlp, runs) -> None:
    train = ("train", "--data", "penguins", "--label-column", "body_mass_g", "--epochs", 3, "-q")
    for name, lr in (("good", 0.01), ("bad", 1e-5)):
        mlp.ok(*train, *mlp.PLAIN, "--lr", lr, "-o", f"runs/{name}.npz")
    mlp.ok(*train, *mlp.PLAIN, "--members", 2, "--lr", 0.01, "-o", "runs/two.npz")
    numbers = ["runs/bad.npz", "runs/good.npz", "runs/two.npz"]

    found = mlp.ok("show", *numbers, *runs, "--json").json["models"]
    kinds = ["rmse" in model["validation"] for model in found]
    assert kinds == sorted(kinds)  # each task by itself
    scores = [m["validation"]["rmse"] for m in found if "rmse" in m["validation"]]
    assert scores == sorted(scores)
    (good,) = (m for m in found if m["checkpoint"] == "runs/good.npz")
    best = good["history"][good["best_epoch"] - 1]
    assert good["train"] == {"loss": best["train_loss"], "rmse": best["train_rmse"]}

    table = mlp.ok("show", *numbers).out.splitlines()[1:]
    shown = [re.split(r"  +", line)[1] for line in table]
    assert shown == [f"RMSE {score:.4g}" for score in scores]
    rows = list(csv.DictReader(io.StringIO(mlp.ok("show", *numbers, runs[0], "--csv").out)))
    assert [float(row["val_rmse"] or 0) for row in rows] == pytest.approx([0, *scores], rel=1e-6)
    assert [bool(row["val_accuracy"]) for row in rows] == [True, False, False, False]
    curve = rf"validation RMSE +{good['history'][0]['val_rmse']:.4g} "
    assert re.search(curve, mlp.ok("show", "runs/good.npz").out)


def test_one_that_cannot_be_read_does_not_hide_the_others(mlp, runs) -> None:
    Path("runs/torn.npz").write_text("torn")
    outcome = mlp("show", *runs, "runs/torn.npz")
    assert outcome.code == 3
    assert len(outcome.out.splitlines()) == 4
    assert outcome.err.startswith("warning: runs/torn.npz: not a checkpoint")
    said = "1 of 4 cannot be read; the first: runs/torn.npz: not a checkpoint"
    assert mlp.error("show", *runs, "runs/torn.npz", "-q")[1].startswith(said)
    assert mlp.error("show", "none.npz")[0] == 3


def test_pictures_are_drawn_small(mlp, runs) -> None:
    image_module = pytest.importorskip("PIL.Image", reason="Pillow is not installed (extra report)")
    pytest.importorskip("matplotlib", reason="Matplotlib is not installed (extra report)")
    outcome = mlp.ok("show", runs[1], "--weights", "w.png", "--curves", "new/c.png")
    assert outcome.err == ("new/c.png written\nw.png written, 8 of 8 units of the first layer\n")
    with image_module.open("w.png") as image:
        assert min(image.size) > 300
    mlp.ok("show", *runs, "--curves", "c.svg", "-q")
    assert "runs/fast.npz" in Path("c.svg").read_text()
    for picture in ("w.png", "new/c.png", "c.svg"):
        assert Path(picture).stat().st_size < 60_000


def test_pictures_that_cannot_be_are_refused(mlp, runs, points: Path) -> None:
    pytest.importorskip("matplotlib", reason="Matplotlib is not installed (extra report)")
    mlp.ok("train", "--data", "points.csv", "--epochs", "1", "-o", "points.npz", "-q")
    for arguments, said in (
        ((*runs, "--weights", "w.png"), "--weights draws one model; name one"),
        ((runs[0], "--weights", "w.svg"), "w.svg: weights are drawn as a .png file"),
        (("points.npz", "--weights", "w.png"), "--weights: points.npz was trained on points.csv, "),
        ((runs[0], "--curves", "c.xyz"), "c.xyz: not a kind of picture; name a .png, .svg or"),
        ((runs[0], "--csv", "--json"), "--json and --csv: stdout can only be one of them"),
    ):
        code, text = mlp.error("show", *arguments)
        assert code == 2
        assert text.startswith(said)
    assert mlp.error("show", runs[0], "--curves", "runs")[0] == 1


def test_curves_in_the_terminal() -> None:
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7]) == "▁▂▃▄▅▆▇█"
    assert sparkline([1, 10, 100]) == "▁▅█"  # by powers of ten
    assert sparkline([2, 2]) == "▄▄"
    assert len(sparkline(list(range(1000)))) == 40


def test_a_stream_that_cannot_show_blocks_gets_none(mlp) -> None:
    mlp.ok(*SMALL)
    process = mlp.process("show", "model.npz", PYTHONIOENCODING="latin-1")
    out, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    assert re.search(r"validation loss +\d\.\d+ +to +\d\.\d+", out)
    assert out.isascii()


def test_repeat_names_the_first_weights_and_says_where_it_is_not_exact(mlp):
    mlp.ok("train", "--data", "spiral", "--epochs", 2, "-o", "first.npz", "-q")
    mlp.ok("train", "--data", "spiral", "--epochs", 2, "--init-from", "first.npz", "-q")
    assert "--init-from first.npz -o model.npz\n" in mlp.ok("show", "model.npz").out
    mlp.ok("train", "--resume", "first.npz", "--epochs", 3, "-q")
    shown = mlp.ok("show", "first.npz").out
    assert "--epochs 3 --threads 1 -o first.npz (not exactly: it was resumed with other" in shown


def test_repeat_has_nothing_that_the_run_goes_on_without(mlp, checkpoints) -> None:
    drops = ("--lr-schedule", "step", "--lr-step", 1)
    mlp.ok("train", "--data", "spiral", "--epochs", 2, *drops, "-q")
    mlp.ok("train", "--resume", "model.npz", "--lr-schedule", "cosine", "--epochs", 3, "-q")
    repeat = "repeat     mlp train --data spiral --epochs 3 --threads 1 -o model.npz (not"
    assert repeat in mlp.ok("show", "model.npz").out
    meta = checkpoints.meta("model.npz")
    meta["config"]["train"] |= {"lr_decay": 0.1, "lr_step": 1.0}  # as earlier versions kept them
    checkpoints.rewrite("model.npz", meta=json.dumps(meta))
    assert repeat in mlp.ok("show", "model.npz").out


def test_a_stopped_run_that_went_on_as_planned_is_repeated_exactly(mlp):
    mlp.ok("train", "--data", "spiral", "--epochs", 3, "--stop-after", 1, "-q")
    mlp.ok("train", "--resume", "model.npz", "-q")
    assert "not exactly" not in mlp.ok("show", "model.npz").out


# A sheet of distorted images


def sheet(path: Path) -> Any:
    """Its pixels."""
    image_module = pytest.importorskip("PIL.Image")

    with image_module.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("L"))


def test_the_distortions_of_options_are_drawn_without_a_model(mlp) -> None:
    pytest.importorskip("matplotlib", reason="Matplotlib is not installed (extra report)")
    options = ("--augment", "affine", "--rotate", "0", "--shear", "0", "--zoom", "0")
    outcome = mlp.ok("show", "--augment-preview", "a.png", *options, "--shift", "0")
    assert outcome.err == "a.png written, 10 images of digits before and after\n"
    assert outcome.out == ""
    still = sheet(Path("a.png"))
    # eleven images of 8 by 8 pixels, each 10 wide; gaps of 1, and of 2 after the first
    images = [still[:80, left : left + 80] for left in [0, *(110 + 90 * i for i in range(10))]]
    assert all(np.array_equal(image, images[0]) for image in images)
    assert len(np.unique(images[0])) > 5

    mlp.ok("show", "--augment-preview", "b.png", *options, "--shift", "2", "-q")
    moved = sheet(Path("b.png"))
    assert moved.shape == still.shape
    assert np.array_equal(moved[:, :80], still[:, :80])
    assert not np.array_equal(moved, still)


def test_the_distortions_of_a_model_are_drawn_and_a_flag_goes_before_them(mlp) -> None:
    pytest.importorskip("matplotlib", reason="Matplotlib is not installed (extra report)")
    mlp.ok(*SMALL, "--augment", "elastic")
    outcome = mlp.ok("show", "model.npz", "--augment-preview", "own.png")
    assert outcome.out.startswith("model.npz\n  network    ")
    assert outcome.err == "own.png written, 10 images of digits before and after\n"
    Path("run.toml").write_text('[augment]\naugment = "elastic"\n')
    mlp.ok("show", "--augment-preview", "config.png", "--config", "run.toml", "--data", "digits")
    assert np.array_equal(sheet(Path("own.png")), sheet(Path("config.png")))
    mlp.ok("show", "model.npz", "--augment-preview", "other.png", "--rotate", "90")
    assert not np.array_equal(sheet(Path("own.png")), sheet(Path("other.png")))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "missing argument MODEL.npz…; see mlp show --help"),
        (
            ("--augment-preview", "a.png"),
            "--augment-preview: these options train without distortions; "
            "give --augment affine or elastic, too",
        ),
        (
            ("model.npz", "--augment-preview", "a.png"),
            "--augment-preview: model.npz was trained without distortions; "
            "give --augment affine or elastic, too",
        ),
        (
            ("model.npz", "--rotate", "5"),
            "--rotate is for --augment-preview, which is not given",
        ),
        (
            ("model.npz", "--config", "run.toml"),
            "--config is for --augment-preview, which is not given",
        ),
        (
            ("--augment-preview", "a.png", "--augment", "affine", "--data", "spiral"),
            "--augment affine: spiral holds no images to distort; give --augment none",
        ),
        (
            ("--augment-preview", "a.pdf", "--augment", "affine"),
            "a.pdf: distorted images are drawn as a .png file",
        ),
        (
            ("--augment-preview", "a.png", "--curves", "b.png"),
            "--weights and --curves draw models; name one",
        ),
        (
            ("model.npz", "model.npz", "--augment-preview", "a.png"),
            "--augment-preview draws one model; name one",
        ),
    ],
)
def test_a_sheet_that_cannot_be_drawn_is_refused(mlp, arguments, said: str) -> None:
    pytest.importorskip("matplotlib", reason="Matplotlib is not installed (extra report)")
    mlp.ok(*SMALL)
    assert mlp.error("show", *arguments) == (2, said)
    assert not list(Path().glob("a.*"))


def test_the_columns_are_listed_with_what_was_learned_of_them(mlp) -> None:
    lines = ["when,colour,size,kind"]
    for n in range(60):
        colour = ("red", "blue", "")[n % 3]
        lines.append(f"2024-0{n % 2 + 1}-{n % 28 + 1:02},{colour},{n if n % 4 else ''},{n % 2}")
    Path("t.csv").write_text("\n".join(lines) + "\n")
    flags = ("--test-fraction", 0, "--val-fraction", 0, "--scale", "standard", "--epochs", 1, "-q")
    mlp.ok("train", "--data", "t.csv", *flags)
    sizes = [n for n in range(60) if n % 4]
    filled = np.array([n if n % 4 else np.median(sizes) for n in range(60)])
    scaled = f"(x − {filled.mean():.4g})·{1 / filled.std():.4g}"
    text = mlp.ok("show", "model.npz").out
    table = text[text.index("  column ") :].split("\n\n")[0].splitlines()
    assert [" ".join(line.split()) for line in table] == [
        "column kind missing in the training rows",
        "when date from 2024-01-01 to 2024-02-28, month, weekday",
        "colour category 33.33 % 2: blue, red",
        f"size number 25.00 % median {np.median(sizes):.6g}, from 1 to 59, {scaled}",
    ]
    (model,) = mlp.ok("show", "model.npz", "--json").json["models"]
    assert [c["kind"] for c in model["columns"]] == ["date", "category", "number"]
    assert model["columns"][1]["categories"] == ["blue", "red"]


def test_a_wide_table_is_cut_and_images_are_a_line(mlp) -> None:
    names = [f"a-name-that-is-much-too-long-{j}" for j in range(50)]
    rows = [",".join(f"{(i * j) % 7}" for j in range(1, 51)) + f",{i % 2}" for i in range(30)]
    Path("wide.csv").write_text("\n".join([",".join([*names, "y"]), *rows]) + "\n")
    only = ",".join(names)
    mlp.ok(
        "train", "--data", "wide.csv", "--only", only, "--label-column", "y", "--epochs", 1, "-q"
    )
    text = mlp.ok("show", "model.npz").out
    assert "… and 10 more, which --json has" in text
    assert max(map(len, text[text.index("  column ") :].split("\n\n")[0].splitlines())) <= 100
    mlp.ok("train", "--data", "digits", "--hidden", "none", "--epochs", 1, "-q")
    assert "\n  64 pixels from 0 to 16, times 0.0625\n" in mlp.ok("show", "model.npz").out


def test_a_regression_is_described_by_its_target(mlp) -> None:
    rows = [f"{x},{2 * x + 0.5}" for x in range(40)]
    Path("t.csv").write_text("\n".join(["x,price", *rows]) + "\n")
    mlp.ok(
        "train", "--data", "t.csv", "--test-fraction", 0, "--val-fraction", 0, "--epochs", 1, "-q"
    )
    assert "price from 0.5 to 78.5, mean 39.5" in mlp.ok("show", "model.npz").out


def test_a_column_whose_name_breaks_lines_has_one_line(mlp, points: Path, checkpoints) -> None:
    mlp.ok("train", "--data", points, "--epochs", 1, "-q")
    meta = checkpoints.meta("model.npz")
    meta["encoding"][0]["column"] = "a\x85b"
    checkpoints.rewrite("model.npz", meta=json.dumps(meta))
    assert re.search(r"\n +a\\x85b +number ", mlp.ok("show", "model.npz").out)
