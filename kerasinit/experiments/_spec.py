"""What to compare: the spec of an experiment."""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from kerasinit._typing import Config, InitializerLike
from kerasinit.experiments import _checks
from kerasinit.experiments._builders import is_own
from kerasinit.models._near_names import near

TEXTBOOK_MISTAKES: tuple[InitializerLike, ...] = (
    "zeros",
    {"label": "constant 0.01", "class_name": "Constant", "config": {"value": 0.01}},
    {"label": "random_normal 0.01", "class_name": "RandomNormal", "config": {"stddev": 0.01}},
    {"label": "random_normal 0.2", "class_name": "RandomNormal", "config": {"stddev": 0.2}},
    {"label": "random_normal 1", "class_name": "RandomNormal", "config": {"stddev": 1.0}},
    "random_uniform",
)
KERAS_INITIALIZERS = (
    "glorot_uniform",
    "glorot_normal",
    "he_normal",
    "he_uniform",
    "lecun_normal",
    "orthogonal",
)
OUR_INITIALIZERS: tuple[InitializerLike, ...] = (
    "kerasinit>XavierUniform",
    {
        "label": "kerasinit>LasagneUniform relu",
        "class_name": "kerasinit>LasagneUniform",
        "config": {"gain": "relu"},
    },
    "kerasinit>HeNormal",
    "kerasinit>Auto",
    "initialize",
)
# Key of the spec -> key of a cell, from the outermost loop of the grid to the innermost.
GRID = {
    "data": "data",
    "models": "model",
    "widths": "width",
    "depths": "depth",
    "activations": "activation",
}
MOMENTUM_SGD: Config = {"class_name": "SGD", "config": {"momentum": 0.9}}


