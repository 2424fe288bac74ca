"""Initial weights of replicas, drawn in place on one model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from kerasinit import _backend, models
from kerasinit.experiments._data import Dataset
from kerasinit.experiments._names import MODEL_RULES
from kerasinit.experiments._spec import Architecture
from kerasinit.experiments._stacking import Weights

SEED_STATE = "seed_generator_state"
DATA_EXAMPLES = 256  # that a rule may look at
KEPT_BYTES = 2**28  # of draws that serve several activations


@dataclass(frozen=True)
class Draw:
    """What one replica starts from.

    Args:
        initializer: Label of the initializer.
        seed: Seed of the weights.
        learning_rate: Of the optimizer.
    """

    initializer: str
    seed: int
    learning_rate: float


@dataclass
class Drawer:
    """Draws weights, and keeps those that do not depend on the activation for the next cell."""

    _kept: dict[tuple[Any, ...], Weights] = field(default_factory=dict)
    _bytes: int = 0

    def draw(
        self, model: Any, rule: Any, entry: Draw, architecture: Architecture, dataset: Dataset
    ) -> Weights:
        """The weights of one replica; those of `model` change.

        Args:
            model: The built model.
            rule: What the label of `entry` stands for.
            entry: Label and seed.
            architecture: What `model` was built from.
            dataset: For rules that look at data.
        """
        if not is_blind(rule):
            return draw(model, rule, entry.seed, dataset)
        where = {**vars(architecture), "activation": None}
        key = (*where.values(), entry.initializer, entry.seed)
        if key not in self._kept:
            weights = draw(model, rule, entry.seed, dataset)
            self._bytes += weights.nbytes
            if self._bytes > KEPT_BYTES:
                self._kept.clear()
                self._bytes = weights.nbytes
            self._kept[key] = weights
        return self._kept[key]


def is_blind(rule: Any) -> bool:
    """Whether a rule is one of Keras' own initializers, which see nothing but a shape.

    Examples:
        >>> is_blind("he_normal"), is_blind("kerasinit>HeNormal"), is_blind("initialize")
        (True, False, False)
    """
    if rule in MODEL_RULES:
        return False
    return type(keras.initializers.get(rule)).__module__.partition(".")[0] == "keras"


def draw(model: Any, rule: Any, seed: int, dataset: Dataset) -> Weights:
    """Draws a model's weights by a rule and returns a copy of them.

    Args:
        model: A built model; its weights change.
        rule: What `kerasinit.initialize` takes, or one of `MODEL_RULES`.
        seed: Seed of the weights and of the model's own random layers.
        dataset: Data for rules that look at data.
    """
    initialize = _backend.quietly(models.initialize)
    if rule == "initialize":
        initialize(model, seed=seed)
    elif rule == "lsuv":
        initialize(model, seed=seed, data=dataset.x[:DATA_EXAMPLES])
    else:
        initialize(model, rule, seed=seed)
    for variable in model.non_trainable_variables:
        if variable.path.endswith(SEED_STATE):
            variable.assign(np.array([seed, 0], variable.dtype))
    return Weights.of(model)
