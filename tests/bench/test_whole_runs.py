"""Whole runs of random options end in the weights that autograd and the options' formulas give.

What single gradients and steps cannot show is what options do to each other, to the last batch of
an epoch, which is smaller, and to the parts of a run with several ranks. So the reference shares
nothing with the package but initial weights, the order of rows, and their encoded inputs.
"""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli.data.encoder import Encoder
from mlpcli.runs import build
from mlpcli.runs.material import prepare
from mlpcli.runs.model import load

pytestmark = pytest.mark.peers

DROPOUT, MIXUP = 2, 5  # streams of random numbers under a seed
ACTIVATIONS = ["leaky-relu", "tanh", "sigmoid", "gelu", "silu", "selu", "mish"]
SCHEDULES = ["cosine", "constant", "linear", "step", "flat-cosine", "coslog4"]


@pytest.fixture(scope="module")
def torch():
    module = pytest.importorskip("torch", reason="PyTorch is not installed (make test-peers)")
    module.set_num_threads(1)
    return module


def write_table(draw: random.Random, path: Path, *, classes: bool, weighted: bool) -> None:
    """Few rows, so that of some batch sizes one is left for the last batch."""
    kinds = draw.choice(["ab", "abcdefghij"])
    lines = ["p,q,kind" + ",w" * weighted + ",y"]
    for _ in range(draw.choice([24, 41, 65])):
        cells = [f"{draw.gauss(0, 1):.3f}", f"{draw.gauss(5, 2):.2f}", draw.choice(kinds)]
        cells += [f"{draw.uniform(0.1, 2):.2f}"] * weighted
        lines.append(
            ",".join([*cells, draw.choice("uvw") if classes else f"{draw.gauss(9, 3):.2f}"])
        )
    path.write_text("\n".join(lines) + "\n")


def draw_options(draw: random.Random, *, classes: bool, weighted: bool) -> dict[str, Any]:
    """Options that all do something: mlp refuses those that do not."""
    choice = draw.choice
    optimizer = choice(["momentum", "sgd", "nesterov", "adam", "adamw"])
    adaptive, average = optimizer in ("adam", "adamw"), choice(["none", "ema", "tail"])
    schedule, hidden = choice(SCHEDULES), choice(["none", "5", "6,4", "7,5,4"])
    parametrisation, size = choice(["standard", "ntk"]), choice([1, 3, 4, 8, 16, "full"])
    options = {
        "hidden": hidden,
        "loss": choice(["cross-entropy", "mse", "bce"] if classes else ["squared-error", "huber"]),
        "optimizer": optimizer,
        "lr": 0.01 if adaptive else 0.05,
        "lr-schedule": schedule,
        "warmup": choice([0, 0.4, 2.5]),
        "reg": choice([0, 0.001, 0.1]),
        "batch-size": size,
        "epochs": choice([2, 3, 5]),
        "average": average,
        "parametrisation": parametrisation,
        "embedding": choice(["none", "periodic"]),
        "input-scale": choice(["none", "learned"]),
        "input-dropout": choice([0, 0.2]),
        "seed": draw.randrange(50),
        "val-fraction": choice([0, 0.2]),
        "dropout": 0.0,
    }
    if hidden != "none":
        options |= {"activation": choice(ACTIVATIONS), "dropout": choice([0, 0.3])}
    mixes = not weighted and size != 1
    may = [
        ("max-norm", choice([0.5, 1]), True),
        ("clip-norm", choice([0.05, 0.5]), True),
        ("init-scale", 0.5, True),
        ("init", choice(["glorot", "normal"]), parametrisation == "standard"),
        ("lr-step", choice([0.5, 1.5]), schedule == "step"),
        ("final-momentum", 0.95, optimizer in ("momentum", "nesterov")),
        ("beta2", 0.9, adaptive),
        ("average-decay", 0.5, average == "ema"),
        ("average-from", 0.3, average == "tail"),
        ("label-smoothing", 0.1, classes),
        ("mixup", 0.5, mixes),
        ("class-weight", "balanced", classes and not mixes),
    ]
    return options | {name: value for name, value, fits in may if fits and draw.random() < 0.3}


