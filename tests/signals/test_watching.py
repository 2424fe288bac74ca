"""What is noted while a model runs: gates, norms, outputs, calls; and what a loss is told to be."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import kerasinit
from kerasinit.signals import measure

pytestmark = pytest.mark.usefixtures("quick_compilation")

X = np.random.default_rng(0).standard_normal((16, 6)).astype("float32")
Y = np.zeros((16, 1), "float32")


def rows_of(function, x=X, shape=None):
    """Rows by name of the model that `function` makes of its inputs."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input(x.shape[1:] if shape is None else shape)
    return {row.name: row for row in measure(keras.Model(inputs, function(inputs)), x).layers}


def dense(name, activation=None, units=6, **options):
    return layers.Dense(units, activation, name=name, **options)


# --- gates ----------------------------------------------------------------------------------------


def by_hand(x):
    h = dense("value")(x)
    return h * layers.Activation("sigmoid")(h)


GATES = {  # graph, names of the gates
    "sigmoid": (lambda x: dense("value")(x) * dense("gate", "sigmoid")(x), {"gate"}),
    "relu": (lambda x: dense("value")(x) * dense("other", "relu")(x), set()),
    "swish by hand": (by_hand, set()),
    "moved twice": (
        lambda x: dense("value")(x)
        * layers.Reshape((6,))(layers.Reshape((2, 3))(dense("gate", "sigmoid", 6)(x))), {"gate"},
    ),
    "of three": (
        lambda x: layers.Multiply()(
            [dense("value")(x), dense("gate", "sigmoid")(x), dense("third")(x)]
        ), set(),
    ),
    "both": (
        lambda x: dense("one", "sigmoid")(x) * dense("two", "sigmoid")(x), {"one", "two"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GATES)
def test_a_factor_that_a_sigmoid_made_is_a_gate(name):
    build, gates = GATES[name]
    rows = rows_of(lambda x: dense("end", units=1)(build(x)))
    assert {row.name for row in rows.values() if row.is_gate} == gates


# --- normalizations -------------------------------------------------------------------------------


class Positions(keras.Model):
    """Layers, and perhaps a table of the model's own beside them."""

    def __init__(self, *, has_table):
        super().__init__()
        self.table = self.add_weight(shape=(1, 6), name="table") if has_table else 0.0
        self.inner = dense("inner"), layers.LayerNormalization(), layers.ReLU()
        self.head = dense("head", units=2)

    def call(self, x):
        x = x + self.table
        for layer in self.inner:
            x = layer(x)
        return self.head(x)


@pytest.mark.parametrize("has_table", [False, True])
def test_layers_are_seen_beside_a_weight_that_their_model_keeps_itself(has_table):
    model = Positions(has_table=has_table)
    model(X)
    inner, head = measure(model, X).layers
    assert (inner.name, inner.activation, inner.normalized) == ("inner", "relu", True)
    assert inner.dead_share is not None
    assert inner.predicted_rms is not None
    assert (head.name, head.is_output, head.predicted_rms is None) == ("head", True, False)


def test_a_table_that_is_not_finite_is_named_though_it_has_no_record():
    model = Positions(has_table=True)
    model(X)
    model.table.assign(np.full((1, 6), np.nan))
    (verdict,) = kerasinit.diagnose(model, X, np.zeros((len(X), 2))).verdicts
    assert (verdict.cause, verdict.where) == ("non_finite", model.table.path)


def test_averages_of_a_norm_that_are_not_finite_are_named():
    norm = layers.BatchNormalization()
    model = keras.Sequential([keras.Input((6,)), dense("first"), norm, dense("last", units=2)])
    model.compile("adam", "mse")
    assert kerasinit.diagnose(model, X, np.zeros((len(X), 2))).healthy
    norm.moving_variance.assign(np.full(norm.moving_variance.shape, np.inf))
    first = kerasinit.diagnose(model, X, np.zeros((len(X), 2))).verdicts[0]
    assert (first.cause, first.where) == ("non_finite", norm.moving_variance.path)


class Squeezed(Positions):
    """Its output is no layer's."""

    def call(self, x):
        return ops.squeeze(super().call(x)[:, None], 1)


def test_a_model_with_a_table_is_no_layer_of_its_own_whatever_it_returns():
    model = Squeezed(has_table=True)
    model(X)
    assert [row.name for row in measure(model, X).layers] == ["inner", "head"]


class RawThenLayer(layers.Layer):
    """A kernel and an activation of its own, and then a layer."""

    def build(self, shape):
        self.w = self.add_weight(shape=(shape[-1], 6), name="w", initializer="zeros")
        self.activation, self.out = layers.ReLU(), dense("out")
        self.out.build((None, 6))

    def call(self, x):
        return self.out(self.activation(x @ self.w))


def test_a_kernel_of_ones_own_before_a_layer_has_a_record():
    model = keras.Sequential([keras.Input((6,)), RawThenLayer(name="raw"), dense("head")])
    raw = next(row for row in measure(model, X).layers if row.kind == "RawThenLayer")
    assert raw.activation == "relu"


class Block(layers.Layer):
    """A kernel of its own, in front of which its norm stands, if it has one."""

    def __init__(self, *, has_norm):
        super().__init__(name="block")
        self.norm = layers.LayerNormalization() if has_norm else layers.Identity()

    def build(self, shape):
        self.mix = self.add_weight(shape=(shape[-1], shape[-1]), name="mix")
        self.norm.build(shape)

    def call(self, x):
        return x + ops.relu(ops.matmul(self.norm(x), self.mix))


@pytest.mark.parametrize("has_norm", [False, True])
def test_a_norm_inside_of_the_next_layer_normalizes_the_layer_before_it(has_norm):
    rows = rows_of(lambda x: dense("head", units=1)(Block(has_norm=has_norm)(dense("first")(x))))
    assert [row.normalized for row in rows.values()] == [has_norm, False, False]


def test_a_layer_that_is_called_many_times_is_one_of_the_normalized_layers():
    shared = dense("shared")

    def side_by_side(x):
        parts = [shared(x[:, k : k + 2]) for k in range(5)]
        return dense("head", units=1)(layers.LayerNormalization()(layers.Concatenate()(parts)))

    inputs = keras.Input((6,))
    signals = measure(keras.Model(inputs, side_by_side(inputs)), X)
    assert sum(row.normalized for row in signals.layers) == 1
    assert signals.is_normalized


@pytest.mark.parametrize(
    ("shape", "axis", "samples", "lone"),
    [
        ((3,), -1, 1, True), ((3,), -1, 2, False), ((2, 1, 3), -1, 1, False),
        ((3, 1, 1), 1, 1, True),
    ],
    ids=str,
)  # fmt: skip
def test_a_normalization_that_sees_one_value_of_each_channel_is_told(shape, axis, samples, lone):
    inputs = keras.Input(shape)
    norms = [layers.BatchNormalization(axis=axis, name=name) for name in ("first", "second")]
    outputs = layers.Dense(1)(layers.Flatten()(norms[1](norms[0](inputs))))
    model = keras.Model(inputs, outputs)
    x = np.random.default_rng(0).standard_normal((samples, *shape)).astype("float32")
    assert measure(model, x).lone_norm == ("first" if lone else None)


class OfSeveral(layers.BatchNormalization):
    """Normalizes the first of its inputs, as graph nets do beside the numbers of their graphs."""

    def build(self, shapes):
        super().build(shapes[0])
        self.input_spec = None

    def call(self, inputs, training=None):
        return super().call(inputs[0], training=training)

    def compute_output_shape(self, shapes):
        return shapes[0]


def test_a_batch_normalization_of_several_inputs_is_seen():
    rows = rows_of(lambda x: dense("head")(OfSeveral()([dense("hidden")(x), x])))
    assert rows["hidden"].normalized
    assert not rows["head"].normalized


NORMED = {  # what follows the layer `a`, and whether it counts as normalized
    "batch": (lambda x: layers.BatchNormalization()(x), True),
    "layer": (lambda x: layers.LayerNormalization()(x), True),
    "after an activation": (lambda x: layers.BatchNormalization()(layers.ReLU()(x)), True),
    "after another layer": (lambda x: layers.BatchNormalization()(dense("b")(x)), False),
    "nothing": (lambda x: layers.ReLU()(x), False),
}


@pytest.fixture(scope="module")
def normed():
    """Rows by name of one model, in which all of them follow each other."""

    def build(x):
        for name, (follows, _) in NORMED.items():
            x = follows(dense(name.replace(" ", "_"))(x))
        return dense("end", units=1)(x)

    return rows_of(build)


@pytest.mark.parametrize("name", NORMED)
def test_a_normalization_counts_for_the_layer_before_it(normed, name):
    assert normed[name.replace(" ", "_")].normalized is NORMED[name][1]
    assert normed["b"].normalized
    assert not normed["end"].normalized


# --- activations and outputs ----------------------------------------------------------------------


def test_the_first_activation_behind_a_layer_is_its_own():
    rows = rows_of(lambda x: dense("end", units=1)(layers.ReLU()(ops.tanh(dense("a")(x)))))
    assert rows["a"].activation == "tanh"


def test_an_activation_behind_one_with_an_activation_changes_nothing():
    rows = rows_of(lambda x: dense("end", units=1)(ops.tanh(dense("a", "relu")(x))))
    assert rows["a"].activation == "relu"


def test_an_activation_of_another_width_is_not_that_of_the_layer():
    def build(x):
        narrow, wide = dense("narrow", units=3)(x), layers.ReLU()(x)
        return dense("end", units=1)(layers.Concatenate()([narrow, wide]))

    assert rows_of(build)["narrow"].activation is None


def test_each_output_is_one_and_nothing_else():
    inputs = keras.Input((6,))
    hidden = dense("hidden", "relu")(inputs)
    model = keras.Model(inputs, [dense("one")(hidden), hidden, dense("two")(hidden)])
    rows = {row.name: row.is_output for row in measure(model, X).layers}
    assert rows == {"hidden": True, "one": True, "two": True}
    heads = measure(model, X).heads
    assert [head.name for head in heads] == ["one", "hidden", "two"]


def test_an_output_that_an_operation_makes_has_no_name_and_the_last_layer_counts():
    inputs = keras.Input((6,))
    model = keras.Model(inputs, ops.sum(dense("a")(dense("b")(inputs)), axis=1))
    signals = measure(model, X)
    assert {row.name: row.is_output for row in signals.layers} == {"b": False, "a": True}
    assert [(head.name, head.is_layer) for head in signals.heads] == [("output 1", False)]


def test_each_call_of_a_shared_layer_has_its_own_numbers():
    shared = dense("shared")
    rows = rows_of(lambda x: dense("end", units=1)(shared(3.0 * shared(x))))
    assert list(rows) == ["shared", "shared (call 2)", "end"]
    first, second = rows["shared"], rows["shared (call 2)"]
    assert second.input_rms == pytest.approx(3.0 * first.activation_rms, rel=1e-5)
    assert first.weight_norm == second.weight_norm
    assert first.gradient_norm != second.gradient_norm


def test_numbers_of_words_are_no_input():
    rows = rows_of(
        lambda x: dense("end")(layers.Flatten()(layers.Embedding(9, 3, name="words")(x))),
        np.arange(12).reshape(4, 3) % 9,
    )
    assert rows["words"].input_rms is None
    assert rows["end"].input_rms == pytest.approx(rows["words"].activation_rms)


def test_the_states_of_a_loop_pass_its_gradient_where_its_output_is_not_used():
    inputs = keras.Input((4, 3))
    _, state = layers.GRU(5, return_state=True, name="loop")(inputs)
    model = keras.Model(inputs, dense("end", units=1)(state))
    x = np.random.default_rng(0).standard_normal((8, 4, 3)).astype("float32")
    row = measure(model, x).layers[0]
    assert row.gradient_norm > 0
    assert row.saturated_share == 0.0


# --- samples that are no numbers ------------------------------------------------------------------


@pytest.mark.parametrize("bad", [[3], [9, 4], []], ids=str)
def test_the_first_sample_whose_output_is_no_number_is_told(bad):
    x = np.abs(X) + 1.0
    x[bad] = -1.0
    inputs = keras.Input((6,))
    log = dense("log", ops.log, kernel_initializer="identity")
    model = keras.Model(inputs, dense("end", units=1)(log(inputs)))
    row = measure(model, x).layers[0]
    assert row.first_non_finite == (min(bad) if bad else None)
    assert row.non_finite_outputs == 6 * len(bad)


def test_the_number_is_that_of_the_whole_data():
    x = np.ones((512, 6), "float32")
    x[200:202] = -1.0
    inputs = keras.Input((6,))
    log = dense("log", ops.log, kernel_initializer="identity")
    model = keras.Model(inputs, dense("end", units=1)(log(inputs)))
    assert measure(model, x).layers[0].first_non_finite in (200, 201)


# --- losses ---------------------------------------------------------------------------------------


def compiled(loss, *, penalty=None, units=1, activation=None):
    only = dense("only", activation, units, kernel_regularizer=penalty)
    model = keras.Sequential([keras.Input((6,)), only])
    model.compile("sgd", loss)
    return model


@pytest.mark.parametrize(
    ("loss", "is_sum"),
    [
        (keras.losses.MeanSquaredError(), False),
        (keras.losses.MeanSquaredError(reduction="sum"), True),
        (lambda y, z: ops.sum(ops.square(y - z)), True),
        (lambda y, z: ops.mean(ops.square(y - z)), False),
        (lambda y, z: 0.0 * ops.mean(z), False),
    ],
    ids=["mean", "sum", "own sum", "own mean", "nothing"],
)
def test_a_loss_that_doubles_with_the_batch_is_a_sum(loss, is_sum):
    assert measure(compiled(loss), X, Y + 1.0).sum_loss is is_sum


def test_a_loss_of_samples_by_samples_takes_no_other_batch():
    def nearest(y, scores):
        return keras.losses.categorical_crossentropy(ops.eye(len(scores)), scores, from_logits=True)

    x = keras.Input((6,))
    scores = dense("only", None, 4)(x)
    model = keras.Model(x, ops.matmul(scores, ops.transpose(scores)))
    model.compile("sgd", nearest)
    signals = measure(model, X, Y)
    assert (signals.sum_loss, signals.loss_error) == (None, None)
    assert signals.loss > 0


@pytest.mark.parametrize("penalty", [None, keras.regularizers.L2(0.1)], ids=["none", "l2"])
def test_a_sum_is_told_whatever_the_penalties(penalty):
    model = compiled(keras.losses.MeanSquaredError(reduction="sum"), penalty=penalty)
    signals = measure(model, X, Y + 1.0)
    assert signals.sum_loss is True
    kernel = ops.convert_to_numpy(model.layers[0].kernel)
    expected = 0.0 if penalty is None else 0.1 * np.sum(kernel**2)
    assert signals.penalty == pytest.approx(expected, rel=1e-4)


def test_of_a_model_that_is_not_compiled_the_loss_is_a_mean_and_known():
    model = keras.Sequential([keras.Input((6,)), dense("only", units=1)])
    with_targets, without = measure(model, X, Y + 0.5), measure(model, X)
    assert (with_targets.sum_loss, without.sum_loss) == (False, None)
    assert without.loss is None
    z = ops.convert_to_numpy(model(X))
    assert with_targets.loss == pytest.approx(np.mean((z - 0.5) ** 2), rel=1e-4)
    assert with_targets.penalty is None


def test_targets_by_name_find_outputs_in_order():
    inputs = keras.Input((6,))
    model = keras.Model(inputs, [dense("one", units=1)(inputs), dense("two", units=1)(inputs)])
    model.compile("sgd", "mse")
    one, two = np.full((16, 1), 3.0, "float32"), np.full((16, 1), -2.0, "float32")
    by_name = measure(model, X, {"two": two, "one": one})
    in_order = measure(model, X, [one, two])
    assert by_name.loss == pytest.approx(in_order.loss)
    assert [head.targets.low for head in by_name.heads] == [3.0, -2.0]


def test_labels_that_do_not_exist_leave_the_gradient_of_a_stand_in():
    model = compiled("sparse_categorical_crossentropy", units=3, activation="softmax")
    signals = measure(model, X, np.arange(16) % 4)
    assert signals.loss is None
    assert signals.loss_error == "labels run from 0 to 3, and there are 3 classes"
    assert signals.layers[0].gradient_norm > 0


@pytest.mark.filterwarnings("ignore:.*produced by a Softmax activation")  # the fault under test
@pytest.mark.parametrize(
    ("activation", "logits", "twice"),
    [("softmax", True, True), ("softmax", False, False), (None, True, False)],
)
def test_a_softmax_in_front_of_a_loss_of_logits_is_told(activation, logits, twice):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=logits)
    model = compiled(loss, units=3, activation=activation)
    (head,) = measure(model, X, np.arange(16) % 3).heads
    if keras.config.backend() != "tensorflow":  # which finds the logits behind the softmax
        assert head.is_twice is twice
    assert head.from_logits is logits


@pytest.mark.parametrize(("given", "all_layers"), [(0, 4), (2, 4), (3, 4), (4, 4)])
def test_weights_are_told_to_be_given_where_most_layers_have_them(given, all_layers):
    stack = [dense(f"l{k}") for k in range(all_layers)]
    if given:
        kerasinit.initialize(keras.Sequential([keras.Input((6,)), *stack[:given]]), seed=1)
    model = keras.Sequential([keras.Input((6,)), *stack])
    assert measure(model, X).is_initialized is (given > all_layers / 2)
