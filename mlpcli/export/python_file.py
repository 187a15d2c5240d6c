"""A model as one Python file: `predictor.py`, which lies beside this, with the model filled in."""

from __future__ import annotations

import base64
from dataclasses import asdict
from typing import Any

import numpy as np

from mlpcli.arrays import Array
from mlpcli.data.columns import Column
from mlpcli.data.encoding import BLOCK_KINDS, Encoding, Number, Part
from mlpcli.data.formats.inputs import numbers_only
from mlpcli.errors import UsageError
from mlpcli.export import predictor
from mlpcli.export.bundle import bundle
from mlpcli.export.description import Network, describe
from mlpcli.export.predictor_inputs import CLIPS
from mlpcli.export.predictor_network import ACTIVATIONS
from mlpcli.export.request import Request
from mlpcli.tasks.regression import Regression

_PLACE = "MODEL: dict[str, Any] = {}  # filled in by mlp export\n"
_LINE = 96  # characters of base 64
_SAID_ELSEWHERE = ("column", "position", "count", "low", "high", "largest", "decimal", "unit")
_BYTES = {np.dtype(np.float32): "f", np.dtype(np.float64): "d"}


def build(request: Request) -> bytes:
    """The file; what is the model's own stands in it as literals of ASCII alone.

    Raises:
        UsageError: the model has a part that the file has no code for.
    """
    about = describe(request)
    first = request.members[0]
    layout = first.layout or numbers_only(about.encoding.raw_width, str(first.file.path))
    numeric = {name for model in request.members for name in model.config.data.numeric}
    positions = [column.position for column in layout.columns]
    model = {
        "repeat": list(request.commands),
        "data": first.data.source,
        "data digest": first.data.digest,
        "inputs": about.encoding.raw_width,
        "columns": [
            _of_column(
                column,
                lenient=all(column.is_among(m.config.data.numeric) for m in request.members),
            )
            for column in about.encoding.columns or ()
        ],
        "table": {
            "positions": positions,
            "label": {"name": layout.label.name, "position": layout.label.position},
            "width": len(positions) + 1 if layout.width is None else layout.width,
            "numeric": sorted(numeric),
        },
        "task": first.task.kind,
        **({"digits": first.task.digits} if isinstance(first.task, Regression) else {}),
        "classes": list(about.classes),
        "names": None if about.class_names is None else list(about.class_names),
        "networks": [_network(network) for network in about.networks],
    }
    before, after = bundle(predictor, before=_PLACE).split(_PLACE)
    return "".join((before, "MODEL: dict[str, Any] = ", _literal(model), "\n", after)).encode()


def _network(network: Network) -> dict[str, Any]:
    for _, _, activation in network.layers:
        if activation not in ACTIVATIONS:
            raise UsageError(f"--activation {activation} cannot be exported to .py")
    parts = network.encoding.parts
    for scale in {part.scale for part in parts if isinstance(part, Number)}:
        if scale not in CLIPS:
            raise UsageError(f"--scale {scale} cannot be exported to .py")
    encoding, layers = [_facts(part) for part in parts], list(network.layers)
    layers[0] = (_in_order(network.encoding, layers[0][0]), *layers[0][1:])
    if network.embedding:
        _embed(encoding, *network.embedding)
    number = network.output == "number"
    return {
        "encoding": encoding,
        "output": network.output,
        **({"mean": network.mean, "deviation": network.deviation} if number else {}),
        "type": _BYTES[network.layers[0][0].dtype],
        "layers": [(*W.shape, f, _packed(W), _packed(b)) for W, b, f in layers],
    }


def _of_column(column: Column, *, lenient: bool) -> dict[str, Any]:
    """What the file's code needs to read a column; what is not there is as `_columns` has it."""
    kind = {"kind": column.kind, "order": column.order, "decimal": column.decimal}
    said = kind | {"unit": column.unit, "lenient": lenient}
    return {"name": column.name} | {name: value for name, value in said.items() if value}


def _facts(part: Part) -> dict[str, Any]:
    """What the file's code needs of a part of the encoding."""
    return {name: value for name, value in asdict(part).items() if name not in _SAID_ELSEWHERE}


def _embed(encoding: list[dict[str, Any]], w: Array, b: Array, V: Array, c: Array) -> None:
    """Put the embeddings beside what they are of."""
    outputs = np.concatenate([V, c[:, np.newaxis]], axis=1).transpose(0, 2, 1)
    numbers = [facts for facts in encoding if facts["kind"] != "category"]
    for facts, *own in zip(numbers, w, b, outputs, strict=True):
        facts["embedding"] = [array.tolist() for array in own]


def _in_order(encoding: Encoding, W: Array) -> Array:
    """The rows of W in the order that the file's code has inputs in.

    They are of one kind after the other, and each number has its embedding beside it, where a
    network has all embeddings first and large blocks last.
    """
    embedded = len(W) - encoding.width
    order: list[int] = []
    for block in sorted(encoding.blocks, key=lambda b: (BLOCK_KINDS.index(b.of), b.part)):
        first = embedded + block.start
        order += range(first, first + len(block.values))
        if block.of == "number":
            each = embedded // encoding.numbers
            order += range(block.start * each, (block.start + 1) * each)
    return W[order] if order else W


def _packed(array: Array) -> bytes:
    return array.astype(array.dtype.newbyteorder("<")).tobytes()


def _literal(value: Any, indent: str = "") -> str:
    """A Python literal; bytes are written in base 64."""
    inner = indent + "    "
    if isinstance(value, bytes):
        text = base64.b64encode(value).decode()
        lines = [text[i : i + _LINE] for i in range(0, len(text), _LINE)]
        return f'"{text}"' if len(lines) < 2 else '"""\n{}\n"""'.format("\n".join(lines))
    if isinstance(value, dict):
        parts = [f"{inner}{k!a}: {_literal(v, inner)},\n" for k, v in value.items()]
        return "{\n" + "".join(parts) + indent + "}"
    if isinstance(value, (list, tuple)) and any(isinstance(v, (dict, tuple, bytes)) for v in value):
        parts = [f"{inner}{_literal(v, inner)},\n" for v in value]
        return "[\n" + "".join(parts) + indent + "]"
    return ascii(value)
