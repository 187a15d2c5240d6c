"""The lesson as a file: what is in it, what it may do, and which models it is made of."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli import MLP
from mlpcli.data.builtin import digits, spiral
from mlpcli.data.split import Split
from mlpcli.export.lesson_inputs import recoded
from mlpcli.runs.model import load
from mlpcli.runs.own_data import rows_to_evaluate

HERE = Path(__file__).parent
ROOT = HERE.parents[2]


def facts_of(path: Path) -> dict[str, Any]:
    """The JSON in a lesson."""
    (text,) = re.findall(r'<script type="application/json" id="facts">(.*?)</script>', _read(path))
    facts: dict[str, Any] = json.loads(text)
    return facts


def _read(path: Path) -> str:
    return path.read_text("utf-8")


def unpacked(packed: dict[str, Any]) -> Any:
    array = np.frombuffer(base64.b64decode(packed["data"]), packed["dtype"])
    return array * packed["scale"] if "scale" in packed else array


def test_its_policy_allows_its_own_script_and_style_and_no_request(lesson_of) -> None:
    page = _read(lesson_of("digits"))
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))

    def digest(text: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    (script,) = re.findall(r'<script type="module">(.*?)</script>', page, re.DOTALL)
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    assert rules == {
        "default-src": "'none'",
        "script-src": digest(script),
        "style-src": digest(style),
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    assert not re.findall(r"<[^>]* (?:style|on\w+)=", page)
    assert re.findall(r'(?:src|href)="(?!#)([^"]*)"', page) == ["data:,"]
    assert set(re.findall(r"https?://[^\s\"')]*", page)) == {"http://www.w3.org/2000/svg"}


def test_its_script_is_the_packages_files_with_nothing_but_imports_left_out(lesson_of) -> None:
    (script,) = re.findall(
        r'<script type="module">(.*?)</script>', _read(lesson_of("digits")), re.DOTALL
    )
    files = sorted((ROOT / "mlpcli" / "export" / "page").glob("*.mjs"))
    lines = [line for file in files for line in _read(file).splitlines()]
    kept = [line.removeprefix("export ") for line in lines if not line.startswith("import ")]
    assert sorted(filter(None, script.splitlines())) == sorted(filter(None, kept))


def test_an_mnist_sized_lesson_has_at_most_700_kilobytes(lesson_of) -> None:
    facts = facts_of(lesson_of("noise"))
    assert facts["network"]["sizes"] == [784, 100, 10]
    assert facts["network"]["params"]["W1"]["dtype"] == "float16"
    assert facts["firstLayer"]["times"].keys() == {"start", "end"}
    assert len(facts["samples"]) == 12
    assert lesson_of("noise").stat().st_size <= 700_000


def test_a_dozen_test_samples_are_embedded_and_wrong_ones_among_them(lesson_of) -> None:
    facts, data = facts_of(lesson_of("digits")), digits()
    model = load(lesson_of("digits").with_suffix(".npz"))
    about: dict[str, Any] = {"source": None, "label_column": None, "split_name": "test"}
    _, test = rows_to_evaluate(model, Path(), **about)
    rows = [sample["row"] - 1 for sample in facts["samples"]]
    assert len(set(rows)) == 12
    assert set(rows) <= set(test.rows.tolist())
    for row, sample in zip(rows, facts["samples"], strict=True):
        np.testing.assert_array_equal(unpacked(sample["raw"]), data.X[row])
        assert sample["label"] == data.y[row]
    said = model.network().predict_proba(data.X[rows] / 16).argmax(axis=1)
    wrong = np.flatnonzero(said != data.y[rows])
    all_wrong = model.network().predict_proba(data.X[test.rows] / 16).argmax(axis=1)
    assert len(wrong) == min(4, np.count_nonzero(all_wrong != data.y[test.rows])) > 0
    assert len({data.y[row] for row in rows}) >= 8
    assert facts["figures"]["accuracy"] == pytest.approx(
        np.mean(all_wrong == data.y[test.rows]), abs=1e-12
    )


def test_a_regressions_samples_are_spread_and_the_worst_are_among_them(lesson_of) -> None:
    path = lesson_of("prices")
    facts, model = facts_of(path), load(path.with_suffix(".npz"))
    table = np.loadtxt(path.with_name("prices.csv"), delimiter=",", skiprows=1)
    rows = [sample["row"] - 1 for sample in facts["samples"]]
    assert len(set(rows)) == 12
    labels = np.array([sample["label"] for sample in facts["samples"]])
    np.testing.assert_allclose(labels, table[rows, -1], rtol=1e-6)
    assert np.ptp(labels) > 2 * model.task.deviation
    assert facts["target"]["name"] == "price"
    assert set(facts["figures"]) == {"split", "samples", "loss", "rmse", "mae", "r2"}
    assert {"train_rmse", "val_rmse"} <= set(facts["history"])


def test_the_first_layer_is_shown_at_the_start_and_at_the_end(lesson_of) -> None:
    path = lesson_of("digits")
    facts = facts_of(path)
    times = facts["firstLayer"]["times"]
    first = MLP([64, 12, 10], seed=0).params["W1"]
    with np.load(path.with_suffix(".npz")) as file:
        last = file["resume/last"][: 64 * 12].reshape(64, 12)
    for found, wanted in ((times["start"], first), (times["end"], last)):
        level = found["scale"]
        pixels = unpacked(found).reshape(64, 12)
        np.testing.assert_allclose(
            pixels, np.clip(wanted, -127 * level, 127 * level), atol=0.51 * level
        )


def test_weights_only_and_a_start_from_elsewhere_leave_those_pictures_out(mlp) -> None:
    mlp.ok("train", "--data", "digits", "--epochs", 1, "-q", "-o", "a.npz")
    again = ("--init-from", "a.npz", "--weights-only", "-o", "b.npz")
    mlp.ok("train", "--data", "digits", "--epochs", 1, "-q", *again)
    mlp.ok("export", "b.npz", "b.html")
    assert facts_of(Path("b.html"))["firstLayer"]["times"] == {}


def test_the_spirals_points_and_curves_are_there(lesson_of) -> None:
    facts, data = facts_of(lesson_of("spiral")), spiral()
    points = unpacked(facts["points"]["raw"]).reshape(-1, 2)
    rows = {tuple(row) for row in data.X.tolist()}
    assert len(points) == 270
    assert {tuple(p) for p in points.tolist()} <= rows
    assert facts["history"]["epoch"][-1] == 334
    assert facts["history"]["best"] in facts["history"]["epoch"]
    assert len(facts["history"]["train_loss"]) == len(facts["history"]["epoch"]) <= 400


def test_a_tables_columns_have_their_usual_ranges(lesson_of) -> None:
    path = lesson_of("flowers")
    facts = facts_of(path)
    X = np.loadtxt(path.with_name("flowers.csv"), str, delimiter=",", skiprows=1)[:, :3]
    for column, values in zip(facts["columns"], X.astype(float).T, strict=True):
        assert column["kind"] == "number"
        assert values.min() <= column["low"] < column["middle"] < column["high"] <= values.max()
        inside = (values >= column["low"]) & (values <= column["high"])
        assert 0.85 <= np.mean(inside) < 1
    assert facts["columns"][0]["name"] == "</script><img src=x onerror=alert(1)>"
    assert facts["classes"] == ["<b>ant</b>", "bee & co", "cow"]


def test_categories_that_a_file_numbers_otherwise_get_the_models_codes(
    lesson_of, bird_data
) -> None:
    """Another file has further islands, in another order; what the model has not seen is -1."""
    model = load(lesson_of("birds").with_suffix(".npz"))
    columns = list(bird_data.columns)
    columns[0] = replace(columns[0], categories=("Atlantis", "Torgersen", "Biscoe", "Dream"))
    X = bird_data.X.copy()
    X[:6, 0] = [0, 1, 2, 3, np.nan, -1]
    other = replace(bird_data, X=X, columns=tuple(columns))
    rows = Split("test", X, np.zeros(len(X)), np.arange(6))
    found = recoded(model, other, rows)
    np.testing.assert_array_equal(found[:, 0], [-1, 2, 0, 1, np.nan, -1])
    np.testing.assert_array_equal(found[:, 1:], X[:6, 1:])


def test_a_forms_columns_are_the_models(lesson_of) -> None:
    island, mass, sex, seen = facts_of(lesson_of("birds"))["columns"]
    assert (island["kind"], island["values"]) == ("category", ["Biscoe", "Dream", "Torgersen"])
    assert (sex["values"], sex["missing"], island["missing"]) == (["female", "male"], True, False)
    assert mass["kind"] == "number"
    assert mass["missing"]
    assert 2000 < mass["low"] < mass["middle"] < mass["high"] < 6000
    assert (seen["kind"], seen["timed"]) == ("date", False)


def test_without_its_data_a_lesson_has_no_samples_and_says_so(mlp, points: Path) -> None:
    mlp.ok("train", "--data", points, "--epochs", 5, "-q")
    points.unlink()
    outcome = mlp.ok("export", "model.npz", "lesson.html")
    assert outcome.err.startswith(f"without samples: {points}: the data that model.npz was trained")
    facts = facts_of(Path("lesson.html"))
    assert facts["samples"] == []
    assert facts["figures"] is None
    assert [column["name"] for column in facts["columns"]] == ["width", "height"]
    (width, _) = facts["columns"]
    assert width["low"] < 0 < 4 < 8 < width["high"]


def test_several_networks_are_refused_and_one_of_them_is_taken(mlp) -> None:
    for seed in (0, 1):
        arguments = ("--data", "digits", "--epochs", 1, "--seed", seed, "-o", f"{seed}.npz")
        mlp.ok("train", *arguments, "-q")
    assert mlp.error("export", "0.npz", "1.npz", "lesson.html") == (
        2,
        "a lesson is of one network, and these are 2; choose one by --member I, counted from 0",
    )
    assert not Path("lesson.html").exists()
    mlp.ok("export", "0.npz", "1.npz", "lesson.html", "--member", 1)
    assert facts_of(Path("lesson.html"))["name"] == "1.npz"


def test_a_network_of_more_than_a_million_parameters_is_refused(mlp) -> None:
    mlp.ok("train", "--data", "digits", "--hidden", "960,960", "--epochs", 1, "-q")
    assert 65 * 960 + 961 * 960 + 961 * 10 < 1_000_000
    mlp.ok("export", "model.npz", "model.html")
    mlp.ok("train", "--data", "digits", "--hidden", "970,970", "--epochs", 1, "-q")
    assert mlp.error("export", "model.npz", "lesson.html") == (
        2,
        f"model.npz: has {65 * 970 + 971 * 970 + 971 * 10:,} parameters, and a lesson takes at "
        "most 1,000,000; train a smaller network for it, as by --hidden 100",
    )
    assert not Path("lesson.html").exists()


def test_weights_too_large_for_half_precision_are_kept_in_single(mlp, checkpoints) -> None:
    mlp.ok("train", "--data", "digits", "--hidden", "800", "--epochs", 1, "-q")
    mlp.ok("export", "model.npz", "half.html")
    checkpoints.rewrite("model.npz", b2=np.full(10, 1e5, np.float32))
    mlp.ok("export", "model.npz", "single.html")
    for name, dtype in (("half", "float16"), ("single", "float32")):
        assert facts_of(Path(f"{name}.html"))["network"]["params"]["b2"]["dtype"] == dtype


def test_its_javascript_satisfies_tsc_and_eslint(tool) -> None:
    eslint = ["node", tool("eslint/bin/eslint.js"), "--config", HERE / "eslint.config.mjs"]
    checks = (
        ["node", tool("typescript/bin/tsc"), "-p", HERE],
        [*eslint, "mlpcli/export/page", HERE.relative_to(ROOT)],
    )
    for command in checks:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_those_checks_notice_what_is_wrong(tool, tmp_path: Path) -> None:
    (tmp_path / "wrong.mjs").write_text(
        '/** @param {number} x */\nexport const f = (x) => x == "1";\n'
    )
    config = json.loads(_read(HERE / "tsconfig.json")) | {"include": ["*.mjs"]}
    (tmp_path / "tsconfig.json").write_text(json.dumps(config))
    rules = tmp_path / "eslint.config.mjs"
    rules.write_text(_read(HERE / "eslint.config.mjs"))
    checks = (
        ["node", tool("typescript/bin/tsc"), "-p", tmp_path],
        ["node", tool("eslint/bin/eslint.js"), "--config", rules, "wrong.mjs"],
    )
    for command, complaint in zip(checks, ("TS2367", "eqeqeq"), strict=True):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode != 0
        assert complaint in done.stdout
