"""Room `initializers`: name, config or layer -> tensor."""

from kerasinit.initializers._auto import Auto
from kerasinit.initializers._base import LayerInitializer, split_seed
from kerasinit.initializers._catalog import Entry, catalog
from kerasinit.initializers._critical import Critical, CriticalBias
from kerasinit.initializers._delta import DeltaOrthogonal
from kerasinit.initializers._families import (
    HeNormal,
    HeUniform,
    LasagneNormal,
    LasagneUniform,
    LecunNormal,
    LecunUniform,
    XavierNormal,
    XavierUniform,
)
from kerasinit.initializers._icnr import ICNR
from kerasinit.initializers._identity import Identity
from kerasinit.initializers._odd_part import OddPart
from kerasinit.initializers._odd_part_bias import OddPartBias
from kerasinit.initializers._orthogonal import Orthogonal
from kerasinit.initializers._scaled import ScaledInitializer
from kerasinit.initializers._siren import Siren
from kerasinit.initializers._site import Site
from kerasinit.initializers._sparse import Sparse
from kerasinit.layers import Fans, fans

__all__ = [
    "ICNR",
    "Auto",
    "Critical",
    "CriticalBias",
    "DeltaOrthogonal",
    "Entry",
    "Fans",
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
    "ScaledInitializer",
    "Siren",
    "Site",
    "Sparse",
    "XavierNormal",
    "XavierUniform",
    "catalog",
    "fans",
    "split_seed",
]


def __dir__() -> list[str]:
    return __all__
