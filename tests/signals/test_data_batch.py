"""Which samples are looked at, what is refused, and what is counted in all of the data."""

import keras
import numpy as np
import pytest
from keras import layers

import kerasinit
from kerasinit.signals import measure

pytestmark = pytest.mark.usefixtures("quick_compilation")


def model_of(*shape, batch=None, dtype=None):
    inputs = keras.Input(shape, batch_size=batch, dtype=dtype)
    return keras.Model(inputs, layers.Dense(2)(layers.Flatten()(inputs)))


def numbered(count, *shape):
    """Samples whose values are all their number."""
    return np.broadcast_to(np.arange(count).reshape(-1, *[1] * len(shape)), (count, *shape))


# --- the choice -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("given", "taken"), [(1, 1), (2, 2), (255, 255), (256, 256), (257, 256)])
def test_up_to_256_samples_are_taken(given, taken):
    signals = measure(model_of(3), numbered(given, 3).astype("float32"))
    assert signals.samples == taken
    chosen = np.linspace(0, given - 1, taken).astype(int)  # the first, the last, and between
    assert signals.input_rms == pytest.approx(np.sqrt(np.mean(chosen**2)), rel=1e-4)


def test_the_samples_lie_at_even_distances_and_keep_their_targets():
    copies = keras.Sequential([keras.Input((3,)), layers.Dense(3, kernel_initializer="identity")])
    copies.compile("sgd", "mse")
    x = numbered(511, 3).astype("float32")
    signals = measure(copies, x, x)
    assert signals.input_rms == pytest.approx(np.sqrt(np.mean(np.arange(0, 511, 2) ** 2)), rel=1e-4)
    assert signals.loss == 0.0
    assert measure(copies, x, x[::-1]).loss > 1e4
    assert signals.heads[0].targets.rms == pytest.approx(np.sqrt(np.mean(x**2)))  # of them all


@pytest.mark.parametrize(("values", "taken"), [(9, 11), (50, 2), (200, 2)])
def test_few_samples_of_large_inputs_are_taken_but_two(monkeypatch, values, taken):
    monkeypatch.setattr("kerasinit.signals._batch.MAX_VALUES", 99)
    assert measure(model_of(values), numbered(30, values).astype("float32")).samples == taken


def test_values_of_several_inputs_count_together(monkeypatch):
    monkeypatch.setattr("kerasinit.signals._batch.MAX_VALUES", 99)
    pair = [keras.Input((4,)), keras.Input((5,))]
    model = keras.Model(pair, layers.Dense(1)(layers.Concatenate()(pair)))
    x = [numbered(30, 4).astype("float32"), numbered(30, 5).astype("float32")]
    assert measure(model, x).samples == 11


@pytest.mark.parametrize("size", [1, 5])
def test_a_model_of_a_fixed_batch_gets_that_many(size):
    assert measure(model_of(3, batch=size), numbered(30, 3).astype("float32")).samples == size


def test_the_call_that_built_a_model_does_not_fix_its_batch():
    model = keras.Sequential([layers.Flatten(), layers.Dense(2)])
    model(np.ones((1, 3), "float32"))
    assert measure(model, numbered(30, 3).astype("float32")).samples == 30


def test_a_layer_that_takes_no_other_batch_fixes_it():
    halves = layers.Lambda(lambda x: keras.ops.reshape(x, (4, 2, 3)))
    model = keras.Sequential([keras.Input(batch_shape=(8, 3)), halves, layers.Dense(2)])
    assert measure(model, numbered(30, 3).astype("float32")).samples == 8


def test_states_of_layers_fix_the_batch_of_the_call_that_built_them():
    model = keras.Sequential([layers.SimpleRNN(2, stateful=True), layers.Dense(2)])
    model(np.ones((5, 4, 3), "float32"))
    assert measure(model, numbered(30, 4, 3).astype("float32")).samples == 5


class Notes(keras.Model):
    """Notes what it is given, as it is."""

    def __init__(self):
        super().__init__(autocast=False)
        self.dense = layers.Dense(2)
        self.seen = []

    def call(self, x):
        self.seen.append(keras.backend.standardize_dtype(x.dtype))
        return self.dense(keras.ops.cast(x, "float32"))


