"""A model as ONNX: from raw rows to labels and probabilities, in one graph."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mlpcli import __version__
from mlpcli.arrays import Array
from mlpcli.data.encoding import Category, Date
from mlpcli.errors import MlpError, UsageError, suggest_install
from mlpcli.export.description import Description, Network, describe
from mlpcli.export.onnx_dates import parse as parse_dates
from mlpcli.export.onnx_encoding import Columns, encode
from mlpcli.export.onnx_graph import Graph
from mlpcli.export.request import Request
from mlpcli.nn.activations import GELU, SELU, LeakyReLU
from mlpcli.text import join_words

_LIMIT = 2**31 - 2**20  # bytes; Protocol Buffers take no message of 2 GiB
_OUTPUTS = ("label", "probabilities", "value")


def build(request: Request) -> bytes:
    """The file.

    Its inputs are float64 (N, 1) by each column's name, if the model is of a table with a header,
    else `X` (N, D): float32 for pixels, float64 for other values. Its outputs are `label` (N,) and
    `probabilities` (N, C), or `value` (N,) float64.

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
    _answer(graph, description, _columns(graph, description, names))
    model = graph.model(_metadata(request, description, names))
    if model.ByteSize() > _LIMIT:
        raise UsageError(f"ONNX takes models of at most {_LIMIT:,} bytes, without external files")
    onnx.checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString()
    if others := [c.shown for c in description.encoding.columns or () if c.order]:
        request.notice(
            f"ONNX takes dates as 2024-03-05; write those of {join_words(others)} so, which the "
            "training table writes otherwise, or they count as missing"
        )
    return content


def _input_names(description: Description) -> list[str]:
    """What the inputs are called: as the columns, unless an output is called so."""
    columns = description.encoding.columns or ()
    if not description.columns and all(column.kind == "number" for column in columns):
        return ["X"]
    names: list[str] = []
    for wanted in (_utf8(column.name or "") for column in columns):
        name = wanted or f"column {len(names) + 1}"
        while name in _OUTPUTS or name in names:
            name = f"column {name}"
        names.append(name)
    return names


def _columns(graph: Graph, description: Description, names: Sequence[str]) -> Columns:
    """The raw columns, as inputs of the graph."""
    encoding = description.encoding
    if names == ["X"] and not description.columns:
        dtype = np.float32 if description.is_image else np.float64
        X = graph.input("X", dtype, encoding.raw_width)
        return Columns(graph, [X if encoding.pixels else graph.cast(X, np.float64)])
    values = []
    for name, part in zip(names, encoding.parts, strict=True):
        text = isinstance(part, Category | Date)
        value = graph.input(name, object if text else np.float64, 1)
        values.append(parse_dates(graph, value) if isinstance(part, Date) else value)
    return Columns(graph, values)


def _scores(columns: Columns, network: Network) -> str:
    """What the last layer says of raw rows: (N, C) in the network's dtype."""
    graph = columns.graph
    A = encode(columns, network.encoding, network.layers[0][0].dtype)
    if network.embedding:
        A = graph.concat([_embed(graph, A, *network.embedding), A])
    for W, b, activation in network.layers:
        A = graph.add("Gemm", A, graph.constant(W, W.dtype), graph.constant(b, b.dtype))
        if activation is not None:
            if activation not in ACTIVATIONS:
                raise UsageError(f"--activation {activation} cannot be exported to .onnx")
            A = ACTIVATIONS[activation](graph, A, W.dtype)
    return A


def _embed(graph: Graph, A: str, w: Array, b: Array, V: Array, c: Array) -> str:
    """cos(2π·x·w + b)·V + c of each x of the first columns of A, (N, 3M)."""
    M, dtype = len(w), w.dtype
    x = graph.add("Gather", A, graph.constant(np.arange(M), np.int64), axis=1)
    x = graph.add("Reshape", x, graph.constant([-1, M, 1, 1], np.int64))
    angles = graph.add("Mul", x, graph.constant(2 * np.pi * w[:, None], dtype))
    # onnxruntime has no Cos of float64: it is the sine of a quarter more.
    cosine, more = ("Cos", 0.0) if dtype == np.float32 else ("Sin", np.pi / 2)
    angles = graph.add("Add", angles, graph.constant(b[:, None] + more, dtype))
    e = graph.add("MatMul", graph.add(cosine, angles), graph.constant(V, dtype))
    e = graph.add("Reshape", e, graph.constant([-1, c.size], np.int64))
    return graph.add("Add", e, graph.constant(c.reshape(-1), dtype))


