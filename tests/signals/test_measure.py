"""One forward and one backward pass, against closed forms, and leaving no trace."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from kerasinit.signals import measure


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


def state_of(model):
    variables = [*model.variables]
    if model.compiled:
        variables += [*model.optimizer.variables, *model.metrics_variables]
    return [numpy(variable).copy() for variable in variables]


def row_named(signals, name):
    return next(row for row in signals.layers if row.name == name)


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(0).standard_normal((16, 5)).astype("float32")


def new_mixed_model():
    """Everything that has a state of its own: normalization, dropout, a metric, an optimizer."""
    model = keras.Sequential(
        [
            keras.Input((5,)),
            layers.Dense(8, activation="relu", activity_regularizer="l2"),
            layers.BatchNormalization(),
            layers.Dropout(0.5, seed=3),
            layers.GaussianNoise(0.1, seed=4),
            layers.Dense(3, kernel_regularizer="l2"),
        ]
    )
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(True), metrics=["accuracy"])
    return model


@pytest.fixture
def mixed_model():
    return new_mixed_model()


@pytest.fixture(scope="module")
def fitted_model(x):
    model = new_mixed_model()
    model.fit(x, np.arange(16) % 3, batch_size=8, verbose=0)
    return model


# --- closed forms -----------------------------------------------------------------------------


@pytest.mark.parametrize("bias", ["zeros", keras.initializers.Constant(-4.6)], ids=["none", "some"])
def test_what_a_kernel_makes_is_the_output_without_the_bias(x, bias):
    head = layers.Dense(3, bias_initializer=bias)
    model = keras.Sequential([keras.Input((5,)), head])
    (row,) = measure(model, x).layers
    made = np.sqrt(np.mean(np.square(x @ numpy(head.kernel))))
    assert row.mixed_rms == pytest.approx(made, rel=1e-5)
    assert (row.preactivation_rms > 2 * row.mixed_rms) is (bias != "zeros")


def test_the_gradient_of_a_squared_error_has_its_closed_form(x):
    model = keras.Sequential([keras.Input((5,)), layers.Dense(2, name="only")])
    model.compile("sgd", "mse")
    y = np.ones((16, 2), "float32")
    (row,) = measure(model, x, y).layers
    z = numpy(model(x))
    gradient = 2 * (z - y) / z.size
    assert row.gradient_norm == pytest.approx(np.linalg.norm(gradient), rel=1e-4)
    assert row.gradient_rms == pytest.approx(np.sqrt(np.mean(gradient**2)), rel=1e-4)
    weights = np.hypot(np.linalg.norm(x.T @ gradient), np.linalg.norm(gradient.sum(axis=0)))
    assert row.weight_gradient_norm == pytest.approx(weights, rel=1e-4)


def test_the_gradient_travels_down_by_the_chain_rule(x):
    model = keras.Sequential(
        [keras.Input((5,)), layers.Dense(4, "tanh", name="a"), layers.Dense(2, name="b")]
    )
    model.compile("sgd", "mse")
    y = np.zeros((16, 2), "float32")
    signals = measure(model, x, y)
    a, b = (model.get_layer(name) for name in "ab")
    z = x @ numpy(a.kernel) + numpy(a.bias)
    top = 2 * (np.tanh(z) @ numpy(b.kernel) + numpy(b.bias)) / 32
    below = (top @ numpy(b.kernel).T) * (1 - np.tanh(z) ** 2)
    assert row_named(signals, "a").gradient_norm == pytest.approx(np.linalg.norm(below), rel=1e-4)
    assert row_named(signals, "a").preactivation_mean_square == pytest.approx(
        np.mean(z**2), rel=1e-4
    )
    assert row_named(signals, "a").activation_rms == pytest.approx(
        np.sqrt(np.mean(np.tanh(z) ** 2)), rel=1e-4
    )


def test_batch_statistics_are_used_as_in_training(x):
    model = keras.Sequential(
        [keras.Input((5,)), layers.BatchNormalization(), layers.Dense(3, name="after")]
    )
    signals = measure(model, 100 * x + 7)
    assert signals.input_rms == pytest.approx(1.0, rel=1e-2)


def test_dropout_is_off(x):
    model = keras.Sequential([keras.Input((5,)), layers.Dropout(0.9), layers.Dense(3)])
    assert measure(model, x).input_rms == pytest.approx(np.sqrt(np.mean(x**2)), rel=1e-5)


def test_the_loss_is_the_one_that_evaluate_reports(x):
    model = keras.Sequential(
        [
            keras.Input((5,)),
            layers.Dense(8, activation="relu", kernel_regularizer="l2"),
            layers.Dropout(0.5),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile("sgd", "sparse_categorical_crossentropy")
    y = np.arange(16) % 3
    expected = model.evaluate(x, y, batch_size=16, verbose=0)
    assert measure(model, x, y).loss == pytest.approx(expected, rel=1e-4)


@pytest.mark.filterwarnings("ignore:The structure of `inputs` doesn't match")  # Keras' own
def test_the_loss_of_a_model_that_lists_its_one_output_is_that_of_evaluate(x):
    code = keras.Input((4,))
    decoder = keras.Model([code], [layers.Dense(5)(code)])
    inputs = keras.Input((5,))
    model = keras.Model([inputs], [decoder(layers.Dense(4, "relu")(inputs))])
    model.compile("sgd", "mse")
    expected = model.evaluate(x, x, batch_size=16, verbose=0)
    assert measure(model, x, x).loss == pytest.approx(expected, rel=1e-4)


# --- what is reported -------------------------------------------------------------------------


def test_layers_come_in_execution_order(x):
    first, second = layers.Dense(2, name="made_second"), layers.Dense(4, name="made_first")
    inputs = keras.Input((5,))
    model = keras.Model(inputs, first(second(inputs)))
    assert [row.name for row in measure(model, x).layers] == ["made_first", "made_second"]


def test_a_shared_layer_has_one_record_for_each_call(x):
    shared = layers.Dense(5, name="shared")
    inputs = keras.Input((5,))
    model = keras.Model(inputs, shared(shared(inputs)))
    assert [row.name for row in measure(model, x).layers] == ["shared", "shared (call 2)"]


def test_layers_of_a_nested_model_are_found(x):
    inner = keras.Sequential([keras.Input((5,)), layers.Dense(4, name="deep")], name="inner")
    inputs = keras.Input((5,))
    model = keras.Model(inputs, layers.Dense(2, name="top")(inner(inputs)))
    assert [row.name.split("/")[-1] for row in measure(model, x).layers] == ["deep", "top"]


def test_a_subclassed_model_without_a_training_argument_works(x):
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.hidden = layers.Dense(4, activation=layers.LeakyReLU())
            self.out = layers.Dense(2)

        def call(self, inputs):
            return self.out(self.hidden(inputs))

    model = Own()
    model(x)
    hidden, out = measure(model, x, np.zeros((16, 2))).layers
    assert (hidden.activation, hidden.is_output, out.is_output) == ("leaky_relu", False, True)


ACTIVATIONS = {
    "layer": layers.ReLU,
    "activation_layer": lambda: layers.Activation("relu"),
    "operation": lambda: ops.relu,
    "nn_operation": lambda: ops.nn.relu,
}


@pytest.fixture(scope="module")
def activated(x):
    """Each activation behind a layer of its name: one model, as compiling costs most."""
    h = inputs = keras.Input((5,))
    for name, activation in ACTIVATIONS.items():
        h = layers.Dense(6, bias_initializer=constant(-50.0), name=name)(h)
        h = layers.Rescaling(1.0, offset=-50.0)(layers.BatchNormalization()(h))
        h = activation()(h)
    return measure(keras.Model(inputs, layers.Dense(2)(h)), x)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_after_the_layer_completes_its_record(activated, name):
    row = row_named(activated, name)
    assert (row.activation, row.dead_share, row.normalized) == ("relu", 1.0, True)


def constant(value):
    return keras.initializers.Constant(value)


def test_a_softmax_has_no_shares_of_units(x):
    model = keras.Sequential([keras.Input((5,)), layers.Dense(3, activation="softmax")])
    (row,) = measure(model, x).layers
    assert (row.activation, row.dead_share, row.saturated_share) == ("softmax", None, None)


def test_a_frozen_layer_has_no_weight_gradient_but_passes_the_signal(x):
    model = keras.Sequential([keras.Input((5,)), layers.Dense(4, trainable=False), layers.Dense(2)])
    row = measure(model, x).layers[0]
    assert (row.weight_gradient_norm, row.trainable) == (None, False)
    assert row.gradient_norm > 0


def test_recurrent_and_wrapped_layers_are_one_record_each():
    inputs = keras.Input((6, 5))
    h = layers.Bidirectional(layers.LSTM(4, return_sequences=True))(inputs)
    h = layers.TimeDistributed(layers.Dense(3, activation="relu"))(h)
    model = keras.Model(inputs, layers.GRU(4)(h))
    rows = measure(model, np.ones((4, 6, 5), "float32")).layers
    assert [row.kind for row in rows] == ["LSTM", "LSTM", "TimeDistributed", "GRU"]
    assert all(row.gradient_norm > 0 for row in rows)


KINDS = {
    "conv": (lambda: layers.Conv2D(6, 3, name="conv"), (8, 8, 4), 6),
    "grouped": (lambda: layers.Conv2D(6, 3, groups=2, name="grouped"), (8, 8, 4), 6),
    "depthwise": (lambda: layers.DepthwiseConv2D(3, name="depthwise"), (8, 8, 4), 4),
    "separable": (lambda: layers.SeparableConv2D(6, 3, name="separable"), (8, 8, 4), 6),
    "transposed": (lambda: layers.Conv2DTranspose(6, 3, name="transposed"), (8, 8, 4), 6),
    "1d": (lambda: layers.Conv1D(6, 3, name="1d"), (8, 4), 6),
    "einsum": (lambda: layers.EinsumDense("ab,bc->ac", 6, name="einsum"), (4,), 6),
    "lstm": (lambda: layers.LSTM(6, name="lstm"), (8, 4), 6),
    "gru": (lambda: layers.GRU(6, name="gru"), (8, 4), 6),
}


@pytest.fixture(scope="module")
def all_kinds():
    """Every kind of layer side by side: one model, as compiling costs most."""
    keras.utils.set_random_seed(0)
    inputs = {shape: keras.Input(shape) for _, shape, _ in KINDS.values()}
    branches = [layers.Flatten()(layer()(inputs[shape])) for layer, shape, _ in KINDS.values()]
    outputs = layers.Dense(2)(layers.Concatenate()(branches))
    rng = np.random.default_rng(0)
    batch = [rng.standard_normal((8, *shape)) for shape in inputs]
    return measure(keras.Model(list(inputs.values()), outputs), batch)


@pytest.mark.parametrize("name", KINDS)
def test_units_of_every_kind_of_layer_are_told_apart(all_kinds, name):
    row = row_named(all_kinds, name)
    assert (row.units, row.duplicate_share) == (KINDS[name][-1], 0.0)


def test_structured_inputs_and_outputs_work(x):
    left, right = keras.Input((5,), name="left"), keras.Input((5,), name="right")
    h = layers.Concatenate()([layers.Dense(3)(left), layers.Dense(3)(right)])
    model = keras.Model(
        {"left": left, "right": right},
        {"a": layers.Dense(1, name="a")(h), "b": layers.Dense(2, name="b")(h)},
    )
    model.compile("sgd", {"a": "mse", "b": "mse"}, loss_weights={"a": 1.0, "b": 0.5})
    y = {"a": np.zeros((16, 1)), "b": np.zeros((16, 2))}
    signals = measure(model, {"left": x, "right": x}, y)
    assert sum(row.is_output for row in signals.layers) == 2
    expected = model.evaluate({"left": x, "right": x}, y, batch_size=16, verbose=0)
    assert signals.loss == pytest.approx(np.ravel(expected)[0], rel=1e-4)


def test_a_loss_of_the_models_own_is_used(x):
    class Own(keras.Model):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return 7.0 + 0.0 * ops.sum(y_pred)

    inputs = keras.Input((5,))
    model = Own(inputs, layers.Dense(2)(inputs))
    model.compile("sgd")
    assert measure(model, x, np.zeros((16, 2))).loss == pytest.approx(7.0)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_does_not_underflow(x, policy):
    stack = [layers.Dense(32, "relu", dtype=policy) for _ in range(4)]
    model = keras.Sequential([keras.Input((5,)), *stack, layers.Dense(2, dtype="float32")])
    assert all(row.gradient_norm > 0 for row in measure(model, np.tile(x, (16, 1))).layers)


def test_at_most_256_samples_are_taken_evenly(x):
    model = keras.Sequential([keras.Input((5,)), layers.Dense(2)])
    ordered = np.repeat(np.arange(1000.0)[:, None], 5, axis=1)
    signals = measure(model, ordered)
    assert signals.samples == 256
    assert signals.input_rms == pytest.approx(np.sqrt(np.mean(ordered**2)), rel=0.01)


def test_one_sample_is_enough(x):
    model = keras.Sequential([keras.Input((5,)), layers.BatchNormalization(), layers.Dense(2)])
    assert measure(model, x[:1]).layers[0].gradient_norm > 0


# --- no trace ---------------------------------------------------------------------------------


@pytest.mark.parametrize("with_targets", [False, True])
def test_nothing_changes(fitted_model, x, with_targets):
    before = state_of(fitted_model)
    measure(fitted_model, x, np.arange(16) % 3 if with_targets else None)
    for old, new in zip(before, state_of(fitted_model), strict=True):
        np.testing.assert_array_equal(old, new)


def test_training_after_a_measurement_is_bit_identical(x):
    y = np.arange(16) % 3

    def trained(*, measured):
        keras.utils.set_random_seed(5)
        model = keras.Sequential(
            [keras.Input((5,)), layers.Dense(8, "relu"), layers.Dropout(0.5), layers.Dense(3)]
        )
        model.compile("adam", keras.losses.SparseCategoricalCrossentropy(True))
        if measured:
            measure(model, x, y)
        model.fit(x, y, batch_size=8, epochs=2, verbose=0)
        return [numpy(weight) for weight in model.weights]

    for plain, measured in zip(trained(measured=False), trained(measured=True), strict=True):
        np.testing.assert_array_equal(plain, measured)


def test_the_compiled_loss_stays_unbuilt(mixed_model, x):
    metrics = [metric.name for metric in mixed_model.metrics]
    measure(mixed_model, x, np.arange(16) % 3)
    assert [metric.name for metric in mixed_model.metrics] == metrics
    assert not mixed_model._compile_loss.built


def test_an_error_inside_leaves_no_hook_behind(x):
    class Fails(layers.Layer):
        broken = False

        def call(self, inputs):
            if self.broken:
                raise RuntimeError("broken on purpose")
            return inputs

    fails, dense = Fails(), layers.Dense(3, activation="relu")
    model = keras.Sequential([keras.Input((5,)), dense, fails])
    before = set(dense.__dict__), dense.activation
    fails.broken = True
    with pytest.raises(RuntimeError, match="broken on purpose"):
        measure(model, x)
    assert (set(dense.__dict__), dense.activation) == before


def test_two_measurements_are_equal(mixed_model, x):
    assert measure(mixed_model, x) == measure(mixed_model, x)


# --- refused ----------------------------------------------------------------------------------


def test_an_unbuilt_model_is_refused(x):
    with pytest.raises(ValueError, match=r"no weights yet.*unbuilt model 'sequential"):
        measure(keras.Sequential([layers.Dense(3)]), x)


class Container(keras.Model):
    """Parts that a loop of the user's own calls; it has no `call`."""

    def __init__(self, *parts):
        super().__init__()
        self.parts = list(parts)


