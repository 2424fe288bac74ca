"""The private Keras API that `_backend` reads still means what it meant."""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest

from kerasinit import _backend
from kerasinit._backend import _tracing

SEEN = []


def remember(shape, dtype=None):
    SEEN.append((_backend.building_layer(), _backend.building_path()))
    return keras.ops.zeros(shape, dtype)


@pytest.mark.parametrize(
    ("layer", "inputs", "path"),
    [
        (keras.layers.Dense(2, kernel_initializer=remember, name="d"), (3,), "d"),
        (keras.layers.DepthwiseConv2D(3, depthwise_initializer=remember, name="w"), (8, 8, 2), "w"),
        (keras.layers.LSTM(2, kernel_initializer=remember, name="r"), (4, 3), "r/lstm_cell"),
    ],
    ids=["dense", "depthwise", "lstm"],
)
def test_a_building_layer_and_its_path_are_seen(layer, inputs, path):
    SEEN.clear()
    layer(keras.Input(inputs))
    seen_layer, seen_path = SEEN[-1]
    assert seen_layer is getattr(layer, "cell", layer)
    assert seen_path == path


def test_no_layer_is_seen_outside_a_build():
    assert _backend.building_layer() is None
    assert _backend.building_path() == ""


def test_layer_scope_looks_like_a_build():
    layer = keras.layers.Dense(2, name="d")
    with _backend.layer_scope(layer, "outer/inner/d"):
        assert _backend.building_layer() is layer
        assert _backend.building_path() == "outer/inner/d"
    assert _backend.building_layer() is None


def test_evaluate_leaves_a_trace():
    seen = []

    class Probe(keras.layers.Layer):
        def call(self, inputs):
            seen.append(_backend.evaluate(keras.ops.tanh, np.array([0.0, 1.0])))
            return inputs

    keras.Sequential([Probe()]).predict(np.ones((1, 2)), verbose=0)
    np.testing.assert_allclose(seen[-1], np.tanh([0.0, 1.0]), rtol=1e-6)


# --- what initializers read ---------------------------------------------------------------------


def test_open_scopes_name_what_is_built_inside_what():
    seen = []

    def remember_scopes(shape, dtype=None):
        seen.extend(_backend.open_scopes())
        return keras.ops.zeros(shape, dtype)

    layer = keras.layers.LSTM(2, kernel_initializer=remember_scopes, name="r")
    model = keras.Sequential([keras.Input((4, 3)), layer], name="m")
    assert seen == [("m", model), ("r", layer), ("lstm_cell", layer.cell)]


def test_a_graph_model_is_told_from_a_layer():
    inputs = keras.Input((2,))
    assert _backend.is_graph_model(keras.Model(inputs, keras.layers.Dense(2)(inputs)))
    assert _backend.is_graph_model(keras.Sequential())
    assert not _backend.is_graph_model(keras.layers.Dense(2))


def test_a_variable_made_while_tracing_is_deferred():
    seen = []

    def remember_variable(shape, dtype=None):
        seen.append((_backend.in_stateless_scope(), _backend.deferred_variable()))
        return keras.ops.zeros(shape, dtype)

    class Traced(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(2, kernel_initializer=remember_variable)

        def call(self, inputs):
            return self.dense(inputs)

    model = Traced()
    model(np.ones((1, 3), "float32"))
    assert (True, None) in seen
    assert seen[-1][0] is False
    assert seen[-1][1] is model.dense.kernel
    assert _backend.deferred_variable() is None


# --- layers, variables and graphs (room models) -------------------------------------------------


def small_model():
    return keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(3, name="first"),
            keras.layers.Dropout(0.5),
            keras.layers.BatchNormalization(name="norm"),
        ]
    )


def test_layers_are_listed_once_and_own_their_variables():
    model = small_model()
    names = [layer.name for layer in _backend.flat_layers(model)]
    assert len(names) == len(set(names))
    first, norm = model.get_layer("first"), model.get_layer("norm")
    assert [v.name for v in _backend.own_variables(first)] == ["kernel", "bias"]
    assert len(_backend.own_variables(norm)) == 4
    assert _backend.own_variables(model) == []


