"""Seeds: as Keras outside a layer; one seed per variable inside."""

import subprocess
import sys

import keras
import numpy as np
import pytest

from kerasinit.initializers import HeNormal, LecunUniform, XavierUniform

L = keras.layers


def values(tensor):
    return keras.ops.convert_to_numpy(tensor)


def kernel(layer, shape=(None, 4)):
    layer.build(shape)
    return values(layer.kernel)


def test_an_int_repeats_outside_a_layer():
    initializer = HeNormal(seed=3)
    np.testing.assert_array_equal(values(initializer((3, 4))), values(initializer((3, 4))))


@pytest.mark.parametrize("seed", [0, 3, 2**31 + 5], ids=str)
def test_a_draw_outside_a_layer_equals_that_of_keras(seed):
    ours, theirs = XavierUniform(seed=seed), keras.initializers.GlorotUniform(seed=seed)
    np.testing.assert_array_equal(values(ours((5, 7))), values(theirs((5, 7))))


def test_a_truncated_draw_outside_a_layer_equals_that_of_keras():
    ours, theirs = HeNormal(truncate=2.0, seed=3), keras.initializers.HeNormal(seed=3)
    np.testing.assert_allclose(values(ours((5, 7))), values(theirs((5, 7))), rtol=1e-6)


def test_no_seed_draws_one_at_construction():
    first, second = HeNormal(), HeNormal()
    np.testing.assert_array_equal(values(first((3, 4))), values(first((3, 4))))
    assert not np.array_equal(values(first((3, 4))), values(second((3, 4))))


def test_a_generator_moves_on():
    initializer = HeNormal(seed=keras.random.SeedGenerator(3))
    assert not np.array_equal(values(initializer((3, 4))), values(initializer((3, 4))))


def test_a_numpy_integer_is_an_integer():
    ours, numpys = HeNormal(seed=3), HeNormal(seed=np.int64(3))
    np.testing.assert_array_equal(values(ours((3, 4))), values(numpys((3, 4))))
    assert type(numpys.get_config()["seed"]) is int


def test_a_negative_seed_is_refused():
    with pytest.raises(ValueError, match=r"`seed` must be a non-negative integer. .* seed=-3"):
        HeNormal(seed=-3)


@pytest.mark.parametrize("seed", [True, 1.5, "1", [1], np.bool_(True)], ids=repr)
def test_a_seed_of_another_type_is_refused(seed):
    with pytest.raises(TypeError, match=r"`seed` must be None, a non-negative integer"):
        HeNormal(seed=seed)


def test_a_seed_of_any_size_draws():
    assert np.isfinite(values(HeNormal(seed=2**70)((3, 4)))).all()


@pytest.mark.parametrize("seed", [None, 3, 2**31 + 5], ids=str)
def test_the_config_has_the_users_seed(seed):
    assert HeNormal(seed=seed).get_config()["seed"] == seed


def test_a_generator_survives_its_config():
    initializer = HeNormal(seed=keras.random.SeedGenerator(3))
    again = HeNormal.from_config(initializer.get_config())
    np.testing.assert_array_equal(values(initializer((3, 4))), values(again((3, 4))))


@pytest.mark.parametrize("seed", [None, 3], ids=str)
def test_a_shared_instance_gives_different_kernels(seed):
    shared = HeNormal(seed=seed)
    first = kernel(L.Dense(4, kernel_initializer=shared))
    assert not np.array_equal(first, kernel(L.Dense(4, kernel_initializer=shared)))


def test_one_instance_for_two_variables_of_a_layer_gives_different_values():
    shared = HeNormal(seed=3)
    layer = L.SimpleRNN(4, kernel_initializer=shared, recurrent_initializer=shared)
    layer.build((None, 2, 4))
    cell = layer.cell
    assert not np.array_equal(values(cell.kernel), values(cell.recurrent_kernel))


def test_equal_instances_for_two_variables_of_a_layer_give_different_values():
    layer = L.SimpleRNN(
        4, kernel_initializer=HeNormal(seed=3), recurrent_initializer=HeNormal(seed=3)
    )
    layer.build((None, 2, 4))
    cell = layer.cell
    assert not np.array_equal(values(cell.kernel), values(cell.recurrent_kernel))


