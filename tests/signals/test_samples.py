"""Sampled entries: how many, and that rows and columns are met alike."""

import keras
import numpy as np
import pytest
from kerasinit.callbacks._packing import Packing, packed
from kerasinit.signals._layout import RUN, layout_for, layout_of
from kerasinit.signals._samples import arranged, taken

from kerasinit import _backend
from kerasinit.signals import Stack, row_histograms


def positions(shape, entries):
    """Flat positions of the sampled entries of a tensor of `shape`."""
    # float32 holds whole numbers up to 2^24
    tensor = keras.ops.reshape(keras.ops.arange(1, np.prod(shape) + 1, dtype="float32"), shape)
    (found,) = taken([tensor], layout_of([tensor], entries))
    if _backend.compiles_steps():
        (found,) = found
    return keras.ops.convert_to_numpy(found).astype("int64") - 1


@pytest.mark.parametrize(
    "shape", [(512, 512), (3, 3, 16, 32), (130, 30), (4099,), (2000, 3), (7, 1, 1000), (2, 2048)]
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


@pytest.mark.parametrize("shape", [(512, 512), (3, 3, 32, 32), (300, 30), (4000, 3), (999, 64)])
def test_every_column_is_met_about_as_often(shape):
    columns = np.bincount(positions(shape, 2048) % shape[-1], minlength=shape[-1])
    assert columns.min() >= 1
    assert columns.max() - columns.min() <= RUN


def test_all_entries_are_taken_of_what_has_few():
    for shape in ((3, 5), (), (1024,), (1, 1), (3, 3, 16, 16)):
        np.testing.assert_array_equal(positions(shape, 1024), np.arange(np.prod(shape)))


def parts():
    """Tensors that are taken whole and not, small and large, and none."""
    rng = np.random.default_rng(0)
    sizes = (700, 3, 4000, 512, 513, 9000, 40)
    values = [rng.normal(size=size).astype("float32") for size in sizes]
    return [*values[:3], np.zeros((0, 2), "float32"), *values[3:], np.zeros(5, "float32")]


def matrices_and_vectors(tensors, entries):
    """The same entries of tensors, in both forms."""
    layouts = []
    for compiled in (True, False):
        layout = layout_for(tuple(t.shape for t in tensors), entries, compiled=compiled)
        flat = [
            [
                tensors[i].ravel()
                if layout.steps[i] == 1
                else tensors[i][: length // RUN * layout.steps[i]]
                .reshape(-1, layout.steps[i])[:, :RUN]
                .ravel()
                for i, length in zip(group, lengths, strict=True)
            ]
            for group, lengths in zip(layout.groups, layout.lengths, strict=True)
        ]
        layouts.append((flat, layout))
    (rows, first), (runs, second) = layouts
    vector = np.concatenate([run for group in runs for run in group])
    rows = [[keras.ops.convert_to_tensor(row) for row in group] for group in rows]
    return arranged(rows, first), arranged(vector, second)


BAD = {"none": None, "nan": np.nan, "infinity": -np.inf}


@pytest.mark.parametrize("scale", [1.0, 1e-25, 1e25], ids=["ordinary", "tiny", "huge"])
@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_matrices_and_vectors_give_the_same_sums(bad, scale):
    tensors = [scale * tensor for tensor in parts()]
    if bad is not None:
        tensors[1][1] = tensors[2][2] = bad
    matrices, vectors = matrices_and_vectors(tensors, 1024)
    with np.errstate(all="ignore"):
        found = vectors.sums()
    np.testing.assert_allclose(
        found, keras.ops.convert_to_numpy(matrices.sums()), rtol=1e-5, atol=1e-5 * scale
    )


def test_matrices_and_vectors_give_the_same_norms_and_histograms():
    matrices, vectors = matrices_and_vectors(parts(), 1024)
    np.testing.assert_allclose(
        vectors.norms(), keras.ops.convert_to_numpy(matrices.norms()), rtol=1e-5
    )
    # Fewer than all entries differ from form to form.
    padded = keras.ops.convert_to_numpy(matrices.for_histogram(2000)["samples"])
    counted = vectors.for_histogram(2000)["histogram"]
    np.testing.assert_array_equal(row_histograms(padded), counted)
    np.testing.assert_array_equal(
        counted.sum(axis=1), np.where(np.arange(9) < 8, vectors.layout.held, 0)
    )


def test_vectors_of_several_steps_are_those_of_each():
    _, vectors = matrices_and_vectors(parts(), 1024)
    entries = np.stack([vectors.entries, 3 * vectors.entries, 0 * vectors.entries])
    together = arranged(entries, vectors.layout)
    each = [arranged(row, vectors.layout) for row in entries]
    for form in (
        lambda samples: samples.sums(),
        lambda samples: samples.norms(),
        lambda samples: samples.for_histogram(100)["histogram"],
    ):
        np.testing.assert_allclose(form(together), [form(one) for one in each], rtol=1e-6)


def test_a_histogram_takes_about_as_many_entries_as_asked():
    _, vectors = matrices_and_vectors(parts(), 2048)
    taken = vectors.for_histogram(256)["histogram"].sum(axis=1)
    for held, count in zip(vectors.layout.held[:-1], taken, strict=False):
        assert min(held, 256) <= count <= 1.5 * 256 or count == held <= 512


def test_padding_is_zero_and_tensors_keep_their_rows():
    tensors = [np.ones(3, "float32"), np.ones((0,), "float32"), np.ones(2000, "float32")]
    matrices, vectors = matrices_and_vectors(tensors, 1024)
    narrow, wide = map(keras.ops.convert_to_numpy, matrices.matrices)
    assert matrices.layout.groups == ((0, 1), (2,))
    np.testing.assert_array_equal(narrow, [[1, 1, 1], [0, 0, 0]])
    assert wide.shape == (1, matrices.layout.held[2])
    assert wide.all()
    assert vectors.entries.shape == (vectors.layout.held.sum(),)


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
        return stack.statistics(read), packed(read["entries"])

    found, entries = in_step(*tensors)
    read = tf.function(lambda *tensors: packed({"read": stack.read(tensors)}))
    packing = Packing.of({"read": stack.read(tensors)})
    later = packing.unpacked(read(*tensors).numpy(), key="read")
    np.testing.assert_allclose(found, stack.statistics(later), rtol=1e-5)
    np.testing.assert_array_equal(entries, later["entries"])