def test_seed_states_are_those_of_the_layer():
    (dropout,) = (one for one in small_model().layers if isinstance(one, keras.layers.Dropout))
    assert len(_backend.seed_states(dropout)) == 1


def test_declared_initializers_come_from_a_copy_without_values():
    class Scale(keras.layers.Layer):
        def build(self, shape):
            self.scale = self.add_weight(shape=shape[1:], initializer="ones")

    layer = Scale()
    layer.build((None, 3))
    (initializer,) = _backend.declared_initializers(layer)
    assert isinstance(initializer, keras.initializers.Ones)


def test_the_shape_of_a_draw_is_known_without_drawing():
    spec = _backend.output_spec(lambda: keras.ops.ones((2, 3)))
    assert tuple(spec.shape) == (2, 3)


def test_graph_calls_are_in_an_order_that_can_run():
    model = small_model()
    calls = _backend.graph_calls(*_backend.functional_ends(model))
    names = [operation.name for operation, *_ in calls]
    assert names[::2] == ["first", "norm"]


def test_symbolic_calls_are_taken_back():
    layer = keras.layers.Dense(2)
    layer.build((None, 3))
    with _backend.without_traces([layer]):
        layer(keras.Input((3,)))
        assert len(layer._inbound_nodes) == 1
    assert layer._inbound_nodes == []


def test_build_shapes_go_by_argument():
    layer = keras.layers.Dense(2)
    layer.build((None, 3))
    assert _backend.build_shapes(layer) == {"input": (None, 3)}


def test_constructor_arguments_of_custom_layers_are_recorded():
    class Custom(keras.layers.Layer):
        def __init__(self, size):
            super().__init__()

    assert _backend.automatic_config(Custom(size=3)) == {"size": 3}


def test_numbers_are_told_from_what_a_backend_traces():
    seen = []

    def look(tensor):
        seen.append(_backend.is_concrete(tensor))
        return tensor

    look(keras.ops.ones(2))
    _backend.output_spec(lambda: look(keras.ops.ones(2)))
    assert seen == [True, False]


# --- matrix products --------------------------------------------------------------------------


def gram(tensor):
    return keras.ops.transpose(tensor) @ tensor


def test_quiet_calls_that_overlap_leave_the_log_of_tensorflow_as_it_was(caplog):
    logger = logging.getLogger("tensorflow")
    logger.addHandler(caplog.handler)
    before = logger.level, list(logger.filters)
    first_is_in, second_is_in = threading.Event(), threading.Event()

    def first():
        first_is_in.set()
        assert second_is_in.wait(10)
        logger.error("first")

    def second():
        second_is_in.set()
        outer.result(10)
        logger.error("second")

    try:
        with ThreadPoolExecutor(2) as pool:
            outer = pool.submit(_backend.quietly(first))
            assert first_is_in.wait(10)
            pool.submit(_backend.quietly(second)).result(10)
        logger.error("after")
    finally:
        logger.removeHandler(caplog.handler)
    assert (logger.level, logger.filters) == before
    assert {record.message for record in caplog.records} == {"after"}


@pytest.mark.parametrize("layer", [False, True])
def test_the_cause_behind_what_keras_reports_is_found(layer):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    with pytest.raises(ValueError, match="incompatible") as caught:
        (model.layers[0] if layer else model)(np.ones((2, 5)))
    cause = _backend.cause_of(caught.value)
    assert "is incompatible with the layer: expected axis -1 of input shape" in cause
    assert "\n" not in cause
    assert "\x1b" not in cause


def test_the_cause_of_a_plain_error_is_its_first_line():
    assert _backend.cause_of(ValueError("Bad.\nMore.")) == "Bad."
    assert _backend.cause_of(ValueError()) == ""


