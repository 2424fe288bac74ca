"""Verdicts on how the batches of a training are put together."""

from __future__ import annotations

from itertools import pairwise

from kerasinit.signals._verdict import Verdict
from kerasinit.signals._window import WARM_UP, Window

MOSTLY = 0.5  # of the batches: samples in random order make next to none of one class only
SHUFFLE = (
    "model.fit(x, y, shuffle=True)  # of a dataset or generator, shuffle the samples, not the "
    "batches"
)


def sorted_targets(window: Window) -> Verdict | None:
    """Batches of one class, then batches of another one: the samples are in the order of classes.

    Classes that are rare fill no batch, so that they are no reason to see several.
    """
    recent = [step.only_class for step in window.steps]
    alone = [label for label in recent if label is not None]
    before = [step.only_class for step in window.opening if step.only_class is not None]
    if len(recent) < WARM_UP or len(alone) < MOSTLY * len(recent):
        return None
    if len({*before, *alone}) == 2 and all(one != other for one, other in pairwise(recent)):
        return None  # real and generated ones in turn: a discriminator's
    others = sorted({*before, *alone} - {*alone[-1:]})
    if not others:
        return None
    evidence = (
        f"{window.now}, {len(alone)} of the last {len(recent)} recorded batches hold samples of "
        f"one class only, now of {alone[-1]}, others of {', '.join(map(str, others[:3]))}: the "
        "samples come sorted by class, and each class is forgotten when the next one comes"
    )
    return Verdict("bad_targets", "model", evidence, SHUFFLE)
