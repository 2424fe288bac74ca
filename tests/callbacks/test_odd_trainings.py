"""Trainings that no lab has: each is recorded right, goes on, and leaves nothing behind."""

import warnings

import keras
import numpy as np
import pytest
from keras import layers, ops

from kerasinit.callbacks import GradientError, GradientStats, GradientWarning

BACKEND = keras.config.backend()
COMPILED = BACKEND == "jax"  # XLA takes long on TensorFlow
only_tensorflow = pytest.mark.skipif(BACKEND != "tensorflow", reason="a feature of TensorFlow")


def ignored(verdict):
    """A policy that does nothing."""


def dense_data(samples):
    """Inputs and targets for `dense_model`."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(samples, 4)).astype("float32")
    return x, x[:, :1] * x[:, 1:2]


def dense_model(**options):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((4,)), layers.Dense(4, "relu", name="a"), layers.Dense(1, name="b")]
    )
    model.compile(keras.optimizers.SGD(0.01), "mse", **options)
    return model


def train(model, *callbacks, samples=64, batch_size=16, **options):
    fit = {"batch_size": batch_size, "shuffle": False, "verbose": 0, "callbacks": list(callbacks)}
    return model.fit(*dense_data(samples), **(fit | options)).history


def steps_of(stats):
    return [row["step"] for row in stats.history]


class Moves(keras.callbacks.Callback):
    """By how much each step moved each weight, over the learning rate."""

    def __init__(self, learning_rate):
        super().__init__()
        self.learning_rate = learning_rate
        self.norms = []

    def _values(self):
        return [np.array(ops.convert_to_numpy(v)) for v in self.model.trainable_variables]

    def on_train_batch_begin(self, batch, logs=None):
        self._before = self._values()

    def on_train_batch_end(self, batch, logs=None):
        pairs = zip(self._before, self._values(), strict=True)
        norms = [np.linalg.norm(before - after) / self.learning_rate for before, after in pairs]
        self.norms.append(norms)


def assert_every_gradient_is_recorded(model, x, y, *, steps, loss="mse", rtol=1e-3, **options):
    """Plain descent moves each weight by the gradient: what is recorded is what was seen."""
    model.compile(keras.optimizers.SGD(0.1), loss, **options)
    moves, stats = Moves(0.1), GradientStats(on_verdict=ignored)
    model.fit(x, y, batch_size=32, verbose=0, shuffle=False, callbacks=[moves, stats])
    assert len(stats.history) == steps
    recorded = [[part["norm"] for part in row["variables"].values()] for row in stats.history]
    np.testing.assert_allclose(recorded, moves.norms, rtol=rtol, atol=1e-5)
    return stats


# --- shapes that are unknown while the step is traced ---------------------------------------------


def with_attention():
    inputs = keras.Input((8, 4))
    return keras.Model(inputs, layers.Dense(2)(layers.MultiHeadAttention(2, 2)(inputs, inputs)))


def stacked(*parts):
    return lambda: keras.Sequential([part() for part in parts])


SEQUENCES = {
    "dense_on_tokens": stacked(
        lambda: keras.Input((8, 4)),
        lambda: layers.Dense(6, activation="relu"),
        lambda: layers.Dense(2),
    ),
    "repeat_vector": stacked(
        lambda: keras.Input((4,)), lambda: layers.RepeatVector(3), lambda: layers.Dense(2)
    ),
    "lstm": stacked(
        lambda: keras.Input((8, 4)),
        lambda: layers.LSTM(6, return_sequences=True),
        lambda: layers.Dense(2),
    ),
    "convolution": stacked(
        lambda: keras.Input((8, 4)),
        lambda: layers.Conv1D(6, 3, padding="same"),
        lambda: layers.Dense(2),
    ),
    "reshape": stacked(
        lambda: keras.Input((12,)),
        lambda: layers.Dense(12),
        lambda: layers.Reshape((3, 4)),
        lambda: layers.Dense(2),
    ),
    "attention": with_attention,
    "encoder_decoder": stacked(
        lambda: keras.Input((7, 5)),
        lambda: layers.LSTM(4),
        lambda: layers.RepeatVector(3),
        lambda: layers.LSTM(4, return_sequences=True),
        lambda: layers.Dense(5, activation="softmax"),
    ),
}


def assert_sequences_are_recorded(make, **options):
    """Of 70 samples in batches of 32, the last batch is shorter."""
    model = make()
    rng = np.random.default_rng(0)
    x = rng.normal(size=(70, *model.input_shape[1:])).astype("float32")
    y = rng.uniform(size=(70, *model.output_shape[1:])).astype("float32")
    assert_every_gradient_is_recorded(model, x, y, steps=3, **options)


@pytest.mark.parametrize("make", SEQUENCES.values(), ids=SEQUENCES)
def test_sequences_whose_last_batch_is_shorter(make):
    assert_sequences_are_recorded(make)


@only_tensorflow  # whose default without a GPU is no XLA
def test_sequences_whose_last_batch_is_shorter_under_xla():
    assert_sequences_are_recorded(SEQUENCES["dense_on_tokens"], jit_compile=True)


@only_tensorflow
@pytest.mark.filterwarnings("ignore:Your input ran out of data:UserWarning")
@pytest.mark.parametrize(("every", "expected"), [(1, [*range(9)]), (2, [0, 2, 4, 6, 8])])
def test_data_of_unknown_length(every, expected):
    import tensorflow as tf

    x, y = dense_data(48)
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(16).filter(lambda *batch: True)
    stats = GradientStats(every)
    dense_model().fit(data, epochs=3, shuffle=False, verbose=0, callbacks=[stats])
    assert steps_of(stats) == expected


# --- models with nothing but odd weights ----------------------------------------------------------


def test_a_model_of_nothing_but_embeddings():
    rng = np.random.default_rng(0)
    users, items = (rng.integers(0, count, (70, 1)).astype("int32") for count in (30, 200))
    ends = [keras.Input((1,), dtype="int32"), keras.Input((1,), dtype="int32")]
    tables = [layers.Embedding(30, 8, name="users"), layers.Embedding(200, 8, name="items")]
    dot = layers.Dot(2)([table(end) for table, end in zip(tables, ends, strict=True)])
    model = keras.Model(ends, layers.Flatten()(dot))
    y = rng.uniform(size=(70, 1)).astype("float32")
    stats = assert_every_gradient_is_recorded(model, [users, items], y, steps=3)
    for row, batch in zip(stats.history, np.split(items, [32, 64]), strict=True):
        part = row["variables"]["items/embeddings"]
        assert part["count"] == 200 * 8
        assert part["zeros"] == 8 * (200 - len(np.unique(batch)))
        assert part["min"] <= 0 <= part["max"]
        assert part["mean"] == pytest.approx(part["total"] / 1600, abs=1e-8)


class Factor(layers.Layer):
    """One number, as the gain of ReZero or a temperature."""

    def build(self, shape):
        self.factor = self.add_weight(shape=(), initializer="ones", name="factor")

    def call(self, inputs):
        return self.factor * inputs


def test_a_model_of_nothing_but_scalars():
    model = keras.Sequential([keras.Input((4,)), Factor(), Factor()])
    x = np.random.default_rng(0).normal(size=(70, 4)).astype("float32")
    assert_every_gradient_is_recorded(model, x, 0.5 * x, steps=3)


# --- train steps of one's own ---------------------------------------------------------------------


def coupling():
    inputs = keras.Input((2,))
    scale = shift = inputs
    for _ in range(2):
        shift = layers.Dense(32, activation="relu")(shift)
        scale = layers.Dense(32, activation="relu")(scale)
    shift = layers.Dense(2)(shift)
    return keras.Model(inputs, [layers.Dense(2, activation="tanh")(scale), shift])


def flow_model(name):
    """A normalizing flow, as published; its class has the given name."""
    import tensorflow as tf

    class Flow(keras.Model):
        def __init__(self):
            super().__init__()
            self.masks = np.array([[0, 1], [1, 0]], "float32")
            self.tracker = keras.metrics.Mean(name="loss")
            self.parts = [coupling() for _ in range(2)]

        @property
        def metrics(self):
            return [self.tracker]

        def call(self, x, training=True):
            log_det, direction = 0, -1 if training else 1
            for number in range(2)[::direction]:
                keep = x * self.masks[number]
                other = 1 - self.masks[number]
                scale, shift = self.parts[number](keep)
                scale *= other
                shift *= other
                gate = (direction - 1) / 2
                moved = x * tf.exp(direction * scale) + direction * shift * tf.exp(gate * scale)
                x = other * moved + keep
                log_det += gate * tf.reduce_sum(scale, [1])
            return x, log_det

        def train_step(self, data):
            with tf.GradientTape() as tape:
                y, log_det = self(data)
                likelihood = -0.5 * tf.reduce_sum(y**2, -1) - np.log(2 * np.pi) + log_det
                loss = -tf.reduce_mean(likelihood)
            gradients = tape.gradient(loss, self.trainable_variables)
            self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
            self.tracker.update_state(loss)
            return {"loss": self.tracker.result()}

    Flow.__name__ = Flow.__qualname__ = name
    return Flow()


@only_tensorflow
@pytest.mark.parametrize("name", ["Flow", "RealNVP"])
def test_weights_are_the_same_bits_whatever_the_class_is_called(name):
    x = np.random.default_rng(0).normal(size=(512, 2)).astype("float32")

    def trained(*callbacks):
        keras.utils.clear_session(free_memory=False)
        keras.utils.set_random_seed(0)
        model = flow_model(name)
        model(x)
        model.compile(keras.optimizers.Adam(1e-3), jit_compile=False)
        keras.utils.set_random_seed(7)
        model.fit(x, batch_size=64, verbose=0, callbacks=callbacks)
        return model.get_weights()

    stats = GradientStats(on_verdict=ignored)
    for left, right in zip(trained(), trained(stats), strict=True):
        np.testing.assert_array_equal(left, right)
    assert len(stats.history) == 8


def test_the_reported_loss_of_a_train_step_of_ones_own_stays(own_model):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(48, 6)).astype("float32"), rng.normal(size=(48, 3)).astype("float32")

    def losses(*callbacks):
        keras.utils.set_random_seed(0)
        model = own_model("loss")
        model(x[:1])
        model.compile("sgd", "mse")
        fit = {"batch_size": 16, "shuffle": False, "verbose": 0, "epochs": 2}
        return model.fit(x, y, callbacks=callbacks, **fit).history["loss"]

    stats = GradientStats(every=2)
    assert losses(stats) == losses()
    assert len(stats.history) == 3
    assert all(row["loss"] > 0 for row in stats.history)


class Forgetful(keras.Sequential):
    """A train step that gives no gradient to the optimizer; `moves`: it changes a weight itself."""

    moves = False

    def train_step(self, *arguments):
        x, y = arguments[-1]
        if keras.backend.backend() == "jax":
            trainable, rest = arguments[0][0], arguments[0][1:]
            trainable = [one + 1e-3 * self.moves for one in trainable]
            y_pred, _ = self.stateless_call(trainable, rest[0], x)
            return {"loss": ops.mean(ops.square(y_pred - y))}, (trainable, *rest)
        if self.moves:
            self.trainable_variables[0].assign(self.trainable_variables[0] + 1e-3)
        return {"loss": self.compute_loss(x=x, y=y, y_pred=self(x))}


@pytest.mark.parametrize("moves", [False, True], ids=["nothing", "by hand"])
def test_a_train_step_that_forgets_its_gradients_is_told(moves):
    model = Forgetful([keras.Input((4,)), layers.Dense(1)])
    model.moves = moves
    model.compile("adam", "mse")
    stats = GradientStats()
    with pytest.warns(GradientWarning, match="no gradient entered|no optimizer got a gradient"):
        model.fit(np.ones((24, 4)), np.ones((24, 1)), batch_size=2, verbose=0, callbacks=[stats])
    told = [(one.cause, one.where) for one in stats.verdicts]
    assert told == [("zero_gradient", "model")] * (not moves)


class Several(keras.Model):
    """Three layers, each with an optimizer that is kept in another way."""

    def __init__(self):
        super().__init__()
        sizes = {"a": 7, "b": 6, "c": 5}
        self.blocks = [layers.Dense(units, "tanh", name=name) for name, units in sizes.items()]
        self.listed = [keras.optimizers.SGD(0.1)]
        self.named = {"last": keras.optimizers.SGD(0.1)}

    def call(self, inputs):
        for block in self.blocks:
            inputs = block(inputs)
        return inputs

    def train_step(self, data):
        x, y = data
        weights = self.trainable_variables
        if BACKEND == "tensorflow":
            import tensorflow as tf

            with tf.GradientTape() as tape:
                loss = self.compute_loss(x, y, self(x))
            gradients = tape.gradient(loss, weights)
        else:
            self.zero_grad()
            loss = self.compute_loss(x, y, self(x))
            loss.backward()
            gradients = [weight.value.grad for weight in weights]
        for part, optimizer in enumerate((self.optimizer, self.listed[0], self.named["last"])):
            own = slice(2 * part, 2 * part + 2)
            self.apply(optimizer, gradients[own], weights[own])
        return {"loss": loss}

    def apply(self, optimizer, gradients, weights):
        if BACKEND == "tensorflow":
            optimizer.apply(gradients, weights)
        else:
            import torch

            with torch.no_grad():
                optimizer.apply(gradients, weights)


@pytest.mark.skipif(BACKEND == "jax", reason="Keras' train step knows one optimizer on JAX")
def test_several_optimizers_of_one_model():
    model = Several()
    rng = np.random.default_rng(0)
    x, y = (rng.normal(size=(70, 5)).astype("float32") for _ in range(2))
    model(x[:1])
    stats = assert_every_gradient_is_recorded(model, x, y, steps=3)
    (row, *_) = stats.history
    assert [*row["layers"]] == [block.path.removeprefix(f"{model.name}/") for block in model.blocks]
    assert row["grad_norm"] == pytest.approx(
        np.linalg.norm([part["norm"] for part in row["layers"].values()]), rel=1e-6
    )
    for optimizer in (model.optimizer, model.listed[0], model.named["last"]):
        assert "apply" not in vars(optimizer)


@pytest.mark.skipif(BACKEND == "jax", reason="Keras' train step knows one optimizer on JAX")
def test_steps_are_counted_on_where_the_models_own_optimizer_is_not_used():
    class Pair(Several):
        def apply(self, optimizer, gradients, weights):
            if optimizer is not self.optimizer:  # it stays as `compile` made it
                super().apply(optimizer, gradients, weights)

    model = Pair()
    data = np.random.default_rng(0).normal(size=(2, 70, 5)).astype("float32")
    model(data[0, :1])
    model.compile("sgd", "mse")
    stats = GradientStats()
    for _ in range(2):
        model.fit(*data, batch_size=32, verbose=0, callbacks=[stats])
    assert [row["step"] for row in stats.history] == [0, 1, 2, 3, 4, 5]


@only_tensorflow
def test_an_optimizer_in_a_branch_of_the_graph_is_a_complaint():
    import tensorflow as tf

    class Branching(keras.Sequential):
        def train_step(self, data):
            x, y = data
            with tf.GradientTape() as tape:
                loss = self.compute_loss(x, y, self(x))
            gradients = tape.gradient(loss, self.trainable_variables)

            def update():
                self.optimizer.apply(gradients, self.trainable_variables)
                return 1.0

            tf.cond(loss > 0.0, update, lambda: 0.0)
            return {"loss": loss}

    def trained(*callbacks):
        keras.utils.set_random_seed(0)
        model = Branching([keras.Input((4,)), layers.Dense(1)])
        model.compile("adam", "mse", jit_compile=COMPILED)
        model.optimizer.build(model.trainable_variables)
        train(model, *callbacks, epochs=2)
        return model.get_weights()

    stats = GradientStats()
    with pytest.warns(GradientWarning, match="training goes on.*a branch or a loop") as seen:
        watched = trained(stats)
    assert len([w for w in seen if w.category is GradientWarning]) == 1
    assert len(stats.history) == 0
    for left, right in zip(trained(), watched, strict=True):
        np.testing.assert_array_equal(left, right)


# --- several callbacks ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tried():
    """One model and one callback, for all that may happen to them: little is compiled."""
    return dense_model(), GradientStats(on_verdict=ignored, history_size=10_000)


@pytest.fixture(scope="module")
def other():
    """A second model."""
    return dense_model()


def assert_plain_again(model, stats=None):
    """A plain `fit` reports plain logs, and `train_on_batch` gives a number."""
    before = None if stats is None else len(stats.history)
    assert [*train(model)] == ["loss"]
    assert np.ndim(model.train_on_batch(*dense_data(16))) == 0
    assert before == (None if stats is None else len(stats.history))


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(
    ("every", "steps"), [((1, 2), 8), ((50, 50), 110), ((1000, 1), 40), ((3, 2, 1), 12)], ids=str
)
def test_several_callbacks_each_record_what_they_would_alone(other, every, steps, reverse):
    model, began = other, int(other.optimizer.iterations)
    several = [GradientStats(n, on_verdict=ignored) for n in every]
    train(model, *several[:: -1 if reverse else 1], samples=steps, batch_size=1)
    for stats, n in zip(several, every, strict=True):
        assert steps_of(stats) == [*range(began, began + steps, n)]
    assert_plain_again(model, several[0])


def test_several_callbacks_of_different_options_each_have_their_own():
    options = [
        {"clipped": True},
        {"every": 2, "exact": True},
        {"every": 3, "histogram": False, "activations_every": 2},
    ]
    together = [GradientStats(on_verdict=ignored, **option) for option in options]
    train(dense_model(), *together, epochs=2)
    for option, stats in zip(options, together, strict=True):
        alone = GradientStats(on_verdict=ignored, **option)
        train(dense_model(), alone, epochs=2)
        assert steps_of(stats) == steps_of(alone)
        for left, right in zip(stats.history, alone.history, strict=True):
            assert left.keys() == right.keys()
            assert left["grad_norm"] == pytest.approx(right["grad_norm"], rel=1e-6)
            assert left["loss"] == pytest.approx(right["loss"], rel=1e-5)
            for name, part in left["layers"].items():
                assert part.keys() == right["layers"][name].keys()


@pytest.mark.parametrize("reverse", [False, True])
def test_an_error_of_one_callback_leaves_nothing_of_the_other_behind(reverse):
    x, y = dense_data(64)
    x[8] = np.nan
    model = dense_model()
    before = vars(model).copy()
    both = [GradientStats(on_verdict=ignored), GradientStats(on_verdict="raise")]
    fit = {"batch_size": 4, "shuffle": False, "verbose": 0}
    with pytest.raises(GradientError, match="Step 2: non_finite"):
        model.fit(x, y, callbacks=both[:: -1 if reverse else 1], **fit)
    assert vars(model).keys() >= before.keys()
    assert_plain_again(model, both[0])


def test_the_same_callback_twice_in_the_list_records_each_step_once():
    model, stats = dense_model(), GradientStats()
    train(model, stats, keras.callbacks.Callback(), stats, epochs=2)
    assert steps_of(stats) == [*range(8)]
    assert_plain_again(model, stats)


def test_verdicts_are_named_once_however_often_the_model_is_trained():
    zeros = {"kernel_initializer": "zeros"}
    model = keras.Sequential([keras.Input((4,))])
    for name in "abc":
        model.add(layers.Dense(4 if name < "c" else 1, name=name, **zeros))
    model.compile("sgd", "mse")
    stats = GradientStats()
    fit = {"batch_size": 4, "verbose": 0, "callbacks": [stats]}
    with pytest.warns(GradientWarning, match="symmetric"):
        model.fit(np.ones((64, 4)), np.ones((64, 1)), **fit)
    found = [(verdict.cause, verdict.where) for verdict in stats.verdicts]
    assert found
    with warnings.catch_warnings():
        warnings.simplefilter("error", GradientWarning)
        for _ in range(2):
            model.fit(np.ones((64, 4)), np.ones((64, 1)), **fit)
    assert [(verdict.cause, verdict.where) for verdict in stats.verdicts] == found
    assert len(set(found)) == len(found)


# --- trainings inside trainings -------------------------------------------------------------------


class Inside(keras.callbacks.Callback):
    """Trains a model, or that in training, for one step in a hook of another training."""

    def __init__(self, hook, model, *callbacks):
        super().__init__()
        self._fit = (model, callbacks)
        setattr(self, hook, self._train)

    def _train(self, index, logs=None):
        if index == 1 or not isinstance(index, int):
            model, callbacks = self._fit
            # `self.model` has the weights of the running training, on JAX.
            train(self.model if model is None else model, *callbacks, samples=16)


HOOKS = ["on_epoch_begin", "on_train_batch_begin", "on_train_batch_end", "on_epoch_end"]


@pytest.mark.parametrize("ours_first", [True, False], ids=["first", "last"])
@pytest.mark.parametrize("hook", ["on_train_begin", *HOOKS])
@pytest.mark.parametrize("same", [True, False], ids=["same_model", "other_model"])
def test_a_training_inside_a_training_is_recorded_with_it(tried, other, hook, same, ours_first):
    model, stats = tried
    if hook == "on_train_begin":  # the inner training is the first to compile something
        model, stats = dense_model(), GradientStats(on_verdict=ignored)
    inside = Inside(hook, None if same else other, stats)
    before, began = len(stats.history), int(model.optimizer.iterations)
    train(model, *([stats, inside] if ours_first else [inside, stats]), epochs=3)
    inner = 3 if "batch" in hook else 1  # steps: one in each epoch, or one
    rows = stats.history[before:]
    assert len(rows) == 3 * 4 + inner
    runs = [row["run"] for row in rows]
    assert sorted(map(runs.count, set(runs))) == [1] * inner + [12]
    if not same:
        outer = max(set(runs), key=runs.count)
        steps = [row["step"] for row in rows if row["run"] == outer]
        assert steps == [*range(began, began + 12)]
        assert_plain_again(other, stats)
    assert_plain_again(model, stats)


@pytest.mark.parametrize("hook", HOOKS)
def test_a_plain_training_inside_a_training_is_not_recorded(tried, hook):
    model, stats = tried
    before = len(stats.history)
    train(model, stats, Inside(hook, None), epochs=2)
    assert len(stats.history) == before + 8
    assert_plain_again(model, stats)


def test_a_training_inside_a_training_may_have_a_callback_of_its_own():
    model, outer, inner = dense_model(), GradientStats(2), GradientStats()
    train(model, outer, Inside("on_epoch_end", None, inner), epochs=3)
    assert (len(outer.history), len(inner.history)) == (6, 1)
    assert inner.history[0]["step"] == 8
    assert_plain_again(model, outer)


# --- exceptions -----------------------------------------------------------------------------------


class Raises(keras.callbacks.Callback):
    """Raises an error in one hook, the second time if there is one."""

    def __init__(self, hook, error):
        super().__init__()
        self._error = error
        setattr(self, hook, self._raise)

    def _raise(self, index, logs=None):
        if index == 1 or not isinstance(index, int):  # it is the logs where hooks have no number
            raise self._error("stop here")


@pytest.mark.parametrize("ours_first", [True, False], ids=["first", "last"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
@pytest.mark.parametrize("hook", ["on_train_begin", *HOOKS, "on_test_batch_end", "on_train_end"])
def test_an_exception_of_another_callback_leaves_nothing_behind(tried, hook, error, ours_first):
    model, stats = tried
    raises = Raises(hook, error)
    callbacks = [stats, raises] if ours_first else [raises, stats]
    data = {"validation_data": dense_data(64), "validation_batch_size": 16}
    with pytest.raises(error, match="stop here"):
        train(model, *callbacks, epochs=2, **data)
    assert_plain_again(model, stats)
    before = len(stats.history)
    logs = train(model, stats)
    assert len(stats.history) == before + 4
    assert logs["grad_norm"] == pytest.approx([stats.history[-1]["grad_norm"]], rel=1e-6)


class Short(keras.utils.PyDataset):
    """Data that cannot be read to its end."""

    def __len__(self):
        return 4

    def __getitem__(self, index):
        if index == 2:
            raise ValueError("a torn file")
        x, y = dense_data(64)
        return x[16 * index :][:16], y[16 * index :][:16]


def test_an_exception_of_the_data_leaves_nothing_behind():
    model, stats = dense_model(), GradientStats(on_verdict=ignored)
    with pytest.raises(Exception, match="a torn file"):
        model.fit(Short(), verbose=0, shuffle=False, callbacks=[stats])
    assert_plain_again(model, stats)
    train(model, stats)
    assert len(stats.history) >= 4 + 1  # data is read ahead of the steps


def test_a_list_of_callbacks_that_was_interrupted_may_be_used_again():
    model, stats = dense_model(), GradientStats()
    raises = Raises("on_train_batch_end", KeyboardInterrupt)
    callbacks = keras.callbacks.CallbackList(
        [raises, stats], add_history=True, model=model, epochs=1, steps=4, verbose=0
    )
    with pytest.raises(KeyboardInterrupt, match="stop here"):
        model.fit(*dense_data(64), batch_size=16, verbose=0, callbacks=callbacks)
    assert_plain_again(model, stats)
    del raises.on_train_batch_end
    began = int(model.optimizer.iterations)
    model.fit(*dense_data(64), batch_size=16, verbose=0, callbacks=callbacks)
    steps = {row["run"]: [] for row in stats.history}
    for row in stats.history:
        steps[row["run"]].append(row["step"])
    assert [*steps.values()] == [[0, 1], [*range(began, began + 4)]]
    assert_plain_again(model, stats)


class Halving(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule of a user, who wrote what Keras asks for and no config."""

    def __call__(self, step):
        return 0.1 / (1.0 + keras.ops.cast(step, "float32"))


