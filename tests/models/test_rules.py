"""Rules: which initializer goes to which variable, and which lists are refused."""

import keras
import numpy as np
import pytest
from keras import layers

import kerasinit


@pytest.fixture
def model():
    return keras.Sequential(
        [
            keras.Input((5,)),
            layers.Embedding(7, 4, name="words"),
            layers.Conv1D(4, 3, name="conv"),
            layers.GlobalMaxPooling1D(),
            layers.Dense(3, name="head"),
        ],
        name="net",
    )


def chosen(plan):
    return {row.path.removeprefix("net/"): row.initializer.partition("(")[0] for row in plan}


def test_the_first_matching_rule_counts(model):
    rules = [("head", "zeros"), (".", "he_normal")]
    names = chosen(kerasinit.initialize(model, rules))
    assert (names["head/kernel"], names["conv/kernel"]) == ("Zeros", "HeNormal")


def test_a_path_rule_means_kernels_unless_it_names_another_variable(model):
    names = chosen(kerasinit.initialize(model, [("conv", "ones"), ("head/bias", "ones")]))
    assert (names["conv/kernel"], names["conv/bias"], names["head/bias"]) == (
        "Ones",
        "Zeros",
        "Ones",
    )


def test_a_class_rule_means_kernels_and_embeddings_of_that_class(model):
    names = chosen(kerasinit.initialize(model, [(layers.Embedding, "ones")]))
    assert (names["words/embeddings"], names["conv/kernel"]) == ("Ones", "GlorotUniform")


def test_what_no_rule_means_is_drawn_from_its_own_layer(model):
    plan = kerasinit.initialize(model, [("head", "zeros")])
    assert plan["conv/kernel"].reason == "the layer's own initializer"


def test_a_rule_that_matches_nothing_shows_near_matches(model):
    with pytest.raises(ValueError, match=r"'net/haed' matches no variable.*Near.*net/head/kernel"):
        kerasinit.initialize(model, [("net/haed", "zeros")])


def test_a_class_that_is_not_there_shows_the_classes_that_are(model):
    with pytest.raises(ValueError, match=r"LSTM matches no layer.*Conv1D, Dense, Embedding"):
        kerasinit.initialize(model, [(layers.LSTM, "zeros")])


def test_a_rule_hidden_by_an_earlier_one_is_refused(model):
    with pytest.raises(ValueError, match=r"'head' never applies.*earlier rule \('\.'\)"):
        kerasinit.initialize(model, [(".", "zeros"), ("head", "ones")])


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ([], "`rules` is an empty list"),
        ([("head",)], r"Received the entry: \('head',\)"),
        ([("(", "zeros")], r"'\(' is not a regular expression"),
        ([(3, "zeros")], "a regular expression for variable paths or a layer class"),
        ([("head", 3)], r"An initializer must be a name.*Received: 3\."),
        ("no_such_initializer", "no_such_initializer"),
        (np.ones((8, 3), "float32"), r"array of shape \(8, 3\).*goes into `data=`"),
        (keras.ops.ones((8, 3)), r"array of shape \(8, 3\).*goes into `data=`"),
    ],
    ids=[
        "empty",
        "no pair",
        "no regex",
        "no pattern",
        "no initializer",
        "no name",
        "a batch",
        "a tensor",
    ],
)
def test_a_bad_rule_is_refused_and_changes_nothing(model, rules, message):
    before = model.get_weights()
    with pytest.raises(ValueError, match=message):
        kerasinit.initialize(model, rules)
    assert all((old == new).all() for old, new in zip(before, model.get_weights(), strict=True))


@pytest.fixture
def sequence_model():
    inputs = keras.Input((6,), dtype="int32")
    x = layers.Embedding(20, 8, name="words")(inputs)
    x = layers.LSTM(8, return_sequences=True, name="lstm")(x)
    x = layers.Bidirectional(layers.GRU(4, return_sequences=True), name="both")(x)
    x = layers.MultiHeadAttention(2, 4, name="attention")(x, x)
    x = layers.LayerNormalization(name="norm")(x)
    x = layers.TimeDistributed(layers.Dense(3, name="dense"), name="each")(x)
    return keras.Model(inputs, x)


@pytest.mark.parametrize(
    ("pattern", "paths"),
    [
        (layers.LSTM, "lstm/lstm_cell/kernel lstm/lstm_cell/recurrent_kernel"),
        (layers.GRU, "gru_cell/kernel gru_cell/recurrent_kernel"),
        (layers.Bidirectional, "gru_cell/kernel gru_cell/recurrent_kernel"),
        (layers.MultiHeadAttention, "query/kernel value/kernel attention_output/kernel"),
        (layers.TimeDistributed, "each/dense/kernel"),
        ("words", "words/embeddings"),
        ("norm/", "norm/gamma norm/beta"),
    ],
    ids=str,
)
def test_a_rule_means_what_a_user_sees(sequence_model, pattern, paths):
    plan = kerasinit.initialize(sequence_model, [(pattern, "ones")], seed=1)
    ruled = [row.path for row in plan if row.reason.startswith("rule ")]
    for path in paths.split():
        assert any(found.endswith(path) for found in ruled), (path, ruled)


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ("he_norml", r"`rules` must be a name.*Received: 'he_norml'.*Near matches: 'he_normal'"),
        ("deep_norm", r"Near matches: 'deepnorm'"),
        ({"kernel": "he_normal"}, r"`rules`.*list of pairs.*\[\('kernel', 'he_normal'\)\]"),
        ({"class_name": "HeNormall", "config": {}}, r"`rules`.*Near matches: 'HeNormal'"),
    ],
    ids=["name", "preset", "dict", "config"],
)
def test_what_names_no_rules_gets_near_matches(model, rules, message):
    with pytest.raises(ValueError, match=message):
        kerasinit.initialize(model, rules)


