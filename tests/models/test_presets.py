"""Presets: the published factors on the branches of the graph."""

import keras
import numpy as np
import pytest
from keras import layers

import kerasinit


def residual_mlp(blocks, *, norm=False, deep=2, units=32):
    x = inputs = keras.Input((units,))
    x = layers.Dense(units, name="stem")(x)
    for number in range(blocks):
        h = x
        for step in range(deep - 1):
            h = layers.Dense(units, activation="relu", name=f"block{number}_{step}")(h)
        h = layers.Dense(units, name=f"block{number}_end")(h)
        if norm:
            h = layers.BatchNormalization(name=f"norm{number}")(h)
        x = layers.Add()([x, h])
    return keras.Model(inputs, layers.Dense(4, name="head")(x))


def transformer(encoder, decoder=0):
    def branch(x, *sources):
        h = layers.LayerNormalization()(x)
        values = sources[0] if sources else h
        return x + layers.MultiHeadAttention(2, 4)(h, values)

    def feed_forward(x):
        h = layers.LayerNormalization()(x)
        return x + layers.Dense(8)(layers.Dense(16, activation="relu")(h))

    source = keras.Input((5,), name="source")
    x = layers.Embedding(11, 8)(source)
    for _ in range(encoder):
        x = feed_forward(branch(x))
    if not decoder:
        return keras.Model(source, layers.Dense(11)(x))
    target = keras.Input((4,), name="target")
    y = layers.Embedding(11, 8)(target)
    for _ in range(decoder):
        y = feed_forward(branch(branch(y), x))
    return keras.Model([source, target], layers.Dense(11)(y))


def gains(plan, ending):
    return {
        round(row.gain, 6) for row in plan if row.path.endswith(ending) and row.gain is not None
    }


def factors(plan):
    """Gain -> number of kernels."""
    found = {}
    for row in plan:
        if row.kind == "kernel":
            found[round(row.gain, 6)] = found.get(round(row.gain, 6), 0) + 1
    return found


@pytest.fixture(scope="module")
def deepnorm():
    """Plans for an encoder of 12 blocks, of 6, and for an encoder-decoder of 12 and 12."""
    sizes = ((12, 0), (6, 0), (12, 12))
    return {
        size: kerasinit.initialize(transformer(*size), "deepnorm", dry_run=True) for size in sizes
    }


@pytest.mark.parametrize(
    ("encoder", "decoder", "in_decoder", "alpha", "beta"),
    [
        (12, 0, False, 2.2133638394, 0.3194715521),
        (6, 0, False, 1.8612097182, 0.3799178428),
        (12, 12, True, 2.4494897428, 0.2886751346),
        (12, 12, False, 1.7608775570, 1.15 / (12**5) ** (1 / 16)),
    ],
)
def test_deepnorm_factors_are_the_published_ones(
    deepnorm, encoder, decoder, in_decoder, alpha, beta
):
    kernels = [row for row in deepnorm[encoder, decoder] if "alpha" in row.reason]
    row = kernels[-1 if in_decoder else 0]
    assert row.gain == pytest.approx(beta)
    assert row.reason.endswith(f"alpha = {alpha:.4g}")


def test_deepnorm_scales_values_outputs_and_feed_forwards():
    plan = kerasinit.initialize(transformer(6), "deepnorm", seed=1)
    # per block: value, output and two dense layers; query, key and the head keep gain 1
    assert factors(plan) == {0.379918: 24, 1.0: 13}
    assert "scale this skip by alpha = 1.861" in plan["dense/kernel"].reason


def test_deepnorm_tells_encoder_from_decoder():
    found = factors(kerasinit.initialize(transformer(2, 3), "deepnorm", seed=1))
    encoder = round(1.15 / (2**4 * 3) ** (1 / 16), 6)
    decoder = round(36**-0.25, 6)
    assert found == {encoder: 8, decoder: 18, 1.0: 2 * 2 + 2 * 6 + 1}