def test_a_shared_instance_gives_different_einsum_kernels():
    shared = HeNormal(seed=3)
    first, second = (
        kernel(L.EinsumDense("ab,bc->ac", 4, kernel_initializer=shared)) for _ in range(2)
    )
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("seed", [None, 3, "generator"], ids=str)
def test_the_projections_of_attention_differ(seed):
    seed = keras.random.SeedGenerator(3) if seed == "generator" else seed
    layer = L.MultiHeadAttention(2, 4, kernel_initializer=HeNormal(seed=seed))
    layer.build((None, 5, 8), (None, 5, 8))
    query, key, value = (
        values(dense.kernel) for dense in (layer.query_dense, layer.key_dense, layer.value_dense)
    )
    assert not np.array_equal(query, key)
    assert not np.array_equal(key, value)
    assert not np.array_equal(query, value)


def test_two_attentions_that_share_an_instance_differ():
    shared = HeNormal(seed=3)
    first, second = (L.MultiHeadAttention(2, 4, kernel_initializer=shared) for _ in range(2))
    for layer in (first, second):
        layer.build((None, 5, 8), (None, 5, 8))
    assert not np.array_equal(values(first.query_dense.kernel), values(second.query_dense.kernel))


def test_forward_and_backward_differ():
    layer = L.Bidirectional(L.LSTM(4, kernel_initializer=HeNormal(seed=3)))
    layer.build((None, 3, 4))
    forward, backward = (
        values(half.cell.kernel) for half in (layer.forward_layer, layer.backward_layer)
    )
    assert not np.array_equal(forward, backward)


def build_model():
    shared = HeNormal(seed=1)
    inputs = keras.Input((6, 4))
    x = L.Dense(8, kernel_initializer=shared)(inputs)
    x = L.MultiHeadAttention(2, 4, kernel_initializer=LecunUniform(seed=1))(x, x)
    x = L.Bidirectional(L.GRU(3, recurrent_initializer=XavierUniform(seed=4)))(x)
    return keras.Model(inputs, L.Dense(2, kernel_initializer=shared)(x))


def seeded_weights(model):
    ends = ("dense", "query", "key", "value", "output", "recurrent_kernel")
    chosen = [v for v in model.weights if len(v.shape) > 1 and any(e in v.path for e in ends)]
    return [values(v) for v in chosen if not v.path.endswith("gru_cell/kernel")]


def test_building_the_model_again_gives_the_same_weights():
    first, second = build_model(), build_model()
    pairs = list(zip(seeded_weights(first), seeded_weights(second), strict=True))
    assert len(pairs) >= 8
    for one, two in pairs:
        np.testing.assert_array_equal(one, two)


def test_another_process_gives_the_same_weights(tmp_path):
    layer = L.Dense(3, kernel_initializer=HeNormal(seed=3), name="d")
    expected = kernel(layer)
    script = (
        "import keras, numpy, kerasinit, sys\n"
        "layer = keras.layers.Dense(3, name='d',"
        " kernel_initializer=kerasinit.initializers.HeNormal(seed=3))\n"
        "layer.build((None, 4))\n"
        "numpy.save(sys.argv[1], keras.ops.convert_to_numpy(layer.kernel))\n"
    )
    path = tmp_path / "kernel.npy"
    subprocess.run([sys.executable, "-c", script, str(path)], check=True)
    np.testing.assert_allclose(np.load(path), expected, rtol=1e-6)


def test_the_global_seed_fixes_an_unseeded_model():
    kernels = []
    for _ in range(2):
        keras.utils.set_random_seed(7)
        kernels.append(kernel(L.Dense(3, kernel_initializer="kerasinit>HeNormal")))
    np.testing.assert_array_equal(*kernels)


@pytest.mark.parametrize(("seed", "same"), [(None, False), (3, True)], ids=str)
def test_a_clone_behaves_as_with_keras(seed, same):
    model = keras.Sequential(
        [keras.Input((4,)), L.Dense(3, kernel_initializer=HeNormal(seed=seed))]
    )
    clone = keras.models.clone_model(model)
    equal = np.array_equal(values(model.layers[0].kernel), values(clone.layers[0].kernel))
    assert equal is same


