"""Initial weights of replicas, drawn from one model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from kerasinit import _backend, models
from kerasinit.experiments._data import Dataset
from kerasinit.experiments._known_names import MODEL_RULES
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


class Drawer:
    """Draws the weights of the replicas of one model.

    Args:
        model: The built model; its weights change.
        dataset: For rules that look at data.
    """

    def __init__(self, model: Any, dataset: Dataset) -> None:
        self._model = model
        self._data = dataset.x[:DATA_EXAMPLES]
        self._variables = model.variables
        self._trainable = model.trainable_variables
        self._others = model.non_trainable_variables
        self._redraws: dict[str, models.Redraw] = {}

    def draw(self, label: str, rule: Any, seed: int) -> Weights:
        """The weights of one replica.

        Args:
            label: Label of the initializer.
            rule: What it stands for: what `kerasinit.initialize` takes, or one of `MODEL_RULES`.
            seed: Seed of the weights and of the model's own random layers.
        """
        if rule == "lsuv":
            _backend.quietly(models.initialize)(self._model, seed=seed, data=self._data)
            weights = Weights.of(self._model)
        else:
            weights = self._without_data(label, None if rule == "initialize" else rule, seed)
        for position, variable in enumerate(self._others):
            if variable.path.endswith(SEED_STATE):
                weights.states[position] = np.array([seed, 0], variable.dtype)
        return weights

    def _without_data(self, label: str, rules: Any, seed: int) -> Weights:
        if label not in self._redraws:
            self._redraws[label] = _backend.quietly(models.Redraw)(self._model, rules)
        arrays = _backend.quietly(self._redraws[label])(seed)
        drawn = dict(zip(map(id, self._variables), arrays, strict=True))
        return Weights(
            [drawn[id(variable)] for variable in self._trainable],
            [drawn[id(variable)] for variable in self._others],
        )


class KeptDraws:
    """Draws that do not depend on the activation, kept for the cells with another one."""

    def __init__(self) -> None:
        self._kept: dict[tuple[Architecture, str, int], Weights] = {}
        self._bytes = 0

    def draw(
        self, drawer: Drawer, architecture: Architecture, label: str, rule: Any, seed: int
    ) -> Weights:
        """What `drawer` draws, or drew before for another activation."""
        if not is_blind(rule):
            return drawer.draw(label, rule, seed)
        key = (replace(architecture, activation=""), label, seed)
        if key not in self._kept:
            weights = drawer.draw(label, rule, seed)
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
    return _backend.is_of_keras(keras.initializers.get(rule))
