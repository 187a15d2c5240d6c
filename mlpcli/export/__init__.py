"""A trained model in forms that other programs open."""

EXPORTERS = {".html": "lesson", ".onnx": "onnx_model", ".py": "python_file"}
"""What a target ends in, and the module here whose `build(request)` makes its bytes."""

TASKS = ("classification", "regression")
"""Those whose answers they all can give."""
