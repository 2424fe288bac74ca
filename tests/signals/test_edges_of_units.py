"""Dead, flat and copied units, gates of loops and magnitudes: exact at every documented number."""

import math

import numpy as np
import pytest
from keras import layers, ops

from kerasinit.signals import ActivationShape, duplicate_share, unit_shares
from kerasinit.signals._histograms import MagnitudeBins, histograms, row_histograms
from kerasinit.signals._profile import Profile
from kerasinit.signals._recurrent import flat_gates
from kerasinit.signals._sizes import mean, norm, rms, spread, variance_over_inputs

BOTH = ActivationShape(has_off_state=True, bounded=True)


# --- shapes of activations ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "zero", "high", "off", "bounded"),
    [
        (0.0, 0.0, 1000.0, True, False), (0.9e-6, 0.0, 1000.0, True, False),
        (1.1e-6, 0.0, 1000.0, False, False), (-0.9e-6, -0.9e-6, 1000.0, True, False),
        (0.0, 1.1e-6, 1000.0, False, False), (0.0, -1.1e-6, 1.0, False, True),
        (-1.0, 0.0, 1.0, False, True), (-99.0, 0.5, 99.0, False, True),
        (-101.0, 0.5, 1.0, False, False), (-1.0, 0.5, 101.0, False, False),
    ],
)  # fmt: skip
def test_an_activation_is_off_near_zero_and_bounded_below_a_hundred(low, zero, high, off, bounded):
    def function(points):
        assert points.tolist() == [-1000.0, 0.0, 1000.0]
        return np.array([low, zero, high])

    assert ActivationShape.of(function) == ActivationShape(off, bounded)


@pytest.mark.parametrize(
    ("slope", "value", "dead", "saturated"),
    [
        (0.009, -1.0, 1.0, 0.0), (0.011, -1.0, 0.0, 0.0), (-0.009, -1.0, 1.0, 0.0),
        (-0.011, -1.0, 0.0, 0.0), (0.009, 1.0, 0.0, 1.0), (0.011, 1.0, 0.0, 0.0),
        (0.0, 0.0, 0.0, 0.0),
    ],
)  # fmt: skip
def test_a_derivative_below_a_hundredth_is_flat(slope, value, dead, saturated):
    z = np.full((1, 20, 1), value)
    found = unit_shares(z, np.full_like(z, slope), BOTH)
    assert [float(one[0]) for one in found] == [dead, saturated]


@pytest.mark.parametrize(("flat", "saturated"), [(19, 0.0), (20, 1.0)])
def test_exactly_95_percent_of_the_samples_is_not_more(flat, saturated):
    z = np.ones((1, 20, 1))
    slopes = np.where(np.arange(20) < flat, 0.0, 1.0)[None, :, None]
    assert float(unit_shares(z, slopes, BOTH)[1][0]) == saturated


def test_zeros_alone_are_no_dead_unit_but_zeros_and_less_are():
    z = np.array([[[0.0, 0.0], [0.0, -1.0]]])
    assert unit_shares(z, np.zeros_like(z), BOTH)[0].tolist() == [0.5]


# --- copies ---------------------------------------------------------------------------------------


def columns(change=0.0, *, of_gradient=0.0, rows=40, units=6):
    """Random columns, of which the last is the first but for a relative change of each entry."""
    rng = np.random.default_rng(0)
    kernel, gradient = rng.standard_normal((2, rows, units))
    signs = rng.choice([-1.0, 1.0], rows)
    kernel[:, -1] = kernel[:, 0] + change * rms(kernel) * signs
    gradient[:, -1] = gradient[:, 0] + of_gradient * rms(gradient) * signs
    return kernel[None], gradient[None]


@pytest.mark.parametrize(
    ("change", "of_gradient", "share"),
    [
        (0.0, 0.0, 2 / 6), (0.9e-5, 0.0, 2 / 6), (1.1e-5, 0.0, 0.0), (0.0, 0.9e-5, 2 / 6),
        (0.0, 1.1e-5, 0.0), (0.9e-5, 0.9e-5, 2 / 6),
    ],
)  # fmt: skip
def test_columns_are_the_same_up_to_a_hundred_thousandth_of_their_size(change, of_gradient, share):
    found = duplicate_share(*columns(change, of_gradient=of_gradient))
    assert found[0] == pytest.approx(share)


@pytest.mark.parametrize(("size", "share"), [(0.45e-7, 1.0), (0.55e-7, 0.0)])
def test_gradients_below_a_hundredth_of_the_largest_are_compared_by_it(size, share):
    gradient = np.stack([np.full(40, size), np.full(40, -size)], axis=-1)[None]
    found = duplicate_share(np.ones((1, 40, 2)), gradient, largest_gradient=1.0)
    assert found[0] == share  # they differ by twice their size; 1e-5 of 1e-2 is nothing


