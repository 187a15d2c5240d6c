"""Gradients and steps are those of PyTorch and scikit-learn, from the same weights, to 1e-10."""

import numpy as np
import pytest

from mlpcli.nn.activations import ACTIVATIONS
from mlpcli.nn.losses import LOSSES, OF_TASK
from mlpcli.nn.network import MLP
from mlpcli.nn.optimizers import OPTIMIZERS, optimizer

pytestmark = pytest.mark.peers

SIZES, N, REG, LR, STEPS = [12, 9, 7, 5], 40, 0.01, 0.02, 25


def batch(loss="cross-entropy"):
    """X, and class indices or, for a loss of numbers, numbers."""
    rng = np.random.default_rng(3)
    X = rng.standard_normal((N, SIZES[0]))
    numbers = loss in OF_TASK["regression"]
    return X, rng.standard_normal(N) if numbers else rng.integers(SIZES[-1], size=N)


def take_steps(net, method, steps, momentum=0.9):
    """Steps of our own on the whole batch, by the gradient of the data's loss."""
    X, y = batch()
    for _ in range(steps):
        _, gradient = net.loss_and_grad(X, y)
        for name, array in method.gradient.named().items():
            array[:] = gradient[name]
        method.step(LR, momentum)


def close(ours, theirs):
    np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-10)


# PyTorch

TORCH_ACTIVATIONS = {
    "relu": ("ReLU", {}),
    "leaky-relu": ("LeakyReLU", {}),
    "tanh": ("Tanh", {}),
    "sigmoid": ("Sigmoid", {}),
    "gelu": ("GELU", {"approximate": "tanh"}),
    "silu": ("SiLU", {}),
    "selu": ("SELU", {}),
    "mish": ("Mish", {}),
}


@pytest.fixture(scope="module")
def torch():
    module = pytest.importorskip("torch", reason="PyTorch is not installed (make test-peers)")
    module.set_num_threads(1)  # more of them wait for each other on arrays as small as these
    return module


def in_torch(torch, net, activation):
    """The same network in PyTorch."""
    layers = []
    for W, b in zip(net.parameters.W, net.parameters.b, strict=True):
        linear = torch.nn.Linear(*W.shape, dtype=torch.float64)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(W.T.copy()))
            linear.bias.copy_(torch.from_numpy(b.copy()))
        name, options = TORCH_ACTIVATIONS[activation]
        layers += [linear, getattr(torch.nn, name)(**options)]
    return torch.nn.Sequential(*layers[:-1])


def torch_loss(torch, kind, scores, y):
    F = torch.nn.functional
    if kind == "cross-entropy":
        return F.cross_entropy(scores, y)
    numbers = kind in OF_TASK["regression"]
    Y = y[:, None] if numbers else F.one_hot(y, scores.shape[1]).double()
    match kind:
        case "bce":
            total = F.binary_cross_entropy_with_logits(scores, Y, reduction="sum")
        case "mse":
            total = 0.5 * F.mse_loss(torch.sigmoid(scores), Y, reduction="sum")
        case "squared-error":
            total = 0.5 * F.mse_loss(scores, Y, reduction="sum")
        case "absolute-error":
            total = F.l1_loss(scores, Y, reduction="sum")
        case "huber":
            total = F.huber_loss(scores, Y, reduction="sum")
    return total / N


def arrays_of(model, of=lambda parameter: parameter):
    """W1, b1, … of a PyTorch model, in our orientation."""
    linear = [layer for layer in model if hasattr(layer, "weight")]
    pairs = [
        (of(layer.weight).detach().numpy().T, of(layer.bias).detach().numpy()) for layer in linear
    ]
    return {
        f"{k}{n}": a for n, pair in enumerate(pairs, 1) for k, a in zip("Wb", pair, strict=True)
    }


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradients_are_those_of_pytorch(torch, activation, loss):
    X, y = batch(loss)
    outputs = SIZES[-1] if y.dtype.kind == "i" else 1
    net = MLP([*SIZES[:-1], outputs], activation, loss, dtype=np.float64)
    net.parameters.flat[:] += 0.05  # biases too
    ours, gradient = net.loss_and_grad(X, y)
    model = in_torch(torch, net, activation)
    theirs = torch_loss(torch, loss, model(torch.from_numpy(X)), torch.from_numpy(y))
    theirs.backward()
    assert ours == pytest.approx(theirs.item(), rel=1e-12)
    for name, array in arrays_of(model, of=lambda parameter: parameter.grad).items():
        close(gradient[name], array)


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("embedded", [0, 5, SIZES[0]])
def test_gradients_of_embeddings_and_scale_are_those_of_autograd(torch, embedded, scaled):
    """The equations of `nn.embeddings` and `nn.input_scale`, written anew."""
    X, y = batch()
    net = MLP(SIZES, "mish", embedded=embedded, scaled=scaled, dtype=np.float64)
    net.parameters.flat[:] += 0.05 * np.random.default_rng(1).normal(size=len(net.parameters.flat))
    ours, gradient = net.loss_and_grad(X, y)

    free = {name: torch.tensor(a.copy(), requires_grad=True) for name, a in net.params.items()}
    A = torch.from_numpy(X)
    if embedded:
        x = A[:, :embedded, None]
        waves = torch.cos(2 * torch.pi * x * free["E1"] + free["E2"])
        e = torch.einsum("njf,jfo->njo", waves, free["E3"]) + free["E4"]
        A = torch.cat([e.flatten(1), A], dim=1)
    if scaled:
        A = A * free["s1"]
    for layer in (1, 2, 3):
        Z = A @ free[f"W{layer}"] + free[f"b{layer}"]
        A = torch.nn.functional.mish(Z)
    loss = torch.nn.functional.cross_entropy(Z, torch.from_numpy(y))
    loss.backward()
    close(ours, loss.item())
    assert gradient.keys() == free.keys()
    for name, tensor in free.items():
        close(gradient[name], tensor.grad.numpy())


