"""Weight initialization for Keras: initializers that know their layer, models, diagnosis.

The initializers are imported at once, since Keras must know their names; the other rooms when
they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from kerasinit import initializers, theory
from kerasinit.initializers import fans
from kerasinit.theory import gain

if TYPE_CHECKING:
    from kerasinit import callbacks, experiments, models, report, signals
    from kerasinit.models import Plan, initialize, portable, reset
    from kerasinit.signals import diagnose

__version__ = "0.1.0"

__all__ = [
    "Plan",
    "callbacks",
    "diagnose",
    "experiments",
    "fans",
    "gain",
    "initialize",
    "initializers",
    "models",
    "portable",
    "report",
    "reset",
    "signals",
    "theory",
]

_ROOMS = ("callbacks", "experiments", "models", "report", "signals")
_HOMES = {
    "Plan": "models",
    "diagnose": "signals",
    "initialize": "models",
    "portable": "models",
    "reset": "models",
}


def __getattr__(name: str) -> Any:
    room = _HOMES.get(name, name)
    if room not in _ROOMS:
        raise AttributeError(f"module 'kerasinit' has no attribute {name!r}")
    module = import_module(f"kerasinit.{room}")
    return module if room == name else getattr(module, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
