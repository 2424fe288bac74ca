"""The rules "rl": orthogonal below the heads, 0.01 for policies, 1 for values."""

import math

import keras
import numpy as np
import pytest
from keras import layers

import kerasinit

HIDDEN, POLICY, VALUE = math.sqrt(2), 0.01, 1.0


def torso(x):
    return layers.Dense(64, "tanh", name="second")(layers.Dense(64, "tanh", name="first")(x))


def two_heads(*heads, **options):
    inputs = keras.Input((4,))
    x = torso(inputs)
    return keras.Model(inputs, [head(x) for head in heads], **options)


def gains(plan):
    return {
        row.path.split("/")[-2]: round(row.gain, 6)
        for row in plan
        if row.kind == "kernel" and row.gain is not None
    }


@pytest.mark.parametrize(
    ("heads", "policy", "value"),
    [
        ((layers.Dense(3, name="a"), layers.Dense(1, name="b")), "a", "b"),
        ((layers.Dense(1, name="b"), layers.Dense(1, "tanh", name="a")), "a", "b"),
        ((layers.Dense(1, name="mu"), layers.Dense(1, name="v")), "mu", "v"),
        ((layers.Dense(1, name="actionHead"), layers.Dense(1, name="b")), "actionHead", "b"),
        ((layers.Dense(5, name="b"), layers.Dense(5, "softmax", name="a")), "a", "b"),
        ((layers.Dense(51, name="critic"), layers.Dense(5, name="x")), "x", "critic"),
    ],
    ids=["units", "tanh", "names", "camel case", "softmax", "the other one"],
)
def test_the_heads_are_told(heads, policy, value):
    model = two_heads(*[type(head).from_config(head.get_config()) for head in heads])
    found = gains(kerasinit.initialize(model, "rl", seed=1))
    assert found == {
        "first": round(HIDDEN, 6), "second": round(HIDDEN, 6), policy: POLICY, value: VALUE,
    }  # fmt: skip


def test_the_kernels_are_orthogonal_of_these_gains():
    model = two_heads(layers.Dense(3, name="policy"), layers.Dense(1, name="value"))
    kerasinit.initialize(model, "rl", seed=1)
    for name, gain in (("first", HIDDEN), ("second", HIDDEN), ("policy", POLICY), ("value", VALUE)):
        kernel, bias = model.get_layer(name).get_weights()
        singular = np.linalg.svd(kernel, compute_uv=False)
        np.testing.assert_allclose(singular, gain, rtol=1e-5)
        assert not bias.any()


def test_a_policy_starts_near_uniform():
    model = two_heads(layers.Dense(4, "softmax", name="a"), layers.Dense(1, name="b"))
    kerasinit.initialize(model, "rl", seed=1)
    actions, _ = model(np.random.default_rng(0).normal(size=(64, 4)).astype("float32"))
    np.testing.assert_allclose(keras.ops.convert_to_numpy(actions), 0.25, atol=0.01)


def network(name, units):
    return keras.Sequential([keras.Input((4,)), layers.Dense(8), layers.Dense(units)], name=name)


class Agent(keras.Model):
    """Two networks, each called on its own."""

    def __init__(self):
        super().__init__()
        self.actor, self.critic = network("actor", 2), network("critic", 1)


def test_the_networks_of_a_container_are_told_by_their_names():
    agent = Agent()
    kerasinit.initialize(agent, "rl", seed=1)
    norms = [np.linalg.norm(w, 2) for w in agent.get_weights() if w.ndim == 2]
    np.testing.assert_allclose(norms, [HIDDEN, POLICY, HIDDEN, VALUE], rtol=1e-5)


class DeepQ(keras.Model):
    """A network that it calls, and another that learns from it and is called elsewhere."""

    def __init__(self):
        super().__init__()
        self.online, self.target = network("q_online", 2), network("q_target", 2)

    def call(self, x):
        return self.online(x)


