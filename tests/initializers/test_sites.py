"""A draw is told which variable of which layer it fills."""

import keras
import numpy as np
import pytest
from keras import layers

import kerasinit
from kerasinit.initializers import LayerInitializer, ScaledInitializer, Site


class Seen(LayerInitializer):
    """Notes the sites of its draws."""

    def __init__(self, *, seed=None, sites=None):
        super().__init__(seed=seed)
        self.sites = [] if sites is None else sites

    def draw(self, shape, dtype, *, seed, site):
        self.sites.append(site)
        return keras.ops.zeros(shape, dtype)


class SeenScaled(ScaledInitializer):
    """The same of a class that `EinsumDense` copies; the copies share the list."""

    def __init__(self, *, seed=None, sites=None):
        super().__init__(seed=seed)
        self.sites = [] if sites is None else sites

    draw = Seen.draw


def sites_of(build):
    """Layer, path and role of each real draw, in order."""
    seen = Seen(seed=1)
    build(seen)
    return [
        (site.layer.name, site.path, site.role) for site in seen.sites if not site.pretend
    ]  # fmt: skip


def dense(seen, name="dense", **options):
    return layers.Dense(3, kernel_initializer=seen, name=name, **options)


def test_a_site_is_that_of_a_first_real_draw_unless_told_otherwise():
    site = Site("layer", "path", "kernel")
    assert (site.pretend, site.again) == (False, False)


def test_outside_a_layer_there_is_no_site():
    seen = Seen()
    seen((2, 3))
    assert seen.sites == [None]


def test_a_layer_that_is_built_by_itself_is_its_own_path():
    assert sites_of(lambda s: dense(s).build((None, 2))) == [("dense", "dense", "kernel")]
    assert sites_of(lambda s: dense(s)(np.ones((1, 2)))) == [("dense", "dense", "kernel")]


class Block(layers.Layer):
    def __init__(self, inner, name="block"):
        super().__init__(name=name)
        self.inner = inner

    def build(self, shape):
        self.inner.build(shape)

    def call(self, x):
        return self.inner(x)


class Lazy(layers.Layer):
    """Builds its layer when it is called."""

    def __init__(self, inner, name="lazy"):
        super().__init__(name=name)
        self.inner = inner

    def call(self, x):
        return self.inner(x)


def sequential(*stack, name="model"):
    return keras.Sequential([keras.Input((2,)), *stack], name=name)


