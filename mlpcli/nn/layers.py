"""The layers of a network, as `meta` of a checkpoint declares them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Literal

from mlpcli.nn.activations import ACTIVATIONS
from mlpcli.nn.parameters import input_widths
from mlpcli.records import record
from mlpcli.schema import Bounds
from mlpcli.text import quoted

MAX_LAYERS = 1001
"""No network has more of weights, the last one's included; `--hidden` takes one width less."""

Width = Annotated[int, Bounds(1, 1 << 40)]


@record
class Dense:
    """A layer f(A·W + b); without an activation A·W + b, as the last one is."""

    kind: Literal["dense"]
    inputs: Width
    outputs: Width
    activation: str | None

    def __post_init__(self) -> None:
        if self.activation is not None and self.activation not in ACTIVATIONS:
            raise ValueError(f"has an unknown activation {quoted(self.activation)}")


@record
class Periodic:
    """An input layer: the periodic embeddings of the first `columns` inputs, then the inputs."""

    kind: Literal["periodic"]
    inputs: Width
    outputs: Width
    columns: Width


@record
class Scale:
    """A learned factor for each input of the first dense layer."""

    kind: Literal["scale"]
    inputs: Width
    outputs: Width


Layer = Dense | Periodic | Scale
"""One of `meta["layers"]`."""


def layers_of(
    sizes: Sequence[int], activation: str, embedded: int = 0, *, scaled: bool = False
) -> list[Layer]:
    """The layers of a network; for the arguments see `MLP`."""
    widths = input_widths(sizes, embedded)
    pairs = list(pairwise(widths))
    dense = [
        Dense("dense", inputs, outputs, activation if number < len(pairs) else None)
        for number, (inputs, outputs) in enumerate(pairs, start=1)
    ]
    before: list[Layer] = []
    if embedded:
        before += [Periodic("periodic", sizes[0], widths[0], embedded)]
    if scaled:
        before += [Scale("scale", widths[0], widths[0])]
    return [*before, *dense]
