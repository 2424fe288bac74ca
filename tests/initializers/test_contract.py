"""What every initializer of the room must do: one row for each class, every check on every row."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kerasinit import initializers as I  # noqa: N812
from kerasinit.initializers import catalog

L = keras.layers
SAVED = Path(__file__).parent / "data" / "saved_by_tensorflow.keras"


@dataclass(frozen=True)
class Row:
    """One class: how to make it, and which variable it is for.

    Args:
        cls: The class.
        options: Its arguments, but for the seed.
        site: `"kernel"`, `"conv"` (kernels with a window only) or `"bias"`.
        random: Whether the seed matters.
        gates: Whether it fills kernels that hold several gates side by side.
    """

    cls: type
    options: dict[str, Any]
    site: str = "kernel"
    random: bool = True
    gates: bool = True

    def make(self, seed=1):
        return self.cls(**self.options, seed=seed)

    def layer(self, initializer, **options):
        """A layer named "filled" that uses the initializer, with the shape of its inputs."""
        if self.site == "conv":
            return L.Conv2D(
                8, 3, padding="same", kernel_initializer=initializer, name="filled", **options
            )
        arguments = {"kernel_initializer": I.XavierUniform(seed=4)}
        arguments[f"{self.site}_initializer"] = initializer
        return L.Dense(8, activation="tanh", name="filled", **arguments, **options)

    @property
    def inputs(self):
        return (6, 6, 4) if self.site == "conv" else (8,)

    @property
    def shape(self):
        return {"kernel": (8, 8), "conv": (3, 3, 4, 8), "bias": (8,)}[self.site]


ROWS = [
    Row(I.Auto, {}),
    Row(I.XavierUniform, {}),
    Row(I.XavierNormal, {"gain": "tanh"}),
    Row(I.LasagneUniform, {"gain": "relu"}),
    Row(I.LasagneNormal, {}),
    Row(I.HeUniform, {"mode": "fan_out"}),
    Row(I.HeNormal, {"truncate": 1.5}),
    Row(I.LecunUniform, {"gain": "auto"}),
    Row(I.LecunNormal, {"mode": "fan_geo"}),
    Row(I.Orthogonal, {"gain": 2.0}),
    Row(I.OddPart, {"activation": "gelu"}, gates=False),
    Row(I.OddPartBias, {"activation": "sigmoid"}, "bias", random=False),
    Row(I.Critical, {"activation": "tanh", "bias_std": 0.2}),
    Row(I.CriticalBias, {"activation": "tanh", "bias_std": 0.2}, "bias"),
    Row(I.DeltaOrthogonal, {"gain": "relu"}, "conv"),
    Row(I.Identity, {"gain": 3.0}, random=False),
    Row(I.Sparse, {"nonzero_count": 3}),
    Row(I.ICNR, {"scale": 2}, "conv"),
    Row(I.Siren, {"first": True}),
]
FLOAT64 = pytest.param(
    "float64",
    marks=pytest.mark.skipif(
        keras.config.backend() == "jax", reason="JAX has no float64 unless configured"
    ),
)
every_row = pytest.mark.parametrize("row", ROWS, ids=[row.cls.__name__ for row in ROWS])


def values(tensor):
    return keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float32"))


def model_of(row, seed=1, **options):
    layer = row.layer(row.make(seed), **options)
    return keras.Sequential([keras.Input(row.inputs), layer], name="contract")


def weights_of(model, row):
    layer = model.get_layer("filled")
    return values(layer.bias if row.site == "bias" else layer.kernel)


def data_for(row):
    return np.random.default_rng(0).standard_normal((2, *row.inputs)).astype("float32")


def config_of(model, row):
    layer = model.get_layer("filled")
    site = "bias" if row.site == "bias" else "kernel"
    return getattr(layer, f"{site}_initializer").get_config()


def assert_same_model(model, again, row):
    assert config_of(again, row) == config_of(model, row)
    for one, two in zip(model.weights, again.weights, strict=True):
        np.testing.assert_array_equal(values(one), values(two))
    x = data_for(row)
    np.testing.assert_allclose(values(model(x)), values(again(x)), rtol=1e-5, atol=1e-6)


def test_every_class_has_its_row():
    assert {row.cls.__name__ for row in ROWS} == {entry.name for entry in catalog()}


@every_row
def test_the_config_makes_the_same_initializer(row):
    config = row.make(seed=3).get_config()
    assert row.cls.from_config(config).get_config() == config


@every_row
def test_the_config_is_plain_data(row):
    config = keras.initializers.serialize(row.make(seed=3))
    again = keras.initializers.deserialize(json.loads(json.dumps(config)))
    assert type(again) is row.cls
    assert again.get_config() == row.make(seed=3).get_config()


@every_row
def test_the_config_of_an_unseeded_one_has_no_seed(row):
    assert row.make(seed=None).get_config()["seed"] is None


@every_row
def test_a_clone_of_the_model_has_the_same_weights(row):
    model = model_of(row)
    assert_same_model(model, keras.models.clone_model(model), row)


@every_row
def test_a_model_built_again_has_the_same_weights(row):
    np.testing.assert_array_equal(
        weights_of(model_of(row), row), weights_of(model_of(row, seed=np.int64(1)), row)
    )


@every_row
def test_another_seed_gives_other_weights(row):
    one, two = (weights_of(model_of(row, seed), row) for seed in (1, 2))
    assert np.array_equal(one, two) is not row.random


@every_row
@pytest.mark.parametrize("suffix", [".keras", pytest.param(".h5", id="h5")])
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_a_saved_model_loads(row, suffix, tmp_path):
    model = model_of(row)
    path = tmp_path / f"model{suffix}"
    model.save(path)
    assert_same_model(model, keras.models.load_model(path), row)


@every_row
def test_json_makes_the_same_model(row):
    model = model_of(row)
    assert_same_model(model, keras.models.model_from_json(model.to_json()), row)


FRESH = """
import pathlib, sys
import keras, numpy as np
import kerasinit

