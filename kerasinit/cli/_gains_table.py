"""`kerasinit gains`: what a deep net does with each activation."""

from __future__ import annotations

from typing import Any

from kerasinit.cli._parser import COLUMNS_OF_GAINS, Arguments
from kerasinit.cli._screen import results
from kerasinit.cli._tables import WIDE, table

COLUMNS = (
    "activation", "forward", "centered", "backward", "chi\nper layer", "critical\nstd",
    "odd part\ngain", "odd part\nkind",
)  # fmt: skip
NARROWEST = 80  # columns of the table; a narrower terminal wraps its lines


def gains(arguments: Arguments) -> int:
    """`kerasinit gains`: one row of numbers per activation."""
    from kerasinit import theory
    from kerasinit.experiments._known_names import activation_names

    names = arguments.activations or activation_names()
    console = results()
    shown = table(columns=COLUMNS, space=1 if console.width >= WIDE else 0)
    shown.columns[0].no_wrap = True
    for name in names:
        try:
            theory.resolve(name)
        except ValueError:
            if arguments.activations:
                raise
            continue  # softmax and its like mix the units: they have no gain
        shown.add_row(*_gain_row(name))
    console.print(shown, width=max(console.width, NARROWEST), crop=False)
    console.print(f"\nWeights of std gain / sqrt(fan-in):\n{COLUMNS_OF_GAINS}", highlight=False)
    return 0


def _gain_row(name: str) -> list[str]:
    from kerasinit import theory

    forward, centered, backward = (
        _known(lambda moment=moment: theory.gain(name, moment=moment))
        for moment in ("forward", "centered", "backward")
    )
    growth = None if forward is None or backward is None else (forward / backward) ** 2
    point = _known(lambda: theory.critical(name))
    odd = _known(lambda: theory.odd_part(name))
    return [
        name,
        *(_number(value) for value in (forward, centered, backward, growth)),
        _number(point and point.weight_std) + ("" if point is None or point.stable else " *"),
        _number(odd and odd.gain),
        odd.kind if odd else "-",
    ]


def _known(compute: Any) -> Any:
    """The value, or None where the theory says that there is none."""
    try:
        return compute()
    except ValueError:
        return None


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
