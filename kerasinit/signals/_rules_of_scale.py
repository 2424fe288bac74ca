"""Verdicts on sizes: of layers, of the loss, of the input."""

from __future__ import annotations

import math
from itertools import pairwise
from statistics import median

from kerasinit.signals._head_findings import SQUARED
from kerasinit.signals._layer_signals import LayerSignals, Signals, redraw
from kerasinit.signals._profile import length_variance
from kerasinit.signals._remedy import (
    KEEPS_THE_SIGNAL,
    NO_PENALTY,
    SMALLER_ADDED,
    STANDARDIZE,
    Remedy,
    layer_line,
)
from kerasinit.signals._verdict import Verdict

GAIN_BAND = (0.5, 2.0)  # geometric mean over layers of RMS out over RMS in
FEW_LAYERS_BAND = (1 / 20, 5.0)  # the same for two layers, whose product is as far off as of more
RESTORED = (0.2, 5.0)  # of the input, again before the next layer
LAYER_GAIN_BAND = (1 / 30, 30.0)  # of a single layer over the mean of the others
# The largest gain that keeps the signal through these flat activations: nets of 3 and 10 layers of
# sigmoids train best at gains of 3 to 7; a hard sigmoid has two thirds of the slope.
FLAT = {"sigmoid": 3.5, "hard_sigmoid": 5.0}
LOSS_FACTOR = 4.0  # times chance. TheDeepChecker takes 2, which He weights reach in 10 layers
LOSS_MARGIN = 5.0  # nats above chance that are always allowed
LARGE_LOGITS = 10.0  # RMS: a softmax of them is sure of everything
LARGE_INPUT, SMALL_INPUT = 10.0, 1e-3  # RMS of the input (AutoTrainer's omega1; its inverse cubed)
DWARFS = 5.0  # times what weights make: with a bias of 5 to 50, Adam ends at 0.6 of R2, not at 0.98
AS_IT_IS = (0.5, 2.0)  # times an output: what pooling or a dropout may make of it
FAR_OUTPUTS = 10.0  # times the targets (at least 1): 500 steps of Adam do not bring them back
# What a layer makes so small of inputs so much larger: 0 to 1, divided by 255 once more, is 2e-3.
SPOILT_INPUT, SPOILT_SHARE = 5e-3, 0.02
PENALTY_DROP = 0.9  # of the drop of the loss in the first step
PENALTY_SHARE = 0.7  # of the gradient's norm: that of the data is as large, at most
STRONG_PENALTY = 0.05  # factor of an L2 penalty; Keras' own default is 0.01
TINY = 1e-30  # stands for zero in a logarithm or a divisor
ALIKE = 2  # times the narrowest layer is still of about its width
NARROW = 1.0  # 5 * sum(1 / width): variance of the log of the squared length of a ReLU net
NARROW_CHANGE = 2.0  # log of the squared length: the change that was seen, not just predicted
RECTIFIERS = ("relu", "relu6", "leaky_relu", "prelu")


def bad_scale(signals: Signals) -> Verdict | None:
    """One layer scales its input unlike the others, or all of them scale it."""
    if signals.has_learned or signals.is_normalized:
        return None
    restored = _restored(signals.layers)
    gains = [
        (row, _beside(_gain(row), *_usual_gains(row)))
        for row in signals.hidden
        if row.input_rms and row.weight_norm > 0 and row.has_gain and row.name not in restored
    ]
    gains = [(row, gain) for row, gain in gains if gain > 0]
    if not gains:
        return None
    mean = _geometric_mean([gain for _, gain in gains])
    odd, gain = max(gains, key=lambda pair: abs(math.log(pair[1])))
    usual = _geometric_mean([other for row, other in gains if row is not odd])
    if not _within(gain / usual, LAYER_GAIN_BAND):
        where = odd.name
        evidence = f"this layer scales its input by {_gain(odd):.3g}; {_keeping(odd)} keeps it"
    elif len(gains) >= 2 and not _within(mean, GAIN_BAND if len(gains) > 2 else FEW_LAYERS_BAND):
        first, where = gains[0][0], gains[0][0].name
        average = _geometric_mean([_gain(row) for row, _ in gains])
        keeps = _keeping(first) if first.activation in FLAT else "about 1"
        evidence = f"each layer scales its input by {average:.3g} on average; {keeps} keeps it"
    else:
        return None
    return Verdict.cured("bad_scale", where, evidence, *redraw(signals, KEEPS_THE_SIGNAL))


