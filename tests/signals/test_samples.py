"""Sampled entries: how many, and that rows and columns are met alike."""

import keras
import numpy as np
import pytest

from kerasinit import _backend
from kerasinit.signals import Stack
from kerasinit.signals._samples import RUN, arranged, layout_of, taken


def sample(tensors, entries):
    layout = layout_of(tensors, entries)
    entries = taken(tensors, layout)
    if not _backend.compiles_steps():  # then this is done later, in numpy
        entries = [_backend.small_array(part) for part in entries]
    return arranged(entries, layout)


def positions(shape, entries):
    """Flat positions of the sampled entries of a tensor of `shape`."""
    # float32 holds whole numbers up to 2^24
    tensor = keras.ops.reshape(keras.ops.arange(1, np.prod(shape) + 1, dtype="float32"), shape)
    (matrix,) = sample([tensor], entries).matrices
    return keras.ops.convert_to_numpy(matrix)[0].astype("int64") - 1


@pytest.mark.parametrize(
    "shape", [(512, 512), (3, 3, 16, 32), (100, 30), (4099,), (2000, 3), (7, 1, 1000), (2, 2048)]
)
def test_large_tensors_give_evenly_spaced_runs(shape):
    found = positions(shape, 1024)
    assert 1024 <= len(found) <= 1024 * 1.3
    runs = found.reshape(-1, RUN)
    np.testing.assert_array_equal(runs - runs[:, :1], [range(RUN)] * len(runs))
    distances = np.diff(runs[:, 0])
    assert len({*distances}) == 1
    assert distances[0] > RUN
    assert found[-1] >= np.prod(shape) - 2 * distances[0]  # to the end


@pytest.mark.parametrize("shape", [(512, 512), (3, 3, 16, 32), (100, 30), (2000, 3), (999, 64)])
def test_every_column_is_met_about_as_often(shape):
    columns = np.bincount(positions(shape, 2048) % shape[-1], minlength=shape[-1])
    assert columns.min() >= 1
    assert columns.max() - columns.min() <= RUN


def test_all_entries_are_taken_of_what_has_few():
    for shape in ((3, 5), (), (1024,), (1, 1)):
        np.testing.assert_array_equal(positions(shape, 1024), np.arange(np.prod(shape)))


def test_padding_is_zero_and_tensors_keep_their_rows():
    tensors = [keras.ops.ones((3,)), None, keras.ops.ones((40, 50))]
    samples = sample(tensors, 1024)
    narrow, wide = map(keras.ops.convert_to_numpy, samples.matrices)
    assert samples.layout.groups == ((0, 1), (2,))
    np.testing.assert_array_equal(narrow, [[1, 1, 1], [0, 0, 0]])
    assert wide.shape == (1, samples.layout.held[2])
    assert wide.all()


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="only TensorFlow has two ways")
def test_what_xla_compiles_gives_what_single_operations_give():
    import tensorflow as tf

    rng = np.random.default_rng(0)
    shapes = ((512, 300), (3, 3, 16, 32), (40,), (700,), (5120, 1))
    tensors = [tf.constant(rng.normal(size=shape), "float32") for shape in shapes]
    stack = Stack.of(tensors, entries=1024)

    @tf.function(jit_compile=True, autograph=False)
    def in_step(*tensors):
        read = stack.read(tensors)
        return stack.statistics(read), stack.samples(read).matrices

    found, same = in_step(*tensors)
    read = tf.function(lambda *tensors: keras.tree.lists_to_tuples(stack.read(tensors)))(*tensors)
    later = keras.tree.map_structure(_backend.small_array, read)
    expected, matrices = stack.statistics(later), stack.samples(later).matrices
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    for actual, matrix in zip(same, matrices, strict=True):
        np.testing.assert_array_equal(actual, matrix)