@pytest.mark.parametrize(
    ("given", "taken"), [("float64", "float32"), ("float32", "float32"), ("int32", "int32")]
)
def test_double_precision_is_halved_and_whole_numbers_stay(given, taken):
    model = Notes()
    model(np.ones((4, 3), "float32"))
    model.seen.clear()
    measure(model, np.ones((4, 3), given))
    assert set(model.seen) == {taken}


def test_without_targets_there_is_no_loss():
    signals = measure(model_of(3), np.ones((4, 3)))
    assert (signals.loss, signals.heads[0].targets) == (None, None)


def test_half_precision_is_read_as_numbers():
    half = keras.ops.cast(np.array([[3.0], [np.nan]], "float32"), "bfloat16")
    assert measure(model_of(1), half).input_non_finite == 1


# --- shapes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("declared", "given"),
    [((3,), (4, 3)), ((1,), (4,)), ((1,), (4, 1)), ((None, 3), (4, 7, 3)), ((2, 1), (4, 2))],
    ids=str,
)
def test_a_shape_that_keras_takes_is_taken(declared, given):
    if None in declared:
        inputs = keras.Input(declared)
        model = keras.Model(inputs, layers.Dense(2)(inputs))
    else:
        model = model_of(*declared)
    assert measure(model, np.ones(given)).samples == 4


@pytest.mark.parametrize(
    ("declared", "given"), [((3,), (4,)), ((3,), (4, 3, 1)), ((2, 3), (4, 3, 2)), ((1,), (4, 2))],
    ids=str,
)  # fmt: skip
def test_a_shape_that_is_not_the_models_is_refused_with_both(declared, given):
    with pytest.raises(ValueError, match=r"the model's input, \(None, .*Received: x of shape \(4"):
        measure(model_of(*declared), np.ones(given))


def test_too_few_inputs_are_refused_with_all_shapes():
    pair = [keras.Input((4,)), keras.Input((5,))]
    model = keras.Model(pair, layers.Dense(1)(layers.Concatenate()(pair)))
    with pytest.raises(ValueError, match=r"\[\(None, 4\), \(None, 5\)\]. Received: x of shape \(3"):
        measure(model, np.ones((3, 4)))


@pytest.mark.parametrize("shapes", [((3, 4), (3, 4)), ((3, 5), (3, 5)), ((3, 5), (3, 4))], ids=str)
def test_every_one_of_several_inputs_must_fit(shapes):
    pair = [keras.Input((4,)), keras.Input((5,))]
    model = keras.Model(pair, layers.Dense(1)(layers.Concatenate()(pair)))
    with pytest.raises(
        ValueError, match=r"\[\(None, 4\), \(None, 5\)\]. Received: x of shape \[\(3"
    ):
        measure(model, [np.ones(shape) for shape in shapes])


@pytest.mark.parametrize(("x", "y"), [((3, 4), (2,)), ((2, 4), (3,))], ids=str)
def test_inputs_and_targets_of_unequal_number_are_refused_with_both(x, y):
    expected = f"x of shape {x}, y of shape {y}".replace("(", r"\(").replace(")", r"\)")
    with pytest.raises(ValueError, match=expected):
        measure(model_of(4), np.ones(x), np.ones(y))


# --- what is no data or no model ------------------------------------------------------------------


class Pairs(keras.utils.PyDataset):
    def __len__(self):
        return 1

    def __getitem__(self, index):
        return np.ones((2, 3)), np.ones(2)


@pytest.mark.parametrize(
    ("x", "cure"),
    [
        (Pairs(), r"Pass one batch of it: `x, y = dataset\[0\]`"),
        ((np.ones(3) for _ in range(2)), r"Pass one batch of it: `x, y = next\(iter\(dataset\)\)`"),
        ("data.csv", r"`np.asarray\(x\)` makes an array of numbers"),
        ([1.0, 2.0], r"`np.asarray\(x\)` makes an array of numbers"),
    ],
    ids=["dataset", "generator", "text", "list"],
)
def test_what_is_no_array_is_refused_with_the_way_to_one(x, cure):
    with pytest.raises(ValueError, match=cure):
        measure(model_of(3), x)


def test_targets_are_refused_by_their_own_name():
    with pytest.raises(ValueError, match=r"`y` must be an array.*`np.asarray\(y\)`"):
        measure(model_of(3), np.ones((2, 3)), [1, 2])


