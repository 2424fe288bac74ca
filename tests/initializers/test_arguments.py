"""What every constructor of the room promises about its arguments."""

import inspect
import json
import math

import keras
import numpy as np
import pytest

from kerasinit import initializers as I  # noqa: N812

NEEDED = {
    name: {"activation": "tanh"} for name in ("Critical", "CriticalBias", "OddPart", "OddPartBias")
}
CLASSES = [getattr(I, entry.name) for entry in I.catalog()]
every_class = pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)

# Argument of a number -> a class that has it.
NUMBERS = {
    "gain": I.HeNormal,
    "truncate": I.XavierNormal,
    "omega": I.Siren,
    "stddev": I.Sparse,
    "nonzero_fraction": I.Sparse,
    "nonzero_count": I.Sparse,
    "scale": I.ICNR,
    "bias_std": I.Critical,
    "depth": I.OddPartBias,
    "zeta": I.OddPart,
    "input_mean_square": I.OddPart,
}
GOOD = {"scale": 2, "depth": 3, "nonzero_count": 2, "nonzero_fraction": 0.5, "bias_std": 0.25}


def made(cls, **arguments):
    return cls(**NEEDED.get(cls.__name__, {}), **arguments)


def positional(cls):
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [p.name for p in inspect.signature(cls).parameters.values() if p.kind in kinds]


@every_class
def test_positions_mean_what_they_mean_in_keras(cls):
    theirs = getattr(keras.initializers, cls.__name__, None)
    shared = [] if theirs is None else positional(theirs)
    assert positional(cls)[: len(shared)] == shared
    assert set(positional(cls)[len(shared) :]) <= {"input_axes", "output_axes"}  # Keras 3.8: none


@every_class
def test_every_argument_is_written_out(cls):
    parameters = inspect.signature(cls).parameters
    assert "seed" in parameters
    assert all(p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL) for p in parameters.values())
    assert all(p.annotation is not p.empty for p in parameters.values())


@pytest.mark.parametrize("name", ["HeNormal", "HeUniform", "LecunNormal", "LecunUniform"])
def test_a_positional_number_is_a_seed_as_in_keras(name):
    ours, theirs = getattr(I, name)(42), getattr(keras.initializers, name)(42)
    spread = [float(keras.ops.std(start((256, 256)))) for start in (ours, theirs)]
    assert spread[0] == pytest.approx(spread[1], rel=0.02)
    assert ours.get_config()["seed"] == 42


def test_the_positions_of_orthogonal_and_identity_are_those_of_keras():
    assert I.Orthogonal(2.0, 7).get_config() == I.Orthogonal(gain=2.0, seed=7).get_config()
    assert I.Identity(2.0).get_config() == I.Identity(gain=2.0).get_config()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (name, value)
        for name in NUMBERS
        for value in (math.nan, math.inf, -1.0, 1e300, 10**400, True, "2", [2.0], 2j)
        if name != "gain" or isinstance(value, float | int)  # else it is read as an activation
    ],
    ids=lambda case: f"{case:.9}" if isinstance(case, str) else f"{type(case).__name__}",
)
def test_a_number_that_cannot_work_is_refused_by_name(name, value):
    with pytest.raises(ValueError, match=f"`{name}` must be"):
        made(NUMBERS[name], **{name: value})


@pytest.mark.parametrize("name", ["omega", "stddev", "truncate", "gain", "input_mean_square"])
def test_a_number_below_float32_is_refused_by_name(name):
    with pytest.raises(ValueError, match=f"`{name}` must be a number from 1e-30"):
        made(NUMBERS[name], **{name: 1e-40})


@pytest.mark.parametrize("name", NUMBERS)
def test_a_numpy_number_becomes_a_plain_one(name):
    value = GOOD.get(name, 2.0)
    numpys = np.int64(value) if isinstance(value, int) else np.float32(value)
    config = made(NUMBERS[name], **{name: numpys}).get_config()
    assert json.loads(json.dumps(config)) == config
    assert config == made(NUMBERS[name], **{name: value}).get_config()


@every_class
def test_the_config_of_numpy_arguments_is_plain(cls):
    arguments = {"seed": np.int64(3)}
    if "input_axes" in inspect.signature(cls).parameters:
        arguments |= {"input_axes": np.array([0]), "output_axes": (np.int32(1),)}
    config = made(cls, **arguments).get_config()
    assert json.loads(json.dumps(config)) == config


def test_xavier_and_lasagne_are_the_same_rule():
    for ours, theirs in ((I.XavierUniform, I.LasagneUniform), (I.XavierNormal, I.LasagneNormal)):
        one, other = (cls(gain="relu", seed=1)((4, 6)) for cls in (ours, theirs))
        np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, (one, other)))


def test_an_argument_that_equals_its_default_is_not_shown():
    assert repr(I.Siren(omega=30)) == repr(I.Siren())
    assert repr(I.Siren(omega=31)) != repr(I.Siren())


@pytest.mark.parametrize("slope", [0.1, 0.9])
def test_the_start_of_an_activation_layer_follows_its_parameters(slope):
    activation = keras.layers.LeakyReLU(negative_slope=0.5)
    for activation.negative_slope in (0.5, slope):
        dense = keras.layers.Dense(64, activation, kernel_initializer=I.Auto(seed=0))
        dense.build((None, 64))
    kernel = keras.ops.convert_to_numpy(dense.kernel)
    gain = (2 / (1 + slope**2)) ** 0.5
    assert np.sqrt(np.mean(kernel**2)) == pytest.approx(gain / 8, rel=0.02)


@pytest.mark.parametrize("cls", [I.OddPart, I.Critical])
def test_an_activation_is_shown_by_its_name_and_without_an_address(cls):
    start = f"{cls.__name__}(activation="
    assert repr(cls(activation="relu")).startswith(f"{start}'relu'")
    shown = repr(cls(activation=lambda x: keras.ops.tanh(x)))
    assert shown.startswith(f"{start}<lambda>")
    assert " at 0x" not in shown


def test_the_first_argument_of_siren_is_not_true_by_default():
    shape = (64, 64)
    kernel = np.asarray(I.Siren(seed=0)(shape))
    first = np.asarray(I.Siren(first=True, seed=0)(shape))
    assert np.abs(kernel).max() == pytest.approx(np.sqrt(6 / 64) / 30, rel=0.01)
    assert np.abs(first).max() == pytest.approx(1 / 64, rel=0.01)


def test_icnr_is_for_twice_the_size_by_default():
    kernel = np.asarray(I.ICNR(seed=0)((3, 3, 4, 8)))
    blocks = kernel.reshape(3, 3, 4, 4, 2)  # four positions of each of two channels
    np.testing.assert_array_equal(blocks, np.broadcast_to(blocks[..., :1, :], blocks.shape))


def test_given_axes_are_taken_whatever_the_layer_says():
    layer = keras.layers.Dense(
        400, kernel_initializer=I.HeNormal(input_axes=[1], output_axes=[0], seed=0)
    )
    layer.build((None, 100))
    deviation = np.std(keras.ops.convert_to_numpy(layer.kernel))
    assert deviation == pytest.approx(math.sqrt(2 / 400), rel=0.02)  # not of 100 inputs
