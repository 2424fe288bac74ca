"""The starts that have a name: published for residual nets, or made for a kind of task."""

from __future__ import annotations

from collections.abc import Callable

from kerasinit.models._actor_critic import actor_critic_choices
from kerasinit.models._best_practice import best_choices
from kerasinit.models._draw import Choice
from kerasinit.models._presets import PRESETS, preset_choices
from kerasinit.models._scene import Scene
from kerasinit.models._sine_nets import SCALED_GAIN, sine_choices

CHRONO = "chrono"
TASKS: dict[str, Callable[[Scene, frozenset[int]], list[Choice]]] = {
    CHRONO: lambda scene, given: best_choices(scene),  # the gates come last, over any scheme
    "rl": actor_critic_choices,
    "scaled-siren": lambda scene, given: _scaled_siren(scene),
}
SCHEMES = tuple(sorted([*PRESETS, *TASKS]))


def scheme_choices(name: str, scene: Scene, given: frozenset[int] = frozenset()) -> list[Choice]:
    """One choice per variable after a named scheme.

    Args:
        name: One of `SCHEMES`.
        scene: The model.
        given: Identities of variables whose start is given elsewhere.

    Raises:
        ValueError: If the model is not of the kind that the scheme is for.
    """
    return preset_choices(name, scene) if name in PRESETS else TASKS[name](scene, given)


def _scaled_siren(scene: Scene) -> list[Choice]:
    found = sine_choices(scene.slots, scene.graph, gain=SCALED_GAIN)
    if not found:
        why = f" {scene.why_unread}" if scene.graph is None else ""
        raise ValueError(
            f"The rules 'scaled-siren' need Dense or convolution layers around sines, of which "
            f"{scene.model.name!r} shows none.{why} Nothing was changed."
        )
    return [found.get(id(choice.slot.variable), choice) for choice in best_choices(scene)]
