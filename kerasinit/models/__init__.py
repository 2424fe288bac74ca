"""Room `models`: built model -> the same model with chosen weights.

Model -> `Scene`: its variables (`_slots`), its calls (`_graph`, where `_opened` looks into them),
what stands where (`_places`, `_streams`, `_stacks`, `_ways`) and what its author fixed (`_kept`).

Scene and rules -> a `Choice` for each variable: the best practice (`_best_practice`, with
`_odd_part_rule`, `_sine_nets` and, case by case, `_kernels`), a scheme (`_schemes`: `_presets`,
`_chrono`, `_actor_critic`) or the user's (`_rules`). Choices -> new values, all or none (`_draw`,
`_journal`) -> `Plan`.
"""

from kerasinit.models._initialize import initialize, reset
from kerasinit.models._plan import Plan, PlanRow
from kerasinit.models._portable import portable
from kerasinit.models._presets import PRESETS
from kerasinit.models._redraw import Redraw

__all__ = ["PRESETS", "Plan", "PlanRow", "Redraw", "initialize", "portable", "reset"]


def __dir__() -> list[str]:
    return __all__