class Plain(keras.Model):
    """A model of numbers that Keras does not know."""

    def call(self, inputs):
        return 5.0 * inputs


def test_parts_of_a_model_that_is_not_called_itself_are_asked_for():
    part = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    with pytest.raises(ValueError, match=r"never called\. .* or pass its parts, one by one"):
        measure(Container(part), np.ones((4, 3)))


def test_a_built_model_without_weights_is_not_called_unbuilt():
    model = Plain()
    model(np.ones((4, 3), "float32"))
    with pytest.raises(ValueError, match=r"has no weights\. .*`add_weight` alone"):
        measure(model, np.ones((4, 3)))


@pytest.mark.parametrize("shape", [(4, 6), (4,), (4, 5, 1)])
def test_a_wrong_shape_is_refused_with_both_shapes(shape):
    model = keras.Sequential([keras.Input((5,)), layers.Dense(3)])
    with pytest.raises(ValueError, match=r"\(None, 5\).*Received: x of shape \(4"):
        measure(model, np.zeros(shape))


@pytest.mark.parametrize("empty", [np.zeros((0, 5)), np.float32(1.0)], ids=["no_rows", "scalar"])
def test_an_empty_batch_is_refused(empty):
    model = keras.Sequential([keras.Input((5,)), layers.Dense(3)])
    with pytest.raises(ValueError, match="at least one sample"):
        measure(model, empty)


