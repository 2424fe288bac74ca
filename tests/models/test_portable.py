"""`portable`: files that open without kerasinit, with equal predictions and distributions."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers

import kerasinit
from kerasinit import initializers

# Opens a saved model where `import kerasinit` fails, and prints what it predicts.
OPEN_ALONE = """
import sys
sys.modules["kerasinit"] = None
import keras, numpy as np
model = keras.models.load_model(sys.argv[1])
rebuilt = keras.models.clone_model(model)
np.save(sys.argv[2], keras.ops.convert_to_numpy(model(np.load(sys.argv[3]))))
"""


def varied_model():
    inputs = keras.Input((6, 8))
    x = layers.Bidirectional(
        layers.LSTM(4, return_sequences=True, kernel_initializer="kerasinit>XavierUniform")
    )(inputs)
    x = layers.MultiHeadAttention(2, 3, kernel_initializer="kerasinit>HeNormal")(x, x)
    x = layers.SeparableConv1D(
        6,
        3,
        depthwise_initializer="kerasinit>LecunNormal",
        pointwise_initializer="kerasinit>LecunUniform",
    )(x)
    x = layers.TimeDistributed(layers.Dense(5, kernel_initializer="kerasinit>Orthogonal"))(x)
    x = layers.RNN(layers.GRUCell(4, recurrent_initializer="kerasinit>Orthogonal"))(x)
    inner = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(6, "tanh", kernel_initializer=initializers.HeNormal(gain="auto")),
            layers.Dense(
                6, kernel_initializer=initializers.OddPart(activation="gelu", paired_inputs=False)
            ),
        ]
    )
    return keras.Model(inputs, layers.Dense(2, kernel_initializer="kerasinit>Siren")(inner(x)))


def test_a_gain_of_an_own_function_needs_no_file():
    def steep(x):
        return keras.ops.leaky_relu(x, 0.3)

    own = initializers.HeNormal(gain=steep)
    model = keras.Sequential([keras.Input((8,)), layers.Dense(4, kernel_initializer=own)])
    found = kerasinit.portable(model).layers[0].kernel_initializer
    assert type(found) is keras.initializers.VarianceScaling
    assert found.scale == pytest.approx(2 / (1 + 0.3**2))


def test_the_file_opens_without_kerasinit_and_predicts_the_same(tmp_path):
    model = keras.Sequential(
        [
            keras.Input((6, 8)),
            layers.Conv1D(4, 3, kernel_initializer="kerasinit>HeNormal"),
            layers.Bidirectional(layers.SimpleRNN(3, recurrent_initializer="kerasinit>Orthogonal")),
            layers.Dense(2, kernel_initializer=initializers.OddPart(activation="gelu")),
        ]
    )
    kerasinit.portable(model)
    batch = np.random.default_rng(0).normal(size=(3, 6, 8)).astype("float32")
    expected = keras.ops.convert_to_numpy(model(batch))
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "batch.npy", batch)
    subprocess.run(
        [sys.executable, "-c", OPEN_ALONE, "model.keras", "out.npy", "batch.npy"],
        cwd=tmp_path,
        check=True,
        env={**os.environ, "KERAS_BACKEND": keras.config.backend()},
        timeout=120,
    )
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), expected, rtol=1e-5, atol=1e-6)


def test_no_config_names_kerasinit():
    assert "kerasinit" in varied_model().to_json()
    assert "kerasinit" not in kerasinit.portable(varied_model()).to_json()


def test_the_weights_stay():
    model = varied_model()
    before = model.get_weights()
    kerasinit.portable(model)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def rebuilt_std(layer, shape):
    """Standard deviation of the kernels of `layer` rebuilt from its portable config."""
    model = kerasinit.portable(keras.Sequential([keras.Input(shape), layer]))
    copy = keras.Sequential.from_config(model.get_config())
    kernel = max(copy.get_weights(), key=lambda weight: weight.size)
    return float(kernel.std()), type(getattr(copy.layers[0], held(copy.layers[0])))


def held(layer):
    return (
        "depthwise_initializer"
        if hasattr(layer, "depthwise_initializer")
        else ("kernel_initializer")
    )


@pytest.mark.parametrize(
    ("layer", "shape", "std", "kind"),
    [
        (
            lambda: layers.Dense(300, kernel_initializer="kerasinit>HeNormal"),
            (200,),
            (2 / 200) ** 0.5,
            "VarianceScaling",
        ),
        (
            lambda: layers.DepthwiseConv2D(3, depthwise_initializer="kerasinit>LecunNormal"),
            (5, 5, 4096),
            1 / 3,
            "RandomNormal",
        ),
        (
            lambda: layers.Conv2DTranspose(32, 4, kernel_initializer="kerasinit>LecunUniform"),
            (5, 5, 64),
            (1 / (16 * 64)) ** 0.5,
            "RandomUniform",
        ),
        (
            lambda: layers.Dense(
                300, kernel_initializer=initializers.XavierNormal(truncate=2.0, mode="fan_geo")
            ),
            (200,),
            (1 / (300 * 200) ** 0.5) ** 0.5,
            "TruncatedNormal",
        ),
        (
            lambda: layers.Dense(400, kernel_initializer="kerasinit>Orthogonal"),
            (100,),
            0.1,
            "Orthogonal",
        ),
        (
            lambda: layers.Dense(
                400,
                kernel_initializer=initializers.Critical(
                    activation="tanh", bias_std=0.2, distribution="normal"
                ),
            ),
            (100,),
            0.1304146,
            "RandomNormal",
        ),
    ],
)
def test_a_rebuilt_layer_has_the_same_variance(layer, shape, std, kind):
    measured, found = rebuilt_std(layer(), shape)
    assert found.__name__ == kind
    assert measured == pytest.approx(std, rel=0.03)


def test_a_large_structured_kernel_warns_and_keeps_its_variance():
    layer = layers.Dense(300, kernel_initializer=initializers.Sparse(nonzero_fraction=0.1))
    with pytest.warns(UserWarning, match=r"kernel.*same variance, not the same distribution"):
        kerasinit.portable(keras.Sequential([keras.Input((300,)), layer]))
    assert isinstance(layer.kernel_initializer, keras.initializers.RandomNormal)


def test_a_custom_layer_with_a_recorded_config_becomes_portable():
    @keras.saving.register_keras_serializable(package="tests")
    class Scale(layers.Layer):
        def __init__(self, kernel_initializer):  # Keras records the string
            super().__init__()
            self.kernel_initializer = keras.initializers.get(kernel_initializer)

        def build(self, shape):
            self.kernel = self.add_weight(
                shape=(shape[-1], 4), initializer=self.kernel_initializer, name="kernel"
            )

        def call(self, x):
            return x @ self.kernel

    model = keras.Sequential([keras.Input((3,)), Scale("kerasinit>HeNormal")])
    assert "kerasinit" not in kerasinit.portable(model).to_json()


def test_an_unbuilt_model_is_refused():
    with pytest.raises(ValueError, match="has no weights yet"):
        kerasinit.portable(keras.Sequential([layers.Dense(2)]))


@keras.saving.register_keras_serializable("tests")
class Tower(layers.Layer):
    """Keeps the options of a layer inside."""

    def __init__(self, options, **rest):
        super().__init__(**rest)
        self.options = options
        self.dense = layers.Dense(3, **options)

    def build(self, shape):
        self.dense.build(shape)

    def call(self, x):
        return self.dense(x)

    def get_config(self):
        return {**super().get_config(), "options": self.options}


@pytest.mark.parametrize(
    "held",
    ["kerasinit>HeNormal", keras.saving.serialize_keras_object(initializers.HeNormal())],
    ids=["string", "config"],
)
def test_options_inside_a_layer_are_replaced(held):
    tower = Tower({"kernel_initializer": held})
    model = kerasinit.portable(keras.Sequential([keras.Input((4,)), tower]))
    assert "kerasinit" not in model.to_json()
    assert "VarianceScaling" in model.to_json()


def test_an_initializer_under_another_name_than_its_weight_is_replaced():
    @keras.saving.register_keras_serializable("tests")
    class Mix(layers.Layer):
        def __init__(self, initializer="kerasinit>HeNormal"):
            super().__init__()
            self.initializer = keras.initializers.get(initializer)

        def build(self, shape):
            self.kernel = self.add_weight(
                shape=(shape[-1], shape[-1]), initializer=self.initializer, name="kernel"
            )

        def call(self, x):
            return x @ self.kernel

    layer = Mix()
    kerasinit.portable(keras.Sequential([keras.Input((4,)), layer]))
    assert isinstance(layer.initializer, keras.initializers.VarianceScaling)


def test_what_cannot_be_replaced_is_named_and_nothing_changes():
    @keras.saving.register_keras_serializable("tests")
    class Hidden(layers.Layer):
        def call(self, x):
            return x

        def get_config(self):
            return {**super().get_config(), "table": {"initializer": "kerasinit>HeNormal"}}

    dense = layers.Dense(3, kernel_initializer="kerasinit>HeNormal")
    model = keras.Sequential([keras.Input((4,)), dense, Hidden(name="hidden")])
    with pytest.raises(ValueError, match=r"still need kerasinit: .*'table'.*Nothing was changed"):
        kerasinit.portable(model)
    assert isinstance(dense.kernel_initializer, initializers.HeNormal)
