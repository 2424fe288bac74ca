"""Weight initialization for Keras: initializers that know their layer, models, diagnosis.

The initializers are imported at once, since Keras must know their names; the other rooms when
they are first used.
"""

import sys
from importlib import import_module
from typing import TYPE_CHECKING

from kerasinit import initializers, theory
from kerasinit._version import __version__ as __version__
from kerasinit.initializers import (
    ICNR,
    Auto,
    Critical,
    CriticalBias,
    DeltaOrthogonal,
    HeNormal,
    HeUniform,
    Identity,
    LasagneNormal,
    LasagneUniform,
    LayerInitializer,
    LecunNormal,
    LecunUniform,
    OddPart,
    OddPartBias,
    Orthogonal,
    Siren,
    Sparse,
    XavierNormal,
    XavierUniform,
    fans,
)
from kerasinit.theory import gain

__all__ = [
    "ICNR",
    "Auto",
    "Critical",
    "CriticalBias",
    "DeltaOrthogonal",
    "GradientStats",
    "HeNormal",
    "HeUniform",
    "Identity",
    "LasagneNormal",
    "LasagneUniform",
    "LayerInitializer",
    "LecunNormal",
    "LecunUniform",
    "OddPart",
    "OddPartBias",
    "Orthogonal",
    "Plan",
    "Siren",
    "Sparse",
    "XavierNormal",
    "XavierUniform",
    "callbacks",
    "diagnose",
    "experiments",
    "fans",
    "gain",
    "initialize",
    "initializers",
    "learning_rate",
    "models",
    "playground",
    "portable",
    "preparation",
    "prepare",
    "report",
    "reset",
    "signals",
    "theory",
]

if TYPE_CHECKING or "pdoc" in sys.modules:  # those who read names, instead of using them
    from kerasinit import callbacks, experiments, models, playground, preparation, report, signals
    from kerasinit.callbacks import GradientStats
    from kerasinit.models import Plan, initialize, portable, reset
    from kerasinit.preparation import diagnose, learning_rate, prepare
else:  # a type checker that saw this would take every name
    _HOMES = {
        "GradientStats": "callbacks",
        "Plan": "models",
        "diagnose": "preparation",
        "initialize": "models",
        "learning_rate": "preparation",
        "portable": "models",
        "prepare": "preparation",
        "reset": "models",
    }

    def __getattr__(name):
        if name not in __all__:
            raise AttributeError(f"module 'kerasinit' has no attribute {name!r}")
        room = import_module(f"kerasinit.{_HOMES.get(name, name)}")
        return getattr(room, name) if name in _HOMES else room


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