def test_the_gradient_of_inputs_is_that_of_autograd(torch):
    X, y = batch()
    net = MLP(SIZES, "gelu", scaled=True, dtype=np.float64)
    net.params["s1"][:] += 0.3 * np.random.default_rng(1).normal(size=SIZES[0])
    buffers = net.buffers(len(X))
    buffers.X[:], buffers.Y[:] = X, np.eye(SIZES[-1])[y]
    net.forward_pass(buffers)
    net.mean_loss(buffers)
    net.propagate_back(buffers)

    A = free = torch.tensor(X, requires_grad=True)
    w = {name: torch.from_numpy(array) for name, array in net.params.items()}
    A = A * w["s1"]
    for layer in (1, 2, 3):
        Z = A @ w[f"W{layer}"] + w[f"b{layer}"]
        A = torch.nn.functional.gelu(Z, approximate="tanh")
    torch.nn.functional.cross_entropy(Z, torch.from_numpy(y)).backward()
    close(net.input_gradient(buffers, np.empty_like(X)), free.grad.numpy())


def torch_optimizer(torch, name, model):
    """PyTorch's own, decaying weights and not biases."""
    weights = [p for p in model.parameters() if p.ndim == 2]
    biases = [p for p in model.parameters() if p.ndim == 1]
    groups = [{"params": weights, "weight_decay": REG}, {"params": biases, "weight_decay": 0}]
    match name:
        case "sgd":
            return torch.optim.SGD(groups, lr=LR)
        case "momentum" | "nesterov":
            return torch.optim.SGD(groups, lr=LR, momentum=0.9, nesterov=name == "nesterov")
        case "adam":
            return torch.optim.Adam(groups, lr=LR)
        case "adamw":
            return torch.optim.AdamW(groups, lr=LR)


@pytest.mark.parametrize("steps", [1, STEPS])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_are_those_of_pytorch(torch, name, steps):
    net = MLP(SIZES, "tanh", dtype=np.float64)
    model = in_torch(torch, net, "tanh")
    method = torch_optimizer(torch, name, model)
    X, y = map(torch.from_numpy, batch())
    for _ in range(steps):
        method.zero_grad()
        torch_loss(torch, "cross-entropy", model(X), y).backward()
        method.step()
    take_steps(net, optimizer(name, net, REG), steps)
    for key, array in arrays_of(model).items():
        close(net.params[key], array)


# scikit-learn: its penalty is divided by the number of samples, and so is multiplied here


@pytest.fixture(scope="module")
def network_of_sklearn():
    module = pytest.importorskip(
        "sklearn.neural_network", reason="scikit-learn is not installed (make test-peers)"
    )

    def make(**options):
        X, y = batch()
        peer = module.MLPClassifier(
            SIZES[1:-1], activation="tanh", alpha=REG * N, batch_size=N, shuffle=False,
            learning_rate_init=LR, random_state=0, **options,
        )  # fmt: skip
        peer.partial_fit(X, y, classes=range(SIZES[-1]))
        del peer._optimizer  # so that the next step begins anew, from the weights that it has now
        net = MLP(SIZES, "tanh", dtype=np.float64, seed=None)
        for k, (W, b) in enumerate(zip(peer.coefs_, peer.intercepts_, strict=True), 1):
            net.params[f"W{k}"][:] = W
            net.params[f"b{k}"][:] = b
        return peer, net

    return make


def test_loss_and_gradient_are_those_of_scikit_learn(network_of_sklearn):
    peer, net = network_of_sklearn(solver="sgd", momentum=0, nesterovs_momentum=False)
    before = {name: array.copy() for name, array in net.params.items()}
    X, y = batch()
    loss, gradient = net.loss_and_grad(X, y, reg=REG)
    peer.partial_fit(X, y)
    assert peer.loss_ == pytest.approx(loss, rel=1e-12)
    for k, (W, b) in enumerate(zip(peer.coefs_, peer.intercepts_, strict=True), 1):
        close((before[f"W{k}"] - W) / LR, gradient[f"W{k}"])
        close((before[f"b{k}"] - b) / LR, gradient[f"b{k}"])


@pytest.mark.parametrize("steps", [1, STEPS])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("sgd", {"solver": "sgd", "momentum": 0, "nesterovs_momentum": False}),
        ("momentum", {"solver": "sgd", "momentum": 0.9, "nesterovs_momentum": False}),
        ("nesterov", {"solver": "sgd", "momentum": 0.9, "nesterovs_momentum": True}),
        ("adam", {"solver": "adam", "epsilon": 1e-30}),
    ],
)
def test_steps_are_those_of_scikit_learn(network_of_sklearn, name, options, steps):
    peer, net = network_of_sklearn(**options)
    method = optimizer(name, net, REG)
    method.epsilon = 1e-30  # theirs is not corrected for the bias of √v, ours is: leave it out
    X, y = batch()
    for _ in range(steps):
        peer.partial_fit(X, y)
    take_steps(net, method, steps)
    for k, (W, b) in enumerate(zip(peer.coefs_, peer.intercepts_, strict=True), 1):
        close(net.params[f"W{k}"], W)
        close(net.params[f"b{k}"], b)
