"""The commands that look something up: diagnose, gains, list."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kerasinit.cli._hdf5 import hdf5_mistake
from kerasinit.cli._parser import Arguments
from kerasinit.cli._screen import results
from kerasinit.cli._tables import WIDE, table

GAIN_COLUMNS = (
    "activation", "forward", "centered", "backward", "chi\nper layer", "critical\nstd",
    "odd part\ngain", "odd part\nkind",
)  # fmt: skip
NOT_ACTIVATIONS = ("deserialize", "get", "serialize")  # what else lives in keras.activations


def diagnose(arguments: Arguments) -> int:
    """`kerasinit diagnose`: the table of a diagnosis."""
    from kerasinit import _backend
    from kerasinit.signals import diagnose as examine

    x, y = _batch(arguments.data)
    model = _model(arguments.model)
    try:
        diagnosis = examine(model, x, y)
    except _backend.errors() as error:  # the code of any layer runs here
        raise ValueError(
            f"{str(arguments.model)!r} could not be diagnosed on {str(arguments.data)!r}: "
            f"{_backend.cause_of(error)}"
        ) from error
    results().print(str(diagnosis), soft_wrap=True)
    return 0 if diagnosis.healthy else 1


def _model(path: Path) -> Any:
    import keras

    from kerasinit import _backend

    if not path.exists():
        raise FileNotFoundError(2, "No such model file", str(path))
    if mistake := hdf5_mistake(path):
        raise ValueError(_no_model(path, mistake))
    try:
        return keras.saving.load_model(path)
    except Exception as error:  # a damaged file raises anything of zipfile, h5py and Keras
        mistake = f"{_backend.cause_of(error)} ({type(error).__name__})"
        raise ValueError(_no_model(path, mistake)) from error


def _no_model(path: Path, mistake: str) -> str:
    return (
        f"{str(path)!r} could not be read as a saved Keras model: {mistake}. "
        "Write one with `model.save('model.keras')`."
    )


def _batch(path: Path) -> tuple[Any, Any]:
    """The arrays "x" and "y" (None if there is none) of an .npz file."""
    from kerasinit.experiments._data import read_arrays

    found = read_arrays(path)
    if "x" not in found:
        raise ValueError(
            f"{str(path)!r} must hold an array 'x' (and 'y'). Received: {sorted(found)}. "
            "Write it with `numpy.savez(path, x=x, y=y)`."
        )
    return found["x"], found.get("y")


def gains(arguments: Arguments) -> int:
    """`kerasinit gains`: one row of numbers per activation."""
    import keras

    from kerasinit import theory

    names = arguments.activations or [
        name for name in sorted(dir(keras.activations))
        if callable(getattr(keras.activations, name)) and name not in NOT_ACTIVATIONS
    ]  # fmt: skip
    console = results()
    shown = table(columns=GAIN_COLUMNS, space=1 if console.width >= WIDE else 0)
    shown.columns[0].no_wrap = True
    for name in names:
        try:
            theory.resolve(name)
        except ValueError:
            if arguments.activations:
                raise
            continue  # softmax and its like mix the units: they have no gain
        shown.add_row(*_gain_row(name))
    console.print(shown)
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


def catalog(arguments: Arguments) -> int:
    """`kerasinit list`: every initializer with its string, formula, use and source."""
    from kerasinit.initializers import catalog as entries

    del arguments
    console = results()
    if console.width >= WIDE:
        shown = table(
            columns=("name", "string", "formula", "when to use", "source"), numbers=False, space=1
        )
        for entry in entries():
            shown.add_row(entry.name, _string(entry.strings), *entry[2:])
    else:
        shown = table(columns=("name, string", "formula, when to use, source"), space=1,
                      numbers=False)  # fmt: skip
        for entry in entries():
            shown.add_row(f"{entry.name}\n{_string(entry.strings)}", "\n".join(entry[2:]) + "\n")
    console.print(shown)
    return 0


def _string(strings: Sequence[str]) -> str:
    """The shortest string that a layer accepts."""
    return min(strings, key=len) if strings else "(by class only)"