def test_t_fixup_factors():
    plan = kerasinit.initialize(transformer(2, 3), "t-fixup", seed=1)
    encoder, decoder = 0.67 * 2**-0.25, 27**-0.25
    assert factors(plan) == {
        round(encoder, 6): 6,
        round(encoder * 2**0.5, 6): 2,
        round(decoder, 6): 12,
        round(decoder * 2**0.5, 6): 6,
        1.0: 17,
    }
    rows = [row for row in plan if row.kind == "embedding"]
    assert all(row.reason == "t-fixup: N(0, 1/8) (9N)**-1/4" for row in rows)


def test_gpt_scales_residual_projections():
    model = transformer(3)
    kerasinit.initialize(model, "gpt", seed=1)
    inner, end, *_ = (layer for layer in model.layers if isinstance(layer, layers.Dense))
    assert inner.get_weights()[0].std() == pytest.approx(0.02, rel=0.25)
    assert end.get_weights()[0].std() == pytest.approx(0.02 / 6**0.5, rel=0.25)


@pytest.mark.parametrize(("deep", "factor"), [(2, 12**-0.5), (3, 12**-0.25)])
def test_fixup_scales_by_branch_depth_and_ends_in_zero(deep, factor):
    model = residual_mlp(12, deep=deep)
    plan = kerasinit.initialize(model, "fixup", seed=1)
    assert gains(plan, "block3_0/kernel") == {round(2**0.5 * factor, 6)}
    assert not model.get_layer("block3_end").get_weights()[0].any()
    assert not model.get_layer("head").get_weights()[0].any()


def test_residual_bounds_the_stream():
    model = residual_mlp(40)
    x = np.random.default_rng(0).normal(size=(64, 32)).astype("float32")
    stem, stream = model.get_layer("stem").output, model.get_layer("head").input
    probe = keras.Model(model.inputs, [stem, stream])

    def growth(rules):
        kerasinit.initialize(model, rules, seed=1)
        before, after = (np.mean(keras.ops.convert_to_numpy(v) ** 2) for v in probe([x]))
        return after / before

    assert growth("residual") < 4  # at most e
    assert growth("he_normal") > 1e6  # doubles, or worse, with every block


def test_residual_scales_the_norm_where_one_ends_the_branch():
    model = residual_mlp(9, norm=True)
    kerasinit.initialize(model, "residual", seed=1)
    gamma = model.get_layer("norm4").get_weights()[0]
    np.testing.assert_allclose(gamma, 1 / 3, rtol=1e-6)


def test_vit_is_normal_with_lecun_patches():
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(16, 4, strides=4, name="patches")(inputs)
    x = layers.Reshape((4, 16))(x)
    h = layers.LayerNormalization()(x)
    x = x + layers.MultiHeadAttention(2, 8)(h, h)
    model = keras.Model(inputs, layers.Dense(3, name="head")(x[:, 0]))
    plan = kerasinit.initialize(model, "vit", seed=1)
    assert plan["patches/kernel"].initializer == "LecunNormal(truncate=2)"
    assert plan["head/kernel"].initializer == "RandomNormal(stddev=0.02)"


@pytest.mark.parametrize("name", ["deepnorm", "fixup", "gpt", "residual", "t-fixup", "vit"])
def test_a_model_without_branches_is_refused(build, name):
    model = build("sequential")
    before = model.get_weights()
    with pytest.raises(ValueError, match=f"'{name}' need residual branches.*has no add that joins"):
        kerasinit.initialize(model, name)
    assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))


@pytest.mark.parametrize("name", ["deepnorm", "fixup", "gpt", "residual", "t-fixup"])
def test_branches_without_kernels_are_refused(name):
    inputs = keras.Input((8,))
    x = layers.Dense(8)(inputs)
    model = keras.Model(inputs, layers.Dense(2)(x + layers.LayerNormalization()(x)))
    with pytest.raises(ValueError, match=f"'{name}' need kernels on the residual branches"):
        kerasinit.initialize(model, name)


def test_fixup_zeroes_one_kernel_of_a_separable_layer():
    inputs = keras.Input((8, 8, 4))
    end = layers.SeparableConv2D(4, 3, padding="same")
    x = inputs + end(layers.Conv2D(4, 3, padding="same", activation="relu")(inputs))
    kerasinit.initialize(keras.Model(inputs, layers.Conv2D(2, 1)(x)), "fixup", seed=1)
    depthwise, pointwise, _ = end.get_weights()
    assert depthwise.any()
    assert not pointwise.any()