folder = pathlib.Path(sys.argv[1])
for path in sorted(folder.glob("*.keras")):
    expected = np.load(path.with_suffix(".npz"))
    for model in (
        keras.models.load_model(path),
        keras.models.model_from_json(path.with_suffix(".json").read_text()),
    ):
        outputs = keras.ops.convert_to_numpy(model(expected["inputs"]))
        np.testing.assert_allclose(outputs, expected["outputs"], rtol=1e-5, atol=1e-6)
    print(path.stem)
"""


def test_every_model_loads_in_a_fresh_process(tmp_path):
    for row in ROWS:
        model, path = model_of(row), tmp_path / f"{row.cls.__name__}.keras"
        model.save(path)
        path.with_suffix(".json").write_text(model.to_json())
        inputs = data_for(row)
        np.savez(path.with_suffix(".npz"), inputs=inputs, outputs=values(model(inputs)))
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FRESH, str(tmp_path)],
        env=os.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.stdout.split() == sorted(row.cls.__name__ for row in ROWS), result.stderr


def write_saved_model():
    """Writes the file that the next test loads: run by hand, on TensorFlow, for a new row.

    Under the oldest Keras that is supported: the newer ones open its files, not the other way.
    """
    outputs, inputs = [], {}
    for row in ROWS:
        x = inputs.setdefault(row.site, keras.Input(row.inputs, name=row.site))
        layer = row.layer(row.make())
        layer.name = row.cls.__name__
        outputs.append(layer(x))
    SAVED.parent.mkdir(exist_ok=True)
    keras.Model(inputs, outputs, name="saved").save(SAVED)


def test_a_model_saved_by_tensorflow_loads_on_every_backend():
    model = keras.models.load_model(SAVED)
    for row in ROWS:
        layer = model.get_layer(row.cls.__name__)
        kernel, initializer = (
            (layer.bias, layer.bias_initializer)
            if row.site == "bias"
            else (layer.kernel, layer.kernel_initializer)
        )
        assert type(initializer) is row.cls
        assert initializer.get_config() == row.make().get_config()
        assert tuple(kernel.shape) == row.shape


@every_row
def test_attention_takes_it(row):
    site = "bias" if row.site == "bias" else "kernel"
    layer = L.MultiHeadAttention(2, 4, **{f"{site}_initializer": row.make()})
    layer.build((None, 5, 8), (None, 5, 8))
    query, value = (values(getattr(part, site)) for part in (layer.query_dense, layer.value_dense))
    assert np.isfinite(query).all()
    assert not (row.random and np.array_equal(query, value))


@every_row
def test_bidirectional_takes_it(row):
    if row.site == "conv":
        cell = L.ConvLSTM1D(4, 3, kernel_initializer=row.make(), recurrent_initializer="zeros")
        layer = L.Bidirectional(cell)
        shape = (None, 2, 6, 4)
    else:
        options = {"recurrent_initializer": "zeros", f"{row.site}_initializer": row.make()}
        layer = L.Bidirectional(L.GRU(4, reset_after=False, **options))
        shape = (None, 3, 8)
    if not row.gates:
        with pytest.raises(ValueError, match="groups or gates"):
            layer.build(shape)
        return
    layer.build(shape)
    forward, backward = (
        values(getattr(half.cell, "bias" if row.site == "bias" else "kernel"))
        for half in (layer.forward_layer, layer.backward_layer)
    )
    assert np.isfinite(forward).all()
    assert not (row.random and np.array_equal(forward, backward))


@every_row
def test_mixed_precision_keeps_float32_weights(row):
    plain, mixed = model_of(row), model_of(row, dtype="mixed_bfloat16")
    np.testing.assert_array_equal(weights_of(plain, row), weights_of(mixed, row))


@every_row
@pytest.mark.parametrize("dtype", [FLOAT64, "float32", "float16", "bfloat16"])
def test_every_dtype_has_the_same_values(row, dtype):
    model = model_of(row, dtype=dtype)
    expected = keras.ops.cast(weights_of(model_of(row), row), dtype)
    layer = model.get_layer("filled")
    variable = layer.bias if row.site == "bias" else layer.kernel
    assert variable.dtype == dtype
    assert np.isfinite(values(variable)).all()
    if dtype != "float64":  # drawn wide, not widened
        np.testing.assert_allclose(values(variable), values(expected), rtol=0.01, atol=1e-3)


@settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
@given(
    shape=st.lists(st.integers(0, 3), max_size=4).map(tuple),
    dtype=st.sampled_from([None, "float32", "bfloat16"]),
)
@every_row
def test_any_shape_is_filled_or_refused(row, shape, dtype):
    try:
        tensor = row.make()(shape, dtype=dtype)
    except (ValueError, TypeError) as error:
        if "shape" in str(error) or "kernel" in str(error):  # it names the argument
            return
        raise
    assert tuple(tensor.shape) == shape
    assert keras.backend.standardize_dtype(tensor.dtype) == (dtype or "float32")
    assert np.isfinite(values(tensor)).all()


@every_row
@pytest.mark.parametrize("shape", [3, (2.5, 2), (None, 3), (-1, 3), ("a",)], ids=str)
def test_what_is_no_shape_is_refused(row, shape):
    with pytest.raises((ValueError, TypeError), match="`shape`"):
        row.make()(shape)
