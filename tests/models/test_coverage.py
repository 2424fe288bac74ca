"""Every variable of every kind of model is drawn anew, or named with the reason why not."""

import keras
import numpy as np
import pytest

import kerasinit


def arrays(model):
    return {v.path: keras.ops.convert_to_numpy(v + 0) for v in model.weights}


def assert_covered(model, plan):
    """Every weight has a row and was drawn, but for states of generators and of adapted data."""
    assert {row.path for row in plan} >= {variable.path for variable in model.weights}
    assert len(plan) == len({id(variable) for variable in model.variables})
    assert {row.kind for row in plan.left_alone} <= {"seed", "state"}
    assert all(row.reason for row in plan)


def disturb(model):
    for variable in model.weights:
        variable.assign(np.full(variable.shape, 7.0))


def assert_drawn(model, plan):
    drawn = arrays(model)
    for row in plan.changed:
        assert np.isfinite(drawn[row.path]).all(), row.path
        assert not (drawn[row.path] == 7).any(), row.path


def test_initialize_covers_everything(architecture):
    disturb(architecture)
    with pytest.warns(UserWarning, match="holds learned weights"):
        plan = kerasinit.initialize(architecture, seed=1)
    assert_covered(architecture, plan)
    assert_drawn(architecture, plan)


def test_reset_covers_everything(architecture):
    disturb(architecture)
    plan = kerasinit.reset(architecture, seed=1)
    assert_covered(architecture, plan)
    assert_drawn(architecture, plan)


def test_reset_repeats_with_a_seed(architecture):
    kerasinit.reset(architecture, seed=5)
    first = arrays(architecture)
    kerasinit.reset(architecture, seed=5)
    for path, values in arrays(architecture).items():
        np.testing.assert_array_equal(values, first[path])


def test_reset_has_the_variance_of_the_build(build):
    model = build("dcgan_generator")
    built = arrays(model)
    kerasinit.reset(model, seed=1)
    for path, values in arrays(model).items():
        if values.ndim > 1:
            assert values.std() == pytest.approx(built[path].std(), rel=0.25)


def test_an_application_is_covered():  # all of them: tests/benchmarks/applications.py
    model = keras.applications.MobileNetV3Small(
        weights=None, input_shape=(32, 32, 3), classes=3, alpha=0.35
    )
    assert_covered(model, kerasinit.initialize(model, seed=1, dry_run=True))
    assert_covered(model, kerasinit.reset(model, seed=1, dry_run=True))


def test_a_custom_layer_that_kept_nothing_is_rebuilt_from_its_config():
    class Scale(keras.layers.Layer):
        def build(self, shape):
            self.factor = self.add_weight(shape=(shape[-1],), initializer="ones", name="factor")

        def call(self, x):
            return x * self.factor

    model = keras.Sequential([keras.Input((3,)), Scale()])
    disturb(model)
    plan = kerasinit.reset(model)
    assert (arrays(model)[plan.rows[0].path] == 1).all()


def test_what_cannot_be_rebuilt_is_named_and_left_alone():
    class Opaque(keras.layers.Layer):
        def __init__(self, helper):
            super().__init__()
            self.factor = self.add_weight(shape=(3,), initializer=helper, name="factor")

        def call(self, x):
            return x * self.factor

    model = keras.Sequential([keras.Input((3,)), Opaque(lambda shape, dtype: np.ones(shape))])
    (row,) = kerasinit.reset(model)
    assert not row.changed
    assert row.reason == "Opaque kept no initializer for it and cannot be rebuilt from its config"


def test_statistics_of_adapted_data_stay():
    norm = keras.layers.Normalization()
    norm.adapt(np.arange(12.0).reshape(4, 3))
    model = keras.Sequential([keras.Input((3,)), norm, keras.layers.Dense(2)])
    plan = kerasinit.initialize(model, seed=1)
    assert {row.reason for row in plan if "normalization" in row.path} == {
        "statistics of the data (`adapt`)"
    }


def test_attention_projections_differ_after_reset(build):
    model = build("transformer_encoder")
    kerasinit.reset(model, seed=3)
    kernels = [values for path, values in arrays(model).items() if path.endswith("y/kernel")]
    assert len(kernels) == 4  # query and key of two blocks
    assert not any(
        np.array_equal(one, other)
        for index, one in enumerate(kernels)
        for other in kernels[index + 1 :]
    )


def test_the_forget_gate_starts_at_one(build):
    model = build("lstm")
    kerasinit.initialize(model, seed=1)
    biases = [values for path, values in arrays(model).items() if path.endswith("lstm_cell/bias")]
    np.testing.assert_array_equal(biases[0], [0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0])
