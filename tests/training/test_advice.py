"""What is said of a learning rate, and that it is said where it is off and not where it is not."""

from __future__ import annotations

import re

import numpy as np
import pytest

from mlpcli.config.config import make_config
from mlpcli.runs import build
from mlpcli.runs.material import prepare
from mlpcli.training.advice import advice_on_learning
from mlpcli.training.progress import EpochResult

RUN = ("train", "--data", "digits", "--epochs", "15", "--hidden", "50")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--lr", "1e-4"], r"the learning rate is likely too low; try --lr 0.001"),
        (["--lr", "10"], r"\d+ % of the hidden units are dead.* too high; try --lr 1"),
        (["--lr", "10", "--activation", "tanh"], r"guessing is 2.3: .* too high; try --lr 1"),
        (["--optimizer", "adam", "--lr", "1e-5"], r"too low; try --lr 0.0001"),
        (["--reg", "1"], r"takes 100 % .* per step.* --reg is likely too high; try --reg 0.1"),
        (["--optimizer", "sgd", "--reg", "0.3"], r"takes 15 % .*; try --reg 0.03"),
        (["--init-scale", "0"], r"make all units of a layer alike: give no --init-scale"),
    ],
    ids=["low", "high", "high for tanh", "low for adam", "penalty", "penalty of sgd", "zeros"],
)
def test_a_rate_that_is_off_is_told_once(mlp, flags: list[str], said: str) -> None:
    assert re.fullmatch(rf"warning: .*{said}", "\n".join(advice(mlp(*RUN, *flags).err)))


def advice(err: str) -> list[str]:
    """The warnings but the one that nothing was learned."""
    return re.findall(r"^warning: (?!always answering).*", err, re.MULTILINE)


@pytest.mark.parametrize(
    "flags",
    [
        [],
        ["--optimizer", "adam"],
        ["--optimizer", "sgd"],
        ["--activation", "sigmoid", "--lr", "1"],
        ["--lr", "1e-4", "--warmup", "15"],
        ["--lr", "1e-4", "-q"],
        ["--reg", "0.01"],
    ],
    ids=" ".join,
)
def test_a_rate_that_works_or_rises_yet_is_not(mlp, flags: list[str]) -> None:
    assert advice(mlp.ok(*RUN, *flags).err) == []


def test_a_layer_alone_may_begin_at_zero(mlp) -> None:
    zeros = ("--data", "digits", "--epochs", "15", "--hidden", "none", "--init-scale", "0")
    assert "warning:" not in mlp.ok("train", *zeros).err


def test_a_model_that_has_learned_moves_little_and_is_not_warned_of(mlp) -> None:
    mlp.ok(*RUN, "-q")
    again = ("--init-from", "model.npz", "-o", "again.npz", "--lr", "1e-4")
    assert "warning:" not in mlp.ok(*RUN, *again).err


def test_steps_as_large_as_the_weights_are_told() -> None:
    result = EpochResult(1, 100, 1.0, 1.0, 1.0, 0.5, None, None, 1.0, 0.2, 1.0, None)
    assert advice_on_learning(result, make_config({"lr": 5.0}), loss_at_chance=1.1) == (
        "a step changes the weights by 20 % (about 0.1 % is healthy): the learning rate is likely "
        "too high; try --lr 0.5"
    )


def test_dead_units_and_the_gradients_norm_are_those_of_the_network() -> None:
    config = make_config({"data": "spiral", "hidden": (7,), "epochs": 1, "batch_size": "full"})
    material = prepare(config, None)  # type: ignore[arg-type]
    net = build.network(config, *material.sizes)
    net.params["b1"][:3] = -100  # no point is so far out
    trainer = build.trainer(config, material, net)
    (result,) = trainer.epochs(1, lambda: None)
    assert result.dead_units == pytest.approx(3 / 7)
    g = trainer.step.optimizer.gradient.flat.astype(np.float64)
    assert result.gradient_norm == pytest.approx(float(np.sqrt((g**2).sum())))


def test_only_relu_units_can_be_dead() -> None:
    for model in ({"activation": "tanh"}, {"activation": "leaky-relu"}, {"hidden": ()}):
        config = make_config({"data": "spiral", "epochs": 1} | model)
        material = prepare(config, None)  # type: ignore[arg-type]
        trainer = build.trainer(config, material, build.network(config, *material.sizes))
        (result,) = trainer.epochs(1, lambda: None)
        assert result.dead_units is None
