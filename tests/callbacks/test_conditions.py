"""The recorded gradient is the real one under everything that `fit` can do."""

import warnings
from typing import NamedTuple

import keras
import numpy as np
import pytest
from keras import layers, ops

from kerasinit.callbacks import GradientStats, GradientWarning

BACKEND = keras.config.backend()
COMPILED = BACKEND == "jax"  # XLA takes long on TensorFlow
BATCH, FEATURES, CLASSES = 16, 6, 3
X = np.random.default_rng(0).normal(size=(2 * BATCH, FEATURES)).astype("float32")
Y = np.random.default_rng(1).normal(size=(2 * BATCH, CLASSES)).astype("float32")


def plain_model():
    return keras.Sequential(
        [
            keras.Input((FEATURES,)),
            layers.Dense(8, activation="tanh", name="first"),
            layers.Dense(CLASSES, name="last"),
        ]
    )


def model_with_a_table(vocabulary):
    return keras.Sequential(
        [
            keras.Input((4,), dtype="int32"),
            layers.Embedding(vocabulary, 3, name="table"),
            layers.Flatten(),
            layers.Dense(CLASSES),
        ]
    )


def values(model):
    return {v.path: np.array(ops.convert_to_numpy(v), "float64") for v in model.trainable_variables}


def step_and_rows(model, optimizer=None, *, x=X, y=Y, batches=1, stats=None, **options):
    """Trains a few batches; returns how the weights moved, and the callback."""
    model.compile(optimizer or keras.optimizers.SGD(1.0), options.pop("loss", "mse"), **options)
    before = values(model)
    stats = stats or GradientStats()
    size = batches * BATCH
    cut = keras.tree.map_structure(lambda a: a[:size], (x, y))
    model.fit(*cut, batch_size=BATCH, shuffle=False, verbose=0, callbacks=[stats])
    after = values(model)
    return {path: before[path] - after[path] for path in before}, stats


def assert_norms(row, moves, model, rtol=1e-4):
    """With a learning rate of 1, plain descent moves by exactly the gradient."""
    prefix = f"{model.name}/"
    for path, move in moves.items():
        expected = np.linalg.norm(move)
        actual = row["variables"][path.removeprefix(prefix)]["norm"]
        assert actual == pytest.approx(expected, rel=rtol, abs=1e-6), path


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")  # torch.compile's own
@pytest.mark.parametrize(
    "options", [{"jit_compile": True}, {"jit_compile": False}, {"run_eagerly": True}], ids=str
)
def test_however_the_step_is_compiled(options):
    model = plain_model()
    moves, stats = step_and_rows(model, **options)
    assert_norms(stats.history[0], moves, model)


@pytest.mark.skipif(BACKEND == "torch", reason="Keras has no steps_per_execution on torch")
def test_steps_per_execution_records_the_last_step_of_each():
    x, y = np.tile(X, (2, 1)), np.tile(Y, (2, 1))
    model = plain_model()
    _, stats = step_and_rows(model, x=x, y=y, batches=4, steps_per_execution=2)
    single = plain_model()
    single.set_weights(plain_weights := [np.ones(v.shape) / 9 for v in model.variables])
    model.set_weights(plain_weights)
    _, one = step_and_rows(single, x=x, y=y, batches=4)
    _, two = step_and_rows(model, x=x, y=y, batches=4, steps_per_execution=2)
    assert [row["step"] for row in stats.history] == [1, 3]
    for row in two.history:
        assert row["grad_norm"] == pytest.approx(one.history[row["step"]]["grad_norm"], rel=1e-4)


def test_clipping_comes_after_the_recorded_gradient():
    optimizer = keras.optimizers.SGD(1.0, global_clipnorm=0.01)
    model = plain_model()
    _, stats = step_and_rows(model, optimizer, stats=GradientStats(clipped=True))
    row = stats.history[0]
    assert row["grad_norm"] > 0.05
    clipped = [part["clipped"]["norm"] for part in row["layers"].values()]
    assert np.linalg.norm(clipped) == pytest.approx(0.01, rel=1e-3)