@dataclass(frozen=True)
class Architecture:
    """One point of the grid without its learning rates: what one compiled training serves.

    Args:
        model: Name of a builder.
        data: Name of a data set.
        activation: Name of an activation.
        depth: Number of hidden layers or blocks.
        width: Units per hidden layer.
    """

    model: str
    data: str
    activation: str
    depth: int
    width: int

    @property
    def work(self) -> float:
        """About how long one training takes, relative to others: for an estimate of the time left.

        What two layers and 64 units more cost, every model costs (compilation, overhead).
        """
        return (self.depth + 2) * (self.width + 64) ** 2

    def cell(self, learning_rate: float) -> Config:
        """The cell of a record."""
        return {**vars(self), "learning_rate": float(learning_rate)}


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """A comparison of initializations, checked as a whole when it is made.

    The default is the main job: plain shallow and deep stacks on scikit-learn's digits, with
    textbook mistakes, Keras' initializers and ours.

    Args:
        models: Builders: "mlp", "cnn", "resnet", "lstm", "transformer", or
            "package.module:function" of your own.
        data: "digits", "breast_cancer", "circle", "xor", "gauss", "spiral", a path "file.npz"
            with `x` (a table, standardised by column, or pictures or sequences, as a whole) and
            `y`, or "keras:mnist".
        initializers: Names, configs, initializers, or the model rules "initialize" and "lsuv";
            with a label as `{"label": ..., "initializer": ...}` or inside a config.
        activations: Names of Keras activations.
        depths: Numbers of hidden layers or blocks.
        widths: Numbers of units per hidden layer.
        optimizer: Name or config of a Keras optimizer; its learning rate comes from the next.
        learning_rates: Each is tried; per initializer the best counts, by the median final
            validation accuracy over the seeds.
        epochs: Passes over the training part.
        batch_size: Examples per step; the incomplete last batch of an epoch is left out.
        seeds: How many, or which. The same seed is drawn for every initializer.
        target: Validation accuracy whose epoch is reported.
        shuffle_seed: Decides the batches, the same for all replicas.

    Raises:
        ValueError: If anything in it is wrong; all mistakes at once, one per line.

    Examples:
        >>> spec = Experiment(depths=(3,), activations=("relu",), initializers=("zeros",), seeds=2)
        >>> len(spec.architectures), spec.seeds
        (1, (0, 1))
        >>> Experiment(epochs=0, initializers=["he_norml"])
        Traceback (most recent call last):
        ValueError: The spec has 2 mistakes:
        - epochs must be a whole number from 1 on. Received: 0.
        - initializers: unknown initializer 'he_norml'. Near matches: 'he_normal', ...
    """

    models: Sequence[str] = ("mlp",)
    data: Sequence[str] = ("digits",)
    initializers: Sequence[InitializerLike] = (
        *TEXTBOOK_MISTAKES,
        *KERAS_INITIALIZERS,
        *OUR_INITIALIZERS,
    )
    activations: Sequence[str] = ("relu", "tanh", "sigmoid")
    depths: Sequence[int] = (3, 20)
    widths: Sequence[int] = (64,)
    optimizer: str | Mapping[str, Any] = field(default_factory=lambda: dict(MOMENTUM_SGD))
    learning_rates: Sequence[float] = (0.1, 0.01)
    epochs: int = 8
    batch_size: int = 64
    seeds: int | Sequence[int] = 3
    target: float = 0.9
    shuffle_seed: int = 0

    def __post_init__(self) -> None:
        values = _plain_values(vars(self))
        for name, value in values.items():
            object.__setattr__(self, name, tuple(value) if isinstance(value, list) else value)
        mistakes = _checks.mistakes(values)
        if mistakes:
            raise ValueError(_checks.message(mistakes))

    @classmethod
    def quick(cls) -> Experiment:
        """A small version of the default that takes seconds: fewer seeds, epochs, initializers."""
        return cls(
            initializers=("zeros", "glorot_uniform", "he_normal", "kerasinit>Auto", "initialize"),
            activations=("relu", "sigmoid"),
            learning_rates=(0.02,),
            epochs=5,
            seeds=2,
        )

    @classmethod
    def load(cls, path: str | Path) -> Experiment:
        """Reads a spec from a TOML file, whose keys are the arguments of this class.

        Raises:
            ValueError: If the file cannot be read as TOML, or its content is wrong.
        """
        values = _read(path)
        try:
            return cls.from_dict(values)
        except ValueError as error:
            raise ValueError(f"{str(path)!r}: {error}") from error

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Experiment:
        """The spec from plain values, as `to_dict` gives them.

        Raises:
            ValueError: If a key is unknown or a value is wrong; all mistakes at once.
        """
        known = cls().to_dict()
        strange = [f"unknown key {key!r}. {near(key, known)}" for key in values if key not in known]
        if strange:
            rest = {key: values.get(key, default) for key, default in known.items()}
            raise ValueError(_checks.message([*strange, *_checks.mistakes(_plain_values(rest))]))
        return cls(**values)

    def to_dict(self) -> Config:
        """The spec as plain values, as they could stand in a TOML file."""
        values = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in values.items()
        }

    @property
    def rules(self) -> dict[str, Any]:
        """Label of every initializer -> what `kerasinit.initialize` takes, or a model rule."""
        return _checks.rules_of(self.initializers)

    @property
    def architectures(self) -> tuple[Architecture, ...]:
        """The grid, in the order of the spec."""
        grid = itertools.product(*(getattr(self, key) for key in GRID))
        return tuple(Architecture(**dict(zip(GRID.values(), point, strict=True))) for point in grid)

    @property
    def seed_list(self) -> tuple[int, ...]:
        """The seeds, one by one."""
        return tuple(range(self.seeds)) if isinstance(self.seeds, int) else tuple(self.seeds)

    @property
    def optimizer_config(self) -> Config:
        """The optimizer as a config that Keras reads."""
        return dict(self.to_dict()["optimizer"])

    @property
    def replicas_per_architecture(self) -> int:
        """Number of trainings at each point of the grid."""
        return len(self.rules) * len(self.seed_list) * len(self.learning_rates)


def _plain_values(values: Mapping[str, Any]) -> Config:
    """The arguments of an `Experiment` as they could stand in a TOML file."""
    plain = {name: _checks.plain(value) for name, value in values.items()}
    for name in (*GRID, "initializers", "learning_rates"):
        value = values[name]
        several = isinstance(value, Iterable) and not isinstance(value, str | Mapping)
        entries = value if several and not callable(value) else (value,)
        to_plain = _checks.plain_initializer if name == "initializers" else _checks.plain
        plain[name] = [*map(to_plain, entries)]
    seeds = plain["seeds"]
    if type(seeds) is int and 0 <= seeds <= _checks.MOST_SEEDS:
        plain["seeds"] = [*range(seeds)]
    if isinstance(plain["optimizer"], str):
        plain["optimizer"] = {"class_name": plain["optimizer"], "config": {}}
    return plain


def own_builders(path: str | Path) -> list[str]:
    """The builders in a TOML file that are the user's own: code that runs when it is loaded.

    Raises:
        ValueError: If the file cannot be read as TOML.
    """
    models = _read(path).get("models", ())
    return [*filter(is_own, models if isinstance(models, list) else [models])]


def _read(path: str | Path) -> Config:
    try:
        return tomllib.loads(Path(path).read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"The spec {str(path)!r} could not be read: {error}.") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ValueError(f"The spec {str(path)!r} is not TOML: {error}.") from error
