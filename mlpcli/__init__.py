"""Multi-layer perceptrons on NumPy: `from mlpcli import MLP, Model`.

`MLP` is a network: arrays in, arrays out. `Model` is a trained one, as `mlp train` wrote it: raw
rows in, labels out, as the data have them.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing takes 7 ms, in which Ctrl-C would print a traceback
if TYPE_CHECKING:
    from typing import Any

    from mlpcli.nn.network import MLP
    from mlpcli.runs.model import Model

__all__ = ["MLP", "Model", "__version__"]
__version__ = "0.1.0"

_WHERE = {"MLP": "mlpcli.nn.network", "Model": "mlpcli.runs.model"}


def __getattr__(name: str) -> Any:
    if name in _WHERE:  # on first use: the command line must start without numpy
        from importlib import import_module

        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