class Reference:
    """The same run, from the same initial weights, in PyTorch's autograd and plain formulas."""

    def __init__(self, torch: Any, model: Any, material: Any) -> None:
        self.torch, self.config, self.task = torch, model.config, material.task
        self.train, self.ranks = model.config.train, model.threads
        self.split, self.encoding = material.splits.train, material.encoding
        net = build.network(self.config, *material.sizes)
        self.batches = build.training_batches(self.config, material, np.float64)
        self.embedded, self.widths = net.embedded, [len(net.params["W1"]), *net.sizes[1:-1]]
        self.params = {
            name: torch.tensor(array, requires_grad=True) for name, array in net.params.items()
        }
        self.factors = {name: self.rate_factor(name) for name in self.params}

    def rate_factor(self, name: str) -> float:
        kind, layer = name[0], int(name[1:])
        if kind in "Es":
            return 0.5 if kind == "E" else 6.0
        if self.config.model.parametrisation == "standard":
            return 1.0
        power = -0.5 if self.train.optimizer in ("adam", "adamw") else -1
        return 0.1 if kind == "b" else float(self.widths[layer - 1]) ** power

    def inputs(self, rows: Any) -> Any:
        encoder = Encoder(self.encoding, self.split.X.dtype, np.float64, may_miss=True)
        out = np.empty((len(rows), self.encoding.width))
        encoder.apply(self.split.X[rows], out)
        return self.torch.tensor(out)

    def targets(self, rows: Any, smoothing: float) -> Any:
        y = self.split.y[rows]
        if self.config.model.loss in ("squared-error", "huber"):
            return self.torch.tensor(y.astype(np.float64)[:, None])
        Y, C = np.eye(self.task.outputs)[y], self.task.outputs
        return self.torch.tensor((1 - smoothing) * Y + smoothing / C)

    def scores(self, X: Any, masks: list[Any]) -> Any:
        torch, p, A = self.torch, self.params, X
        if self.embedded:
            x = X[:, : self.embedded, None]
            waves = torch.cos(2 * math.pi * x * p["E1"] + p["E2"])
            e = torch.einsum("nmf,mfk->nmk", waves, p["E3"]) + p["E4"]
            A = torch.cat([e.flatten(1), X], dim=1)
        F = torch.nn.functional
        name = self.config.model.activation.replace("-", "_")
        more = {"approximate": "tanh"} if name == "gelu" else {}
        for layer, mask in enumerate(masks, 1):
            A = A if mask is None else A * mask
            A = A * p["s1"] if layer == 1 and "s1" in p else A
            Z = A @ p[f"W{layer}"] + p[f"b{layer}"]
            A = getattr(F, name)(Z, **more)
        return Z

    def losses(self, scores: Any, Y: Any) -> Any:
        F, none = self.torch.nn.functional, {"reduction": "none"}
        match self.config.model.loss:
            case "cross-entropy":
                return -(Y * self.torch.log_softmax(scores, 1)).sum(1)
            case "mse":
                return 0.5 * F.mse_loss(self.torch.sigmoid(scores), Y, **none).sum(1)
            case "bce":
                return F.binary_cross_entropy_with_logits(scores, Y, **none).sum(1)
            case "squared-error":
                return 0.5 * F.mse_loss(scores, Y, **none).sum(1)
        return F.huber_loss(scores, Y, **none).sum(1)

    def masks(self, n: int, streams: list[Any]) -> list[Any]:
        """Each rank draws those of its rows, layer by layer."""
        model = self.config.model
        rates = [model.input_dropout] + [model.dropout] * (len(self.widths) - 1)
        if not any(rates):
            return [None] * len(rates)
        ends = [n * rank // self.ranks for rank in range(self.ranks + 1)]
        drawn = [
            [
                (rng.random((stop - start, width)) >= p) / (1 - p) if p else np.ones(width)
                for p, width in zip(rates, self.widths, strict=True)
            ]
            for rng, start, stop in zip(streams, ends[:-1], ends[1:], strict=True)
        ]
        return [
            self.torch.tensor(np.concatenate(parts)) if p else None
            for p, parts in zip(rates, zip(*drawn, strict=True), strict=True)
        ]

    def rate(self, step: int, steps: int, per_epoch: int) -> float:
        train = self.train
        rising = min(round(train.warmup * per_epoch), steps)
        if step < rising:
            return float(train.lr * (step + 1) / rising)
        done = step - rising
        t = done / max(steps - rising, 1)
        match train.lr_schedule:
            case "linear":
                factor = 1 - t
            case "cosine":
                factor = (1 + math.cos(math.pi * t)) / 2
            case "flat-cosine":
                factor = (1 + math.cos(math.pi * max(0, 2 * t - 1))) / 2
            case "coslog4":
                factor = (1 - math.cos(2 * math.pi * math.log2(1 + 15 * t))) / 2
            case "step":
                factor = 0.1 ** (2 * done // round(2 * train.lr_step * per_epoch))
            case _:
                factor = 1
        return float(train.lr * factor)

    def gradient(self, loss: Any) -> dict[str, Any]:
        found = self.torch.autograd.grad(loss, list(self.params.values()), allow_unused=True)
        gradient = dict(zip(self.params, found, strict=True))
        norm = math.sqrt(sum(float((g**2).sum()) for g in gradient.values()))
        clip = self.train.clip_norm
        factor = clip / norm if clip is not None and norm > clip else 1.0
        return {name: factor * g for name, g in gradient.items()}

    def update(self, name: str, g: Any, lr: float, momentum: float, step: int) -> None:
        train, w = self.train, self.params[name]
        first, second = self.state.setdefault(name, [self.torch.zeros_like(w) for _ in range(2)])
        reg = train.reg if name[0] == "W" else 0.0
        if train.optimizer == "adamw":
            w *= 1 - lr * reg
        else:
            g = g + reg * w
        lr *= self.factors[name]
        if train.optimizer in ("adam", "adamw"):
            first += (1 - momentum) * (g - first)
            second += (1 - train.beta2) * (g * g - second)
            unbiased = first / (1 - momentum**step), second / (1 - train.beta2**step)
            w -= lr * unbiased[0] / (unbiased[1].sqrt() + 1e-8)
        elif train.optimizer == "sgd":
            w -= lr * g
        else:
            first *= momentum
            first -= lr * g
            w += momentum * first - lr * g if train.optimizer == "nesterov" else first

    def limit_norms(self) -> None:
        for layer in range(1, len(self.widths) + 1):
            W = self.params[f"W{layer}"]
            W *= (self.train.max_norm / W.norm(dim=0)).clamp(max=1)

    def run(self) -> tuple[dict[str, Any], list[float]]:
        """(the last weights, or their average; the loss of each epoch)."""
        torch, train, size = self.torch, self.train, self.batches.size
        N = len(self.split.rows)
        per_epoch = math.ceil(N / size)
        steps, step, count, found = train.epochs * per_epoch, 0, 0, []
        average: dict[str, Any] = {}
        self.state: dict[str, list[Any]] = {}
        every = max(1, min(8, per_epoch // 16))
        for epoch in range(train.epochs):
            order, total = self.batches.order(epoch), 0.0
            streams = [
                np.random.default_rng([train.seed, DROPOUT, epoch, rank])
                for rank in range(self.ranks)
            ]
            for number in range(per_epoch):
                rows = order[number * size : (number + 1) * size]
                X, Y = self.inputs(rows), self.targets(rows, train.label_smoothing)
                if train.mixup:
                    rng = np.random.default_rng([train.seed, MIXUP, epoch, number])
                    share = rng.beta(train.mixup, train.mixup)
                    share, after = max(share, 1 - share), np.roll(rows, -1)
                    X = share * X + (1 - share) * self.inputs(after)
                    Y = share * Y + (1 - share) * self.targets(after, train.label_smoothing)
                scores = self.scores(X, self.masks(len(rows), streams))
                losses = self.losses(scores, Y)
                if self.split.weights is not None:
                    losses = losses * torch.tensor(self.split.weights[rows])
                gradient = self.gradient(losses.mean())
                with torch.no_grad():
                    total += float(self.losses(scores, self.targets(rows, 0)).sum())
                    momentum = train.momentum
                    if train.final_momentum is not None:
                        momentum += (train.final_momentum - momentum) * step / max(steps - 1, 1)
                    lr, step = self.rate(step, steps, per_epoch), step + 1
                    for name, g in gradient.items():
                        self.update(name, g, lr, momentum, step)
                    if train.max_norm is not None:
                        self.limit_norms()
                    begun = train.average == "ema" or step > round(train.average_from * steps)
                    if train.average == "none" or not begun or step % every:
                        continue
                    count += 1
                    share = 1 - min(train.average_decay, step / (step + 9)) ** every
                    share = 1 / count if train.average == "tail" or count == 1 else share
                    for name, w in self.params.items():
                        mean = average.setdefault(name, w.clone())
                        mean += share * (w - mean)
            found.append(total / N)
        weights = average or self.params
        return {name: w.detach().numpy() for name, w in weights.items()}, found


@pytest.mark.parametrize("seed", range(60))
def test_it_ends_in_the_weights_of_autograd_and_plain_formulas(
    torch: Any, mlp: Any, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    draw = random.Random(seed)
    classes, weighted, threads = draw.random() < 0.5, draw.random() < 0.25, draw.choice([1, 1, 2])
    write_table(draw, Path("t.csv"), classes=classes, weighted=weighted)
    options = draw_options(draw, classes=classes, weighted=weighted)
    flags = [f"--{name}={value}" for name, value in options.items()]
    flags += ["--sample-weight=w"] * weighted + [f"--threads={threads}"]
    monkeypatch.setattr(build, "_SHARE", 1)  # so that a small batch is shared, too
    more = ("--dtype=float64", "--test-fraction=0", "--choose=last", "--log=log.jsonl")
    mlp.ok("train", "--data=t.csv", *flags, *more)

    model = load(Path("model.npz"))
    wanted, losses = Reference(torch, model, prepare(model.config, Path())).run()
    log = [json.loads(line) for line in Path("log.jsonl").read_text().splitlines()]
    said = [line["train_loss"] for line in log if line["event"] == "epoch"]
    np.testing.assert_allclose(said, losses, rtol=1e-8)
    assert model.file.params.keys() == wanted.keys()
    for name, array in model.file.params.items():
        np.testing.assert_allclose(array, wanted[name], rtol=1e-8, atol=1e-9, err_msg=name)
