"""The commands that look something up: diagnose, gains, list."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kerasinit.cli._hdf5 import hdf5_mistake
from kerasinit.cli._parser import COLUMNS_OF_GAINS, Arguments
from kerasinit.cli._screen import results
from kerasinit.cli._tables import WIDE, table

GAIN_COLUMNS = (
    "activation", "forward", "centered", "backward", "chi\nper layer", "critical\nstd",
    "odd part\ngain", "odd part\nkind",
)  # fmt: skip
# Parts of Keras' messages about a class or function that it does not know.
CUSTOM = (
    "ustom object",
    "register_keras_serializable",
    "ould not locate",
    "Unknown layer",
    "explicitly deserialized",
)
NARROWEST = 80  # columns of the table of gains; a narrower terminal wraps its lines


def diagnose(arguments: Arguments) -> int:
    """`kerasinit diagnose`: the table of a diagnosis."""
    from kerasinit import _backend
    from kerasinit.preparation import diagnose as diagnosis_of

    x, y = _batch(arguments.data)
    for module in arguments.modules:
        _import(module, arguments.model.parent)
    model = _model(arguments.model)
    try:
        diagnosis = diagnosis_of(model, x, y)
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
    cure = "Write one with `model.save('model.keras')`."
    if any(hint in mistake for hint in CUSTOM):
        cure = "If it holds layers or losses of your own: `--import` the module that has them."
    return f"{str(path)!r} could not be read as a saved Keras model: {mistake}. {cure}"


def _import(module: str, folder: Path) -> None:
    """Imports a module of the user's own, also from the current folder or that of the model."""
    sys.path.extend([str(Path.cwd()), str(folder.resolve())])
    try:
        importlib.import_module(module)
    except Exception as error:  # the code of any module runs here
        raise ValueError(
            f"The module {module!r} could not be imported: {error} ({type(error).__name__}). It is "
            "looked for where Python looks, in the current folder, and beside the model."
        ) from error


def _batch(path: Path) -> tuple[Any, Any]:
    """The arrays "x" and "y" (None if there is none) of an .npz file; an .npy file is "x"."""
    from kerasinit.experiments._data import read_array, read_arrays

    if path.suffix == ".npy":
        return read_array(path), None
    found = read_arrays(path)
    if "x" not in found:
        raise ValueError(
            f"{str(path)!r} must hold an array 'x' (and 'y'). Received: {sorted(found)}. "
            "Write it with `numpy.savez(path, x=x, y=y)`."
        )
    return found["x"], found.get("y")


def gains(arguments: Arguments) -> int:
    """`kerasinit gains`: one row of numbers per activation."""
    from kerasinit import theory
    from kerasinit.experiments._known_names import activation_names

    names = arguments.activations or activation_names()
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


def catalog(arguments: Arguments) -> int:
    """`kerasinit list`: every initializer with its string, formula, use and source."""
    from kerasinit.initializers import catalog as entries

    if arguments.name:
        return _one(arguments.name)
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
    console.print(
        "string: what kernel_initializer= takes after `import kerasinit`. `kerasinit list NAME` "
        "tells all about one.",
        style="dim",
    )
    return 0


def _one(name: str) -> int:
    """`kerasinit list NAME`: what the catalog and the docstring say of one initializer."""
    import inspect

    import keras

    from kerasinit import initializers
    from kerasinit.models._near_names import near

    entries = initializers.catalog()
    known = {text.lower(): one for one in entries for text in (one.name, *one.strings)}
    entry = known.get(name.lower())
    if entry is None:
        keras_has_it = isinstance(getattr(keras.initializers, name, None), type)
        theirs = f"It is Keras' own: help(keras.initializers.{name}). " if keras_has_it else ""
        names = [one.name for one in entries]
        raise ValueError(f"There is no initializer {name!r} here. {theirs}{near(name, names)}")
    cls = getattr(initializers, entry.name)
    console = results()
    arguments = [
        one.replace(annotation=one.empty) for one in inspect.signature(cls).parameters.values()
    ]
    shown = inspect.Signature(arguments)
    console.print(f"kerasinit.{entry.name}{shown}", style="bold", soft_wrap=True)
    strings = ", ".join(map(repr, entry.strings)) or "none: it needs arguments"
    for label, text in (
        ("string", strings), ("formula", entry.formula), ("use", entry.use),
        ("source", entry.source),
    ):  # fmt: skip
        console.print(f"  {label:8} {text}", soft_wrap=True)
    console.print(f"\n{inspect.getdoc(cls)}", soft_wrap=True)
    return 0


def _string(strings: Sequence[str]) -> str:
    """The shortest string that a layer accepts."""
    return min(strings, key=len) if strings else "(by class only)"
