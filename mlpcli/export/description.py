"""What a model does to raw rows, in terms that every exporter can write down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mlpcli.arrays import Array
from mlpcli.runs.model import Model


@dataclass(frozen=True)
class Network:
    """One network: A₀ = (x − shift)·factor, Aₗ = f(Aₗ₋₁·Wₗ + bₗ), and what the scores say.

    Attributes:
        shift: (D,) float64, or None for 0.
        factor: (D,) float64, or one number for all.
        layers: W (fan_in, fan_out) and b (fan_out,) of each, float32 or float64.
        activation: the name of f; the last layer has none.
        output: "softmax" or "sigmoid" of the scores.
    """

    shift: Array | None
    factor: Array | float
    layers: Sequence[tuple[Array, Array]]
    activation: str
    output: str


@dataclass(frozen=True)
class Description:
    """A model or a committee: from raw rows to labels.

    Attributes:
        D: values per row.
        columns: their names, if it is a table with a header.
        label: where a table without a header has its label; -1 is the last column.
        is_image: whether they are pixels.
        classes: C labels, whole numbers or text.
        class_names: what numeric labels stand for.
        networks: whose probabilities are averaged.
    """

    D: int
    columns: Sequence[str] | None
    label: int
    is_image: bool
    classes: Sequence[int | str]
    class_names: Sequence[str] | None
    networks: Sequence[Network]


def describe(members: Sequence[Model]) -> Description:
    """The description of a committee, or of one network."""
    first = members[0]
    return Description(
        D=first.file.sizes[0],
        columns=first.columns,
        label=_label_position(first),
        is_image=first.data.image_shape is not None,
        classes=first.classes.tolist(),
        class_names=first.data.class_names,
        networks=[_network(model) for model in members],
    )


def _label_position(model: Model) -> int:
    column = model.config.data.label_column or ""
    return int(column) if column.lstrip("+-").isdigit() else -1


def _network(model: Model) -> Network:
    params, count = model.file.params, len(model.file.sizes) - 1
    shift, factor = model.encoding.affine()
    return Network(
        shift=shift,
        factor=factor,
        layers=[(params[f"W{layer}"], params[f"b{layer}"]) for layer in range(1, count + 1)],
        activation=model.config.model.activation,
        output="softmax" if model.config.model.loss == "cross-entropy" else "sigmoid",
    )
