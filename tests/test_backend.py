"""The private Keras API that `_backend` reads still means what it meant."""

import builtins
import copy
import logging
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest

import kerasinit
from kerasinit import _backend
from kerasinit._backend import _keras, _keras_training
from kerasinit.layers import kind_of

of_jax = pytest.mark.skipif(keras.config.backend() != "jax", reason="functions of JAX")


@pytest.mark.parametrize(
    ("make", "inputs", "names"),
    [
        (lambda init: keras.layers.Dense(2, kernel_initializer=init, name="d"), (3,), ["d"]),
        (
            lambda init: keras.layers.DepthwiseConv2D(3, depthwise_initializer=init, name="w"),
            (8, 8, 2),
            ["w"],
        ),
        (
            lambda init: keras.layers.LSTM(2, kernel_initializer=init, name="r"),
            (4, 3),
            ["r", "lstm_cell"],
        ),
    ],
    ids=["dense", "depthwise", "lstm"],
)
def test_a_building_layer_and_the_names_around_it_are_seen(make, inputs, names):
    seen = []

    def remember(shape, dtype=None):
        seen.append((_backend.building_layer(), [name for name, _ in _backend.open_scopes()]))
        return keras.ops.zeros(shape, dtype)

    layer = make(remember)
    layer(keras.Input(inputs))
    seen_layer, seen_names = seen[-1]
    assert seen_layer is getattr(layer, "cell", layer)
    assert seen_names == names


def test_no_layer_is_seen_outside_a_build():
    assert _backend.building_layer() is None
    assert _backend.open_scopes() == []


def test_layer_scope_looks_like_a_build():
    layer = keras.layers.Dense(2, name="d")
    with _backend.layer_scope(layer, "outer/inner/d"):
        assert _backend.building_layer() is layer
        assert keras.Variable(0.0, name="v").path == "outer/inner/d/v"
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
    assert _backend.is_graph_model(keras.Model(inputs, keras.layers.Identity()(inputs)))
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
    class Scaled(keras.layers.Layer):
        def build(self, shape):
            self.scale = self.add_weight(shape=(shape[-1],), initializer="ones")

    layer = Scaled()
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
    with _backend.symbolic_calls([layer]):
        layer(keras.Input((3,)))
        assert len(layer._inbound_nodes) == 1
    assert layer._inbound_nodes == []


def test_a_rule_of_shapes_that_a_user_set_is_put_back():
    layer = keras.layers.Dense(2)
    layer.build((None, 3))
    own = layer.compute_output_spec = lambda x: keras.KerasTensor((None, 2))
    with _backend.symbolic_calls([layer]):
        assert layer.compute_output_spec is not own
    assert layer.compute_output_spec is own


def test_another_thread_traces_the_same_layer_afterwards():
    layer = keras.layers.Dense(2)
    layer.build((None, 3))

    def trace():
        with _backend.symbolic_calls([layer]):
            layer(keras.Input((3,)))

    with _backend.symbolic_calls([layer]):
        rule = layer.compute_output_spec
        other = threading.Thread(target=trace)
        other.start()
        other.join(0.05)
        assert other.is_alive()
        assert layer.compute_output_spec is rule
        layer(keras.Input((3,)))
        assert len(layer._inbound_nodes) == 1
    other.join()
    assert layer._inbound_nodes == []
    assert "compute_output_spec" not in vars(layer)


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


# --- where Keras has moved what it keeps private --------------------------------------------------


@pytest.fixture
def asked_anew():
    """As in a new process: nothing was asked, nobody was warned."""
    for function in (_keras.missing, _keras._unreadable):
        function.cache_clear()
    yield
    for function in (_keras.missing, _keras._unreadable):
        function.cache_clear()


@pytest.fixture
def no_private_modules(asked_anew, monkeypatch):
    """`keras.src` as if it had been emptied, for kerasinit."""
    real = builtins.__import__

    def without_source(name, scope=None, *rest):
        importer = str((scope or {}).get("__name__"))
        if name.startswith("keras.src") and importer.startswith("kerasinit"):
            raise ImportError(name)
        return real(name, scope, *rest)

    monkeypatch.setattr(builtins, "__import__", without_source)


def depthwise():
    layer = keras.layers.DepthwiseConv2D(3, depthwise_initializer="kerasinit>HeNormal")
    layer.build((None, 8, 8, 64))
    return float(np.std(keras.ops.convert_to_numpy(layer.kernel)))


def test_fans_come_from_the_layer():
    assert depthwise() == pytest.approx((2 / 9) ** 0.5, rel=0.1)


