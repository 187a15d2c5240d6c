"""Samples moved to where the network does worst, by a small step r of a given size ε.

By the loss's gradient g with respect to the sample x, r is what raises the loss most, to first
order, of all steps of that size (Goodfellow, Shlens & Szegedy 2015, arXiv 1412.6572):

    linf: r = ε·sign(g), each input by ε        l2: r = ε·g/‖g‖, the Euclidean norm is ε

"virtual" asks no label: r = ε·g/‖g‖ is where the network's answer p changes most, and the target
there is p(x). At x itself the change has no gradient, so that g is taken a little beside it, at
x + ξ·d with d of norm 1 and random: a step of the power method (Miyato et al. 2016, arXiv
1507.00677). As ∂L(s, p)/∂s is that of KL(p ‖ softmax(s)), g comes by the same backward pass.
"""

from __future__ import annotations

import numpy as np

from mlpcli.arrays import Array
from mlpcli.nn.network import MLP
from mlpcli.nn.parameters import Buffers
from mlpcli.records import record

_BESIDE = 1e-2  # ξ, as a share of ε


@record
class Attack:
    """How samples are moved.

    Attributes:
        kind: one of STEPS.
        size: ε, in the unit of the network's inputs.
    """

    kind: str
    size: float

    @property
    def virtual(self) -> bool:
        """Whether the targets are what the network says."""
        return self.kind == "virtual"

    def move(
        self,
        net: MLP,
        batch: Buffers,
        moved: Buffers,
        rng: np.random.Generator,
        *,
        first: int = 0,
        drop: bool = False,
    ) -> None:
        """Moved.X, y and weights ← those of `batch`, moved; if `virtual`, moved.Y, too.

        Args:
            batch: n samples with targets in Y; its outputs and deltas are overwritten.
            moved: buffers for n more.
            rng: a new PCG64, of d alone. A sample's d depends on its place in the batch.
            first: the place of the first one, if these are only a part of the batch.
            drop: whether the masks in `batch` are used; they become those of `moved`, too.
        """
        np.copyto(moved.y, batch.y)
        if moved.weights is not None and batch.weights is not None:
            np.copyto(moved.weights, batch.weights)
        if drop:
            for mask, own in zip(moved.masks, batch.masks, strict=True):
                if mask is not None and own is not None:
                    np.copyto(mask, own)
        net.forward_pass(batch, drop=drop)
        asked = batch
        if self.virtual:
            net.loss.probabilities(batch.outputs[-1], moved.Y)
            np.add(batch.X, self._directions(batch.X, rng, first), out=moved.X)
            net.forward_pass(moved, drop=drop)
            asked = moved
        net.evaluate_loss(asked)
        net.propagate_back(asked, drop=drop)
        r = net.input_gradient(asked, out=moved.X, drop=drop)
        STEPS[self.kind](r, self.size)
        np.add(r, batch.X, out=moved.X)

    def _directions(self, X: Array, rng: np.random.Generator, first: int) -> Array:
        """(n, D) ξ·d."""
        bits = rng.bit_generator
        assert isinstance(bits, np.random.PCG64)
        bits.advance(first * X.shape[1])
        d = rng.random(X.shape).astype(X.dtype)
        np.subtract(d, 0.5, out=d)
        _to_norm(d, _BESIDE * self.size)
        return d


def _to_signs(r: Array, size: float) -> None:
    """r ← size·sign(r)."""
    np.sign(r, out=r)
    np.multiply(r, size, out=r)


def _to_norm(r: Array, size: float) -> None:
    """r ← size·r/‖r‖, each row; a row of zeros stays."""
    norms = np.sqrt(np.einsum("ij,ij->i", r, r, dtype=np.float64))[:, None]
    factors = np.divide(size, norms, out=np.zeros_like(norms), where=norms > 0)
    np.multiply(r, factors.astype(r.dtype), out=r)


STEPS = {"l2": _to_norm, "linf": _to_signs, "virtual": _to_norm}
"""What makes a gradient a step of the given size, by the kinds of `--adversarial`."""
