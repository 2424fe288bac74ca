"""A user's initializers run as they are: not traced, not rebuilt from their config."""

import random

import keras
import numpy as np
import pytest
from keras import layers, ops

import kerasinit


class Scaled(keras.initializers.Initializer):
    def __init__(self, std=0.05):
        self.std = std

    def __call__(self, shape, dtype=None):
        return keras.random.normal(shape, stddev=self.std, dtype=dtype)


class Required(Scaled):
    def __init__(self, std):
        super().__init__(std)


class Incomplete(Scaled):
    def get_config(self):
        raise NotImplementedError


class Seeded(keras.initializers.Initializer):
    """Keeps a seed, a generator, or another initializer, and says so nowhere."""

    def __init__(self, std, source):
        self.std, self.source = std, source
        self.seed = source if isinstance(source, int) else None

    def __call__(self, shape, dtype=None):
        if isinstance(self.source, keras.initializers.Initializer):
            return self.std * self.source(shape, dtype=dtype)
        seed = self.seed if self.seed is not None else self.source
        return keras.random.normal(shape, stddev=self.std, dtype=dtype, seed=seed)


def unseeded(shape, dtype=None):
    return keras.random.uniform(shape, -1.0, 1.0, dtype=dtype)


def through_numpy(shape, dtype=None):
    values = np.random.default_rng().normal(size=shape)
    u, _, v = np.linalg.svd(values, full_matrices=False)
    return u @ v


def unit_std(shape, dtype=None):
    values = keras.random.normal(shape, dtype=dtype)
    return values / float(ops.std(values))


def build(initializer):
    kernels = [layers.Dense(64, kernel_initializer=initializer) for _ in range(2)]
    return keras.Sequential([keras.Input((64,)), *kernels])


CALLS = {
    "reset": lambda model, _: kerasinit.reset(model, seed=1),
    "rule": lambda model, own: kerasinit.initialize(model, [("kernel", own)], seed=1),
    "one": lambda model, own: kerasinit.initialize(model, own, seed=1),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize(
    ("initializer", "std"),
    [
        (Scaled(5.0), 5.0),
        (Required(5.0), 5.0),
        (Incomplete(5.0), 5.0),
        (Seeded(5.0, 3), 5.0),
        (Seeded(5.0, keras.random.SeedGenerator(3)), 5.0),
        (Seeded(5.0, keras.initializers.RandomNormal(stddev=1.0)), 5.0),
        (unseeded, 3**-0.5),
        (through_numpy, 0.125),
        (unit_std, 1.0),
    ],
    ids=[
        "no config",
        "required",
        "raises",
        "seed",
        "generator",
        "nested",
        "draw",
        "numpy",
        "float",
    ],
)
def test_it_draws_with_its_own_arguments(call, initializer, std):
    model = build(initializer)
    call(model, initializer)
    first, second = (layer.get_weights()[0] for layer in model.layers)
    assert first.std() == pytest.approx(std, rel=0.06)
    assert not np.array_equal(first, second)


@pytest.mark.parametrize(
    "source",
    [3, keras.random.SeedGenerator(3), keras.initializers.RandomNormal(seed=3)],
    ids=["seed", "generator", "nested"],
)
def test_a_seed_inside_is_replaced_by_that_of_the_call(source):
    model = build(Seeded(1.0, source))
    kerasinit.reset(model, seed=1)
    first = model.get_weights()
    kerasinit.reset(model, seed=1)
    for old, new in zip(first, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def of_numpy(shape, dtype=None):
    return np.random.normal(size=shape)  # noqa: NPY002


def of_python(shape, dtype=None):
    return np.full(shape, random.random()) + np.random.normal(size=shape)  # noqa: NPY002


@pytest.mark.parametrize("initializer", [unseeded, unit_std, Scaled(), of_numpy, of_python])
@pytest.mark.parametrize("call", ["reset", "rule"])
def test_what_draws_without_a_seed_repeats_and_leaves_the_global_state(call, initializer):
    model = build(initializer)
    found, following = [], []
    for state in (1, 2):
        keras.utils.set_random_seed(state)
        CALLS[call](model, initializer)
        found.append(model.get_weights())
        following.append([random.random(), np.random.rand(), numpy_draw()])  # noqa: NPY002
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)
    for state, numbers in zip((1, 2), following, strict=True):
        keras.utils.set_random_seed(state)
        assert numbers == [random.random(), np.random.rand(), numpy_draw()]  # noqa: NPY002


def numpy_draw():
    return float(ops.convert_to_numpy(keras.random.normal(())))


class Affine(keras.layers.Layer):
    """Its config forgets how it starts, as those of many a LayerScale do."""

    def __init__(self, start=1.0, bias=False, **options):
        super().__init__(**options)
        self.bias = bias
        self.ones = start if callable(start) else keras.initializers.Constant(start)

    def build(self, shape):
        self.ww = self.add_weight(name="weight", shape=shape[-1:], initializer=self.ones)

    def call(self, x):
        return x * self.ww

    def get_config(self):
        return {**super().get_config(), "bias": self.bias}


class Derived(Affine):
    def __init__(self, **options):
        super().__init__(**options)


class Noted(Affine):
    """Keeps the argument, which its config forgets."""

    def __init__(self, start=1.0, **options):
        super().__init__(start, **options)
        self.start = start


@pytest.mark.parametrize("call", [kerasinit.initialize, kerasinit.reset])
def test_a_config_that_forgets_an_argument_is_not_believed(call):
    told, derived, noted = Affine(1e-5), Derived(start=1e-5), Noted(1e-5)
    untold = Affine(keras.initializers.Constant(1e-6))
    inputs = keras.Input((4,))
    model = keras.Model(inputs, untold(noted(derived(told(layers.Dense(4)(inputs))))))
    plan = call(model, seed=0)
    np.testing.assert_allclose(told.get_weights()[0], 1e-5)
    np.testing.assert_allclose(derived.get_weights()[0], 1e-5)
    np.testing.assert_allclose(noted.get_weights()[0], 1e-5)
    np.testing.assert_allclose(untold.get_weights()[0], 1e-6)
    assert plan[told.ww.path].changed
    assert not plan[untold.ww.path].changed  # an object that Keras does not record