def test_a_layer_built_while_its_model_is_traced_is_seen():
    class Traced(keras.Model):
        def __init__(self):
            super().__init__(name="traced")
            self.wide = L.DepthwiseConv1D(
                3, name="wide", depthwise_initializer=HeNormal(gain=1.0, seed=3)
            )

        def call(self, inputs):
            return self.wide(inputs)

    model = Traced()
    model(np.zeros((1, 6, 400), "float32"))
    assert np.std(values(model.wide.kernel)) == pytest.approx(3**-0.5, rel=0.1)
    direct = L.DepthwiseConv1D(3, name="wide", depthwise_initializer=HeNormal(gain=1.0, seed=3))
    assert kernel(direct, (None, 6, 400)).std() == pytest.approx(3**-0.5, rel=0.1)


def test_a_traced_model_built_again_has_the_same_weights():
    class Traced(keras.Model):
        def __init__(self, shared):
            super().__init__()
            self.one = L.Dense(4, kernel_initializer=shared)
            self.two = L.Dense(4, kernel_initializer=shared)

        def call(self, inputs):
            return self.two(self.one(inputs))

    first, second = (Traced(HeNormal(seed=3)) for _ in range(2))
    for model in (first, second):
        model(np.zeros((1, 4), "float32"))
    np.testing.assert_array_equal(values(first.one.kernel), values(second.one.kernel))
    np.testing.assert_array_equal(values(first.two.kernel), values(second.two.kernel))
    assert not np.array_equal(values(first.one.kernel), values(first.two.kernel))


def seeded():
    return L.Dense(4, kernel_initializer=HeNormal(seed=7))


def in_a_chain():
    return keras.Sequential([keras.Input((4,)), seeded(), seeded(), seeded()])


def built_by_a_call():
    model = keras.Sequential([seeded(), seeded()])
    model(np.zeros((1, 4), "float32"))
    return model


def side_by_side():
    inputs = keras.Input((4,))
    return keras.Model(inputs, L.Add()([seeded()(inputs), seeded()(inputs)]))


def in_a_nested_model():
    inputs = keras.Input((4,))
    inner = keras.Sequential([keras.Input((4,)), seeded()])
    return keras.Model(inputs, seeded()(inner(inputs)))


class Block(L.Layer):
    def __init__(self):
        super().__init__()
        self.first, self.second = seeded(), seeded()

    def build(self, shape):
        self.first.build(shape)
        self.second.build(shape)

    def call(self, x):
        return self.second(self.first(x))


def in_blocks():
    inputs = keras.Input((4,))
    return keras.Model(inputs, Block()(Block()(inputs)))


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.one, self.two = seeded(), seeded()

    def call(self, x):
        return self.two(self.one(x))


def subclassed():
    model = Subclassed()
    model(np.zeros((1, 4), "float32"))
    return model


def in_stacked_cells():
    cells = [L.SimpleRNNCell(4, kernel_initializer=HeNormal(seed=7)) for _ in range(2)]
    inputs = keras.Input((3, 4))
    return keras.Model(inputs, L.RNN(cells)(inputs))


EQUAL_SEEDS = [
    in_a_chain,
    built_by_a_call,
    side_by_side,
    in_a_nested_model,
    in_blocks,
    subclassed,
    in_stacked_cells,
]


def kernels(model):
    return [values(v) for v in model.weights if v.path.endswith("/kernel")]


def assert_all_differ(arrays):
    for number, array in enumerate(arrays):
        assert not any(np.array_equal(array, other) for other in arrays[:number])


@pytest.mark.parametrize("build", EQUAL_SEEDS)
def test_equal_seeds_in_layers_without_names_of_one_model_differ(build):
    first, second = build(), build()
    assert_all_differ(kernels(first))
    for one, two in zip(kernels(first), kernels(second), strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("build", [in_a_chain, side_by_side, in_a_nested_model])
def test_equal_seeds_differ_alike_in_a_model_read_from_a_config(build):
    model = build()
    read = type(model).from_config(model.get_config())
    assert_all_differ(kernels(read))
    for one, two in zip(kernels(model), kernels(read), strict=True):
        np.testing.assert_array_equal(one, two)


def test_equal_seeds_in_two_variables_of_an_unknown_layer_differ():
    class Pair(L.Layer):
        def build(self, shape):
            self.left = self.add_weight(shape=(4, 4), initializer=HeNormal(seed=7), name="left")
            self.right = self.add_weight(shape=(4, 4), initializer=HeNormal(seed=7), name="right")

    layer = Pair()
    layer.build((None, 4))
    assert not np.array_equal(values(layer.left), values(layer.right))
