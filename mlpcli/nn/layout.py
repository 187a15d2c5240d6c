"""How a network's parameters lie while it is trained, if not as they do in a checkpoint."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from mlpcli.arrays import Array
from mlpcli.nn.parameters import Parameters
from mlpcli.nn.units import Share, unit_blocks


class Layout:
    """Where in training each parameter lies, and what belongs to it, as an optimizer's state.

    Args:
        sizes: [D, H…, C].
        inputs: (≤ D,) in which order the inputs are written, and so the rows of W1 lie; the other
            rows stay. None: all stay.
        ranks: how many share the network by its units; 1: none do.
    """

    def __init__(self, sizes: Sequence[int], inputs: Array | None = None, ranks: int = 1) -> None:
        self._sizes, self._ranks = sizes, ranks
        self._inputs = np.arange(sizes[0])
        if inputs is not None:
            self._inputs[: len(inputs)] = inputs
        self.plain = inputs is None and ranks == 1
        """Whether everything lies as it does in a checkpoint."""

    def arrange(self, flat: Array, out: Array) -> Array:
        """Out (P,) ← flat (P,), which is as a checkpoint has it, as it lies in training."""
        if self.plain:
            np.copyto(out, flat)
            return out
        whole = Parameters(self._sizes, flat)
        whole.W[0] = whole.W[0][self._inputs]
        for rank in range(self._ranks):
            for own, theirs in self._pairs(out, whole, rank):
                own[...] = theirs
        return out

    def restore(self, flat: Array, out: Array, ranks: Sequence[int] | None = None) -> Array:
        """Out (P,) ← flat (P,), which is as it lies in training, as a checkpoint has it.

        Or only what is of some `ranks`.
        """
        if self.plain:
            np.copyto(out, flat)
            return out
        whole = Parameters(self._sizes, out)
        for rank in ranks if ranks is not None else range(self._ranks):
            for number, (own, theirs) in enumerate(self._pairs(flat, whole, rank)):
                if number:
                    theirs[...] = own
                else:
                    theirs[self._inputs] = own
        return out

    def _pairs(self, flat: Array, whole: Parameters, rank: int) -> Iterator[tuple[Array, Array]]:
        """Yield (a rank's part of W1, W2, …, b1, …; where it is in the whole network)."""
        if self._ranks == 1:
            own, W, b = Parameters(self._sizes, flat), whole.W, whole.b
        else:
            own = Share(self._sizes, self._ranks, rank, flat)
            blocks = unit_blocks(self._sizes, self._ranks, rank)
            W = [A[:, units] for A, units in zip(whole.W, blocks, strict=False)]
            b = [a[units] for a, units in zip(whole.b, blocks, strict=False)]
            # the last biases are rank 0's
            W, b = [*W, whole.W[-1][blocks[-1]]], b if rank else [*b, whole.b[-1]]
        yield from zip([*own.W, *own.b[: len(b)]], [*W, *b], strict=True)