@pytest.mark.parametrize("key", ["name_scope_stack", None], ids=["name", "module"])
def test_a_name_scope_that_moved_is_warned_about_once_and_the_shape_decides(
    key, request, asked_anew, monkeypatch
):
    if key is None:
        request.getfixturevalue("no_private_modules")
    else:
        monkeypatch.setattr(_keras, "SCOPES", "moved")
        monkeypatch.setattr(_keras, "CONSEQUENCES", {"moved": _keras.CONSEQUENCES[key]})
    with pytest.warns(UserWarning, match="cannot see") as warned:
        deviations = depthwise(), depthwise()
    assert deviations == pytest.approx([(2 / (9 * 64)) ** 0.5] * 2, rel=0.1)
    assert _backend.building_layer() is None
    of_scope = [str(one.message) for one in warned if "being built" in str(one.message)]
    assert len(of_scope) == 1
    assert "initializers take their fans from the shape" in of_scope[0]
    assert keras.__version__ in of_scope[0]


def test_each_fact_of_the_global_state_is_found_today(asked_anew):
    assert _keras._unreadable() == frozenset()
    assert not _keras._read(_keras.WAITING)  # what the question made is taken back


@pytest.mark.parametrize(
    ("key", "consequence", "answer"),
    [
        ("TRACING", "start from other weights", _backend.in_stateless_scope),
        ("WAITING", "take the outer model", _backend.deferred_variable),
    ],
    ids=["tracing", "waiting"],
)
def test_other_state_that_moved_is_warned_about(key, consequence, answer, asked_anew, monkeypatch):
    monkeypatch.setattr(
        _keras, "CONSEQUENCES", {"moved": _keras.CONSEQUENCES[getattr(_keras, key)]}
    )
    monkeypatch.setattr(_keras, key, "moved")
    with pytest.warns(UserWarning, match=consequence), keras.StatelessScope():
        assert not answer()
    if key == "WAITING":
        assert _backend.declared_initializers(keras.layers.Dense(2)) is None


def test_nothing_of_the_import_or_of_gain_needs_what_is_private():
    code = """
        import builtins, sys
        import keras

        real = builtins.__import__
        others = {"jax", "tensorflow", "torch"} - {keras.config.backend()}

        def refusing(name, scope=None, *rest):
            importer = str((scope or {}).get("__name__"))
            if name.startswith("keras.src") and importer.startswith("kerasinit"):
                raise ImportError(name)
            if name.partition(".")[0] in others and importer.startswith("kerasinit"):
                raise AssertionError(f"{importer} imports {name}")
            return real(name, scope, *rest)

        builtins.__import__ = refusing
        import kerasinit
        from kerasinit import callbacks, experiments, models, report, signals

        assert round(kerasinit.gain("gelu"), 2) == 1.53, kerasinit.gain("gelu")
        assert round(kerasinit.gain(lambda x: x * keras.ops.sigmoid(x)), 2) == 1.68
    """
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", textwrap.dedent(code)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_models_are_initialized_without_what_is_private(no_private_modules):
    model = small_model()
    with pytest.warns(UserWarning, match="cannot see") as warned:
        kerasinit.initialize(model, seed=1)
    messages = [str(one.message) for one in warned if one.category is UserWarning]
    said = {message.partition("see ")[2].partition(" in Keras")[0] for message in messages}
    assert "the graph of a model" in said
    assert len(said) == len(messages)
    assert 0 < np.std(model.get_weights()[0]) < 1