PATHS = {
    "sequential": (lambda s: sequential(dense(s)), "dense"),
    "built by a call": (
        lambda s: keras.Sequential([dense(s)], name="model")(np.ones((1, 2))), "dense",
    ),
    "built by shape": (lambda s: keras.Sequential([dense(s)], name="m").build((None, 2)), "dense"),
    "two models": (lambda s: sequential(sequential(dense(s), name="inner")), "dense"),
    "block": (lambda s: sequential(Block(dense(s))), "block/dense"),
    "lazy": (lambda s: sequential(Lazy(dense(s))), "lazy/dense"),
    "blocks": (lambda s: sequential(Block(Block(dense(s)), name="outer")), "outer/block/dense"),
    "model in a block": (
        lambda s: sequential(Block(keras.Sequential([dense(s)], name="inner"))),
        "block/inner/dense",
    ),
    "wrapped": (
        lambda s: keras.Sequential([keras.Input((4, 2)), layers.TimeDistributed(dense(s))]),
        "time_distributed/dense",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PATHS)
def test_the_path_leaves_out_the_models_around_a_layer(name):
    keras.utils.clear_session()
    build, path = PATHS[name]
    assert sites_of(build) == [("dense", path, "kernel")]


def test_a_model_of_a_class_of_its_own_is_part_of_the_path():
    class Own(keras.Model):
        def __init__(self, seen):
            super().__init__(name="own")
            self.inner = dense(seen)

        def call(self, x):
            return self.inner(x)

    assert sites_of(lambda s: Own(s)(np.ones((1, 2)))) == [("dense", "own/dense", "kernel")]


ROLES = {
    "kernel and bias": (
        lambda s: dense(s, bias_initializer=s).build((None, 2)), ["kernel", "bias"],
    ),
    "equal shapes": (
        lambda s: layers.SimpleRNN(
            2, kernel_initializer=s, recurrent_initializer=s, bias_initializer=s
        ).build((None, 3, 2)), ["kernel", "recurrent", "bias"],
    ),
    "recurrent alone": (
        lambda s: layers.LSTM(2, recurrent_initializer=s).build((None, 3, 2)), ["recurrent"],
    ),
    "separable": (
        lambda s: layers.SeparableConv1D(
            2, 1, depth_multiplier=1, depthwise_initializer=s, pointwise_initializer=s
        ).build((None, 4, 2)), ["depthwise", "pointwise"],
    ),
    "depthwise": (
        lambda s: layers.DepthwiseConv1D(2, depthwise_initializer=s).build((None, 4, 2)),
        ["depthwise"],
    ),
    "embedding": (
        lambda s: layers.Embedding(4, 2, embeddings_initializer=s).build(), ["embeddings"],
    ),
    "einsum": (
        lambda s: layers.EinsumDense("ab,bc->ac", 2, kernel_initializer=s).build((None, 2)),
        ["kernel"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ROLES)
def test_the_role_is_that_of_the_attribute_which_holds_the_initializer(name):
    build, roles = ROLES[name]
    assert [role for _, _, role in sites_of(build)] == roles


@pytest.mark.parametrize("heads", [False, True])
def test_a_copy_that_a_layer_makes_has_the_role_of_the_original(heads):
    seen = SeenScaled(seed=1)
    if heads:
        layers.MultiHeadAttention(2, 3, kernel_initializer=seen).build((None, 4, 5), (None, 4, 5))
    else:
        layers.EinsumDense("ab,bc->ac", 2, kernel_initializer=seen).build((None, 2))
    assert [site.role for site in seen.sites] == ["kernel"] * (4 if heads else 1)


def test_equal_instances_have_their_own_roles():
    sites = []

    def build(seen):
        one, two = Seen(sites=sites), Seen(sites=sites)
        layers.SimpleRNN(2, kernel_initializer=one, recurrent_initializer=two).build((None, 3, 2))

    build(None)
    assert [site.role for site in sites] == ["kernel", "recurrent"]


def test_a_variable_that_no_attribute_tells_of_has_no_role():
    class Bare(layers.Layer):
        def __init__(self, seen):
            super().__init__(name="bare")
            self.seen = seen

        def build(self, shape):
            self.weight = self.add_weight(shape=(2, 2), initializer=self.seen, name="weight")

    assert sites_of(lambda s: Bare(s).build((None, 2))) == [("bare", "bare", "")]


def test_other_initializers_of_a_layer_tell_nothing_while_it_builds():
    class Half(layers.Layer):
        def __init__(self, seen):
            super().__init__(name="half")
            self.kernel_initializer = keras.initializers.Zeros()
            self.seen = seen

        def build(self, shape):
            self.weight = self.add_weight(shape=(2, 2), initializer=self.seen, name="weight")

    assert sites_of(lambda s: Half(s).build((None, 2))) == [("half", "half", "")]


def test_a_variable_that_is_filled_again_is_told_so():
    seen = Seen(seed=1)
    model = keras.Sequential([keras.Input((2,)), layers.Dense(3, name="dense")], name="model")
    kerasinit.initialize(model, [("dense/kernel", seen), ("dense/bias", seen)])
    kernel, bias = (site for site in seen.sites if not site.pretend)
    assert (kernel.path, kernel.role, kernel.again) == ("dense", "kernel", True)
    assert (bias.path, bias.role, bias.again) == ("dense", "bias", True)


def test_the_first_filling_is_not_one_again():
    seen = Seen()
    dense(seen).build((None, 2))
    assert not seen.sites[0].again


def test_under_a_trace_the_site_is_asked_and_then_filled():
    class Own(keras.Model):
        def __init__(self, seen):
            super().__init__(name="own")
            self.block = Lazy(dense(seen))

        def call(self, x):
            return self.block(x)

    seen = Seen()
    model = Own(seen)
    model.compile("sgd", "mse")
    model.predict(np.ones((1, 2)), verbose=0)
    real = [site for site in seen.sites if not site.pretend]
    assert [(site.layer.name, site.path, site.role) for site in real] == [
        ("dense", "own/lazy/dense", "kernel")
    ]
    assert not real[0].again
