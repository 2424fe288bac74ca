"""The starts that a playground shows beside each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kerasinit.experiments._known_names import initializer_names
from kerasinit.models._near_names import near


@dataclass(frozen=True)
class Start:
    """How the weights of a training begin.

    Args:
        name: What the shell and the page call it.
        rule: What `kerasinit.initialize` takes, or a rule for a whole model by its name.
        text: What every kernel is drawn from.

    Example:
        >>> Start("sparse", "kerasinit>Sparse", "few inputs for each unit").name
        'sparse'
    """

    name: str
    rule: Any
    text: str


def _normal(std: float) -> Start:
    rule = {"class_name": "RandomNormal", "config": {"stddev": std}}
    return Start(f"random_normal_{std:g}", rule, f"N(0, {std:g}²), whatever the layer")


STARTS = (
    Start("zeros", "zeros", "all weights 0"),
    Start("constant", {"class_name": "Constant", "config": {"value": 0.1}}, "all weights 0.1"),
    _normal(0.01),
    _normal(0.1),
    _normal(0.2),
    _normal(1.0),
    Start("uniform", "random_uniform", "U(-0.05, 0.05), Keras' random_uniform"),
    Start("glorot_uniform", "glorot_uniform", "Xavier: U(-a, a), a = √(6 / (fan_in + fan_out))"),
    Start("he_normal", "he_normal", "N(0, 2 / fan_in), truncated"),
    Start("lecun", "lecun_normal", "N(0, 1 / fan_in), truncated"),
    Start(
        "lasagne",
        {"class_name": "kerasinit>LasagneUniform", "config": {"gain": "auto"}},
        "Lasagne's GlorotUniform: Xavier times the gain of the activation",
    ),
    Start("initialize", "initialize", "kerasinit.initialize(model)"),
)


def find_start(name: str) -> Start:
    """The start of that name: one of `STARTS`, or any initializer that Keras knows by a string.

    Args:
        name: Its name.

    Raises:
        ValueError: If there is none, with near matches.

    >>> find_start("lecun").rule, find_start("orthogonal").rule
    ('lecun_normal', 'orthogonal')
    """
    listed = {start.name: start for start in STARTS}
    if name in listed:
        return listed[name]
    known = initializer_names()
    if name in known:
        return Start(name, name, f"Keras' string {name!r}")
    raise ValueError(f"Unknown start {name!r}. {near(name, [*listed, *known])}")
