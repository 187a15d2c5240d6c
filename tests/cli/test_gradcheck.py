"""`mlp gradcheck` as it is called: what it checks, what it prints, and how it fails."""

import numpy as np
import pytest

from mlpcli.nn.network import MLP


def wrong_by_a_little(monkeypatch):
    """One derivative of every backward pass is 1.0005 times what it should be."""
    right = MLP.backward_pass

    def backward_pass(self, batch, gradient, *, drop=False):
        right(self, batch, gradient, drop=drop)
        gradient.W[0][1, 2] *= 1.0005

    monkeypatch.setattr(MLP, "backward_pass", backward_pass)


@pytest.fixture
def model(mlp, points):
    net = ("--hidden", "7", "--activation", "relu", "--scale", "standard", "--embedding", "none")
    mlp.ok("train", "--data", points, *net, "--epochs", 3, "--reg", 0.02, "-q")
    return mlp.folder / "model.npz"


def test_every_parameter_is_checked_and_shown(mlp):
    outcome = mlp.ok("gradcheck", "--data", "spiral", "--hidden", "20")
    assert outcome.err == "2-20-3, relu, cross-entropy, λ = 0.0001, on spiral\n"
    header, *rows = outcome.out.splitlines()
    assert header.split()[:4] == ["array", "shape", "checked", "kinks"]
    assert [row.split()[:3] for row in rows[:4]] == [
        ["W1", "2x20", "40"],
        ["b1", "20", "20"],
        ["W2", "20x3", "60"],
        ["b2", "3", "3"],
    ]
    assert [row[:6].strip() for row in rows[5:17]] == ["ok"] * 12
    assert rows[-1].startswith("passed: max relative error ")
    assert rows[-1].endswith(" over 123 of 123 parameters, tolerance 1e-06")


@pytest.mark.parametrize(
    "options",
    [
        ("--hidden", "none"),
        ("--hidden", "9,8", "--activation", "leaky-relu", "--dropout", "0.5"),
        ("--activation", "sigmoid", "--loss", "mse", "--init", "normal", "--init-scale", "1"),
        ("--activation", "tanh", "--loss", "bce", "--reg", "0"),
        ("--input-dropout", "0.5", "--label-smoothing", "0.2", "--class-weight", "balanced"),
        ("--scale", "none", "--seed", "3"),
    ],
)
def test_any_network_on_a_persons_own_data_passes(mlp, points, options):
    report = mlp.ok(
        *mlp.once("gradcheck", "--data", points, "--hidden", "10", *options), "--json"
    ).json
    assert report["passed"] is True
    assert report["max_relative_error"] <= 1e-6


def test_without_data_it_takes_the_digits_and_says_so(mlp):
    outcome = mlp.ok("gradcheck", "--hidden", "30")
    assert outcome.err.splitlines() == [
        "no --data given and MNIST is not downloaded: checking on digits; "
        "`mlp download` gets MNIST",
        "64-30-10, relu, cross-entropy, λ = 0.0001, on digits",
    ]


def test_a_configuration_is_checked_and_flags_go_before_it(mlp):
    path = mlp.folder / "run.toml"
    path.write_text('[data]\ndata = "spiral"\n[model]\nhidden = [5, 4]\n[train]\nreg = 0.5\n')
    outcome = mlp.ok("gradcheck", "--config", path, "--activation", "tanh")
    assert outcome.err == "2-5-4-3, tanh, cross-entropy, λ = 0.5, on spiral\n"


def test_json_is_all_there_is_on_stdout(mlp):
    outcome = mlp.ok("gradcheck", "--data", "spiral", "--hidden", "5", "--json", "-q")
    assert outcome.err == ""
    assert [p["name"] for p in outcome.json["parameters"]] == ["W1", "b1", "W2", "b2"]
    assert len(outcome.json["checks"]) == 12


def test_a_saved_model_is_checked_on_its_own_data(mlp, model, points):
    outcome = mlp.ok("gradcheck", model)
    assert outcome.err == f"2-7-3, relu, cross-entropy, λ = 0.02, on {points}\n"
    assert "over 45 of 45 parameters" in outcome.out


def test_a_saved_model_is_checked_from_its_own_weights(mlp, model, checkpoints):
    before = mlp.ok("gradcheck", model, "--json").json
    W2 = checkpoints.arrays(model)["W2"]
    checkpoints.rewrite(model, W2=np.zeros_like(W2))
    assert mlp.ok("gradcheck", model, "--json").json != before


def test_a_saved_model_is_checked_on_other_data(mlp, model, points):
    other = mlp.folder / "other.csv"
    other.write_text("\n".join(points.read_text().splitlines()[:50]) + "\n")
    outcome = mlp.ok("gradcheck", model, "--data", other, "--reg", "0")
    assert outcome.err == f"2-7-3, relu, cross-entropy, λ = 0, on {other}\n"


def test_a_saved_model_whose_data_are_gone_is_checked_on_random_inputs(mlp, model, points):
    points.unlink()
    outcome = mlp.ok("gradcheck", model)
    assert outcome.err.splitlines() == [
        f"{points}: the data that {model} was trained on are gone; name them with --data; "
        "checking on random inputs",
        "2-7-3, relu, cross-entropy, λ = 0.02, on random inputs",
    ]
    assert mlp("gradcheck", model, "--data", points).code == 3


def test_a_wrong_gradient_ends_with_5_after_the_table(mlp, monkeypatch):
    wrong_by_a_little(monkeypatch)
    code, line = mlp.error("gradcheck", "--data", "spiral", "--hidden", "6")
    assert code == 5
    assert line.startswith("W1[1, 2] has the derivative ")
    assert line.endswith(": relative error 5.0e-04, tolerance 1e-06")
    table = mlp("gradcheck", "--data", "spiral", "--hidden", "6").out
    assert "5.0e-04  [1, 2]" in table
    assert table.splitlines()[-1].startswith("FAILED: max relative error 5.0e-04")


def test_a_wrong_gradient_is_in_json_too(mlp, monkeypatch):
    wrong_by_a_little(monkeypatch)
    outcome = mlp("gradcheck", "--data", "spiral", "--hidden", "6", "--json")
    assert outcome.code == 5
    assert outcome.json["passed"] is False
    assert outcome.json["parameters"][0]["worst_index"] == [1, 2]


def test_a_wider_tolerance_lets_it_pass(mlp, monkeypatch):
    wrong_by_a_little(monkeypatch)
    mlp.ok("gradcheck", "--data", "spiral", "--hidden", "6", "--tolerance", "1e-3")


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (("--tolerance", "0"), 2, "--tolerance 0: expected a number above 0 and at most 1"),
        (("--tolerance", "nan"), 2, "--tolerance nan: expected a number above 0 and at most 1"),
        (("--data", "mnist"), 3, "mnist: not downloaded"),
        (("none.npz",), 3, "none.npz: no such file"),
        (("{model}", "--hidden", "5"), 2, "--hidden: {model} has its own; leave one of them out"),
        (("{model}", "--config", "x.toml"), 2, "--config x.toml: {model} has its own"),
        (("{model}", "--data", "digits"), 3, "digits: has 64 inputs per row, {model} takes 2"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(mlp, model, arguments, code, line):
    found = mlp.error("gradcheck", *(a.format(model=model) for a in arguments))
    assert found[0] == code
    assert found[1].startswith(line.format(model=model))