@pytest.mark.parametrize("factor", [1.0, 1024.0])
def test_a_loss_scale_factor_is_taken_out(factor):
    model = plain_model()
    moves, stats = step_and_rows(model, keras.optimizers.SGD(1.0, loss_scale_factor=factor))
    assert_norms(stats.history[0], moves, model)


def test_moving_averages_of_the_weights_do_not_matter():
    optimizer = keras.optimizers.SGD(1.0, use_ema=True, ema_overwrite_frequency=None)
    model = plain_model()
    model.compile(optimizer, "mse")
    before = values(model)
    stats = GradientStats()
    seen = {}

    class Look(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.update(values(self.model))

    model.fit(X[:BATCH], Y[:BATCH], batch_size=BATCH, verbose=0, callbacks=[stats, Look()])
    assert_norms(stats.history[0], {p: before[p] - seen[p] for p in before}, model)


def test_weights_without_axes():
    """A ReZero factor, a temperature: their gradient is one number."""

    class Factor(layers.Layer):
        def build(self, input_shape):
            self.factor = self.add_weight(shape=(), initializer="ones", name="factor")

        def call(self, inputs):
            return self.factor * inputs

    model = keras.Sequential([keras.Input((FEATURES,)), layers.Dense(CLASSES), Factor()])
    moves, stats = step_and_rows(model)
    assert_norms(stats.history[0], moves, model)


@pytest.mark.parametrize("probed", [None, 1, 2])
@pytest.mark.parametrize("steps", [2, 3])
def test_accumulated_gradients_are_recorded_when_they_are_used(steps, probed):
    x, y = np.tile(X, (3, 1)), np.random.default_rng(3).normal(size=(96, 3)).astype("float32")
    optimizer = keras.optimizers.SGD(1.0, gradient_accumulation_steps=steps)
    model = plain_model()
    stats = GradientStats(activations_every=probed)
    moves, stats = step_and_rows(model, optimizer, x=x, y=y, batches=steps, stats=stats)
    *probes, last = stats.history
    assert last["step"] == steps - 1
    assert_norms(last, moves, model)
    assert all("activations" in row for row in probes)


def updates(stats):
    """Step and update ratio of each row whose step did not overflow."""
    return [
        (row["step"], row["layers"]["last"]["update_ratio"])
        for row in stats.history
        if not row["overflow"]
    ]


def test_a_training_that_goes_on_is_recorded_at_its_updates():
    model, stats = plain_model(), GradientStats()
    model.compile(keras.optimizers.SGD(0.1, gradient_accumulation_steps=2), "mse")
    for _ in range(3):  # of three steps each: the second training begins with an update
        model.fit(X[:24], Y[:24], batch_size=8, verbose=0, callbacks=[stats])
    steps, ratios = zip(*updates(stats), strict=True)
    assert steps == (1, 3, 5, 7)
    assert min(ratios) > 0


def half_model():
    """The plain model in mixed precision."""
    kept = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        return plain_model()
    finally:
        keras.config.set_dtype_policy(kept)


@pytest.mark.parametrize("exponent", [19, 20])
def test_steps_that_overflow_put_off_the_update(exponent):
    model, stats = half_model(), GradientStats(on_verdict=lambda verdict: None)
    inner = keras.optimizers.SGD(0.01, gradient_accumulation_steps=2)
    scale = 2.0**exponent  # halved by each overflow
    model.compile(keras.optimizers.LossScaleOptimizer(inner, initial_scale=scale), "mse")
    x, y = np.tile(X[:8], (24, 1)), np.tile(Y[:8], (24, 1))
    model.fit(x, y, batch_size=8, verbose=0, callbacks=[stats])
    updated = [ratio for _, ratio in updates(stats) if ratio is not None]
    assert float(ops.convert_to_numpy(model.optimizer.dynamic_scale)) < scale
    assert len(updated) >= 4
    assert min(updated) > 0


@pytest.mark.parametrize(("exponent", "count"), [(20, 2), (24, 8)])
def test_all_updates_after_an_overflow_are_recorded_and_nothing_else(exponent, count):
    model, stats = half_model(), GradientStats(on_verdict=lambda verdict: None)
    inner = keras.optimizers.SGD(0.01, gradient_accumulation_steps=count)
    scaled = keras.optimizers.LossScaleOptimizer(inner, initial_scale=2.0**exponent)
    model.compile(scaled, "mse", jit_compile=COMPILED)
    moved, weights = [], [model.get_weights()]

    def note(batch, logs):
        if hasattr(model, "jax_state_sync"):
            model.jax_state_sync()
        weights.append(model.get_weights())
        if any((a != b).any() for a, b in zip(*weights[-2:], strict=True)):
            moved.append(batch)

    x, y = np.tile(X[:8], (40, 1)), np.tile(Y[:8], (40, 1))
    noting = keras.callbacks.LambdaCallback(on_train_batch_end=note)
    model.fit(x, y, batch_size=8, verbose=0, shuffle=False, callbacks=[stats, noting])
    recorded = [row["step"] for row in stats.history if not row["overflow"]]
    assert recorded == [step for step in moved if step >= recorded[0]]
    assert len(recorded) >= len(moved) - 2  # of the first ones, overflows are not known yet


def test_regularized_and_normalized_layers_are_probed():
    inner = layers.Dense(4, kernel_regularizer="l2", activity_regularizer="l1", name="only")
    model = keras.Sequential([keras.Input((FEATURES,)), inner, layers.BatchNormalization(),
                              layers.Dense(CLASSES)])  # fmt: skip
    model.compile("sgd", "mse")
    stats = GradientStats(activations_every=1)
    model.fit(X, Y, batch_size=BATCH, verbose=0, callbacks=[stats])
    assert all(row["activations"]["only"]["signal_gradient_rms"] > 0 for row in stats.history)


def test_layers_with_lora_are_probed():
    model = plain_model()
    model.get_layer("first").enable_lora(2)
    model.compile("sgd", "mse")
    stats = GradientStats(activations_every=1)
    model.fit(X, Y, batch_size=BATCH, verbose=0, callbacks=[stats])
    assert all(row["activations"]["first"]["signal_gradient_rms"] > 0 for row in stats.history)


@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_records_unscaled_gradients(precision):
    kept = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        model = plain_model()
        moves, stats = step_and_rows(model)
    finally:
        keras.config.set_dtype_policy(kept)
    assert stats.overflows == 0
    assert_norms(stats.history[0], moves, model, rtol=1e-3)


@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("activation", ["tanh", layers.LeakyReLU], ids=["function", "layer"])
def test_mixed_precision_probes_activations(precision, activation):
    kept = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        own = activation if isinstance(activation, str) else activation(0.1)
        model = keras.Sequential([keras.Input((FEATURES,)), layers.Dense(3, own, name="only")])
        _, stats = step_and_rows(model, stats=GradientStats(activations_every=1))
    finally:
        keras.config.set_dtype_policy(kept)
    row = stats.history[0]["activations"]["only"]
    assert row["dead_share"] == row["saturated_share"] == 0
    assert row["signal_gradient_rms"] > 0


@pytest.mark.parametrize(("bias", "share"), [(-0.02, 0.5), (0.02, 0.0)])
def test_a_rectifier_that_is_never_on_is_dead_however_near_to_zero(bias, share):
    small = layers.Dense(2, "relu", name="only", kernel_initializer="zeros")
    model = keras.Sequential([keras.Input((FEATURES,)), small])
    small.set_weights([np.zeros((FEATURES, 2)), np.array([bias, 1.0])])
    _, stats = step_and_rows(model, y=Y[:, :2], stats=GradientStats(activations_every=1))
    assert stats.history[0]["activations"]["only"]["dead_share"] == share


def test_an_activation_with_weights_of_the_layers_shape_is_probed_without_shares():
    model = keras.Sequential([keras.Input((FEATURES,)), layers.Reshape((1, 2, 3))])
    model.add(layers.Conv2D(5, 1, name="convolution"))
    model.add(layers.PReLU(shared_axes=[1, 2]))
    model.add(layers.Flatten())
    model.add(layers.Dense(CLASSES))
    _, stats = step_and_rows(model, stats=GradientStats(activations_every=1))
    row = stats.history[0]["activations"]["convolution"]
    assert row["dead_share"] is None
    assert row["rms"] > 0
    assert row["signal_gradient_rms"] > 0


def test_several_outputs_are_probed_and_their_losses_stay_as_they_are():
    def fit(*callbacks):
        keras.utils.set_random_seed(1)
        inputs = keras.Input((FEATURES,))
        hidden = layers.Dense(4, "tanh", name="hidden")(inputs)
        outputs = {name: layers.Dense(CLASSES, name=name)(hidden) for name in ("one", "two")}
        model = keras.Model(inputs, outputs)
        model.compile("sgd", {"one": "mse", "two": "mae"}, metrics={"one": ["mae"]})
        y = {"one": Y, "two": -Y}
        return model.fit(X, y, batch_size=BATCH, shuffle=False, verbose=0, callbacks=callbacks)

    stats = GradientStats(activations_every=1)
    history = fit(stats).history
    assert stats.history[0]["activations"]["hidden"]["signal_gradient_rms"] > 0
    for name, values in fit().history.items():
        np.testing.assert_allclose(history[name], values, rtol=1e-6)


def test_overflow_steps_are_counted_and_not_judged():
    inner = keras.optimizers.SGD(0.01)
    optimizer = keras.optimizers.LossScaleOptimizer(inner, initial_scale=2.0**127)
    x, y = np.tile(X, (4, 1)), 20 * np.tile(Y, (4, 1))
    _, stats = step_and_rows(plain_model(), optimizer, x=x, y=y, batches=8)
    flags = [row["overflow"] for row in stats.history]
    assert stats.overflows == sum(flags)
    assert (flags[0], flags[-1]) == (True, False)
    assert stats.history[0]["layers"]["last"]["update_ratio"] is None
    assert stats.verdicts == []
    assert np.isfinite(stats.history[-1]["grad_norm"])


def test_frozen_layers_are_left_out():
    model = plain_model()
    model.get_layer("first").trainable = False
    moves, stats = step_and_rows(model)
    assert list(stats.history[0]["layers"]) == ["last"]
    assert_norms(stats.history[0], moves, model)


class Idle(layers.Layer):
    """Has a weight that it does not use."""

    def build(self, shape):
        self.kernel = self.add_weight(shape=(2, 2), name="kernel")

    def call(self, inputs):
        return inputs


@pytest.mark.filterwarnings("ignore:Gradients do not exist:UserWarning")
def test_a_weight_without_a_gradient_counts_nothing():
    model = keras.Sequential([keras.Input((FEATURES,)), Idle(name="idle"), layers.Dense(3)])
    _, stats = step_and_rows(model)
    part = stats.history[0]["variables"]["idle/kernel"]
    assert part["norm"] == 0.0
    assert part["connected"] == (BACKEND == "jax")  # JAX gives zeros for what is not used


@pytest.mark.parametrize("vocabulary", [5, 40, 1000])
def test_the_gradient_of_an_embedding_is_that_of_the_whole_table(vocabulary):
    model = model_with_a_table(vocabulary)
    x = np.random.default_rng(0).integers(0, 5, size=(BATCH, 4))
    moves, stats = step_and_rows(model, x=x)
    assert_norms(stats.history[0], moves, model)
    part = stats.history[0]["variables"]["table/embeddings"]
    gradient = next(iter(moves.values()))
    assert part["count"] == vocabulary * 3
    assert part["zeros"] == np.sum(gradient == 0)
    assert part["min"] == pytest.approx(gradient.min(), rel=1e-3)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="only TensorFlow has IndexedSlices")
