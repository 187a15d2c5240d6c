"""What a model does to raw rows, in terms that every exporter can write down."""

from __future__ import annotations

from collections.abc import Sequence

from mlpcli.arrays import Array
from mlpcli.data.encoding import Encoding
from mlpcli.export.request import Request
from mlpcli.nn.losses import LOSSES
from mlpcli.records import record
from mlpcli.runs.model import Model
from mlpcli.tasks.regression import Regression


@record
class Network:
    """One network: raw columns are encoded as A₀, Aₗ = fₗ(Aₗ₋₁·Wₗ + bₗ), and the last says what.

    Attributes:
        encoding: what becomes of each raw column.
        embedding: w, b, V, c of the numbers' periodic embeddings (`mlpcli.nn.embeddings`), which
            come before the encoded inputs in A₀; none if there are none.
        layers: W (fan_in, fan_out) and b (fan_out,), float32 or float64, of each, and the name of
            its f; the last layer has none.
        output: as the loss has it; a "number" is score·deviation + mean.
        mean, deviation: of a number.
    """

    encoding: Encoding
    embedding: Sequence[Array]
    layers: Sequence[tuple[Array, Array, str | None]]
    output: str
    mean: float = 0.0
    deviation: float = 1.0


@record
class Description:
    """A model or a committee: from raw rows to labels or numbers.

    Attributes:
        encoding: the first network's; the others take the same raw columns.
        columns: their names, if they have any.
        label_name: of the column that a table has besides.
        is_image: whether they are pixels.
        classes: C labels, whole numbers or text; none of a regression.
        class_names: what numeric labels stand for.
        networks: whose probabilities, or numbers, are averaged.
    """

    encoding: Encoding
    columns: Sequence[str] | None
    label_name: str | None
    is_image: bool
    classes: Sequence[int | str]
    class_names: Sequence[str] | None
    networks: Sequence[Network]


def describe(request: Request) -> Description:
    """The description of a committee, or of one network."""
    first = request.members[0]
    return Description(
        encoding=first.encoding,
        columns=first.columns,
        label_name=first.data.label_name,
        is_image=first.data.image_shape is not None,
        classes=first.classes.tolist(),
        class_names=first.data.class_names,
        networks=[_network(model) for model in request.members],
    )


def _network(model: Model) -> Network:
    file, task, params = model.file, model.task, model.file.plain_params
    layers = [
        (params[f"W{number}"], params[f"b{number}"], layer.activation)
        for number, layer in enumerate(file.dense, start=1)
    ]
    embedding = [array for name, array in params.items() if name.startswith("E")]
    unit = (task.mean, task.deviation) if isinstance(task, Regression) else ()
    return Network(model.encoding, embedding, layers, LOSSES[file.loss].output, *unit)