def nested_layer():
    class Nested(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.direct = keras.layers.Dense(2)
            self.listed = [keras.layers.Dense(2), {"a": keras.layers.Dropout(0.5)}]
            self.again = self.direct
            self.own = self.add_weight(shape=(3,))
            self.fixed = self.add_weight(shape=(2,), trainable=False)

    layer = Nested()
    layer.direct.build((None, 3))
    return layer


class Moved:
    """A layer without one of its attributes."""

    def __init__(self, layer, *names):
        vars(self).update({key: value for key, value in vars(layer).items() if key not in names})
        self._of = lambda key: getattr(layer, key)
        self._names = names

    def __getattr__(self, key):
        if key in self._names:
            raise AttributeError(key)
        return self._of(key)


def test_layers_are_found_among_the_attributes_of_a_layer():
    layer = nested_layer()
    moved = Moved(layer, "_flatten_layers")
    found = _backend.flat_layers(moved)
    assert found[0] is moved
    assert set(map(id, found[1:])) == set(map(id, _backend.flat_layers(layer)[1:]))


def test_own_variables_are_those_of_no_sublayer():
    layer = nested_layer()
    found = _backend.own_variables(Moved(layer, "_trainable_variables"))
    assert [id(v) for v in found] == [id(layer.own), id(layer.fixed)]


def test_seed_states_are_found_among_the_attributes_of_a_layer():
    layer = keras.layers.Dropout(0.5)
    (state,) = _backend.seed_states(Moved(layer, "_seed_generators"))
    assert state is layer.seed_generator.state


def test_build_shapes_are_read_from_the_config_too():
    layer = keras.layers.Dense(2)
    layer.build((None, 3))
    assert _backend.build_shapes(Moved(layer, "_build_shapes_dict")) == {"input": (None, 3)}


def test_constructor_arguments_that_moved_are_warned_about(asked_anew):
    with pytest.warns(UserWarning, match="`portable` leaves the initializers among them"):
        assert _backend.automatic_config(Moved(keras.layers.Dense(2), "_auto_config")) == {}


def test_the_shape_of_a_draw_is_known_through_public_names(no_private_modules):
    spec = _backend.output_spec(lambda: keras.ops.ones((2, 3)))
    assert tuple(spec.shape) == (2, 3)


def test_traces_stay_where_the_nodes_of_a_layer_moved():
    layer = Moved(keras.layers.Dense(2), "_inbound_nodes", "_outbound_nodes")
    with _backend.symbolic_calls([layer]):
        pass


def test_a_compiled_loss_that_cannot_be_copied_is_not_lent(asked_anew):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    model.compile("sgd", "mse")
    del model._compile_loss._user_loss
    with (
        pytest.warns(UserWarning, match="counts its batch in the model's own loss"),
        _backend.spare_compiled_loss(model, np.zeros((1, 2)), keras.ops.ones((1, 2))) as spare,
    ):
        assert spare is None


def test_what_an_optimizer_hides_is_warned_about(asked_anew):
    optimizer = Moved(
        keras.optimizers.SGD(), "_trainable_variables", "_accumulated_gradients", "_clip_gradients"
    )
    gradients = [keras.ops.ones((2,)), None]
    with pytest.warns(UserWarning, match="records nothing"):
        assert _keras_training.trained_variables(optimizer) == []
    with pytest.warns(UserWarning, match="those of a step"):
        assert _keras_training.accumulator(optimizer, None) is None
    with pytest.warns(UserWarning, match="as unclipped"):
        assert _backend.clipped_gradients(optimizer, gradients) is gradients


# --- matrix products --------------------------------------------------------------------------


def gram(tensor):
    return keras.ops.transpose(tensor) @ tensor


@pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="the others log nothing")
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

    from kerasinit._backend.jax import ONCE

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
    assert seen == [ONCE["gpu"], None, None]
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


def test_gradients_enter_an_optimizer_where_they_are_looked_for():
    model, seen = compiled_model(), []
    name = _backend.entry_name()

    def entry(*arguments, **named):
        update = _backend.update_of(model.optimizer, *arguments, **named)
        variables, gradients, values, scale = update.before()
        seen.append((len(variables), len(gradients), len(values), scale))
        result = own(*update.arguments)
        seen.append(len(update.after(result)))
        return result

    model.optimizer.build(model.trainable_variables)
    own, before = getattr(model.optimizer, name), dict(vars(model.optimizer))
    with _backend.replaced(model.optimizer, **{name: entry}):
        model.fit(np.ones((4, 3)), np.ones((4, 2)), verbose=0)
    assert vars(model.optimizer).keys() == before.keys()
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


# --- what a step reads ----------------------------------------------------------------------------


def arrays_of(*parts):
    return [
        keras.ops.convert_to_numpy(part) if keras.ops.is_tensor(part) else np.array(part)
        for part in parts
    ]


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_parts_are_packed_into_one_vector(dtype):
    rng = np.random.default_rng(0)
    arrays = [rng.integers(-9, 9, size=shape) for shape in ((), (3, 2), (0,), (4,), (1, 2, 3))]
    # Half precision, as the scale of a loss may be; what else is read is float32.
    first = keras.ops.convert_to_tensor(arrays[0], dtype)
    rest = [keras.ops.convert_to_tensor(array, "float32") for array in arrays[1:]]
    vector = keras.ops.convert_to_numpy(_backend.packed([first, [7, 8.5], *rest]))
    assert vector.dtype == np.float32
    expected = [arrays[0].ravel(), [7, 8.5], *(array.ravel() for array in arrays[1:])]
    np.testing.assert_array_equal(vector, np.concatenate(expected))


