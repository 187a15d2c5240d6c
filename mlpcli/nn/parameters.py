"""All weights and biases of a network in one flat array, and the buffers of a pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from mlpcli.arrays import Array
from mlpcli.errors import InputError
from mlpcli.nn.embeddings import OUTPUTS, SIZE, Embeddings, Waves
from mlpcli.nn.input_scale import NAME as SCALE
from mlpcli.records import record

_FEW_CLASSES = 64  # as it was measured, for 128 and 256 rows


@record
class Pieces:
    """What of each array begins in a part of all parameters.

    Attributes:
        layers: of each layer, the rows of W and the entries of b.
        columns: of those that are embedded.
    """

    layers: Sequence[tuple[slice, slice]]
    columns: slice


class Parameters:
    """Weights W1, W2, … and biases b1, b2, … as views of one flat array.

    An update, a norm or an all-reduce is then one call over `flat`. All the weights come first and
    the biases after them, so that what concerns weights only, as the L2 penalty does, is one slice.

    Args:
        sizes: [D, H…, C].
        flat: (P,) the array.
        embedded: M, how many of the inputs, the first ones, have periodic embeddings.
        scaled: whether the first layer's inputs have a learned scale.

    Attributes:
        flat: (P,) every parameter.
        W: the weight matrices, (fan_in, fan_out) each; W1 has the rows of the embeddings' outputs
            before those of the inputs themselves.
        b: the bias vectors, (fan_out,) each.
        weights: (P_W,) the part of `flat` that holds the weights.
        embeddings: of the M inputs; None if there are none.
        scale: s, of the first layer's inputs (fan_in,); None if they have none.
    """

    def __init__(
        self, sizes: Sequence[int], flat: Array, *, embedded: int = 0, scaled: bool = False
    ) -> None:
        shapes = list(pairwise(input_widths(sizes, embedded)))
        n_weights = sum(fan_in * fan_out for fan_in, fan_out in shapes)
        self.flat = flat
        self.weights = flat[:n_weights]
        self.W: list[Array] = []
        self.b: list[Array] = []
        self._sizes, self._embedded, self._scaled = sizes, embedded, scaled
        self._begins: list[tuple[int, int]] = []  # where in `flat` the W and the b of a layer do
        w, b = 0, n_weights
        for fan_in, fan_out in shapes:
            self.W.append(flat[w : w + fan_in * fan_out].reshape(fan_in, fan_out))
            self.b.append(flat[b : b + fan_out])
            self._begins.append((w, b))
            w, b = w + fan_in * fan_out, b + fan_out
        self._end = b  # of the biases; here the embeddings begin
        end = b + embedded * SIZE
        self.embeddings = Embeddings(flat[b:end].reshape(embedded, SIZE)) if embedded else None
        self.scale = flat[end:] if scaled else None

    @staticmethod
    def count(sizes: Sequence[int], *, embedded: int = 0, scaled: bool = False) -> int:
        """P, the number of parameters of a network with these layer sizes [D, H…, C]."""
        widths = input_widths(sizes, embedded)
        dense = sum((fan_in + 1) * fan_out for fan_in, fan_out in pairwise(widths))
        return dense + embedded * SIZE + (widths[0] if scaled else 0)

    def like(self, flat: Array) -> Parameters:
        """The parameters of the same network in another array (P,)."""
        return Parameters(self._sizes, flat, embedded=self._embedded, scaled=self._scaled)

    def spans(self) -> list[slice]:
        """The parts of `flat`, in order: each W, all biases, the embeddings, the scale."""
        starts = [w for w, _ in self._begins]
        scale = self._end + self._embedded * SIZE
        ends = [*starts, len(self.weights), self._end, scale, len(self.flat)]
        return [slice(*pair) for pair in pairwise(ends)]

    def pieces(self, part: slice) -> Pieces:
        """What begins in a part of `flat`."""
        layers = [
            (_piece(part, w, *W.shape), _piece(part, bias, len(b), 1))
            for (w, bias), W, b in zip(self._begins, self.W, self.b, strict=True)
        ]
        return Pieces(layers, _piece(part, self._end, self._embedded, SIZE))

    def whole_rows(self, part: slice) -> slice:
        """The part of `flat` that has the rows and entries that begin in `part`, whole."""
        rows: list[tuple[int, int, int]] = [
            (w, W.size, W.shape[1]) for (w, _), W in zip(self._begins, self.W, strict=True)
        ]
        for span, width in zip(self.spans()[-3:], (1, SIZE, 1), strict=True):
            rows += [(span.start, span.stop - span.start, width)]

        def up(end: int) -> int:
            for begin, size, width in rows:
                if end <= begin + size:
                    return begin - (begin - end) // width * width
            return end

        return slice(up(part.start), up(part.stop))

    def named(self) -> dict[str, Array]:
        """{"W1": …, "b1": …, "W2": …}: the live views, by name; then those of what is before."""
        layers = {
            f"{kind}{layer}": array
            for layer, pair in enumerate(zip(self.W, self.b, strict=True), start=1)
            for kind, array in zip("Wb", pair, strict=True)
        }
        layers |= self.embeddings.named() if self.embeddings else {}
        return layers | ({SCALE: self.scale} if self.scale is not None else {})


class NamedArrays(MutableMapping[str, Array]):
    """Arrays by name; to set one is to write to it.

    Raises:
        InputError: there is none of that name, or it has another shape.
    """

    def __init__(self, arrays: dict[str, Array]) -> None:
        self._arrays = arrays

    def __getitem__(self, name: str) -> Array:
        return self._arrays[name]

    def __setitem__(self, name: str, values: npt.ArrayLike) -> None:
        if name not in self._arrays:
            raise InputError(f"there is no {name}, but {', '.join(self._arrays)}")
        shape, given = self._arrays[name].shape, np.shape(values)
        if given != shape:
            raise InputError(f"{name} has the shape {given}, expected {shape}")
        self._arrays[name][...] = values

    def __delitem__(self, name: str) -> None:
        raise InputError(f"{name} cannot be left out")

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def __repr__(self) -> str:
        return repr(self._arrays)


def input_widths(sizes: Sequence[int], embedded: int) -> list[int]:
    """[fan_in of each layer…, C], of which the first grows by what is embedded."""
    return [sizes[0] + OUTPUTS * embedded, *sizes[1:]]


def zeros_by_class(shape: tuple[int, ...], dtype: Any, zeros: Callable[..., Array]) -> Array:
    """(…, N, C) scores, or what is as large: sums over few classes are faster by columns."""
    *more, N, C = shape
    if C > _FEW_CLASSES:
        return zeros(shape, dtype)
    return zeros((*more, C, N), dtype).swapaxes(-1, -2)


def _piece(part: slice, begin: int, count: int, width: int) -> slice:
    """Which of `count` rows, the first of which begins at `begin`, begin in `part`."""
    ends = (-((begin - end) // width) for end in (part.start, part.stop))  # rounded up
    return slice(*(min(max(end, 0), count) for end in ends))


@dataclass
class Sum:
    """A product to which every rank has a term.

    Attributes:
        term: (N, n) this rank's, to be written.
        terms: of each rank, the part of which this rank needs the sum.
        meet: waits until all terms are written.
    """

    term: Array
    terms: list[Array]
    meet: Callable[[], None]

    def add_up(self, out: Array) -> None:
        """Out ← the sum, once all ranks have written their terms."""
        self.meet()
        first, second, *others = self.terms
        np.add(first, second, out=out)
        for term in others:
            np.add(out, term, out=out)


def _go_on() -> None:
    """There is nobody to wait for."""


@dataclass
class Buffers:
    """Every array that a pass over at most N samples writes to, made once and used for all batches.

    Attributes:
        X: (N, D) the batch's inputs, or (N, k), if they are 0 from the k-th on; the last columns of
            `inputs`.
        inputs: (N, fan_in) what the first layer takes: what numbers are embedded as, then X.
        Y: (N, C) what the outputs should be; of classes, each row is a distribution over them.
        y: (N,) its targets as the task encodes them: class indices, or numbers.
        weights: (N, 1) the samples' weights, or None where all weigh the same.
        outputs: A1 … scores, the layers' outputs, (N, fan_out) each.
        below: what each layer takes, (N, fan_in) each: inputs, A1, …
        units: this rank's units of the outputs, which it computes: all, unless ranks share them.
        deltas: the loss's derivatives with respect to what the activations of each layer were
            applied to, (N, fan_out) each; free as scratch before the backward pass.
        slopes: the activations' own derivatives, of the hidden layers; before, their inputs if the
            derivatives need them.
        dropped: what each layer's weights multiply when units are dropped; None at a layer whose
            inputs are not dropped.
        masks: the factors, 0 or 1/(1 − p), that made them so; None likewise.
        unit_masks: the same for this rank's units of the layer below.
        losses: (N,) each sample's loss.
        hot: (N, K) which inputs of K one-hot blocks are 1, which X then lacks; or None.
        ones: (N,) ones; onesᵀ·delta is a bias's gradient.
        waves: of the embeddings, or None.
        sums: of each layer, what its product is added up from; None: this rank has all of it.
        sums_back: the same of the products back to the layer below.
        meet: waits until the units of other ranks are there.
    """

    X: Array
    inputs: Array
    Y: Array
    y: Array
    weights: Array | None
    outputs: list[Array]
    below: list[Array]
    units: list[Array]
    deltas: list[Array]
    slopes: list[Array]
    dropped: list[Array | None]
    masks: list[Array | None]
    unit_masks: list[Array | None]
    losses: Array
    ones: Array
    hot: Array | None = None
    waves: Waves | None = None
    sums: list[Sum | None] = field(default_factory=list)
    sums_back: list[Sum | None] = field(default_factory=list)
    meet: Callable[[], None] = _go_on
    _views: dict[tuple[int, int], Buffers] = field(default_factory=dict)
    _narrowed: dict[int, Buffers] = field(default_factory=dict)

    @classmethod
    def allocate(
        cls,
        sizes: Sequence[int],
        N: int,
        dtype: Any,
        target_dtype: Any = np.intp,
        *,
        drops: Sequence[bool],
        weighted: bool = False,
        widths: tuple[int, int] | None = None,
        embedded: int = 0,
        zeros: Callable[..., Array] = np.zeros,
    ) -> Buffers:
        """Buffers for a network of these layer sizes; `drops` says which layers' inputs drop.

        `widths` are those of X and of `hot`, if there is one; `embedded` is as of `Parameters`.
        """
        dense, blocks = widths or (sizes[0], 0)
        first, *_ = input_widths([dense, *sizes[1:]], embedded)
        all_inputs = zeros((N, first), dtype)

        def layers(widths: Sequence[int]) -> list[Array]:
            return [zeros((N, width), dtype) for width in widths]

        def inputs() -> list[Array | None]:
            return [
                zeros((N, width), dtype) if drop else None
                for width, drop in zip([first, *sizes[1:-1]], drops, strict=True)
            ]

        def by_class() -> Array:
            return zeros_by_class((N, sizes[-1]), dtype, zeros)

        outputs, masks = [*layers(sizes[1:-1]), by_class()], inputs()
        return cls(
            X=all_inputs[:, first - dense :],
            inputs=all_inputs,
            Y=by_class(),
            y=zeros((N,), target_dtype),
            weights=zeros((N, 1), dtype) if weighted else None,
            outputs=outputs,
            below=[all_inputs, *outputs[:-1]],
            units=outputs,
            deltas=[*layers(sizes[1:-1]), by_class()],
            slopes=layers(sizes[1:-1]),
            dropped=inputs(),
            masks=masks,
            unit_masks=masks,
            losses=zeros((N,), dtype),
            ones=np.ones(N, dtype),
            hot=zeros((N, blocks), np.intp) if blocks else None,
            waves=Waves.allocate(embedded, N, dtype, zeros) if embedded else None,
            sums=[None for _ in sizes[1:]],
            sums_back=[None for _ in sizes[1:]],
        )

    def first(self, n: int) -> Buffers:
        """The same buffers for n ≤ N samples."""
        return self.rows(slice(0, n))

    def rows(self, rows: slice) -> Buffers:
        """The same buffers for some of the samples: views, made once for each slice."""
        key = (rows.start, rows.stop)
        if key == (0, len(self.X)):
            return self
        if key not in self._views:

            def cut(value: Any) -> Any:
                if isinstance(value, list):
                    return [cut(item) for item in value]
                if isinstance(value, Waves):
                    return value.rows(rows)
                return value[rows] if isinstance(value, np.ndarray) else value

            fields = {k: cut(v) for k, v in vars(self).items() if k[0] != "_"}
            self._views[key] = Buffers(**fields)
        return self._views[key]

    def narrow(self, k: int) -> Buffers:
        """The same buffers if the inputs are 0 from the k-th on, and none is dropped."""
        if k == self.X.shape[1]:
            return self
        if k not in self._narrowed:
            X, inputs = (a[:, : a.shape[1] - self.X.shape[1] + k] for a in (self.X, self.inputs))
            below = [inputs, *self.below[1:]]
            self._narrowed[k] = replace(
                self, X=X, inputs=inputs, below=below, _views={}, _narrowed={}
            )
        return self._narrowed[k]