def test_a_scheme_at_the_end_is_for_all_the_rest():
    inputs = keras.Input((8,))
    x = inputs
    for name in ("a", "b"):
        x = x + layers.Dense(8, name=name)(x)
    model = keras.Model(inputs, layers.Dense(3, name="head")(x))
    plan = kerasinit.initialize(model, [("head", "ones"), "fixup"], seed=1)
    found = {row.path: row.initializer for row in plan if row.kind == "kernel"}
    assert found == {"a/kernel": "Zeros()", "b/kernel": "Zeros()", "head/kernel": "Ones()"}


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        (["fixup", ("head", "ones")], "Received the entry: 'fixup'"),
        ([("head", "ones"), "fixupp"], "Received the entry: 'fixupp'. Near matches: 'fixup'"),
    ],
    ids=["first", "misspelt"],
)
def test_a_scheme_elsewhere_or_misspelt_is_refused(model, rules, message):
    with pytest.raises(ValueError, match=message):
        kerasinit.initialize(model, rules)


def transfer_model():
    image = keras.Input((5,))
    inner = layers.Dense(4, "relu", name="c1")(layers.Dense(4, "relu", name="c0")(image))
    backbone = keras.Model(image, inner, name="backbone")
    inputs = keras.Input((5,))
    return keras.Model(inputs, layers.Dense(2, name="head")(backbone(inputs)), name="classifier")


@pytest.mark.parametrize("part", ["backbone", keras.Model], ids=["its name", "its class"])
def test_a_rule_may_name_a_model_inside(part):
    plan = kerasinit.initialize(transfer_model(), [(part, None), (".*", "he_normal")], seed=1)
    assert {row.path.split("/")[-2] for row in plan.left_alone} == {"c0", "c1"}
    assert plan["head/kernel"].initializer == "HeNormal()"


def test_a_rule_that_keeps_no_kernel_is_refused():
    rules = [(".*", "he_normal"), ("backbone", None)]
    with pytest.raises(ValueError, match=r"'backbone' never applies: every kernel.*\('\.\*'\)"):
        kerasinit.initialize(transfer_model(), rules)


def test_a_layer_alone_may_be_drawn():
    model = transfer_model()
    model.set_weights([value + 1 for value in model.get_weights()])
    before = {variable.path: np.array(variable) for variable in model.variables}
    kerasinit.reset(model.get_layer("head"), seed=1)
    changed = {v.path for v in model.variables if (np.array(v) != before[v.path]).any()}
    assert changed == {variable.path for variable in model.get_layer("head").variables}


def test_a_pair_that_is_in_no_list_is_shown_in_one(model):
    with pytest.raises(ValueError, match=r"is a list of one, too: `\[\('head', 'he_normal'\)\]`"):
        kerasinit.initialize(model, ("head", "he_normal"))


def test_a_name_of_nothing_is_told_of_schemes(model):
    with pytest.raises(ValueError, match=r"or a scheme.*'gpt2'"):
        kerasinit.initialize(model, "gpt2")


def test_a_negative_seed_is_refused(model):
    with pytest.raises(ValueError, match=r"0 or more.*Received: seed=-1"):
        kerasinit.initialize(model, seed=-1)


@pytest.mark.parametrize(
    "rules",
    [
        [(layers.Dense, "he_normal"), (".*", None)],
        [("head/kernel", "he_normal"), ("head", None), ("conv", None), ("words", None)],
        [("kernel", "he_normal"), (layers.Layer, None)],
    ],
    ids=["all but a class", "a bias", "all but kernels"],
)
def test_a_rule_may_keep_what_narrower_ones_leave(model, rules):
    plan = kerasinit.initialize(model, rules, seed=1)
    assert plan["head/kernel"].changed
    assert not plan["head/bias"].changed
    assert not plan["words/embeddings"].changed


def test_the_name_of_what_is_around_is_no_regular_expression():
    features = keras.Sequential(
        [keras.Input((8,)), layers.Dense(8, name="body"), layers.Dense(4, name="head")],
        name="features",
    )
    inputs = keras.Input((8,))
    model = keras.Model(inputs, layers.Dense(2, name="last")(features(inputs)))
    plan = kerasinit.initialize(model, [("^(?!.*head).*", None)], seed=1)
    assert {row.path.split("/")[-2] for row in plan.changed} == {"head"}