def test_sparse_gradients_are_summed_under_xla_too():
    model = model_with_a_table(1000)
    x = np.random.default_rng(0).integers(0, 5, size=(BATCH, 4))
    moves, stats = step_and_rows(model, x=x, jit_compile=True)
    assert_norms(stats.history[0], moves, model)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="only TensorFlow has IndexedSlices")
def test_sparse_gradients_of_batches_that_change_their_size_between_trainings():
    import tensorflow as tf

    model = model_with_a_table(3000)
    x = np.random.default_rng(0).integers(0, 3000, size=(2 * BATCH, 4))
    stats = GradientStats()
    model.compile(keras.optimizers.SGD(1.0), "mse")
    for size in (BATCH, 2 * BATCH, BATCH):  # the last comes back to the first one's trace
        batches = tf.data.Dataset.from_tensor_slices((x, Y)).batch(size, drop_remainder=True)
        before = values(model)
        model.fit(batches.take(1), shuffle=False, verbose=0, callbacks=[stats])
        after = values(model)
        moves = {path: before[path] - after[path] for path in before}
        assert_norms(stats.history[-1], moves, model)
        part = stats.history[-1]["variables"]["table/embeddings"]
        assert part["count"] == 9000
        assert part["zeros"] == np.sum(next(iter(moves.values())) == 0)


