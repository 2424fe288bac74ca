"""Catalog: what the room offers, one row for each class."""

from __future__ import annotations

import inspect
from typing import NamedTuple

import keras

from kerasinit.initializers._auto import Auto
from kerasinit.initializers._base import PACKAGE
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
from kerasinit.initializers._siren import Siren
from kerasinit.initializers._sparse import Sparse

FORMULAS: tuple[tuple[type, str, str, str], ...] = (
    (
        Auto,
        "orthogonal, at the gain of the layer's activation",
        "the default to reach for in a single layer",
        "Saxe et al. 2014; Schoenholz et al. 2017",
    ),
    (
        XavierUniform,
        "U(-a, a), a = gain sqrt(6 / (fan_in + fan_out))",
        "tanh, softsign and linear layers",
        "Glorot and Bengio 2010, eq. 16",
    ),
    (
        XavierNormal,
        "N(0, s^2), s = gain sqrt(2 / (fan_in + fan_out))",
        "tanh, softsign and linear layers",
        "Glorot and Bengio 2010",
    ),
    (
        LasagneUniform,
        "U(-a, a), a = gain sqrt(6 / (fan_in + fan_out)); relu: sqrt(12 / ...)",
        "XavierUniform, for porting Lasagne's GlorotUniform",
        "lasagne.init",
    ),
    (
        LasagneNormal,
        "N(0, s^2), s = gain sqrt(2 / (fan_in + fan_out))",
        "XavierNormal, for porting Lasagne's GlorotNormal",
        "lasagne.init",
    ),
    (
        HeUniform,
        "U(-a, a), a = gain sqrt(3 / fan_in), gain of relu: sqrt(2)",
        "ReLU and its kin; others by gain='auto'",
        "He et al. 2015",
    ),
    (
        HeNormal,
        "N(0, s^2), s = gain sqrt(1 / fan_in), gain of relu: sqrt(2)",
        "ReLU and its kin; others by gain='auto'",
        "He et al. 2015",
    ),
    (
        LecunUniform,
        "U(-a, a), a = gain sqrt(3 / fan_in)",
        "SELU and linear layers",
        "LeCun et al. 1998",
    ),
    (
        LecunNormal,
        "N(0, s^2), s = gain sqrt(1 / fan_in)",
        "SELU and linear layers",
        "LeCun et al. 1998; Klambauer et al. 2017",
    ),
    (
        Orthogonal,
        "gain Q, Q'Q = I (Haar), times sqrt(out / in) if wide",
        "recurrent kernels; deep tanh and linear nets",
        "Saxe et al. 2014",
    ),
    (
        OddPart,
        "s [[M, -M], [-M, M]], M orthogonal",
        "plain nets of any activation at any depth; initialize(model) places it",
        "the project's own",
    ),
    (
        OddPartBias,
        "-phi(0) (column sums of the kernel)",
        "beside OddPart: sigmoid and other odd functions with an offset",
        "the project's own",
    ),
    (
        Critical,
        "orthogonal or normal at the edge of chaos of (activation, bias_std)",
        "deep plain nets by the textbook, with CriticalBias",
        "Schoenholz et al. 2017; Pennington et al. 2017",
    ),
    (CriticalBias, "N(0, bias_std^2)", "beside Critical", "Schoenholz et al. 2017"),
    (
        DeltaOrthogonal,
        "gain Q at the centre tap, else 0",
        "deep plain convolutional nets",
        "Xiao et al. 2018",
    ),
    (
        Identity,
        "gain I (at the centre tap)",
        "recurrent ReLU kernels, layers that start by passing on",
        "Le et al. 2015",
    ),
    (
        Sparse,
        "N(0, s^2) at k inputs of each unit, else 0",
        "wide layers whose units should differ",
        "Martens 2010",
    ),
    (ICNR, "equal kernels for each block of pixels", "before depth_to_space", "Aitken et al. 2017"),
    (
        Siren,
        "U(-a, a), a = sqrt(6 / fan_in) / omega; first layer 1 / fan_in",
        "sine networks",
        "Sitzmann et al. 2020",
    ),
)


class Entry(NamedTuple):
    """One initializer.

    Args:
        name: Name of the class.
        strings: What a layer accepts as a string; empty if the class has required arguments.
        formula: What it draws.
        use: When to use it.
        source: Where it comes from.

    Example:
        >>> from kerasinit.initializers import catalog
        >>> {entry.name: entry.formula for entry in catalog()}["LecunNormal"]
        'N(0, s^2), s = gain sqrt(1 / fan_in)'
    """

    name: str
    strings: tuple[str, ...]
    formula: str
    use: str
    source: str


def catalog() -> tuple[Entry, ...]:
    """Every initializer of the room with its strings, formula, use and source.

    Example:
        >>> next(entry for entry in catalog() if entry.name == "LasagneUniform").strings
        ('lasagne_uniform', 'kerasinit>LasagneUniform')
    """
    return tuple(
        Entry(cls.__name__, _strings(cls), formula, use, source)
        for cls, formula, use, source in FORMULAS
    )


def _strings(cls: type) -> tuple[str, ...]:
    parameters = inspect.signature(cls).parameters.values()
    if any(parameter.default is parameter.empty for parameter in parameters):
        return ()
    owned = keras.saving.get_custom_objects().items()
    short = (name for name, registered in owned if registered is cls and ">" not in name)
    return (*short, f"{PACKAGE}>{cls.__name__}")
