"""A trained model in forms that other programs open."""

from typing import NamedTuple


class Exporter(NamedTuple):
    """A kind of export: the module here whose `build(request)` makes it, its name and its use."""

    module: str
    name: str
    use: str


EXPORTERS = {
    ".html": Exporter("lesson", "a lesson page", "backpropagation, step by step, in a browser"),
    ".onnx": Exporter("onnx_model", "ONNX", "for onnxruntime and other readers of ONNX"),
    ".py": Exporter(
        "python_file", "one Python file", "a program by itself: python model.py < rows.csv"
    ),
}
"""By what a target ends in."""

TASKS = ("classification", "regression")
"""Those whose answers they all can give."""