def test_shared_layers_have_one_row():
    shared = layers.Dense(FEATURES, activation="tanh", name="shared")
    inputs = keras.Input((FEATURES,))
    model = keras.Model(inputs, layers.Dense(CLASSES)(shared(shared(inputs))))
    moves, stats = step_and_rows(model)
    assert next(iter(stats.history[0]["layers"])) == "shared"
    assert_norms(stats.history[0], moves, model)


def test_nested_models_keep_their_paths():
    inner = keras.Sequential([keras.Input((FEATURES,)), layers.Dense(4, name="deep")], name="inner")
    model = keras.Sequential([keras.Input((FEATURES,)), inner, layers.Dense(CLASSES)], name="outer")
    _, stats = step_and_rows(model)
    assert any(name.endswith("deep") for name in stats.history[0]["layers"])


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.first = layers.Dense(5, activation="relu")
        self.last = layers.Dense(CLASSES)

    def call(self, inputs):
        return self.last(self.first(inputs))


def test_subclassed_models():
    model = Subclassed()
    model(X[:1])
    moves, stats = step_and_rows(model)
    assert_norms(stats.history[0], moves, model)


class Pair(NamedTuple):
    low: float
    high: float


@pytest.mark.parametrize(
    "keep",
    [
        lambda model: (model.first, model.last),
        lambda model: Pair(0.0, model.last),
        lambda model: {"of": {"any": [1, (model.last,)]}},
        lambda model: {1, 2},
    ],
    ids=["tuple", "named", "dict", "set"],
)
def test_models_may_keep_what_they_like(keep):
    model = Subclassed()
    model.kept = keep(model)
    model(X[:1])
    moves, stats = step_and_rows(model)
    assert_norms(stats.history[0], moves, model)