def large_bias(signals: Signals) -> Verdict | None:
    """A hidden layer whose bias is many times what its weights make, and is read as it is."""
    if signals.has_learned:
        return None
    for k, row in enumerate(signals.layers):
        made, is_read = row.bias_free_rms, _is_read(row, signals.layers[k + 1 :])
        if made is None or row.is_output or row.normalized or not (row.trainable and is_read):
            continue
        size = min(row.preactivation_rms, row.activation_rms)  # of what a tanh bounds, nothing is
        if size > LARGE_INPUT and size > DWARFS * made:
            evidence = (
                f"its output has an RMS of {row.activation_rms:.3g}, nearly all of it from its "
                f"bias: the weights make {made:.2g} of the input, and all inputs look alike"
            )
            zero = Remedy("code", f"b = {layer_line(row.path)}.bias; b.assign(0 * b)")
            return Verdict.cured("bad_scale", row.name, evidence, zero, "biases start at 0")
    return None


def _is_read(row: LayerSignals, others: tuple[LayerSignals, ...]) -> bool:
    """Whether another layer reads what is as large as the output of this one."""
    size = row.activation_rms or math.inf
    return any(_within((other.input_rms or 0.0) / size, AS_IT_IS) for other in others)


def _gain(row: LayerSignals) -> float:
    """RMS of what the weights make of the input over that of the input."""
    return row.mixed_rms / (row.input_rms or math.inf)


def _usual_gains(row: LayerSignals) -> tuple[float, float]:
    """What keeps the signal, from the smallest to the largest gain.

    Below 1, it keeps the gradient of a layer with more outputs than inputs.
    """
    return min(row.usual_gain, 1.0), FLAT.get(row.activation or "", 1.0)


def _beside(gain: float, smallest: float, largest: float) -> float:
    """A gain beside the usual ones: 1 from the smallest to the largest of these.

    >>> [_beside(gain, 0.25, 4.0) for gain in (0.025, 0.25, 1.0, 4.0, 6.0)]
    [0.1, 1.0, 1.0, 1.0, 1.5]
    """
    return gain / largest if gain > largest else min(gain / smallest, 1.0)


def _keeping(row: LayerSignals) -> str:
    smallest, largest = _usual_gains(row)
    return "about 1" if smallest == largest else f"{smallest:.3g} to {largest:.3g}"


def _restored(rows: tuple[LayerSignals, ...]) -> set[str]:
    """Linear layers behind which something else sets the scale, as the factor of a sine does."""
    return {
        row.name
        for row, following in pairwise(rows)
        if row.activation is None
        and following.input_rms
        and row.input_rms
        and row.activation_rms > 0
        and _within(following.input_rms / row.input_rms, RESTORED)
        and not _within(following.input_rms / row.activation_rms, RESTORED)
    }


def _geometric_mean(values: list[float]) -> float:
    return math.exp(sum(map(math.log, values)) / max(len(values), 1))


def _within(value: float, band: tuple[float, float]) -> bool:
    return band[0] <= value <= band[1]


