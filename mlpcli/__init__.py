"""Multi-layer perceptrons on NumPy: `from mlpcli import MLP`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlpcli.nn.network import MLP

__all__ = ["MLP", "__version__"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name == "MLP":  # on first use: the command line must start without numpy
        from mlpcli.nn.network import MLP

        return MLP
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
