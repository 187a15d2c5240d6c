"""The multi-layer perceptron: forward, loss, backward, in matrix products.

    A₀ = X,   Zₗ = Aₗ₋₁·Wₗ + bₗ,   Aₗ = f(Zₗ),   scores = Z_L

(or A₀ = (e(X), X), if numbers of X are embedded by e, see `mlpcli.nn.embeddings`; and for W₁ V, if
inputs have a learned scale, see `mlpcli.nn.input_scale`)

    δ_L = ∂loss/∂scores,   δₗ₋₁ = (δₗ·Wₗᵀ) ⊙ f′(Zₗ₋₁),   ∂loss/∂Wₗ = Aₗ₋₁ᵀ·δₗ,   ∂loss/∂bₗ = 1ᵀ·δₗ

(Nielsen, Neural Networks and Deep Learning, chapter 2, BP1-BP4, for a batch of rows.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mlpcli.arrays import Array
from mlpcli.errors import InputError
from mlpcli.nn import embeddings, input_scale, one_hot
from mlpcli.nn.activations import ACTIVATIONS
from mlpcli.nn.arguments import (
    check_dtype,
    check_embedded,
    check_initial,
    check_inputs,
    check_name,
    check_rates,
    check_reg,
    check_sizes,
    fill_targets,
)
from mlpcli.nn.initialisation import INITS, PARAMETRISATIONS, standard_deviation
from mlpcli.nn.losses import LOSSES, OF_TASK
from mlpcli.nn.model_file import ModelFile, read_model
from mlpcli.nn.parameters import Buffers, NamedArrays, Parameters, Pieces, input_widths
from mlpcli.nn.regularisation import l2_penalty
from mlpcli.text import dashed

CHUNK = 1024
"""At most so many samples per pass of a prediction, whose memory is bounded by this, not by N."""

_OUTPUTS = 1 << 21  # of all layers in such a pass: of very wide networks it has fewer samples


class MLP:
    """A multi-layer perceptron that classifies rows of X, or predicts numbers.

    Args:
        sizes: [D, H…, C]; [D, C] is softmax regression.
        activation: of the hidden layers; see `mlpcli.nn.activations`.
        loss: see `mlpcli.nn.losses`.
        embedded: how many of the inputs, the first ones, have periodic embeddings.
        scaled: whether the first layer's inputs have a learned scale.
        parametrisation: "standard", or "ntk", see `rate_factors`.
        init, init_scale: the initial weights; see `mlpcli.nn.initialisation`.
        dropout, input_dropout: the share of hidden units and of inputs dropped in training.
        dtype: float32 or float64.
        seed: of the initial weights; None leaves all of them 0, to be filled.

    Attributes:
        parameters: weights and biases by layer, and as one flat array.

    Raises:
        UsageError: a size, name, share or dtype that cannot be.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activation: str = "relu",
        loss: str = "cross-entropy",
        *,
        embedded: int = 0,
        scaled: bool = False,
        parametrisation: str = "standard",
        init: str = "he",
        init_scale: float | None = None,
        dropout: float = 0.0,
        input_dropout: float = 0.0,
        dtype: npt.DTypeLike = np.float32,
        seed: int | None = 0,
    ) -> None:
        self.sizes = check_sizes(sizes)
        self.activation = ACTIVATIONS[check_name("activation", activation, ACTIVATIONS)]
        self.loss = LOSSES[check_name("loss", loss, LOSSES)]
        check_name("init", init, INITS)
        check_initial(init_scale, seed)
        self.parametrisation = check_name("parametrisation", parametrisation, PARAMETRISATIONS)
        init = "ntk" if parametrisation == "ntk" else init
        check_rates(dropout=dropout, input_dropout=input_dropout)
        self.dropout_rates = [input_dropout] + [dropout] * (len(self.sizes) - 2)
        self.dtype: np.dtype[Any] = check_dtype(dtype)
        self.embedded = check_embedded(embedded, self.sizes[0])
        before: dict[str, Any] = {"embedded": self.embedded, "scaled": scaled}
        flat = np.zeros(Parameters.count(self.sizes, **before), self.dtype)
        self.parameters = Parameters(self.sizes, flat, **before)
        self._V: Array | None = None  # of a learned scale
        if self.parameters.scale is not None:
            self.parameters.scale.fill(1)
        if seed is None:
            return
        rng = np.random.default_rng(seed)
        for W in self.parameters.W:
            fan_in, fan_out = W.shape
            sigma = standard_deviation(init, fan_in, fan_out, init_scale)
            W[:] = sigma * rng.standard_normal(W.shape)
        if init == "normal":
            sigma = standard_deviation(init, 1, 1, init_scale)
            for b in self.parameters.b:
                b[:] = sigma * rng.standard_normal(b.shape)
        if self.parameters.embeddings:
            self.parameters.embeddings.draw(rng)

    def __repr__(self) -> str:
        return f"<MLP {dashed(self.sizes)}, {self.dtype}>"

    @classmethod
    def load(cls, path: str | Path, *, member: int | None = None) -> MLP:
        """The network of a checkpoint, with its weights; or one member of several.

        Raises:
            CheckpointError: it is not a checkpoint, is damaged, or holds several networks.
        """
        return cls.of_file(read_model(Path(path), member=member))

    @classmethod
    def of_file(cls, file: ModelFile) -> MLP:
        """The network that a checkpoint describes, with its weights."""
        net = cls(
            file.sizes,
            file.activation,
            file.loss,
            embedded=file.embedded,
            scaled=file.scaled,
            dropout=file.dropout,
            input_dropout=file.input_dropout,
            dtype=file.params["W1"].dtype,
            seed=None,
        )
        for name, array in file.params.items():
            net.params[name][:] = array
        return net

    @property
    def params(self) -> NamedArrays:
        """{"W1": (fan_in, fan_out), "b1": (fan_out,), …}: the live arrays; to set one writes to it.

        W1 has the rows of what is embedded first; "E1" … "E4" are as `Embeddings.named` says, and
        "s1" (fan_in,) is the learned scale.
        """
        return NamedArrays(self.parameters.named())

    def rate_factors(self, *, adaptive: bool) -> list[float]:
        """What the learning rate η is multiplied by in each of `parameters.spans()`.

        In the NTK parametrisation (Jacot, Gabriel & Hongler 2018, arXiv 1806.07572) a layer is
        A·V/√n + b with n = fan_in and V ~ N(0, 1); as in RealMLP (Holzmüller, Grinsztajn &
        Steinwart 2024, arXiv 2407.04491), biases learn at a tenth of the rate. Here W = V/√n. As
        ∂loss/∂V = ∂loss/∂W/√n, a step of −η·∂loss/∂V is one of −(η/n)·∂loss/∂W in W, with momentum
        too. An `adaptive` optimizer's step does not depend on the gradient's scale, but for its ε:
        in W it is 1/√n of that in V.
        """
        layers = input_widths(self.sizes, self.embedded)[:-1]
        if self.parametrisation == "standard":
            return [*(1.0 for _ in layers), 1.0, embeddings.RATE, input_scale.RATE]
        power = -0.5 if adaptive else -1.0
        of_layers = [fan_in**power for fan_in in layers]
        return [*of_layers, 0.1, embeddings.RATE, input_scale.RATE]

    def adopt(self, parameters: Parameters) -> None:
        """Use these arrays as the parameters from now on, with their values."""
        self.parameters = parameters

    def move_to(self, parameters: Parameters) -> None:
        """Use these arrays as the parameters from now on, with the network's values.

        An optimizer keeps parameters, gradient and its own state side by side in one array.
        """
        parameters.flat[:] = self.parameters.flat
        self.adopt(parameters)

    def buffers(
        self,
        N: int,
        target_dtype: npt.DTypeLike = np.intp,
        *,
        weighted: bool = False,
        widths: tuple[int, int] | None = None,
        zeros: Callable[..., Array] = np.zeros,
    ) -> Buffers:
        """Buffers for passes over at most N samples; `zeros` allocates their arrays.

        With `widths`, see `Batches.widths`, of large one-hot blocks there is only `hot`, unless
        inputs are dropped.
        """
        return Buffers.allocate(
            self.sizes,
            N,
            self.dtype,
            target_dtype,
            drops=[p > 0 for p in self.dropout_rates],
            weighted=weighted,
            widths=None if self.dropout_rates[0] else widths,
            embedded=self.embedded,
            zeros=zeros,
        )

    # The equations

    def forward_pass(self, batch: Buffers, *, drop: bool = False) -> Array:
        """batch.X → batch.units; the last of them, the scores (N, C), is returned.

        With `drop`, inputs of layers are multiplied by the masks that are in `batch`.
        """
        last = len(self.sizes) - 2
        if batch.waves and self.parameters.embeddings:
            x, e = batch.X[:, : self.embedded], batch.inputs[:, : self._origin]
            embeddings.embed(self.parameters.embeddings, x, batch.waves, out=e)
        for layer, (W, b) in enumerate(zip(self._weights(), self.parameters.b, strict=True)):
            if 0 < layer < last:
                batch.meet()
            A = batch.below[layer]
            mask, dropped = batch.masks[layer], batch.dropped[layer]
            if drop and mask is not None and dropped is not None:
                A = np.multiply(A, mask, out=dropped)
            Z, of_ranks = batch.units[layer], batch.sums[layer]
            term = of_ranks.term if of_ranks else Z
            if layer or batch.hot is None:
                np.matmul(A, W[: A.shape[1]], out=term)  # X lacks what is 0 in the whole batch
            else:
                one_hot.multiply(A, batch.hot, W, term, self._origin)
            np.add(term, b, out=term)
            if of_ranks:
                of_ranks.add_up(out=Z)
            if layer < last:
                if self.activation.needs_input:
                    np.copyto(batch.slopes[layer], Z)
                self.activation.forward(Z, scratch=batch.deltas[layer])
        return batch.units[-1]

    def backward_pass(self, batch: Buffers, gradient: Parameters, *, drop: bool = False) -> None:
        """batch.deltas[-1], the derivative with respect to the scores → gradient."""
        self.propagate_back(batch, drop=drop)
        self.collect_gradient(batch, gradient, drop=drop)

    def propagate_back(self, batch: Buffers, *, drop: bool = False) -> None:
        """batch.deltas[-1], the derivative with respect to the scores → batch.deltas."""
        for layer in reversed(range(1, len(self.sizes) - 1)):
            A, slope, delta = (x[layer - 1] for x in (batch.units, batch.slopes, batch.deltas))
            self.activation.derivative(A, out=slope, scratch=delta)
            W, of_ranks = self.parameters.W[layer], batch.sums_back[layer]
            np.matmul(batch.deltas[layer], W.T, out=of_ranks.term if of_ranks else delta)
            if of_ranks:
                of_ranks.add_up(out=delta)
            mask = batch.unit_masks[layer]
            if drop and mask is not None:
                np.multiply(delta, mask, out=delta)
            np.multiply(delta, slope, out=delta)
        if batch.waves and self.parameters.embeddings:
            W, mask = self._weights()[0][: self._origin], batch.masks[0]
            delta = np.matmul(W, batch.deltas[0].T, out=batch.waves.deltas)
            if drop and mask is not None:
                np.multiply(delta, mask[:, : self._origin].T, out=delta)
            embeddings.propagate_back(self.parameters.embeddings, batch.waves)

    def input_gradient(self, batch: Buffers, out: Array, *, drop: bool = False) -> Array:
        """batch.deltas → out (N, D), the derivatives with respect to X; nothing is embedded."""
        np.matmul(batch.deltas[0], self._weights()[0].T, out=out)
        mask = batch.masks[0]
        return np.multiply(out, mask, out=out) if drop and mask is not None else out

    def collect_gradient(
        self,
        batch: Buffers,
        gradient: Parameters,
        pieces: Pieces | None = None,
        *,
        drop: bool = False,
    ) -> None:
        """batch.deltas → gradient, or of each array only a piece."""
        for layer, delta in enumerate(batch.deltas):
            rows, entries = pieces.layers[layer] if pieces else (slice(None), slice(None))
            A, dropped = batch.below[layer], batch.dropped[layer]
            if drop and dropped is not None:
                A = dropped
            if layer or (batch.hot is None and A.shape[1] == len(gradient.W[0])):
                np.matmul(A.T[rows], delta, out=gradient.W[layer][rows])
            else:
                one_hot.collect(A, batch.hot, delta, rows, gradient.W[layer], self._origin)
            np.matmul(batch.ones, delta[:, entries], out=gradient.b[layer][entries])
            if not layer and self.parameters.scale is not None and gradient.scale is not None:
                s, W = self.parameters.scale, self.parameters.W[0]
                input_scale.collect_gradient(s, W, rows, gradient.W[0], gradient.scale)
        if batch.waves and gradient.embeddings:
            columns = pieces.columns if pieces else slice(None)
            embeddings.collect_gradient(batch.waves, gradient.embeddings, columns)

    def evaluate_loss(self, batch: Buffers) -> Array:
        """The scores and batch.Y → batch.losses, returned, and batch.deltas[-1], ∂L/∂scores."""
        self.loss.evaluate(batch.outputs[-1], batch.Y, batch.losses, batch.deltas[-1])
        return batch.losses

    def weigh_loss(self, batch: Buffers, N: int) -> float:
        """batch.losses → their part of the weighted mean over N samples; so batch.deltas[-1].

        The batch may be a share of the N samples.
        """
        delta, losses = batch.deltas[-1], batch.losses
        if batch.weights is not None:
            np.multiply(delta, batch.weights, out=delta)
            np.multiply(losses, batch.weights[:, 0], out=losses)
        np.multiply(delta, 1 / N, out=delta)
        return float(np.add.reduce(losses)) / N

    def mean_loss(self, batch: Buffers) -> float:
        """The scores and batch.Y → the weighted mean loss; batch.deltas[-1] is its derivative."""
        return self.weigh_loss(batch, len(self.evaluate_loss(batch)))

    @property
    def chunk(self) -> int:
        """Samples per pass of a prediction."""
        width = sum(self.sizes) + self.embedded * embeddings.SIZE
        return min(CHUNK, max(1, _OUTPUTS // width))

    def _weights(self) -> list[Array]:
        """What the layers' inputs are multiplied by: V, W2, … or W1, W2, …"""
        W, s = self.parameters.W, self.parameters.scale
        if s is None:
            return W
        if self._V is None or self._V.dtype != s.dtype:
            self._V = np.empty_like(W[0])
        return [input_scale.scale_rows(s, W[0], out=self._V), *W[1:]]

    @property
    def takes_inputs_as_they_are(self) -> bool:
        """Whether they are neither embedded nor scaled before the first layer."""
        return not self.embedded and self.parameters.scale is None

    @property
    def _origin(self) -> int:
        """Where in the first layer's inputs X begins, after what numbers are embedded as."""
        return embeddings.OUTPUTS * self.embedded

    # From arrays to arrays

    def forward(self, X: npt.ArrayLike) -> Array:
        """scores (N, C) of X (N, D)."""
        return self._predict(X, lambda batch, out: np.copyto(out, batch.outputs[-1]))

    def predict_proba(self, X: npt.ArrayLike) -> Array:
        """probs (N, C) of X (N, D): the softmax of the scores, or the sigmoid for mse and bce."""
        return self._predict(X, lambda b, out: self.loss.probabilities(b.outputs[-1], out))

    def loss_and_grad(
        self, X: npt.ArrayLike, y: npt.ArrayLike, reg: float = 0.0
    ) -> tuple[float, dict[str, Array]]:
        """The mean loss over X (N, D) with labels y (N,) in [0, C), plus ½·reg·Σ‖W‖².

        With a loss of a regression, y (N,) are the numbers that the output should be.

        Returns:
            The loss, and its gradient {"W1": …, "b1": …} in new arrays shaped as `params`. Nothing
            is dropped.

        Raises:
            InputError: X or y has another shape or dtype, or a label is out of range.
        """
        inputs = check_inputs(X, self.sizes[0])
        if not len(inputs):
            raise InputError("X has no rows, whose mean loss there could be")
        check_reg(reg)
        batch = self.buffers(len(inputs))
        np.copyto(batch.X, inputs, casting="unsafe")
        numbers = any(self.loss is LOSSES[name] for name in OF_TASK["regression"])
        fill_targets(y, batch.Y, of_classes=not numbers)
        gradient = self.parameters.like(np.empty_like(self.parameters.flat))
        self.forward_pass(batch)
        loss = self.mean_loss(batch)
        self.backward_pass(batch, gradient)
        gradient.weights += self.dtype.type(reg) * self.parameters.weights
        return loss + l2_penalty(self.parameters.weights, reg), gradient.named()

    def _predict(self, X: npt.ArrayLike, read: Any) -> Array:
        inputs = check_inputs(X, self.sizes[0])
        result = np.empty((len(inputs), self.sizes[-1]), self.dtype)
        chunk = self.chunk
        buffers = self.buffers(min(chunk, max(len(inputs), 1)))
        for start in range(0, len(inputs), chunk):
            rows = inputs[start : start + chunk]
            batch = buffers.first(len(rows))
            np.copyto(batch.X, rows, casting="unsafe")
            self.forward_pass(batch)
            read(batch, result[start : start + chunk])
        return result