def test_the_called_network_of_a_container_is_told_as_the_others():
    agent = DeepQ()
    agent(np.ones((2, 4), "float32"))
    plan = kerasinit.initialize(agent, "rl", seed=1)
    for name in ("q_online", "q_target"):
        reasons = [row.reason for row in plan if name in row.path and row.kind == "kernel"]
        assert reasons[0] == "rl: below the heads, orthogonal times sqrt(2)"
        assert reasons[1].startswith(f"rl: value head (the name {name!r})")


def test_a_version_in_a_name_is_no_value():
    head = layers.Dense(3, "softmax", name="dense_v2")
    assert gains(kerasinit.initialize(two_heads(head, name="NetV2"), "rl"))["dense_v2"] == POLICY


@pytest.mark.parametrize("name", ["q2", "critic2", "vf1"])
def test_a_number_in_the_name_of_a_value_is_none_of_its_version(name):
    assert gains(kerasinit.initialize(two_heads(layers.Dense(3, name=name)), "rl"))[name] == VALUE


def test_recurrent_parts_keep_the_best_practice_and_take_time_steps():
    inputs = keras.Input((10, 4))
    x = layers.LSTM(8, name="memory")(layers.Dense(8, "tanh", name="first")(inputs))
    heads = [layers.Dense(3, name="policy")(x), layers.Dense(1, name="value")(x)]
    plan = kerasinit.initialize(keras.Model(inputs, heads), "rl", time_steps=20, seed=1)
    assert plan["lstm_cell/bias"].initializer == "ChronoBias(time_steps=20, units=8)"
    assert plan["lstm_cell/recurrent_kernel"].reason.startswith("recurrent: orthogonal")
    assert plan["first/kernel"].gain == pytest.approx(HIDDEN)


def dueling():
    inputs = keras.Input((4,))
    x = torso(inputs)
    return keras.Model(inputs, layers.Dense(1, name="x")(x) + layers.Dense(3, name="y")(x))


@pytest.mark.parametrize(
    "build",
    [
        lambda: two_heads(layers.Dense(3, name="x")),
        lambda: two_heads(layers.Dense(1, name="x"), layers.Dense(1, name="y")),
        lambda: two_heads(layers.Dense(3, name="x"), layers.Dense(3, name="y")),
        lambda: two_heads(layers.Dense(3, name="actor_critic")),
        dueling,
    ],
    ids=["one of many units", "two of one", "two of three", "a name that says both", "dueling"],
)
def test_heads_that_cannot_be_told_are_refused(build):
    model = build()
    before = model.get_weights()
    with pytest.raises(
        ValueError, match=r"cannot tell whether '.*kernel'.*makes a policy or a val"
    ):
        kerasinit.initialize(model, "rl")
    assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))


def test_heads_may_be_given():
    model = two_heads(layers.Dense(1, name="x"), layers.Dense(1, name="y"))
    rules = [
        ("x/", kerasinit.Orthogonal(gain=0.01)),
        ("y/", kerasinit.Orthogonal(gain=1.0)),
        "rl",
    ]
    found = gains(kerasinit.initialize(model, rules, seed=1))
    assert found == {
        "first": round(HIDDEN, 6), "second": round(HIDDEN, 6), "x": POLICY, "y": VALUE,
    }  # fmt: skip


def test_one_value_alone_is_a_critic():
    assert gains(kerasinit.initialize(two_heads(layers.Dense(1, name="x")), "rl"))["x"] == VALUE


def test_a_model_without_a_head_is_refused():
    model = keras.Sequential([keras.Input((5, 3)), layers.LSTM(4)])
    with pytest.raises(ValueError, match="need a Dense or convolution layer that makes an output"):
        kerasinit.initialize(model, "rl")


def test_a_frozen_torso_stays():
    model = two_heads(layers.Dense(3, name="policy"), layers.Dense(1, name="value"))
    model.get_layer("first").trainable = False
    before = model.get_layer("first").get_weights()[0]
    kerasinit.initialize(model, "rl", seed=1)
    np.testing.assert_array_equal(model.get_layer("first").get_weights()[0], before)