def test_unbuilt_models_are_built_by_fit():
    model = keras.Sequential([layers.Dense(CLASSES)])
    model.compile("sgd", "mse")
    stats = GradientStats()
    model.fit(X, Y, batch_size=BATCH, verbose=0, callbacks=[stats])
    assert len(stats.history) == 2


def test_layers_of_one_name_stay_apart():
    model = Subclassed()
    model.first.name = model.last.name = "same"
    model(X[:1])
    _, stats = step_and_rows(model)
    assert len(stats.history[0]["variables"]) == 4


def test_a_train_step_of_ones_own(own_model):
    model = own_model()
    model(X[:1])
    moves, stats = step_and_rows(model, stats=GradientStats(activations_every=1))
    assert_norms(stats.history[0], moves, model)
    (probed,) = stats.history[0]["activations"].values()
    assert probed["signal_gradient_rms"] is None  # its loss is the train step's own affair


def test_train_on_batch_is_recorded_in_a_with_block():
    plain, model = plain_model(), plain_model()
    for each in (plain, model):
        each.compile(keras.optimizers.SGD(1.0), "mse")
    plain.set_weights(model.get_weights())
    expected = plain.train_on_batch(X[:BATCH], Y[:BATCH])
    before = values(model)
    with GradientStats().watching(model) as stats:
        loss = model.train_on_batch(X[:BATCH], Y[:BATCH])
    assert loss == expected
    after = values(model)
    assert_norms(stats.history[0], {p: before[p] - after[p] for p in before}, model)
    assert model.train_on_batch(X[:BATCH], Y[:BATCH]) == plain.train_on_batch(X[:BATCH], Y[:BATCH])
    assert len(stats.history) == 1


