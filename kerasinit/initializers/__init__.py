"""Room `initializers`: name, config or layer -> tensor."""

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
from kerasinit.initializers._fans import Fans, fans

__all__ = [
    "Fans",
    "HeNormal",
    "HeUniform",
    "LasagneNormal",
    "LasagneUniform",
    "LecunNormal",
    "LecunUniform",
    "XavierNormal",
    "XavierUniform",
    "fans",
]