def test_compiled_gives_the_same_values():
    tensor = keras.random.normal((5, 3), seed=1)
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(_backend.compiled(gram)(tensor)),
        keras.ops.convert_to_numpy(gram(tensor)),
        rtol=1e-6,
    )


@pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="a setting of TensorFlow")
def test_compiled_leaves_the_precision_of_tensorflow_as_it_was():
    import tensorflow as tf

    seen = []

    def remember_precision(tensor):
        seen.append(tf.config.experimental.tensor_float_32_execution_enabled())
        return tensor

    before = tf.config.experimental.tensor_float_32_execution_enabled()
    _backend.compiled(remember_precision)(keras.ops.ones((2, 2)))
    assert seen == [False]
    assert tf.config.experimental.tensor_float_32_execution_enabled() == before


@pytest.mark.skipif(keras.config.backend() != "jax", reason="the others compile nothing here")
def test_on_a_gpu_compiled_tries_no_kernels_except_where_jax_traces(monkeypatch):
    import jax

    seen = []

    def jit(function, compiler_options=None, **options):
        def call(*arguments):
            seen.append(compiler_options)
            return function(*arguments)

        return call

    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    with monkeypatch.context() as patch:
        patch.setattr(jax, "jit", jit)
        double = _backend.compiled(lambda tensor: 2 * tensor)
    assert float(double(3.0)) == 6
    assert float(jax.jit(double)(3.0)) == 6
    assert float(jax.jit(lambda: double(3.0))()) == 6
    assert seen == [_tracing.ONCE["gpu"], None, None]
    assert float(jax.jit(lambda x: x @ x, compiler_options=seen[0])(np.ones((1, 1)))[0, 0]) == 1


@pytest.mark.skipif(keras.config.backend() != "jax", reason="a setting of JAX")
def test_compiled_asks_jax_for_exact_products():
    import jax

    traced = str(jax.make_jaxpr(_backend.compiled(gram))(np.ones((5, 3), "float32")))
    assert "HIGHEST" in traced


# --- gradients --------------------------------------------------------------------------------


@pytest.mark.parametrize("as_whole", [False, True])
def test_gradient_gives_value_extra_and_zeros_for_what_is_not_used(as_whole):
    def function(inputs):
        return keras.ops.sum(inputs[0] ** 2), {"double": 2 * inputs[0]}

    inputs = [keras.ops.convert_to_tensor(np.array([1.0, 3.0], "float32")), keras.ops.ones((2, 2))]
    value, extra, gradients = _backend.gradient(function, inputs, as_whole=as_whole)
    assert float(value) == 10.0
    double, used, unused = map(keras.ops.convert_to_numpy, (extra["double"], *gradients))
    np.testing.assert_array_equal(double, [2.0, 6.0])
    np.testing.assert_array_equal(used, [2.0, 6.0])
    np.testing.assert_array_equal(unused, np.zeros((2, 2)))


def test_gradient_takes_the_values_of_variables():
    variable = keras.Variable(np.array([2.0], "float32"))
    start = keras.ops.convert_to_tensor(variable)
    _, _, (slope,) = _backend.gradient(lambda inputs: (inputs[0][0] ** 3, None), [start])
    assert float(slope[0]) == pytest.approx(12.0)


def test_the_compiled_loss_lent_to_a_model_has_its_weights_and_is_taken_back():
    inputs = keras.Input((2,))
    model = keras.Model(inputs, [inputs + 1.0, inputs + 2.0])
    model.compile("sgd", ["mse", "mse"], loss_weights=[1.0, 10.0])
    own = model._compile_loss
    y = [np.zeros((1, 2), "float32")] * 2
    y_pred = [keras.ops.ones((1, 2)), 2 * keras.ops.ones((1, 2))]
    with _backend.spare_compiled_loss(model, y, y_pred) as spare:
        assert model._compile_loss is spare
        assert float(model.compute_loss(y=y, y_pred=y_pred)) == pytest.approx(1.0 + 10 * 4.0)
    assert model._compile_loss is own
    assert not own.built