@pytest.mark.parametrize("model", [None, "model.keras", np.ones(3), keras.Model])
def test_what_is_no_model_is_refused(model):
    with pytest.raises(TypeError, match=r"`model` must be a built Keras model. Received: .*first"):
        measure(model, np.ones((2, 3)))


# --- all of the data ------------------------------------------------------------------------------


def bad_at(*places, size=40, value=np.nan):
    array = np.zeros((size, 2), "float32")
    for place in places:
        array[place] = value
    return array


def counted(*arrays):
    """How many values are no numbers, and the first sample that has one."""
    inputs = [keras.Input(array.shape[1:], dtype=array.dtype.name) for array in arrays]
    flat = [layers.Flatten()(keras.ops.cast(one, "float32")) for one in inputs]
    joined = layers.Concatenate()([*flat, flat[0]])
    signals = measure(keras.Model(inputs, layers.Dense(2)(joined)), list(arrays))
    return signals.input_non_finite, signals.input_first_non_finite


@pytest.mark.parametrize("block", [1, 2, 7, 2**22])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_all_values_that_are_no_numbers_are_counted_and_the_first_sample_is_told(
    monkeypatch, block, value
):
    monkeypatch.setattr("kerasinit.signals._batch.MAX_SAMPLES", 2)  # and not in those alone
    monkeypatch.setattr("kerasinit.signals._batch.BLOCK", block)
    assert counted(bad_at(9, 33, value=value)) == (4, 9)
    assert counted(bad_at(33), bad_at(5, 39), np.full((40, 1), np.inf, "float32")) == (46, 0)
    assert counted(bad_at(33), bad_at(5, 39)) == (6, 5)
    assert counted(bad_at(), bad_at()) == (0, None)


def test_whole_numbers_are_never_counted():
    assert counted(np.ones((3, 2), "int32"), np.ones((3, 2), "bool")) == (0, None)


def test_one_bad_value_of_a_sample_is_one():
    array = np.zeros((3, 4, 5), "float32")
    array[2, 1, 3] = np.nan
    assert counted(array) == (1, 2)


# --- outputs without a loss -----------------------------------------------------------------------


def of_two_outputs(loss, *, by_name=False):
    """A model of text that also gives its features: keras.io's `miniature_gpt`."""
    tokens = keras.Input((6,), dtype="int32")
    features = layers.Embedding(20, 8, name="features")(tokens)
    logits = layers.Dense(20, name="logits")(features)
    outputs = {"logits": logits, "features": features} if by_name else [logits, features]
    model = keras.Model(tokens, outputs)
    model.compile("adam", loss=loss)
    return model


CROSS_ENTROPY = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
PARTLY = {
    "one array": ([CROSS_ENTROPY, None], lambda y: y, False),
    "None in a list": ([CROSS_ENTROPY, None], lambda y: [y, None], False),
    "one array, by name": ({"logits": CROSS_ENTROPY, "features": None}, lambda y: y, True),
    "a name": ({"logits": CROSS_ENTROPY}, lambda y: {"logits": y}, True),
}


@pytest.mark.parametrize(("loss", "given", "by_name"), PARTLY.values(), ids=PARTLY.keys())
def test_an_output_may_have_no_loss_and_no_targets(loss, given, by_name):
    tokens = np.random.default_rng(0).integers(0, 20, (16, 6))
    model = of_two_outputs(loss, by_name=by_name)
    assert kerasinit.diagnose(model, tokens, given(tokens)).healthy
    model.fit(tokens, given(tokens), verbose=0)  # as it does


@pytest.mark.parametrize(("loss", "given", "by_name"), PARTLY.values(), ids=PARTLY.keys())
def test_without_targets_nothing_is_said_of_a_loss_of_some_outputs(loss, given, by_name):
    tokens = np.random.default_rng(0).integers(0, 20, (16, 6))
    assert kerasinit.diagnose(of_two_outputs(loss, by_name=by_name), tokens).healthy


@pytest.mark.parametrize(("loss", "given", "by_name"), PARTLY.values(), ids=PARTLY.keys())
def test_targets_of_the_one_output_with_a_loss_are_read(loss, given, by_name):
    tokens = np.random.default_rng(0).integers(0, 20, (16, 6))
    found = kerasinit.diagnose(of_two_outputs(loss, by_name=by_name), tokens, given(tokens + 20))
    assert (found.verdicts[0].cause, found.verdicts[0].where) == (
        "bad_targets",
        "targets of logits",
    )
