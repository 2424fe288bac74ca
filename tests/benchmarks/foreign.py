"""How are models read that nobody here wrote? Plans for small ones of keras-hub and others.

    python3.11 -m venv foreign && . foreign/bin/activate
    pip install "tensorflow==2.21.*" "keras==3.15.*" keras-hub bayesflow keras-rs keras-tcn hgq2
    pip install scikit-learn . && python tests/benchmarks/foreign.py [--only GPT2 BERT] [--verbose]

For each model: its kernels, those whose place could not be read (with the real exception), the
residual adds and the kernels that end a branch; then for each rule the gradient of the first over
the last block (root mean squares, on random inputs and a random projection of the outputs) and what
it scales. `--verbose` prints every kernel with its choice and reason. keras-cv-attention-models
1.4.3 builds its models with functions of TensorFlow on symbolic tensors, which Keras 3 refuses.
"""

import argparse
import math
import traceback
from collections import Counter

import keras
import numpy as np
from foreign_models import MODELS, inputs_for

import kerasinit
from kerasinit.models._scene import scene_of

RULES = (None, "residual", "gpt", "vit", "fixup", "deepnorm", "t-fixup")


def kernels(plan):
    """Rows of the kernels."""
    return [row for row in plan if row.kind == "kernel"]


def block_gradients(model, inputs):
    """Root mean square of the gradient of each kernel, in the order of the model."""
    import tensorflow as tf

    variables = [v for v in model.trainable_variables if len(v.shape) > 1]
    with tf.GradientTape() as tape:
        outputs = model(inputs, training=False)
        flat = [keras.ops.cast(one, "float32") for one in keras.tree.flatten(outputs)]
        rng = np.random.default_rng(0)
        loss = sum(
            keras.ops.mean(one * rng.normal(size=tuple(one.shape)).astype("float32"))
            for one in flat
            if keras.ops.size(one)
        )
    found = tape.gradient(loss, [v.value for v in variables])
    return {
        v.path: float(keras.ops.sqrt(keras.ops.mean(keras.ops.square(tf.convert_to_tensor(g)))))
        for v, g in zip(variables, found, strict=True)
        if g is not None
    }


def spread(model, inputs, ends):
    """Gradient of the first over that of the last kernel that ends a branch."""
    try:
        gradients = block_gradients(model, inputs)
    except Exception as error:  # noqa: BLE001 - inputs that this model does not take
        return f"no gradient: {type(error).__name__}: {' '.join(str(error).split())[:100]}"
    values = [gradients[path] for path in ends if gradients.get(path)]
    if len(values) < 2:
        values = [value for value in gradients.values() if value]
    if len(values) < 2 or not all(map(math.isfinite, values)):
        return "gradient not finite" if values else "no gradient"
    return f"gradient first/last {values[0] / values[-1]:.2g}"


def report(name, *, verbose, gradients):
    """Prints what is read and chosen in one model; returns how many kernels are unread."""
    keras.utils.clear_session()
    try:
        model = MODELS[name]()
    except Exception as error:  # noqa: BLE001 - another version of the package
        print(f"{name}: cannot be built: {type(error).__name__}: {str(error)[:200]}")
        return None
    scene = scene_of(model)
    plan = kerasinit.initialize(model, seed=0, dry_run=True)
    rows = kernels(plan)
    unread = [row for row in rows if row.reason.startswith("alone (")]
    ends = [row.path for row in rows if row.reason.startswith("ends one of")]
    print(
        f"{name}: {len(rows)} kernels, {len(unread)} unread, {len(scene.adds)} adds, "
        f"{len(ends)} branch ends"
        + (", norms bound the stream" if scene.streams and scene.streams.is_normalized else "")
    )
    for reason, count in Counter(row.reason.split(":", 1)[-1][:300] for row in unread).items():
        print(f"    unread ({count}): {reason}")
    for key, why in (scene.graph.unread if scene.graph else {}).items():
        layer = next((one for one in model._flatten_layers() if id(one) == key), None)
        print(f"    not opened: {getattr(layer, 'name', key)}: {why[:200]}")
    if verbose:
        for row in rows:
            print(f"    {row.path} {row.shape} {row.initializer} {row.gain} | {row.reason}")
    for rule in RULES:
        try:
            chosen = kernels(kerasinit.initialize(model, rule, seed=0))
        except ValueError as error:
            print(f"  {rule}: {error}"[:200])
            continue
        except Exception:  # noqa: BLE001 - what must not happen
            print(f"  {rule}: {traceback.format_exc(limit=-2)}")
            continue
        special = [row for row in chosen if any(w in row.reason for w in WORDS[rule])]
        text = f"{len(special)} of {len(chosen)} kernels special"
        if gradients:
            text += f", {spread(model, inputs_for(model), ends)}"
        print(f"  {rule}: {text}")
    return len(unread)


WORDS = {
    None: ("ends one of",),
    "residual": ("last layer of", "norm at the end"),
    "gpt": ("residual projection",),
    "vit": ("vit:",),
    "fixup": ("last layer of", "branches of"),
    "deepnorm": ("beta",),
    "t-fixup": ("Xavier times",),
}


def main():
    """Reports every model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", default=list(MODELS))
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--no-gradients", action="store_true")
    options = parser.parse_args()
    found = {
        name: report(name, verbose=options.verbose, gradients=not options.no_gradients)
        for name in options.only
    }
    built = {name: count for name, count in found.items() if count is not None}
    print(f"{len(built)} models, {sum(built.values())} unread kernels: "
          f"{ {name: count for name, count in built.items() if count} }")  # fmt: skip


if __name__ == "__main__":
    main()
