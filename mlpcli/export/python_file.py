"""A model as one Python file: `predictor.py`, which lies beside this, with the model filled in."""

from __future__ import annotations

import base64
from dataclasses import asdict
from importlib.resources import files
from typing import Any

import numpy as np

from mlpcli.arrays import Array
from mlpcli.data.encoding import Part
from mlpcli.errors import UsageError
from mlpcli.export import predictor
from mlpcli.export.description import Network, describe
from mlpcli.export.request import Request

_PLACE = "MODEL: dict[str, Any] = {}  # filled in by mlp export\n"
_LINE = 96  # characters of base 64
_PLACES = ("column", "position", "count")  # of a part of the encoding; they are said elsewhere
_BYTES = {np.dtype(np.float32): "f", np.dtype(np.float64): "d"}


def build(request: Request) -> bytes:
    """The file; what is the model's own stands in it as literals of ASCII alone.

    Raises:
        UsageError: the model has a part that the file has no code for.
    """
    about = describe(request)
    first = request.members[0].data
    model = {
        "repeat": list(request.commands),
        "data": first.source,
        "data digest": first.digest,
        "inputs": about.inputs,
        "columns": None if about.columns is None else list(about.columns),
        "label": about.label_position,
        "task": request.members[0].task.kind,
        "classes": list(about.classes),
        "names": None if about.class_names is None else list(about.class_names),
        "networks": [_network(network) for network in about.networks],
    }
    template = files("mlpcli.export").joinpath("predictor.py").read_text(encoding="utf-8")
    before, after = template.split(_PLACE)
    return "".join((before, "MODEL: dict[str, Any] = ", _literal(model), "\n", after)).encode()


def _network(network: Network) -> dict[str, Any]:
    for _, _, activation in network.layers:
        if activation not in predictor.ACTIVATIONS:
            raise UsageError(f"--activation {activation} cannot be exported to .py")
    return {
        "encoding": [_facts(part) for part in network.parts],
        "output": network.output,
        "mean": network.mean,
        "deviation": network.deviation,
        "type": _BYTES[network.layers[0][0].dtype],
        "layers": [(*W.shape, f, _packed(W), _packed(b)) for W, b, f in network.layers],
    }


def _facts(part: Part) -> dict[str, Any]:
    """What the file's code needs of a part of the encoding."""
    return {name: value for name, value in asdict(part).items() if name not in _PLACES}


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