def test_targets_of_another_length_are_refused(x):
    model = keras.Sequential([keras.Input((5,)), layers.Dense(3)])
    with pytest.raises(ValueError, match=r"same number of samples.*y of shape \(3,\)"):
        measure(model, x, np.zeros(3))


@pytest.mark.skipif(
    not hasattr(keras, "RematScope") or keras.config.backend() == "tensorflow",
    reason="Keras cannot train such a model there",
)
def test_a_model_that_computes_its_activations_twice_is_measured_as_another():
    def built():
        inputs = keras.Input((6,))
        x = layers.Dense(6, "gelu", kernel_initializer=keras.initializers.HeNormal(1))(inputs)
        return keras.Model(inputs, layers.Dense(2, kernel_initializer="ones")(x + inputs))

    batch = np.random.default_rng(0).normal(size=(8, 6)).astype("float32")
    with keras.RematScope(mode="full"):
        twice = built()
    found, expected = (measure(model, batch, np.ones((8, 2))) for model in (twice, built()))
    for row, other in zip(found.layers, expected.layers, strict=True):
        assert row.activation_rms == other.activation_rms
        assert row.gradient_rms == other.gradient_rms


def test_the_usual_gain_is_that_of_glorot_weights():
    model = keras.Sequential([keras.Input((16,)), layers.Dense(64), layers.Dense(4)])
    wide, narrow = measure(model, np.ones((2, 16), "float32")).layers
    assert wide.usual_gain == pytest.approx((2 * 16 / (16 + 64)) ** 0.5)
    assert narrow.usual_gain == pytest.approx((2 * 64 / (64 + 4)) ** 0.5)