def test_a_loop_that_does_not_call_train_on_batch_is_a_complaint():
    model, stats = plain_model(), GradientStats()
    model.compile("sgd", "mse")
    weights = model.trainable_variables
    nothing = [keras.ops.zeros(weight.shape) for weight in weights]
    with (
        pytest.warns(GradientWarning, match=r"not taken by `model\.train_on_batch`"),
        stats.watching(model),
    ):
        model.optimizer.apply(nothing, weights)
    assert not stats.history


def test_no_step_at_all_is_no_complaint():
    model, stats = plain_model(), GradientStats(on_verdict="raise")
    model.compile("sgd", "mse")
    with warnings.catch_warnings():
        warnings.simplefilter("error", GradientWarning)
        with stats.watching(model):
            model(X[:BATCH])
    assert not stats.history


def test_batches_of_another_size_are_recorded_too():
    model = plain_model()
    model.compile("sgd", "mse")
    stats = GradientStats()
    model.fit(X, Y, batch_size=20, verbose=0, callbacks=[stats])
    assert [row["step"] for row in stats.history] == [0, 1]


def test_steps_that_no_train_function_took_are_a_complaint():
    model, stats = plain_model(), GradientStats()
    model.compile("sgd", "mse")
    stats.set_model(model)

    def loop():
        stats.on_train_begin()
        for batch in range(3):
            stats.on_train_batch_begin(batch)
            stats.on_train_batch_end(batch, {})
        stats.on_train_end()

    with pytest.warns(GradientWarning, match="not taken by `model.train_on_batch`") as seen:
        loop()
    assert len([w for w in seen if w.category is GradientWarning]) == 1
    assert not type(vars(model)["train_function"]).__module__.startswith("kerasinit")
    assert len(stats.history) == 0


@pytest.mark.parametrize("in_a_list", [True, False])
def test_a_loop_of_ones_own_that_calls_the_hooks(in_a_list):
    plain, model, stats = plain_model(), plain_model(), GradientStats(every=2)
    plain.set_weights(model.get_weights())
    for each in (plain, model):
        each.compile("sgd", "mse")
    hooks = keras.callbacks.CallbackList([stats], model=model) if in_a_list else stats
    stats.set_model(model)
    hooks.on_train_begin()
    for batch in range(4):
        hooks.on_train_batch_begin(batch)
        model.train_on_batch(X, Y)
        hooks.on_train_batch_end(batch, {})
        plain.train_on_batch(X, Y)
    hooks.on_train_end()
    assert [row["step"] for row in stats.history] == [0, 2]
    for left, right in zip(plain.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)