def too_narrow(signals: Signals) -> Verdict | None:
    """A stack of rectifiers so narrow that the signal's size has drifted by chance.

    What the weights make of it on average is no chance, and left out.
    """
    rows = signals.hidden
    if signals.has_learned or signals.is_normalized or len(rows) < 2:
        return None
    if not all(row.kind == "Dense" and row.activation in RECTIFIERS for row in rows):
        return None
    if any(row.is_beside for row in rows):
        return None  # a layer for each feature, a tower for each task: no stack
    if len({row.path for row in rows}) < len(rows):
        return None  # calls of one layer are not drawn independently
    widths = [row.units for row in rows]
    if median(widths) > ALIKE * min(widths):
        return None  # a bottleneck is narrow on purpose
    variance = length_variance(rows)
    first, last = rows[0].preactivation_mean_square, rows[-1].preactivation_mean_square
    if variance <= NARROW or not (first > 0 and last > 0):
        return None
    change = math.log(last / first)
    for row, following in pairwise(rows):
        # A rectifier lets half of the square pass: the squared norm of a kernel over its outputs.
        change -= math.log(max(following.weight_norm**2 / following.units / 2, TINY))
        if row.activation_rms and following.input_rms:  # what operations between them make of it
            change -= 2 * math.log(following.input_rms / row.activation_rms)
    if abs(change) < NARROW_CHANGE:
        return None
    evidence = (
        f"{len(rows)} layers of about {rows[-1].units} units let the squared signal drift by a "
        f"random factor of exp(+-{math.sqrt(variance):.1f}); here it is {math.exp(change):.2g} "
        "beyond what their scale makes of it"
    )
    cure = redraw(signals, "orthogonal weights do not drift; wider or fewer layers drift less")
    return Verdict.cured("too_narrow", rows[-1].name, evidence, *cure)


def unexpected_loss(signals: Signals) -> Verdict | None:
    """The loss is a sum over samples, or far above that of a model that knows nothing."""

    def say(evidence: str, remedy: Remedy | None, reason: str) -> Verdict:
        return Verdict.cured("unexpected_loss", "loss", evidence, remedy, reason)

    if signals.loss is None:
        return None
    if signals.sum_loss:
        evidence = (
            f"the loss of {signals.samples} samples is {signals.loss:.3g} and doubles with the "
            "batch: it is a sum, so gradients grow with the batch size"
        )
        return say(evidence, None, "use the loss' default, reduction='sum_over_batch_size'")
    if is_all_penalty(signals):
        evidence = (
            f"{signals.penalty:.3g} of the loss of {signals.loss:.3g} are penalties, "
            "regularizers or what `add_loss` adds, and their gradient hides that of the data"
        )
        return say(evidence, *(NO_PENALTY if signals.has_regularizers else SMALLER_ADDED))
    far, suspects = far_off(signals), "targets and from_logits"
    if signals.lone_softmax is not None or far is None:  # a loss that means nothing
        return None
    if signals.chance_loss is None:
        suspects = "the targets, and what follows the last layer (exp, a factor)"
    last = signals.layers[-1] if signals.layers else None
    if last is not None and last.is_output and last.is_scale_free:
        return None  # a cosine, times a scale and less a margin: it begins far above chance
    logits = 0.0 if last is None else last.preactivation_rms
    if last is None or not (last.is_output and last.has_kernel and logits > LARGE_LOGITS):
        reason = f"check {suspects}; give the output layer smaller weights"
        return say(far, None, reason)
    factor = 10 ** math.ceil(math.log10(logits))
    # All that the layer has: the `kernel` of a LoRA is computed, others have several.
    line = f"o = {layer_line(last.path)}; o.set_weights([w / {factor} for w in o.get_weights()])"
    reason = f"or check {suspects}: the output is far from all of them"
    return say(far, Remedy("code", line), reason)


def far_off(signals: Signals) -> str | None:
    """How far the outputs are from all that a new model gives; None if they are not."""
    loss, chance = signals.data_loss or 0.0, signals.chance_loss
    if chance is not None:
        known = f"the loss is {loss:.3g}; a model that knows nothing has {chance:.3g}"
        return known if loss > far_above(chance) else None
    head = signals.heads[0] if len(signals.heads) == 1 else None
    if head is None or head.targets is None or head.loss != SQUARED or loss <= 0:
        return None
    error, size = math.sqrt(loss), head.targets.rms
    if not error > FAR_OUTPUTS * max(size, 1.0):
        return None
    return (
        f"the outputs run from {head.low:.3g} to {head.high:.3g}, and miss targets with an RMS of "
        f"{size:.3g} by {error:.3g}"
    )