def test_a_schedule_without_a_config_is_no_hindrance():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(Halving()), "mse")
    stats = GradientStats()
    model.fit(np.ones((8, 3)), np.ones((8, 1)), verbose=0, callbacks=[stats])
    assert len(stats.history) == 1


def test_a_model_that_is_compiled_anew_is_judged_anew():
    model = dense_model()
    x, y = dense_data(64)
    stats = GradientStats(on_verdict="stop")
    for _ in range(2):
        model.compile(keras.optimizers.SGD(1e4), "mse", jit_compile=COMPILED)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            model.fit(x, y, batch_size=4, verbose=0, callbacks=[stats])
        assert any("Training stops" in str(one.message) for one in said)
        assert all(np.isfinite(weight).all() for weight in model.get_weights())
    found = [(verdict.cause, verdict.where) for verdict in stats.verdicts]
    assert len(set(found)) == len(found)


@pytest.mark.parametrize("again", [False, True], ids=["with other options", "compiled again"])
def test_only_a_model_that_is_compiled_again_has_its_verdicts_said_again(again):
    model, stats = dense_model(), GradientStats()
    compiled = {"optimizer": keras.optimizers.SGD(1e4), "loss": "mse", "jit_compile": False}
    others = [[], [GradientStats(on_verdict=ignored, exact=True)]]
    said = []
    for other in others:
        if again or not other:
            model.compile(**compiled)
        model.set_weights([np.ones(weight.shape) for weight in model.get_weights()])
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always", GradientWarning)
            train(model, stats, *other, batch_size=4)
        said.append([str(one.message) for one in told if "large_updates" in str(one.message)])
    assert [len(messages) for messages in said] == [1, int(again)]