def _answer(graph: Graph, description: Description, columns: Columns) -> None:
    """The outputs: `value`, or `label` and `probabilities`; of a committee by the mean."""
    scores = [_scores(columns, network) for network in description.networks]
    said = [
        _output(graph, network, each)
        for network, each in zip(description.networks, scores, strict=True)
    ]
    mean = said[0]
    if len(said) > 1:
        total = graph.add("Sum", *(graph.cast(each, np.float64) for each in said))
        mean = graph.add("Div", total, graph.constant(len(said), np.float64))
    if not description.classes:
        flat = graph.constant([-1], np.int64)
        graph.output("value", graph.add("Reshape", mean, flat), np.float64)
        return
    # Scores tell apart probabilities that have all become 1.
    best = graph.add("ArgMax", mean if len(said) > 1 else scores[0], axis=1, keepdims=0)
    dtype = np.float64 if len(said) > 1 else description.networks[0].layers[0][0].dtype
    text = isinstance(description.classes[0], str)
    labels = [_utf8(label) if isinstance(label, str) else label for label in description.classes]
    kind = object if text else np.int64
    graph.output("label", graph.add("Gather", graph.constant(labels, kind), best), kind)
    graph.output("probabilities", mean, dtype, len(labels))


def _output(graph: Graph, network: Network, scores: str) -> str:
    """The probabilities, or the number in the target's unit in float64, (N, 1)."""
    if network.output == "softmax":
        return graph.add("Softmax", scores, axis=1)
    if network.output == "sigmoid":
        return graph.add("Sigmoid", scores)
    number = graph.cast(scores, np.float64)
    number = graph.add("Mul", number, graph.constant(network.deviation, np.float64))
    return graph.add("Add", number, graph.constant(network.mean, np.float64))


def _relu(graph: Graph, Z: str, dtype: Any) -> str:
    return graph.add("Relu", Z)


def _leaky_relu(graph: Graph, Z: str, dtype: Any) -> str:
    return graph.add("Max", Z, graph.scaled(Z, LeakyReLU.slope, dtype))


def _tanh(graph: Graph, Z: str, dtype: Any) -> str:
    return graph.add("Tanh", Z)


def _sigmoid(graph: Graph, Z: str, dtype: Any) -> str:
    return graph.add("Sigmoid", Z)


def _gelu(graph: Graph, Z: str, dtype: Any) -> str:
    """½z(1 + tanh(c(z + 0.044715 z³)))"""
    cube = graph.scaled(graph.add("Mul", Z, graph.add("Mul", Z, Z)), 0.044715, dtype)
    t = graph.add("Tanh", graph.scaled(graph.add("Add", Z, cube), GELU.c, dtype))
    one = graph.constant(1, dtype)
    return graph.scaled(graph.add("Mul", Z, graph.add("Add", t, one)), 0.5, dtype)


def _silu(graph: Graph, Z: str, dtype: Any) -> str:
    return graph.add("Mul", Z, graph.add("Sigmoid", Z))


def _selu(graph: Graph, Z: str, dtype: Any) -> str:
    """λ(max(z, 0) + α(e^min(z, 0) − 1))"""
    below = graph.add("Exp", graph.add("Min", Z, graph.constant(0, dtype)))
    below = graph.scaled(graph.add("Sub", below, graph.constant(1, dtype)), SELU.alpha, dtype)
    return graph.scaled(graph.add("Add", graph.add("Relu", Z), below), SELU.scale, dtype)


def _mish(graph: Graph, Z: str, dtype: Any) -> str:
    """z(1 − 2/(s² + 1)), s = 1 + e^min(z, 20)"""
    one, two = graph.constant(1, dtype), graph.constant(2, dtype)
    s = graph.add("Add", graph.add("Exp", graph.add("Min", Z, graph.constant(20, dtype))), one)
    D = graph.add("Add", graph.add("Mul", s, s), one)
    return graph.add("Mul", Z, graph.add("Sub", one, graph.add("Div", two, D)))


ACTIVATIONS: dict[str, Callable[[Graph, str, Any], str]] = {
    "relu": _relu,
    "leaky-relu": _leaky_relu,
    "tanh": _tanh,
    "sigmoid": _sigmoid,
    "gelu": _gelu,
    "silu": _silu,
    "selu": _selu,
    "mish": _mish,
}
"""f(Z) of each activation, of operators that onnxruntime has for float32 and float64."""


def _metadata(request: Request, description: Description, inputs: Sequence[str]) -> dict[str, str]:
    first = request.members[0]
    columns = [
        {"input": name, "column": column.name, "position": column.position, "kind": column.kind}
        for name, column in zip(inputs, description.encoding.columns or (), strict=False)
    ]
    values = {
        "task": request.members[0].task.kind,
        "classes": json.dumps(description.classes),
        "class_names": json.dumps(description.class_names),
        "columns": json.dumps(columns if len(columns) == description.encoding.raw_width else None),
        "data": first.data.source,
        "data_digest": first.data.digest,
        "repeat": "\n".join(request.commands),
        "mlp": __version__,
    }
    return {key: _utf8(value) for key, value in values.items()}


def _utf8(text: str) -> str:
    """Text that Protocol Buffers take: a surrogate without its other half is escaped."""
    return text.encode("utf-8", "backslashreplace").decode()