def test_one_unit_is_nobodys_copy():
    assert duplicate_share(np.ones((3, 4, 1)), np.ones((3, 4, 1))).tolist() == [0.0, 0.0, 0.0]
    assert duplicate_share(np.ones((1, 4, 2)), np.ones((1, 4, 2))).tolist() == [1.0]


@pytest.mark.parametrize("units", [2, 5, 9])
def test_the_order_of_units_and_inputs_does_not_matter(units):
    rng = np.random.default_rng(units)
    kernel, gradient = rng.standard_normal((2, 1, 30, units))
    kernel[..., 1], gradient[..., 1] = kernel[..., 0], gradient[..., 0]
    order, inputs = rng.permutation(units), rng.permutation(30)
    found = duplicate_share(kernel, gradient)
    assert found[0] == pytest.approx(2 / units)
    assert duplicate_share(kernel[..., order], gradient[..., order]) == found
    assert duplicate_share(kernel[:, inputs], gradient[:, inputs]) == found


# --- loops ----------------------------------------------------------------------------------------

LOOPS = {  # layer, number of gates, activation and recurrent activation by gate
    "SimpleRNN": (layers.SimpleRNN, 1, "a"),
    "LSTM": (layers.LSTM, 4, "rrar"),
    "GRU": (layers.GRU, 3, "rra"),
    "GRU, one bias": (lambda *a, **k: layers.GRU(*a, reset_after=False, **k), 3, "rra"),
}


def share_of_gates(name, pushed, *, units=4, sequences=False, **options):
    """The share that is flat where the biases of some gates are pushed far out."""
    make, gates, _ = LOOPS[name]
    loop = make(units, **options)
    loop.build((None, 3, 2))
    if loop.cell.bias is not None:
        bias = np.zeros(loop.cell.bias.shape)
        for gate in pushed:
            bias.reshape(-1, gates * units)[0, gate * units : (gate + 1) * units] = 30.0
        loop.cell.bias.assign(bias)
    rng = np.random.default_rng(0)
    x, states = (rng.standard_normal((8, 3, n)).astype("float32") for n in (2, units))
    return flat_gates(loop, x, np.tanh(states if sequences else states[:, -1]))


@pytest.mark.parametrize("name", LOOPS)
@pytest.mark.parametrize("sequences", [False, True])
def test_each_gate_that_is_held_is_its_share_of_the_values(name, sequences):
    gates = LOOPS[name][1]
    assert share_of_gates(name, [], sequences=sequences) == 0.0
    for gate in range(gates):
        share = share_of_gates(name, [gate], sequences=sequences)
        assert share == pytest.approx(1 / gates)


@pytest.mark.parametrize("name", ["LSTM", "GRU"])
def test_the_candidate_has_the_activation_and_the_gates_the_recurrent_one(name):
    gates, kinds = LOOPS[name][1:]
    steep = lambda x: ops.tanh(1e5 * x)  # noqa: E731 - flat but at 0
    found = share_of_gates(name, [], activation=steep)
    assert found == pytest.approx(kinds.count("a") / gates, abs=0.02)
    held = [gate for gate, kind in enumerate(kinds) if kind == "a"]
    every = share_of_gates(name, held, recurrent_activation=steep)
    assert every == pytest.approx(1.0, abs=0.02)


def test_without_a_bias_gates_are_read_too():
    assert share_of_gates("LSTM", [], use_bias=False) == 0.0


def test_of_another_layer_or_form_nothing_is_told():
    cell = layers.RNN(layers.StackedRNNCells([layers.SimpleRNNCell(2)]))
    assert flat_gates(cell, np.ones((1, 2, 3), "float32"), np.ones((1, 2), "float32")) is None
    loop = layers.SimpleRNN(2)
    loop.build((None, 3, 2))
    assert flat_gates(loop, np.ones((1, 2), "float32"), np.ones((1, 2), "float32")) is None


def test_the_last_step_is_read():
    loop = layers.SimpleRNN(1, kernel_initializer="ones", recurrent_initializer="ones")
    loop.build((None, 2, 1))
    still, far = np.zeros((1, 2, 1), "float32"), np.array([[[0.0], [9.0]]], "float32")
    assert flat_gates(loop, still, still) == 0.0
    assert flat_gates(loop, far, still) == flat_gates(loop, still, far) == 1.0
    assert flat_gates(loop, far[:, ::-1], far[:, ::-1]) == 0.0


def test_a_loop_that_is_linear_has_no_flat_part():
    assert share_of_gates("SimpleRNN", [], activation=None) is None


# --- magnitudes -----------------------------------------------------------------------------------


