"""Losses of networks that differ in one parameter each."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from mlpcli.arrays import Array
from mlpcli.nn.embeddings import OUTPUTS
from mlpcli.nn.network import MLP
from mlpcli.nn.parameters import Buffers
from mlpcli.nn.regularisation import l2_penalty

STEP = 1e-5
"""h: the difference's error by rounding, about 10⁻¹⁶/h, and by curvature, about h², are small."""


BLOCK = 2**17  # numbers of a layer's output in all networks of a block: they fit into a cache


Gradient = Callable[[MLP, Buffers, float], tuple[float, dict[str, Array]]]
"""(network, batch with its masks, λ) → the loss with its penalty, and its gradient by name."""


def in_double_precision(net: MLP) -> MLP:
    """A copy of a network in float64, with parameters of its own."""
    twin = copy.copy(net)
    twin.dtype = np.dtype(np.float64)
    twin.adopt(net.parameters.like(net.parameters.flat.astype(np.float64)))
    return twin


class PerturbedLosses:
    """A batch's losses by networks that differ from `net` in one parameter each.

    Args:
        net: in double precision; its parameters stay as they are while this is used.
        batch: inputs, targets, weights and masks.

    Attributes:
        Z: what the activations of each layer are applied to, unperturbed, (N, fan_out) each.
    """

    def __init__(self, net: MLP, batch: Buffers) -> None:
        self.net = net
        self._batch = batch
        self._last = len(net.sizes) - 2
        self._inputs: list[Array] = []  # what each layer's weights multiply
        self._scale = net.parameters.scale
        self.Z: list[Array] = []
        embedded = net.parameters.embeddings
        A = batch.X
        if embedded:
            A = np.concatenate([self._embedded(**embedded.named()).reshape(len(A), -1), A], axis=1)
        self._unscaled = self._dropped(A, 0)
        for layer in range(self._last + 1):
            A = self._dropped(A, layer)
            self._inputs.append(A * self._scale if not layer and self._scale is not None else A)
            self.Z.append(self._inputs[layer] @ net.parameters.W[layer] + net.parameters.b[layer])
            A = self._activated(self.Z[layer])

    def differences(self, name: str, entries: Array, h: float = STEP) -> tuple[Array, Array]:
        """Central differences of the mean loss by some entries of an array.

        Args:
            name: "W1", "b1", …, or "E1", …, or "s1"; or "X", of the batch's inputs.
            entries: (V,) positions in the flattened array.

        Returns:
            (V,) the derivatives; and (V,) whether a unit changed sides between w − h and w + h.
        """
        derivatives, crossed = np.empty(len(entries)), np.empty(len(entries), bool)
        layer = 1 if name[0] in "EsX" else int(name[1:])
        size = max(1, BLOCK // (len(self._batch.X) * max(self.net.sizes[layer:])))
        for start in range(0, len(entries), size):
            block = slice(start, start + size)
            above, sides_above = self.evaluate(name, entries[block], h)
            below, sides_below = self.evaluate(name, entries[block], -h)
            # sample by sample: the difference of two means would have the rounding of the sums
            derivatives[block] = (above - below).mean(axis=1) / (2 * h)
            crossed[block] = (sides_above != sides_below).any(axis=1)
        return derivatives, crossed

    def evaluate(self, name: str, entries: Array, h: float) -> tuple[Array, Array]:
        """The losses (V, N) of V networks, in each of which one entry is larger by h.

        Returns:
            The losses; and (V, …) on which side of its kink each unit is that depends on the entry.
        """
        if name[0] == "E":
            return self._from(0, self._of_embedding(name, entries, h), [])
        if name[0] == "s":
            rows = self.net.parameters.W[0][entries]
            added = h * self._unscaled.T[entries][:, :, None] * rows[:, None, :]
            return self._from(0, self.Z[0] + added, [])
        if name == "X":
            return self._from(0, self._of_inputs(entries, h), [])
        layer, V = int(name[1:]) - 1, len(entries)
        i, j = np.divmod(entries, self.net.sizes[layer + 1])
        # a weight Wᵢⱼ adds h·aᵢ to unit j, a bias bⱼ adds h
        z = self.Z[layer].T[j] + (h * self._inputs[layer].T[i] if name[0] == "W" else h)
        if layer == self._last:
            scores = np.repeat(self.Z[layer][None], V, axis=0)
            scores[np.arange(V), :, j] = z
            return self._from(layer, scores, [])

        # what unit j passes on changes in proportion to its outgoing weights
        change = self._activated(z) - self._activated(self.Z[layer].T[j])
        mask = self._batch.masks[layer + 1]
        if mask is not None:
            change *= mask.T[j]
        outgoing = self.net.parameters.W[layer + 1][j]
        Z = self.Z[layer + 1] + change[:, :, None] * outgoing[:, None, :]
        return self._from(layer + 1, Z, [z > 0])

    def _from(self, layer: int, Z: Array, sides: list[Array]) -> tuple[Array, Array]:
        """The same of Z (V, N, fan_out) of a layer, and the sides of what is below it."""
        V = len(Z)
        for above in range(layer + 1, self._last + 1):
            sides.append((Z > 0).reshape(V, -1))
            inputs = self._dropped(self._activated(Z), above)
            # one product for all rows of all networks
            rows = inputs.reshape(-1, inputs.shape[2]) @ self.net.parameters.W[above]
            Z = (rows + self.net.parameters.b[above]).reshape(V, -1, rows.shape[1])
        return self._losses(Z), self._sides(Z, sides if self.net.activation.kinked else [])

    def _of_inputs(self, entries: Array, h: float) -> Array:
        """(V, N, fan_out) Z of the first layer, with an entry of X larger by h."""
        i, j = np.divmod(entries, self._batch.X.shape[1])
        mask = self._batch.masks[0]
        rows = self.net.parameters.W[0][j]
        factors = np.ones(len(j)) if self._scale is None else self._scale[j]
        factors = factors if mask is None else factors * mask[i, j]
        Z = np.repeat(self.Z[0][None], len(entries), axis=0)
        Z[np.arange(len(entries)), i] += h * factors[:, None] * rows
        return Z

    def _of_embedding(self, name: str, entries: Array, h: float) -> Array:
        """(V, N, fan_out) Z of the first layer, with an entry of an embedding larger by h."""
        embedded = self.net.parameters.embeddings
        assert embedded
        V, arrays = len(entries), embedded.named()
        columns, *within = np.unravel_index(entries, arrays[name].shape)
        own = {key: array[columns] for key, array in arrays.items()}  # of each network's column
        before = self._embedded(**own, columns=columns)
        own[name][np.arange(V), *within] += h
        change = (self._embedded(**own, columns=columns) - before).transpose(1, 0, 2)
        places = OUTPUTS * columns[:, None] + np.arange(OUTPUTS)
        mask = self._batch.masks[0]
        if mask is not None:
            change *= mask[:, places].transpose(1, 0, 2)
        W = self.net.parameters.W[0]
        rows = W[places] if self._scale is None else W[places] * self._scale[places][..., None]
        Z: Array = self.Z[0] + change @ rows
        return Z

    def _embedded(
        self, E1: Array, E2: Array, E3: Array, E4: Array, columns: Any = slice(None)
    ) -> Array:
        """(N, K, 3) e(x) = cos(2π·x·w + b)·V + c of some columns, each with its parameters."""
        x = self._batch.X[:, : self.net.embedded][:, columns, None]
        e: Array = np.einsum("nkf,kfo->nko", np.cos(2 * np.pi * x * E1 + E2), E3) + E4
        return e

    def _sides(self, scores: Array, of_units: list[Array]) -> Array:
        """(V, …) on which side of their kinks the units and the losses of each network are."""
        V, _, C = scores.shape
        of_losses = self.net.loss.sides(scores.reshape(-1, C), np.tile(self._batch.Y, (V, 1)))
        sides = [side.astype(np.int8) for side in of_units]
        sides += [np.empty((V, 0), np.int8)] if of_losses is None else [of_losses.reshape(V, -1)]
        return np.concatenate(sides, axis=1)

    def _dropped(self, A: Array, layer: int) -> Array:
        mask = self._batch.masks[layer]
        return A if mask is None else A * mask

    def _activated(self, Z: Array) -> Array:
        """f(Z), in a new array."""
        A = Z.copy()
        self.net.activation.forward(A, np.empty_like(A))
        return A

    def _losses(self, scores: Array) -> Array:
        """(V, N) losses of scores (V, N, C)."""
        V, N, C = scores.shape
        losses, delta = np.empty(V * N), np.empty((V * N, C))
        Y = np.tile(self._batch.Y, (V, 1))
        self.net.loss.evaluate(scores.reshape(V * N, C), Y, losses, delta)
        losses = losses.reshape(V, N)
        return losses if self._batch.weights is None else losses * self._batch.weights[:, 0]


def penalty_differences(w: Array, reg: float, h: float = STEP) -> Array:
    """Central differences (V,) of the penalty by weights (V,): each changes its own term alone."""
    terms = [[l2_penalty(np.array([x + step]), reg) for step in (h, -h)] for x in w]
    above, below = np.array(terms).reshape(-1, 2).T
    differences: Array = (above - below) / (2 * h)
    return differences
