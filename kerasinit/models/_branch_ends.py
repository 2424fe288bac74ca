"""Ends of residual branches, and their gates: the factor that bounds the stream they add to."""

from __future__ import annotations

import math
from typing import Any

from kerasinit.layers import activation_name
from kerasinit.models import _calls
from kerasinit.models._builtin import given_std, keras_fans
from kerasinit.models._draw import Choice
from kerasinit.models._scene import Scene
from kerasinit.models._slots import Slot

# Gain of a kernel that a standard deviation was told for, below which a branch starts at nothing:
# adapters have 0.008 (0.001 and 64 inputs), Houlsby et al., 2019, https://arxiv.org/abs/1902.00751
NEAR_NOTHING = 0.05
NOTHING_COMMON = 1e-6  # share of a mean square that is rounding


def branch_end(slot: Slot, initializer: Any, scene: Scene) -> Choice:
    """The choice for a kernel that ends one of several branches of a stream.

    Args:
        slot: The kernel.
        initializer: What would be right for it if it were alone.
        scene: Its model, in which `scene.branches_beside(slot.layer)` is not 0.
    """
    count = scene.branches_beside(slot.layer)
    std = given_std(slot.initializer)
    if std is not None and std * math.sqrt(keras_fans(slot)[0]) <= NEAR_NOTHING:
        reason = f"ends one of {count} residual branches, which its author let start near nothing"
        return Choice(slot, slot.initializer, reason)
    last = scene.place(slot.layer).before_add
    common = _calls.common_share(last)
    scale = (count * (1 + (count - 1) * common)) ** -0.5
    reason = f"ends one of {count} residual branches: times 1/sqrt({count}) bounds the stream"
    if count > 1 and common > NOTHING_COMMON:
        reason = (
            f"ends one of {count} residual branches, whose {activation_name(last)} has a mean that "
            f"adds up: times {scale:.4g} bounds the stream"
        )
    start = scene.start_of_factors(slot.layer)
    if start <= scale and start < 1.0:
        reason = f"ends one of {count} residual branches, whose own factor, {start:.2g} at first, "
        return Choice(slot, initializer, f"{reason}bounds the stream")
    if start < 1.0:
        reason = f"{reason}, with its own factor, {start:.2g} at first"
    return Choice(slot, initializer, reason, scale=scale / start)


def branch_gate(slot: Slot, initializer: Any, scene: Scene) -> Choice:
    """The choice for a kernel that multiplies the end of a branch: blocks start near the identity.

    A kernel that makes shifts and scales as well is smaller as a whole (a DiT starts all of it at
    zero): networks of 4 to 12 such blocks ended worse where its gates alone were, or nothing was.

    Args:
        slot: The kernel, as that of `gate` in `x + gate(c) * f(x)`.
        initializer: What would be right for it if it were alone.
        scene: Its model, in which `scene.branches_gated(slot.layer)` is not 0.

    Source: Peebles and Xie, 2022, https://arxiv.org/abs/2212.09748
    """
    count = scene.branches_gated(slot.layer)
    part = ", with a part of its output" if scene.place(slot.layer).gates_in_part else ""
    what = f"multiplies one of {count} residual branches{part}"
    reason = f"{what}: times 1/sqrt({count}), as their ends"
    return Choice(slot, initializer, reason, scale=count**-0.5)
