"""A graph of ONNX operators under construction; the names of its values are chosen here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mlpcli import __version__
from mlpcli.export.request import MARK

_OPSET, _IR = 17, 8  # onnxruntime reads them since 1.12 (2022)
_OF_TEXT, _IR_OF_TEXT = 20, 9  # and these, which have operators on text, since 1.17 (2024)
_TEXT_OPERATORS = ("StringConcat", "StringSplit", "RegexFullMatch")


class Graph:
    """Nodes and constants, in the order of computation.

    Args:
        names: of inputs and outputs; no other value is called like one of them.
    """

    def __init__(self, names: Sequence[str]) -> None:
        import onnx

        self._prefix = "/"
        while any(name.startswith(self._prefix) for name in names):
            self._prefix += "/"

        self._onnx = onnx
        self._nodes: list[Any] = []
        self._constants: dict[tuple[Any, ...], Any] = {}
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._has_text = False

    def input(self, name: str, dtype: Any, width: int) -> str:
        """A value (N, width) that the caller gives."""
        self._inputs.append(self._value(name, dtype, ["N", width]))
        return name

    def output(self, name: str, value: str, dtype: Any, *shape: int) -> None:
        """Call a value `name`, (N, *shape), and hand it to the caller."""
        self._nodes.append(self._onnx.helper.make_node("Identity", [value], [name]))
        self._outputs.append(self._value(name, dtype, ["N", *shape]))

    def constant(self, value: Any, dtype: Any) -> str:
        """A constant; text is of dtype `object`."""
        array = np.asarray(value, dtype)
        data = tuple(array.ravel().tolist()) if array.dtype == object else array.tobytes()
        key = (array.dtype.str, array.shape, data)
        if key not in self._constants:
            name = f"{self._prefix}constant_{len(self._constants)}"
            self._constants[key] = self._onnx.numpy_helper.from_array(array, name)
        return str(self._constants[key].name)

    def add(self, operator: str, *values: str, domain: str = "", **attributes: Any) -> str:
        """The value of an operator applied to `values`."""
        return self._add(operator, values, 1, domain=domain, **attributes)[0]

    def split(self, text: str, mark: str) -> str:
        """The parts of text (N, 1) between marks, (N, 1, P), filled up with empty ones."""
        return self._add("StringSplit", [text], 2, delimiter=mark)[0]

    def concat(self, values: Sequence[str]) -> str:
        """Values (N, M) side by side."""
        return self.add("Concat", *values, axis=1) if len(values) > 1 else values[0]

    def _add(
        self, operator: str, values: Sequence[str], outputs: int, **attributes: Any
    ) -> list[str]:
        self._has_text = self._has_text or operator in _TEXT_OPERATORS
        first = f"{self._prefix}{operator}_{len(self._nodes)}"
        names = [first, *(f"{first}_{k}" for k in range(1, outputs))]
        self._nodes.append(self._onnx.helper.make_node(operator, values, names, **attributes))
        return names

    def cast(self, value: str, dtype: Any) -> str:
        """The value in another type of number."""
        return self.add("Cast", value, to=self._type(dtype))

    def scaled(self, value: str, factor: float, dtype: Any) -> str:
        """The value times a number."""
        return self.add("Mul", value, self.constant(factor, dtype))

    def model(self, metadata: Mapping[str, str]) -> Any:
        """All of it as a `ModelProto`."""
        helper = self._onnx.helper
        constants = list(self._constants.values())
        graph = helper.make_graph(self._nodes, "mlp", self._inputs, self._outputs, constants)
        model = helper.make_model(
            graph,
            producer_name=MARK,
            producer_version=__version__,
            ir_version=_IR_OF_TEXT if self._has_text else _IR,
            opset_imports=[
                helper.make_opsetid("", _OF_TEXT if self._has_text else _OPSET),
                helper.make_opsetid("ai.onnx.ml", 3),
            ],
        )
        helper.set_model_props(model, dict(metadata))
        return model

    def _value(self, name: str, dtype: Any, shape: list[Any]) -> Any:
        return self._onnx.helper.make_tensor_value_info(name, self._type(dtype), shape)

    def _type(self, dtype: Any) -> int:
        return int(self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))
