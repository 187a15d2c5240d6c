"""The same training step by each contender, in a process of its own.

    python contenders.py NAME steps H,… BATCH ROWS   an epoch for each line of input, its seconds
    python contenders.py NAME process                start, load MNIST, 5 epochs at H = 100, save
    python contenders.py NAME reach H EPOCHS         when 93, 97 and 98 % were reached

All train float32 on the first ROWS images of MNIST, softmax cross-entropy with ½λΣ‖W‖², momentum
0.9, in an order drawn anew for each epoch.
"""

from __future__ import annotations

import sys
import tempfile
import time
from itertools import pairwise
from typing import Any

from mlpcli.cli.threads import set_threads, thread_count, training_processes

THREADS = thread_count(None)
PROCESSES = training_processes(THREADS)
if sys.argv[1:2] == ["mlp"]:  # as `mlp train` does, before numpy is imported
    set_threads(THREADS // PROCESSES)

import numpy as np  # noqa: E402

LR, MOMENTUM, REG = 0.1, 0.9, 1e-4
Weights = list[tuple[Any, Any]]


def load(part: str, rows: int | None = None) -> tuple[Any, Any]:
    """(X uint8 (N, 784), y) of "train" or "t10k", from the data directory; random if not there."""
    from mlpcli.data.catalog import data_dir, is_downloaded

    folder = data_dir() / "mnist"
    if not is_downloaded("mnist", data_dir()):
        rng = np.random.default_rng(0)
        N = 60_000 if part == "train" else 10_000
        return rng.integers(0, 256, (N, 784), np.uint8)[:rows], rng.integers(0, 10, N)[:rows]
    X = np.fromfile(folder / f"{part}-images-idx3-ubyte", np.uint8)[16:].reshape(-1, 784)
    y = np.fromfile(folder / f"{part}-labels-idx1-ubyte", np.uint8)[8:].astype(np.int64)
    return X[:rows], y[:rows]


def load_float(part: str, rows: int | None = None) -> tuple[Any, Any]:
    """The same, scaled to [0, 1] in float32 at once, as the peers want it."""
    X, y = load(part, rows)
    return X.astype(np.float32) / 255, y


def initial(sizes: list[int]) -> Weights:
    """He-normal weights, zero biases."""
    rng = np.random.default_rng(0)
    return [
        ((rng.standard_normal((m, n)) * np.sqrt(2 / m)).astype(np.float32), np.zeros(n, np.float32))
        for m, n in pairwise(sizes)
    ]


class Contender:
    """Trains an epoch at a time; `lr_at` gives the rate at a share of the whole plan."""

    def __init__(
        self,
        hidden: list[int],
        batch: int,
        epochs: int = 1,
        decay: bool = False,
        rows: int | None = None,
    ) -> None:
        self.rows = rows
        self.sizes = [784, *hidden, 10]
        self.batch = batch
        self.epochs = epochs
        self.decay = decay
        self.done = 0

    def lr(self) -> float:
        """Constant, or falling linearly from epoch to epoch."""
        return LR * (1 - self.done / self.epochs) if self.decay else LR

    def epoch(self) -> None:
        raise NotImplementedError

    def weights(self) -> Weights:
        raise NotImplementedError

    def accuracy(self) -> float:
        """On the test set, by NumPy."""
        X, y = load_float("t10k")
        layers = self.weights()
        for i, (W, b) in enumerate(layers):
            X = X @ W + b
            if i < len(layers) - 1:
                X = np.maximum(X, 0)
        return float((X.argmax(axis=1) == y).mean())


class Products(Contender):
    """The matrix products of the steps and nothing else: the bound."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rng = np.random.default_rng(0)

        def random(*shape: int) -> Any:
            return rng.random(shape, np.float32)

        B = self.batch
        self.steps = -(-(self.rows or 60_000) // B)
        self.calls: list[tuple[Any, Any, Any]] = []
        for layer, (m, n) in enumerate(pairwise(self.sizes)):
            A, W, delta = random(B, m), random(m, n), random(B, n)
            self.calls.append((A, W, np.empty_like(delta)))  # forward
            self.calls.append((A.T, delta, np.empty_like(W)))  # the weights' gradient
            if layer:
                self.calls.append((delta, W.T, np.empty_like(A)))  # the delta below

    def epoch(self) -> None:
        for _ in range(self.steps):
            for a, b, out in self.calls:
                np.matmul(a, b, out=out)


class Ours(Contender):
    """mlp's own engine, as `mlp train` runs it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        from mlpcli.config.config import make_config
        from mlpcli.data.dataset import Dataset
        from mlpcli.runs import build
        from mlpcli.runs.material import prepare_opened

        X, y = load("train", self.rows)
        config = make_config(
            {
                "hidden": tuple(self.sizes[1:-1]),
                "batch_size": self.batch,
                "epochs": 1_000_000,
                "lr_schedule": "constant",
                "lr": LR,
                "reg": REG,
                "val_fraction": 0.0,
                "test_fraction": 0.0,
            }
        )
        material = prepare_opened(config, Dataset("mnist", X, y, "", image_shape=(28, 28)))
        net = build.network(config, *material.sizes)
        ranks = build.ranks(config, material, net, PROCESSES)
        trainer = build.trainer(config, material, net, ranks)
        self.results = trainer.epochs(1_000_000, lambda: None)
        ranks.__enter__()
        if ranks.rank:
            for _ in self.results:  # until rank 0 goes
                pass

    def epoch(self) -> None:
        next(self.results)


class NoteStyle(Contender):
    """The two-layer note's own style: float64, a new array per line."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        X, self.y = load("train", self.rows)
        self.X = X / 255
        self.layers = [(W.astype(float), b.astype(float)) for W, b in initial(self.sizes)]
        self.v = [(np.zeros_like(W), np.zeros_like(b)) for W, b in self.layers]

    def epoch(self) -> None:
        order = np.random.default_rng(self.done).permutation(len(self.X))
        for start in range(0, len(order), self.batch):
            rows = order[start : start + self.batch]
            activations = [self.X[rows]]
            for i, (W, b) in enumerate(self.layers):
                Z = activations[-1] @ W + b
                activations.append(np.maximum(Z, 0) if i < len(self.layers) - 1 else Z)
            scores = activations[-1]
            probs = np.exp(scores - scores.max(axis=1, keepdims=True))
            probs = probs / probs.sum(axis=1, keepdims=True)
            delta = probs.copy()
            delta[np.arange(len(rows)), self.y[rows]] -= 1
            delta = delta / len(rows)
            for i in reversed(range(len(self.layers))):
                W, b = self.layers[i]
                dW = activations[i].T @ delta + REG * W
                db = delta.sum(axis=0)
                delta = delta @ W.T
                delta[activations[i] <= 0] = 0
                vW = MOMENTUM * self.v[i][0] - self.lr() * dW
                vb = MOMENTUM * self.v[i][1] - self.lr() * db
                self.v[i] = (vW, vb)
                self.layers[i] = (W + vW, b + vb)
        self.done += 1

    def weights(self) -> Weights:
        return self.layers


class ScikitLearn(Contender):
    """MLPClassifier, an epoch a call of partial_fit."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        from sklearn.neural_network import MLPClassifier

        self.X, self.y = load_float("train", self.rows)
        self.model = MLPClassifier(
            tuple(self.sizes[1:-1]),
            solver="sgd",
            learning_rate_init=LR,
            momentum=MOMENTUM,
            nesterovs_momentum=False,
            alpha=REG * self.batch,  # its penalty is divided by the batch size
            batch_size=self.batch,
            random_state=0,
        )

    def epoch(self) -> None:
        if self.done:
            self.model._optimizer.learning_rate = self.lr()
        self.model.partial_fit(self.X, self.y, classes=range(10))
        self.done += 1

    def weights(self) -> Weights:
        return list(zip(self.model.coefs_, self.model.intercepts_, strict=True))


class PyTorch(Contender):
    """torch.nn in eager mode, the data in one tensor, batches cut by index."""

    compiled = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        import torch

        self.torch = torch
        X, y = load_float("train", self.rows)
        self.X, self.y = torch.from_numpy(X), torch.from_numpy(y)
        modules: list[Any] = []
        for W, b in initial(self.sizes):
            linear = torch.nn.Linear(*W.shape)
            with torch.no_grad():
                linear.weight.copy_(torch.from_numpy(W.T))
                linear.bias.copy_(torch.from_numpy(b))
            modules += [linear, torch.nn.ReLU()]
        self.net = torch.nn.Sequential(*modules[:-1])
        linears = modules[::2]
        self.optimizer = torch.optim.SGD(
            [
                {"params": [m.weight for m in linears], "weight_decay": REG},
                {"params": [m.bias for m in linears]},
            ],
            lr=LR,
            momentum=MOMENTUM,
        )

        def loss_of(X: Any, y: Any) -> Any:
            return torch.nn.functional.cross_entropy(self.net(X), y)

        self.loss_of: Any = torch.compile(loss_of) if self.compiled else loss_of

    def epoch(self) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = self.lr()
        order = self.torch.randperm(len(self.X))
        for start in range(0, len(order), self.batch):
            rows = order[start : start + self.batch]
            self.optimizer.zero_grad()
            self.loss_of(self.X[rows], self.y[rows]).backward()
            self.optimizer.step()
        self.done += 1

    def weights(self) -> Weights:
        linears = [m for m in self.net if hasattr(m, "weight")]
        return [(m.weight.detach().numpy().T, m.bias.detach().numpy()) for m in linears]


class PyTorchCompiled(PyTorch):
    """The same with torch.compile."""

    compiled = True


class Jax(Contender):
    """One jitted scan an epoch; the remainder is a step of its own."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        import jax
        import jax.numpy as jnp

        X, y = load_float("train", self.rows)
        self.X, self.y = jnp.asarray(X), jnp.asarray(y)
        self.params = [(jnp.asarray(W), jnp.asarray(b)) for W, b in initial(self.sizes)]
        self.velocity = jax.tree.map(jnp.zeros_like, self.params)
        full = len(X) // self.batch
        batch = self.batch

        def loss(params: Any, X: Any, y: Any) -> Any:
            for W, b in params[:-1]:
                X = jax.nn.relu(X @ W + b)
            W, b = params[-1]
            log_p = jax.nn.log_softmax(X @ W + b)
            penalty = sum((W**2).sum() for W, _ in params)
            return -log_p[jnp.arange(len(y)), y].mean() + 0.5 * REG * penalty

        def step(state: Any, rows: Any, X: Any, y: Any, lr: Any) -> Any:
            params, velocity = state
            gradient = jax.grad(loss)(params, X[rows], y[rows])
            velocity = jax.tree.map(lambda v, g: MOMENTUM * v - lr * g, velocity, gradient)
            return jax.tree.map(jnp.add, params, velocity), velocity

        def epoch(state: Any, order: Any, X: Any, y: Any, lr: Any) -> Any:
            batches = order[: full * batch].reshape(full, batch)
            state, _ = jax.lax.scan(lambda s, rows: (step(s, rows, X, y, lr), None), state, batches)
            if full * batch < len(order):
                state = step(state, order[full * batch :], X, y, lr)
            return state

        self.jax, self.run = jax, jax.jit(epoch)

    def epoch(self) -> None:
        order = np.random.default_rng(self.done).permutation(len(self.X))
        state = self.run((self.params, self.velocity), order, self.X, self.y, self.lr())
        self.params, self.velocity = self.jax.block_until_ready(state)
        self.done += 1

    def weights(self) -> Weights:
        return [(np.asarray(W), np.asarray(b)) for W, b in self.params]


CONTENDERS: dict[str, type[Contender]] = {
    "products": Products,
    "mlp": Ours,
    "note": NoteStyle,
    "sklearn": ScikitLearn,
    "torch": PyTorch,
    "torch-compiled": PyTorchCompiled,
    "jax": Jax,
}
PACKAGES = {"sklearn": "sklearn", "torch": "torch", "torch-compiled": "torch", "jax": "jax"}


def main() -> None:
    name, mode, *rest = sys.argv[1:]
    if mode == "steps":
        hidden, batch, rows = rest
        contender = CONTENDERS[name](
            [int(n) for n in hidden.split(",")], int(batch), rows=int(rows)
        )
        contender.epoch()  # the first one compiles and warms the caches
        for _ in iter(sys.stdin.readline, ""):
            begun = time.perf_counter()
            contender.epoch()
            print(time.perf_counter() - begun, flush=True)
    elif mode == "process":
        contender = CONTENDERS[name]([100], 128)
        for _ in range(5):
            contender.epoch()
        arrays = [array for pair in contender.weights() for array in pair]
        with tempfile.TemporaryFile() as file:
            np.savez(file, *arrays)
    elif mode == "reach":
        contender = CONTENDERS[name]([int(rest[0])], 64, int(rest[1]), decay=True)
        goals = [0.93, 0.97, 0.98]
        for _ in range(int(rest[1])):
            contender.epoch()
            accuracy = contender.accuracy()
            while goals and accuracy >= goals[0]:
                print(goals.pop(0), time.time(), flush=True)


if __name__ == "__main__":
    main()