def far_above(loss: float) -> float:
    """The least that is not of the size of a loss any more."""
    return max(LOSS_FACTOR * loss, loss + LOSS_MARGIN)


def is_all_penalty(signals: Signals) -> bool:
    """Whether the gradient of the penalties hides that of the data.

    A penalty p of degree 2 in the weights w has a gradient of norm 2 p / |w|, or more. Of others,
    the first step of the optimizer tells.
    """
    penalty, harmless = signals.penalty or 0.0, far_above(signals.data_loss or 0.0)
    if penalty <= harmless:
        return False
    trained = [row for row in signals.layers if row.weight_gradient_norm is not None]
    weights = math.hypot(*(row.weight_norm for row in trained))
    gradient = math.hypot(*(row.weight_gradient_norm or 0.0 for row in trained))
    if penalty < STRONG_PENALTY * weights**2 and signals.activity_penalty <= harmless:
        return False
    if 2 * penalty / max(weights, TINY) > PENALTY_SHARE * gradient:
        return True
    if signals.updated_loss is None or signals.updated_penalty is None or signals.loss is None:
        return False
    drop = signals.loss - signals.updated_loss
    return drop > 0 and penalty - signals.updated_penalty > PENALTY_DROP * drop


def unscaled_input(signals: Signals) -> Verdict | None:
    """The input is far too large or too small for initial weights."""
    given, column = signals.given_rms or 0.0, signals.column_rms
    if not signals.layers:
        return None
    row, size = signals.layers[0], signals.input_rms
    for other in signals.layers if signals.input_count > 1 else ():
        reads = bool(other.input_rms) and other.input_rms in signals.each_rms
        if reads and not _within(other.input_rms or 0.0, (SMALL_INPUT, LARGE_INPUT)):
            row, size = other, other.input_rms
            break
    if not size or row.normalized:
        return None
    was_usual = SMALL_INPUT <= given <= LARGE_INPUT
    is_spoilt = was_usual and size < min(SPOILT_INPUT, SPOILT_SHARE * given)
    is_dwarfed = column is not None and column < SMALL_INPUT and size == given
    if SMALL_INPUT <= size <= LARGE_INPUT and not (is_spoilt or is_dwarfed):
        return None
    where = row.name
    evidence = (
        f"the values that enter {where} have an RMS of {size:.3g}; about 1 is what initial weights "
        "are made for"
    )
    if is_dwarfed:
        evidence += f"; half of the columns have {column:.3g} at most"
    elif was_usual:
        evidence += f"; the inputs of the model have {given:.3g}"
        reason = (
            f"look at what lies before {where}: a Rescaling too many, or a Normalization that was "
            "adapted to a column that hardly varies"
        )
        return Verdict.cured("unscaled_input", "input", evidence, None, reason)
    usual = signals.usual_rms
    if size > LARGE_INPUT and usual is not None and usual <= LARGE_INPUT < given:
        evidence += f"; without its few largest values, the input has {usual:.3g}"
        remedy = Remedy("scale_inputs", "np.clip(x, *np.quantile(x, [0.02, 0.98], axis=0))")
        return Verdict.cured("unscaled_input", "input", evidence, remedy, "or leave them out")
    remedy, place = Remedy("scale_inputs", STANDARDIZE.format("x")), ""
    if signals.input_count > 1:
        each = f"lambda a: {STANDARDIZE.format('a')} if a.dtype.kind == 'f' else a"
        remedy, place = Remedy("code", f"x = keras.tree.map_structure({each}, x)"), f" of {where}"
    reason = f"or put keras.layers.Normalization or Rescaling in front{place}"
    return Verdict.cured("unscaled_input", "input", evidence, remedy, reason)
