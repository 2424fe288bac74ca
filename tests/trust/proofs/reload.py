"""A model saved by one Keras on one backend opens with the same weights under another one.

python tests/trust/proofs/reload.py save DIR
python tests/trust/proofs/reload.py open DIR...
"""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

TESTS = Path(__file__).parents[2]
sys.path.insert(0, str(TESTS / "versions"))
BACKENDS = ("tensorflow", "jax", "torch")


def reload(count, where):
    """Every initializer, saved and opened by every interpreter, in every format."""
    named = [word.split("=", 1) for word in os.environ.get("TRUST_PYTHONS", "").split(os.pathsep)
             if word]  # fmt: skip
    pythons = dict(named) or {"here": sys.executable}
    for name, python in pythons.items():
        started(name, python, "save", where / name)
    for name, python in pythons.items():
        for saved in pythons:
            for line in started(name, python, "open", where / saved).splitlines():
                wrong = json.loads(line)
                yield wrong and f"{saved} opened by {name}: {wrong}"


def started(name, python, *words):
    """What this file prints when it is run by an interpreter."""
    backend = {"KERAS_BACKEND": name} if name in BACKENDS else {}
    done = subprocess.run(
        [python, "-W", "ignore", __file__, *map(str, words)],
        env={**os.environ, **backend}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{name}: {done.stderr[-1000:]}")
    return "".join(line + "\n" for line in done.stdout.splitlines() if line.startswith('"'))


def build(number):
    """A layer of a user's own that starts by row `number` of the table of saved models."""
    import keras
    import saved_models

    layer = saved_models.Shift(*saved_models.STARTS[number], name="shift")
    model = keras.Sequential([keras.Input((4,)), layer], name=f"model_{number}")
    model.build((None, 4))
    return model


def build_portable(number):
    """A layer of Keras that starts by row `number`, as it opens without kerasinit."""
    import keras
    import saved_models

    import kerasinit

    shape, initializer = saved_models.STARTS[number]
    name = "bias_initializer" if len(shape) == 1 else "kernel_initializer"
    kind = keras.layers.Conv2D if len(shape) == 4 else keras.layers.Dense
    size = (8, 3) if len(shape) == 4 else (8,)
    inputs = (6, 6, 4) if len(shape) == 4 else (8,)
    options = {name: initializer, "activation": "tanh"}
    return kerasinit.portable(keras.Sequential([keras.Input(inputs), kind(*size, **options)]))


def save(directory):
    import keras
    import numpy as np
    import saved_models

    directory.mkdir()
    for number in range(len(saved_models.STARTS)):
        model, stem = build(number), str(directory / f"{number}")
        model.save(stem + ".keras")
        model.save(stem + ".h5")
        model.save_weights(stem + ".weights.h5")
        Path(stem + ".json").write_text(model.to_json())
        portable = build_portable(number)
        portable.save(f"{stem}.portable-{keras.version()}.keras")
        for each, kind in ((model, ""), (portable, "portable")):
            np.savez(f"{stem}{kind}.npz", *map(keras.ops.convert_to_numpy, each.weights))


def opened(path):
    """What is wrong with a saved model; a JSON holds no weights, a file of weights no model."""
    import keras
    import numpy as np

    number, _, suffix = path.name.partition(".")
    portable = suffix.startswith("portable-")
    if suffix == "json":
        model = keras.models.model_from_json(path.read_text())
    elif suffix == "weights.h5":
        model = build(int(number))
        model.load_weights(path)
    else:
        model = keras.saving.load_model(path)
    if portable and b"kerasinit" in zipfile.ZipFile(path).read("config.json"):
        return f"{path.name} names kerasinit"
    expected = np.load(path.with_name(f"{number}{'portable' if portable else ''}.npz"))
    for weight, key in zip(model.weights, expected.files, strict=True):
        value = keras.ops.convert_to_numpy(weight)
        same = (
            value.shape == expected[key].shape
            if suffix == "json"
            else (value == expected[key]).all()
        )
        if not same:
            return f"{path.name} has other weights"
    if portable or suffix == "weights.h5":
        return ""
    ours = model.get_layer("shift").initializer.get_config()
    declared = build(int(number)).get_layer("shift").initializer.get_config()
    ours.pop("seed", None), declared.pop("seed", None)
    return "" if ours == declared else f"{path.name} has another initializer: {ours}"


def open_all(directory):
    import keras
    import saved_models  # noqa: F401 - registers the layer

    for path in sorted(directory.iterdir()):
        _, portable, version = path.stem.partition("portable-")
        if path.suffix == ".npz" or (portable and version != keras.version()):
            continue  # layers of Keras open under another Keras or not, whatever they start with
        try:
            wrong = opened(path)
        except Exception as error:  # noqa: BLE001 - whatever it is, it does not open
            wrong = f"{path.name}: {type(error).__name__}: {error}"[:300]
        print(json.dumps(wrong))


if __name__ == "__main__":
    what, *directories = sys.argv[1:]
    for one in directories:
        {"save": save, "open": open_all}[what](Path(one))