def test_what_was_packed_stays_when_the_variable_changes():
    variable = keras.Variable(np.ones((2, 3), "float32"))
    vector = _backend.packed([keras.ops.convert_to_tensor(variable)])
    variable.assign(np.zeros((2, 3), "float32"))
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(vector), np.ones(6))


def test_squares_of_half_precision_are_summed_in_float32():
    # 70,000 ones: float16 ends at 65,504.
    squares = _backend.sum_of_squares(keras.ops.ones((700, 100), "float16"))
    assert float(squares) == 70_000


RUN = 4  # neighbours that are read together


def positions(shape, entries):
    """Flat positions of the sampled entries of a tensor of `shape`."""
    # float32 holds whole numbers up to 2^24
    tensor = keras.ops.reshape(keras.ops.arange(1, np.prod(shape) + 1, dtype="float32"), shape)
    found, held, size = arrays_of(*_backend.sampled(tensor, entries))
    assert (held, size) == (found.size, np.prod(shape))
    return found.ravel().astype("int64") - 1


@pytest.mark.parametrize("view", ["column", "expanded"])
def test_the_entries_of_a_view_are_sampled_not_those_between_them(view):
    table = keras.ops.reshape(keras.ops.arange(12_000, dtype="float32"), (4000, 3))
    one = keras.ops.ones((1,))  # the gradient of a sum is a number, expanded
    tensor = table[:, 0] if view == "column" else keras.ops.broadcast_to(one, (4000,))
    copy = keras.ops.convert_to_tensor(np.array(_backend.numpy_of(tensor)))
    found, expected = (arrays_of(*_backend.sampled(each, 100)) for each in (tensor, copy))
    np.testing.assert_array_equal(found[0], expected[0])


@pytest.mark.parametrize(
    ("shape", "most"),
    [
        ((512, 512), 1.3),
        ((4099,), 1.3),
        ((2000, 3), 1.3),
        # Few distances are left that reach every column.
        ((2, 2048), 1.5),
        ((3, 3, 16, 32), 1.5),
        ((7, 1, 1000), 2.5),
    ],
    ids=str,
)
def test_large_tensors_give_evenly_spaced_runs(shape, most):
    found = positions(shape, 1024)
    assert 1024 <= len(found) <= 1024 * most
    runs = found.reshape(-1, RUN)
    np.testing.assert_array_equal(runs - runs[:, :1], [range(RUN)] * len(runs))
    distances = np.diff(runs[:, 0])
    assert len({*distances}) == 1
    assert distances[0] > RUN
    assert found[-1] >= np.prod(shape) - 2 * distances[0]  # to the end


@pytest.mark.parametrize("shape", [(512, 512), (3, 3, 32, 32), (300, 30), (4000, 3), (999, 64)])
def test_every_column_is_met_about_as_often(shape):
    columns = np.bincount(positions(shape, 2048) % shape[-1], minlength=shape[-1])
    assert columns.min() >= 1
    assert columns.max() - columns.min() <= RUN


@pytest.mark.parametrize("shape", [(3, 5), (), (1024,), (1, 1), (3, 3, 16, 16), (130, 30)], ids=str)
def test_all_entries_are_taken_of_what_has_few(shape):
    np.testing.assert_array_equal(positions(shape, 1024), np.arange(np.prod(shape)))


def test_all_entries_are_taken_on_demand():
    np.testing.assert_array_equal(positions((512, 300), None), np.arange(512 * 300))


@pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="only TensorFlow has two ways")
def test_what_xla_compiles_gives_what_single_operations_give():
    import tensorflow as tf

    rng = np.random.default_rng(0)
    shapes = ((512, 300), (3, 3, 16, 32), (40,), (700,), (5120, 1))
    tensors = [tf.constant(rng.normal(size=shape), "float32") for shape in shapes]

    def read(*tensors):
        entries = [_backend.sampled(tensor, 1024)[0] for tensor in tensors]
        return _backend.packed([*entries, *map(_backend.sum_of_squares, tensors)])

    found = tf.function(read, jit_compile=True, autograph=False)(*tensors)
    np.testing.assert_allclose(found, tf.function(read)(*tensors), rtol=1e-5)


# --- functions of the backend that a model calls --------------------------------------------------


def test_a_function_is_of_no_kind_that_has_weights():
    def call_named(name):
        return _backend.RawCall(lambda x: x, name, [])

    for name in ("conv2d", "embedding", "lstm_cell", "dense", "activation"):
        assert kind_of(call_named(name)).family == "other"
    assert kind_of(call_named("relu")).activation == "relu"
    assert kind_of(call_named("batch_norm")).family == "norm"


