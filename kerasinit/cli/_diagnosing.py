"""`kerasinit diagnose`: a saved model, a batch of data, and the table of their diagnosis."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

from kerasinit.cli._hdf5 import hdf5_mistake
from kerasinit.cli._parser import Arguments
from kerasinit.cli._screen import results

# Parts of Keras' messages about a class or function that it does not know.
CUSTOM = (
    "ustom object",
    "register_keras_serializable",
    "ould not locate",
    "Unknown layer",
    "explicitly deserialized",
)


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