def test_there_is_no_loss_to_lend_before_compile():
    with _backend.spare_compiled_loss(keras.Sequential(), None, None) as spare:
        assert spare is None


# --- watching the optimizer -------------------------------------------------------------------


def compiled_model(optimizer="sgd"):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile(optimizer, "mse")
    return model


def test_a_train_step_of_ones_own_is_compiled_beside_keras():
    model, seen = compiled_model(), []
    model.make_train_function()
    before = dict(vars(model))
    own = model.train_step

    def train_step(*arguments):
        seen.append(len(arguments))
        return own(*arguments)

    compiled = _backend.compile_train_step(model, train_step)
    assert compiled is not before["train_function"]
    assert {key: before[key] is value for key, value in vars(model).items()} == dict.fromkeys(
        before, True
    )
    model.__dict__["train_function"] = compiled
    model.train_on_batch(np.ones((4, 3)), np.ones((4, 2)))
    assert seen == [2 if keras.config.backend() == "jax" else 1]


def test_gradients_enter_an_optimizer_where_they_are_observed():
    model, seen = compiled_model(), []

    def observe(variables, gradients, values, scale):
        seen.append((len(variables), len(gradients), len(values), scale))
        return lambda after: seen.append(len(after))

    entry, replacement = _backend.observed_entry(model.optimizer, observe)
    model.optimizer.__dict__[entry] = replacement
    model.fit(np.ones((4, 3)), np.ones((4, 2)), verbose=0)
    assert seen[:2] == [(2, 2, 2, None), 2]


def test_the_scale_and_the_accumulators_of_an_optimizer_are_found():
    inner = keras.optimizers.SGD(gradient_accumulation_steps=3)
    optimizer = keras.optimizers.LossScaleOptimizer(inner)
    assert _backend.loss_scaling(optimizer)
    assert _backend.accumulation_steps(optimizer) == 3
    model = compiled_model(optimizer)
    model.fit(np.ones((4, 3)), np.ones((4, 2)), verbose=0)
    assert len(inner._accumulated_gradients) == 2
    assert float(optimizer.dynamic_scale) > 0


@pytest.mark.parametrize("takes", [True, False], ids=["with", "without"])
def test_training_is_handed_to_models_whose_call_takes_it(takes):
    class Takes(keras.Model):
        def call(self, inputs, training=None):
            return inputs

    class DoesNot(keras.Model):
        def call(self, inputs):
            return inputs

    found = _backend.training_argument((Takes if takes else DoesNot)(), True)
    assert found == ({"training": True} if takes else {})


@pytest.mark.parametrize("own", [False, True])
def test_keras_own_train_step_is_told_apart(own):
    class Own(keras.Sequential):
        def train_step(self, *arguments):
            return super().train_step(*arguments)

    assert _backend.has_keras_train_step((Own if own else keras.Sequential)()) is not own


@pytest.mark.skipif(_backend.compiles_steps(), reason="of steps that are not compiled")
@pytest.mark.parametrize(
    "lengths", [(3, 1), (0, 4, 0, 2), (2, 0, 0), (0, 0)], ids=["all", "gaps", "end", "none"]
)
def test_parts_of_a_vector_may_be_empty(lengths):
    values = np.arange(1.0, sum(lengths) + 1, dtype="float32")
    parts = np.split(values, np.cumsum(lengths)[:-1])
    found = []

    def run(vector):
        sums = _backend.sums_of_squared_parts(vector, lengths)
        found.append(tuple(sums.shape))
        return sums

    if keras.config.backend() == "tensorflow":
        import tensorflow as tf

        run = tf.function(run)
    sums = keras.ops.convert_to_numpy(run(keras.ops.convert_to_tensor(values)))
    np.testing.assert_array_equal(sums, [np.sum(part**2) for part in parts])
    assert found == [(len(lengths),)]  # known while tracing
