"""A model as ONNX: from raw rows to labels and probabilities, in one graph."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mlpcli import __version__
from mlpcli.data.encoding import Number, Pixels
from mlpcli.errors import MlpError, UsageError, suggest_install
from mlpcli.export.description import Description, Network, describe
from mlpcli.export.onnx_graph import Graph
from mlpcli.export.request import Request
from mlpcli.nn.activations import LeakyReLU

_LIMIT = 2**31 - 2**20  # bytes; Protocol Buffers take no message of 2 GiB
_OUTPUTS = ("label", "probabilities")


def build(request: Request) -> bytes:
    """The file.

    Its inputs are float64 (N, 1) by each column's name, if the model is of a table with a header,
    else `X` (N, D): float32 for pixels, float64 for other values. Its outputs are `label` (N,) and
    `probabilities` (N, C).

    Raises:
        MlpError: `onnx` is not installed.
        UsageError: the model has a part that cannot be said in ONNX.
    """
    if importlib.util.find_spec("onnx") is None:
        raise MlpError(f"export to .onnx needs onnx; install it by: {suggest_install('onnx')}")
    import onnx

    description = describe(request)
    names = _input_names(description)
    graph = Graph([*names, *_OUTPUTS])
    raw = _inputs(graph, description, names)
    _outputs(graph, description, [_probabilities(graph, raw, n) for n in description.networks])
    model = graph.model(_metadata(request, description))
    if model.ByteSize() > _LIMIT:
        raise UsageError(f"ONNX takes models of at most {_LIMIT:,} bytes, without external files")
    onnx.checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString()
    return content


def _input_names(description: Description) -> list[str]:
    """What the inputs are called: as the columns, unless an output is called so."""
    if description.columns is None or description.is_image:
        return ["X"]
    names: list[str] = []
    for column in map(_utf8, description.columns):
        name = column
        while not name or name in _OUTPUTS or (name != column and name in description.columns):
            name = f"column {name}".rstrip()
        names.append(name)
    return names


def _inputs(graph: Graph, description: Description, names: Sequence[str]) -> str:
    """The raw rows (N, R)."""
    if names == ["X"]:
        dtype = np.float32 if description.is_image else np.float64
        return graph.input("X", dtype, description.inputs)
    columns = [graph.input(name, np.float64, 1) for name in names]
    return graph.add("Concat", *columns, axis=1)


def _encoded(graph: Graph, raw: str, network: Network) -> str:
    """The inputs of a network (N, D), in its dtype."""
    dtype = network.layers[0][0].dtype
    first = network.parts[0]
    if isinstance(first, Pixels):
        X = graph.cast(raw, dtype)
        return graph.add("Mul", X, graph.constant(first.factor, dtype)) if first.factor != 1 else X
    numbers = [part for part in network.parts if isinstance(part, Number)]
    shift = graph.constant([part.shift for part in numbers], np.float64)
    factor = graph.constant([part.factor for part in numbers], np.float64)
    X = graph.add("Sub", graph.cast(raw, np.float64), shift)
    return graph.cast(graph.add("Mul", X, factor), dtype)


def _probabilities(graph: Graph, raw: str, network: Network) -> str:
    """What one network says of raw rows: (N, C) in its own dtype."""
    dtype = network.layers[0][0].dtype
    A = _encoded(graph, raw, network)
    for layer, (W, b) in enumerate(network.layers, start=1):
        A = graph.add("Gemm", A, graph.constant(W, dtype), graph.constant(b, dtype))
        if layer < len(network.layers):
            A = ACTIVATIONS[network.activation](graph, A, dtype)
    return (
        graph.add("Softmax", A, axis=1) if network.output == "softmax" else graph.add("Sigmoid", A)
    )


def _relu(graph: Graph, Z: str, dtype: Any) -> str:
    return graph.add("Relu", Z)


def _leaky_relu(graph: Graph, Z: str, dtype: Any) -> str:
    return graph.add("LeakyRelu", Z, alpha=LeakyReLU.slope)


def _tanh(graph: Graph, Z: str, dtype: Any) -> str:
    return graph.add("Tanh", Z)


def _sigmoid(graph: Graph, Z: str, dtype: Any) -> str:
    return graph.add("Sigmoid", Z)


ACTIVATIONS: dict[str, Callable[[Graph, str, Any], str]] = {
    "relu": _relu,
    "leaky-relu": _leaky_relu,
    "tanh": _tanh,
    "sigmoid": _sigmoid,
}
"""f(Z) of each activation, of operators that onnxruntime has for float32 and float64."""


def _outputs(graph: Graph, description: Description, probs: Sequence[str]) -> None:
    """`label` and `probabilities`, the mean of the networks'."""
    dtype = description.networks[0].layers[0][0].dtype
    mean = probs[0]
    if len(probs) > 1:
        dtype = np.dtype(np.float64)
        total = graph.add("Sum", *(graph.cast(each, dtype) for each in probs))
        mean = graph.add("Div", total, graph.constant(len(probs), dtype))
    best = graph.add("ArgMax", mean, axis=1, keepdims=0)
    text = isinstance(description.classes[0], str)
    labels = [_utf8(label) if isinstance(label, str) else label for label in description.classes]
    kind = object if text else np.int64
    graph.output("label", graph.add("Gather", graph.constant(labels, kind), best), kind)
    graph.output("probabilities", mean, dtype, len(labels))


def _metadata(request: Request, description: Description) -> dict[str, str]:
    first = request.members[0]
    values = {
        "classes": json.dumps(description.classes),
        "class_names": json.dumps(description.class_names),
        "columns": json.dumps(description.columns),
        "data": first.data.source,
        "data_digest": first.data.digest,
        "repeat": "\n".join(request.commands),
        "mlp": __version__,
    }
    return {key: _utf8(value) for key, value in values.items()}


def _utf8(text: str) -> str:
    """Text that Protocol Buffers take: a surrogate without its other half is escaped."""
    return text.encode("utf-8", "backslashreplace").decode()