@of_jax
def test_jax_tells_a_reducer_that_is_looked_up_while_calls_are_recorded():
    import jax

    with _backend.raw_calls():
        pooled = jax.lax.reduce_window(
            keras.Input((4, 4), batch_size=1), -np.inf, jax.lax.max, (1, 2, 2), (1, 2, 2), "VALID"
        )
    operation, *_ = pooled._keras_history
    slope = jax.grad(lambda x: operation(x).sum())  # of `max`, not of any function
    assert slope(np.ones((1, 4, 4), "float32")).sum() == 4


@of_jax
def test_calls_are_recorded_in_the_thread_that_asks():
    import jax.numpy as jnp

    with _backend.raw_calls(), ThreadPoolExecutor(1) as pool:
        x = keras.Input((3,))
        assert isinstance(jnp.add(x, x), keras.KerasTensor)
        with pytest.raises((TypeError, ValueError), match=r"KerasTensor|__jax_array__"):
            pool.submit(lambda: jnp.add(x, x)).result()
        assert pool.submit(lambda: jnp.add(1, 2)).result() == 3


@of_jax
def test_a_function_that_is_recorded_can_be_copied():
    import jax.numpy as jnp

    with _backend.raw_calls():
        found = copy.deepcopy(jnp.add)
    assert found(1, 2) == 3


def counts():
    """Rank, size and shape, as functions of the backend."""
    if keras.config.backend() == "tensorflow":
        import tensorflow as tf

        return tf.rank, tf.size, tf.shape
    import jax.numpy as jnp

    return jnp.ndim, jnp.size, jnp.shape


@pytest.mark.skipif(keras.config.backend() == "torch", reason="they are attributes in torch")
def test_counts_of_the_backend_are_numbers():
    with _backend.raw_calls():
        found = [count(keras.Input((3, 4), batch_size=2)) for count in counts()]
    assert [np.asarray(one).tolist() for one in found] == [3, 24, [2, 3, 4]]


@pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="functions of TensorFlow")
def test_the_types_that_tensorflow_is_asked_for_are_given():
    import tensorflow as tf

    with _backend.raw_calls():
        x = keras.Input((3,), batch_size=2)
        assert tf.shape(x, out_type=tf.int64).dtype == tf.size(x, tf.int64).dtype == tf.int64
        assert tf.convert_to_tensor(x) is x
        assert tf.convert_to_tensor(x, dtype="int32").dtype == "int32"


@pytest.mark.skipif(keras.config.backend() != "torch", reason="modules of torch")
def test_a_search_for_a_rate_leaves_buffers_and_modes_of_torch_modules_as_they_were():
    import torch

    norm = torch.nn.BatchNorm1d(4)
    inner = keras.layers.TorchModuleWrapper(norm, output_shape=(None, 4))
    model = keras.Sequential([keras.Input((4,)), inner, keras.layers.Dense(1)])
    model.compile("adam", "mse")
    before = [norm.training, *[one.clone() for one in norm.buffers()]]
    x = np.random.default_rng(0).standard_normal((64, 4)).astype("float32")
    kerasinit.learning_rate(model, 3 + x, x[:, :1])
    kerasinit.prepare(model, 3 + x, x[:, :1], dry_run=True)
    assert all(map(np.array_equal, before, [norm.training, *norm.buffers()]))


def test_an_apply_that_another_library_put_in_place_is_used_and_stays(monkeypatch):
    own, steps = keras.optimizers.Optimizer.apply, []

    def counted(self, *arguments, **options):
        steps.append(self)
        return own(self, *arguments, **options)

    monkeypatch.setattr(keras.optimizers.Optimizer, "apply", counted)
    x = np.random.default_rng(0).standard_normal((64, 4)).astype("float32")
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    kerasinit.learning_rate(model, x, x[:, :1])
    assert steps
    assert keras.optimizers.Optimizer.apply is counted


def test_scopes_of_one_optimizer_nest():
    outer, inner = keras.optimizers.SGD(), keras.optimizers.SGD()
    variable = keras.Variable([1.0])
    step = [keras.ops.ones(1)], [variable]
    with _backend.sole_optimizer(outer):
        with _backend.sole_optimizer(inner):
            inner.apply(*step)
        outer.apply(*step)
        with pytest.raises(ValueError, match="another optimizer"):
            inner.apply(*step)
    inner.apply(*step)
    assert "apply" not in vars(keras.optimizers.Optimizer)
