"""A network that several ranks share by its units: each has a block of every hidden layer's.

A rank sends all rows of a batch through its own units, and has only the weights of these. With the
parts of rank r in superscript, the equations of `mlpcli.nn.network` become

    Zₗʳ = Aₗ₋₁·Wₗʳ + bₗʳ,   Aₗ = (Aₗ¹, Aₗ², …),   scores = Σᵣ (A_{L-1}ʳ·W_Lʳ + b_Lʳ)

    δₗ₋₁ = (Σᵣ δₗʳ·(Wₗʳ)ᵀ) ⊙ f′(Zₗ₋₁),   ∂loss/∂Wₗʳ = Aₗ₋₁ᵀ·δₗʳ

Wₗʳ has the columns of Wₗ that lead to the rank's units, and W_Lʳ the rows of W_L for what they
give. `Share` are these parameters; `Shared` makes the buffers on which the network's own equations
come to this. Whatever other ranks need lies in memory that all see.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from mlpcli.arrays import Array
from mlpcli.nn.parameters import Buffers, Parameters, Sum, zeros_by_class

_TOGETHER = 4  # products of a multiple of so many columns are faster


def unit_blocks(sizes: Sequence[int], ranks: int, rank: int) -> list[slice]:
    """Which units of each hidden layer are a rank's."""

    def end(n: int, count: int) -> int:
        exact = n * count // ranks
        return exact // _TOGETHER * _TOGETHER if 2 * _TOGETHER * ranks <= n > exact else exact

    return [slice(end(n, rank), end(n, rank + 1)) for n in sizes[1:-1]]


class Share(Parameters):
    """A rank's share of the parameters: views of the array that has those of all ranks.

    Its weights and its biases lie side by side, rank after rank. The last layer's biases are rank
    0's, which adds them to its term of the scores; the others have zeros of their own.

    Args:
        sizes: [D, H…, C].
        ranks: how many share the network.
        rank: which of them.
        flat: (P,) the array.

    Attributes:
        part: the slice of `flat` that is this rank's.
    """

    def __init__(self, sizes: Sequence[int], ranks: int, rank: int, flat: Array) -> None:
        self._of = sizes, ranks, rank
        self.embeddings = self.scale = None  # networks with these are shared by rows
        shares = [_shapes(sizes, ranks, r) for r in range(ranks)]
        C = sizes[-1]
        ends = np.cumsum([_count(shapes) + (0 if r else C) for r, shapes in enumerate(shares)])
        begin, end = int(ends[rank - 1]) if rank else 0, int(ends[rank])
        self.flat, self.part = flat, slice(begin, end)
        self.W, self.b = [], []
        for shape in shares[rank]:
            self.W.append(flat[begin : begin + shape[0] * shape[1]].reshape(shape))
            begin += self.W[-1].size
        self.weights = flat[self.part.start : begin]
        for _, fan_out in shares[rank][:-1]:
            self.b.append(flat[begin : begin + fan_out])
            begin += fan_out
        self.b.append(np.zeros(C, flat.dtype) if rank else flat[end - C : end])

    def like(self, flat: Array) -> Share:
        return Share(*self._of, flat)

    def spans(self) -> list[slice]:
        ends = [self.part.start, *(W.size for W in self.W)]
        weights = [slice(*pair) for pair in pairwise(np.cumsum(ends).tolist())]
        stop = self.part.stop
        return [*weights, slice(weights[-1].stop, stop), slice(stop, stop), slice(stop, stop)]


def _shapes(sizes: Sequence[int], ranks: int, rank: int) -> list[tuple[int, int]]:
    """(rows, columns) of a rank's part of each W."""
    own = [units.stop - units.start for units in unit_blocks(sizes, ranks, rank)]
    return [*zip(sizes[:-2], own, strict=True), (own[-1], sizes[-1])]


def _count(shapes: Sequence[tuple[int, int]]) -> int:
    """How many weights there are, and biases but those of the last layer."""
    return sum(m * n for m, n in shapes) + sum(n for _, n in shapes[:-1])


class Shared:
    """What the passes of all ranks write to; made before they part.

    Args:
        sizes: [D, H…, C].
        whole: the buffers of all units.
        ranks: how many there will be.
        zeros: allocates what all ranks see.
        by_rows: whether `whole` is seen by all, and each rank fills in some rows of its inputs and
            targets; else each has these to itself, and fills in all rows.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        whole: Buffers,
        ranks: int,
        zeros: Callable[..., Array],
        *,
        by_rows: bool,
    ) -> None:
        N = len(whole.X)
        if not by_rows:
            hidden = [zeros((N, n), whole.X.dtype) for n in sizes[1:-1]]
            below = [whole.inputs, *hidden]
            outputs = [*hidden, whole.outputs[-1]]
            whole = replace(whole, outputs=outputs, below=below, _views={}, _narrowed={})
        self._sizes, self._whole, self._ranks = sizes, whole, ranks
        self._terms = [zeros((ranks, N, n), whole.X.dtype) for n in sizes[1:-2]]
        self._terms.append(zeros_by_class((ranks, N, sizes[-1]), whole.X.dtype, zeros))

    def join(self, rank: int, share: Callable[[int], slice], meet: Callable[[], None]) -> None:
        """Begin as one of the ranks.

        Args:
            share: which of n rows are its own where rows are shared: in inputs, loss and targets.
            meet: waits for all ranks.
        """
        self._rank, self._share, self._meet = rank, share, meet
        self._blocks = unit_blocks(self._sizes, self._ranks, rank)
        N, dtype = len(self._whole.X), self._whole.X.dtype
        self._own = [
            [np.empty((N, units.stop - units.start), dtype) for units in self._blocks]
            for _ in range(3)
        ]
        self._made: dict[int, Buffers] = {}

    def first(self, n: int) -> Buffers:
        """The buffers for n samples, in which this rank's units are its own."""
        if n not in self._made:
            self._made[n] = self._make(n)
        return self._made[n]

    def _make(self, n: int) -> Buffers:
        whole, rows = self._whole.first(n), self._share(n)
        outputs, deltas, slopes = ([array[:n] for array in arrays] for arrays in self._own)
        between = zip(whole.outputs, self._blocks[:-1], strict=False)
        units = [*(A[:, own] for A, own in between), outputs[-1]]  # the last no other rank reads
        scores = whole.outputs[-1][rows]
        everything = slice(None)

        def sum_of(terms: Array, rows: slice, columns: slice) -> Sum:
            wanted = [term[:n][rows, columns] for term in terms]
            return Sum(terms[self._rank, :n], wanted, self._meet)

        own_masks = [
            None if mask is None else mask[:, own]
            for mask, own in zip(whole.masks, [everything, *self._blocks], strict=True)
        ]
        below = [*whole.below[:-1], units[-1]]
        masks = [*whole.masks[:-1], own_masks[-1]]
        back = [
            sum_of(terms, everything, own)
            for terms, own in zip(self._terms[:-1], self._blocks[:-1], strict=True)
        ]
        return replace(
            whole,
            outputs=[*whole.outputs[:-1], scores],
            below=below,
            units=[*units, scores],
            deltas=[*deltas, whole.deltas[-1]],
            slopes=slopes,
            dropped=[
                None if mask is None else np.empty_like(A)
                for A, mask in zip(below, masks, strict=True)
            ],
            masks=masks,
            unit_masks=own_masks,
            sums=[*whole.sums[:-1], sum_of(self._terms[-1], rows, everything)],
            sums_back=[None, *back, None],
            meet=self._meet,
            _views={},
            _narrowed={},
        )