def test_a_bin_holds_its_lower_edge_and_not_its_upper():
    bins = MagnitudeBins(-2, 2, 3)  # 1/4, 1, 4, 16
    assert bins.edges == (0.25, 1.0, 4.0, 16.0)
    values = np.array([[0.2499, 0.25, 0.999, 1.0, -1.0, 3.99, 4.0, 15.9, 16.0, 1e9, 1e-40, 0.0]])
    assert row_histograms(values, bins).tolist() == [[4, 3, 4]]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 0.0, -0.0])
def test_what_has_no_magnitude_is_in_no_bin(value):
    assert row_histograms(np.full((2, 3), value)).sum() == 0


@pytest.mark.parametrize("value", [1e39, 1e300])
def test_what_float32_cannot_hold_is_in_no_bin(value):
    assert row_histograms(np.full((1, 2), value)).sum() == 0
    assert row_histograms(np.full((1, 2), 3e38))[0, -1] == 2


def test_the_smallest_numbers_are_in_the_first_bin():
    assert row_histograms(np.array([[1e-45, 1e-38, 2.0**-48]], "float32"))[0, 0] == 3


def test_rows_of_several_blocks_are_counted_apart():
    values = 2.0 ** np.arange(12).reshape(2, 3, 2)
    found = row_histograms(values, MagnitudeBins(0, 1, 12))
    assert found.shape == (2, 3, 12)
    expected = np.zeros((2, 3, 12))
    for power in range(12):
        expected[power // 6, power % 6 // 2, power] = 1
    np.testing.assert_array_equal(found, expected)


def test_many_equal_values_are_all_counted():
    found = histograms(np.ones(70_000, "float32"), np.zeros(70_000, int), 2)
    assert (found.sum(), found[0].max(), found[1].max()) == (70_000, 70_000, 0)


# --- sizes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1e-30, 1e-13, 1e-11, 1.0, 1e14, 1e16, 1e30])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_sizes_follow_the_unit(scale, dtype):
    if dtype == "float16" and not 1e-4 < scale < 1e4:
        return
    values = np.array([[3.0, -4.0], [0.0, 5.0]])
    given = (scale * values).astype(dtype)
    assert norm(given, given) == pytest.approx(scale * 10.0, rel=1e-3)
    assert rms(given) == pytest.approx(scale * math.sqrt(12.5), rel=1e-3)
    assert mean(given) == pytest.approx(scale, rel=1e-3)
    assert spread(given) == pytest.approx(scale * np.std(values), rel=1e-3)
    expected = scale**2 * np.mean(np.var(values, axis=0))
    assert variance_over_inputs(given) == pytest.approx(expected, rel=1e-2)


@pytest.mark.parametrize("dtype", ["int32", "int8", "bool", "float16"])
def test_sums_of_squares_of_small_types_do_not_overflow(dtype):
    values = np.full(1000, 100).astype(dtype)
    assert norm(values) == pytest.approx(float(values[0]) * math.sqrt(1000))


def test_nothing_has_no_size_and_a_sample_no_variance():
    assert rms(np.zeros(0)) == 0.0
    assert variance_over_inputs(np.ones((1, 3))) == 0.0


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_stays_so(value):
    values = np.array([1.0, value], "float32")
    assert not math.isfinite(rms(values))
    assert not math.isfinite(mean(values))
    assert math.isnan(spread(values))


# --- profiles -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "each"),
    [
        ((1.0,), 1.0), ((), 1.0), ((1.0, 2.0), 2.0), ((1.0, 2.0, 4.0), 2.0),
        ((1.0, 2.0, 2.0), math.sqrt(2.0)), ((1.0, 100.0, 4.0, 8.0, 16.0), 2.0),
        ((1.0, 4.0, 4.0, 4.0), 4.0 ** (1 / 3)),  # of 4, 2, 4**(1/3), 1, 1, 1 the upper one
    ],
    ids=str,
)  # fmt: skip
def test_the_factor_is_the_median_of_all_slopes(values, each):
    assert Profile(values).per_layer == pytest.approx(each)


@pytest.mark.parametrize(
    ("values", "shrinks", "grows"),
    [
        ((8.0, 1.0), 1 / 8, 1.0), ((1.0, 5.0, 8.0), 1.0, 8.0), ((1.0,), 1.0, 1.0),
        ((1.0, 1.0, 1e-3), 1e-3, 1.0), ((0.0, 1.0, 1.0), math.inf, math.inf),
        ((4.0, 8.0, 1.0, 1.0, 1.0, 2.0), 0.5, 0.5),
        ((9.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 9.0), 1.0, 1.0),
    ],
    ids=str,
)  # fmt: skip
def test_ends_are_a_third_of_the_layers_and_three_at_most(values, shrinks, grows):
    profile = Profile(values)
    if math.isinf(shrinks):
        assert profile.shrinks_to == 1.0 or profile.shrinks_to > 1e250
    else:
        assert profile.shrinks_to == pytest.approx(shrinks)
        assert profile.grows_to == pytest.approx(grows)