def outcome(*callbacks):
    """What comes of a training whose step uses no optimizer."""
    keras.utils.set_random_seed(0)

    class Told(keras.Model):
        def call(self, x):
            return 0.0 * x

        def train_step(self, *inputs):
            logs = {"my_loss": keras.ops.sum(inputs[-1][0])}
            return (logs, inputs[0]) if keras.config.backend() == "jax" else logs

    model = Told()
    model.compile(optimizer=None)
    try:
        x = np.ones((8, 2), "float32")
        return model.fit(x, x, batch_size=4, verbose=0, callbacks=[*callbacks]).history["my_loss"]
    except (AttributeError, TypeError) as error:  # Keras' own, on JAX
        return type(error)


@pytest.mark.filterwarnings("ignore::kerasinit.callbacks.GradientWarning")
def test_a_model_that_is_compiled_without_an_optimizer_trains_as_it_would():
    assert outcome(GradientStats()) == outcome()


def test_an_optimizer_inside_another_is_none_of_its_own():
    model = dense_model()
    scaling = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1))
    model.compile(scaling, "mse", jit_compile=COMPILED)
    model.given = scaling.inner_optimizer
    stats = GradientStats()
    train(model, stats, samples=4)
    assert stats.history[0]["variables"].keys() == {
        variable.path.partition("/")[2] for variable in model.trainable_variables
    }
