"""How a network's parameters lie while it is trained, if not as they do in a checkpoint."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np

from mlpcli.arrays import Array
from mlpcli.nn.network import MLP
from mlpcli.nn.parameters import Parameters


class Layout:
    """Rows of W1 in the order in which the inputs are written.

    Args:
        net: the network, whose parameters lie as they do in a checkpoint.
        inputs: (≤ D,) which input comes at each place; the others stay. None: all stay.
    """

    def __init__(self, net: MLP, inputs: Array | None = None) -> None:
        self._sizes, self._inputs = net.sizes, inputs

    @property
    def plain(self) -> bool:
        """Whether everything lies as it does in a checkpoint."""
        return self._inputs is None

    def network(self, net: MLP, zeros: Callable[..., Array]) -> MLP:
        """The network that is trained in place of `net`, which it is itself if all is plain."""
        if self.plain:
            return net
        flat = net.parameters.flat
        net.move_to(Parameters(net.sizes, zeros(flat.shape, flat.dtype)))
        trained = copy.copy(net)
        trained.adopt(Parameters(net.sizes, np.empty_like(flat)))
        self.arrange(flat, out=trained.parameters.flat)
        return trained

    def arrange(self, flat: Array, out: Array) -> Array:
        """out (P,) ← parameters, or what belongs to each, (P,) as a checkpoint has them."""
        if out is not flat:
            out[:] = flat
        if self._inputs is not None:
            W, sorted_W = self._first(flat), self._first(out)
            np.take(W, self._inputs, axis=0, out=sorted_W[: len(self._inputs)], mode="clip")
        return out

    def restore(self, flat: Array, out: Array) -> Array:
        """out (P,) ← flat (P,), as a checkpoint has it."""
        if out is not flat:
            out[:] = flat
        if self._inputs is not None:
            self._first(out)[self._inputs] = self._first(flat)[: len(self._inputs)]
        return out

    def _first(self, flat: Array) -> Array:
        return Parameters(self._sizes, flat).W[0]
