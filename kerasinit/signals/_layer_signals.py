"""What one batch did in a model: the numbers of each layer, and of the whole."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from kerasinit.signals._heads import HeadSignals
from kerasinit.signals._ids import OutsideIds
from kerasinit.signals._remedy import CLIP, INITIALIZE, Remedy

SYMMETRIC_SHARE = 0.5  # of the units of a layer that are copies of others
NORMALIZED_SHARE = 0.25  # of the layers: then normalization sets the scale, not the weights
LEARNED_SHARE = 0.7  # of the loss of chance: below it the model has plainly learned


@dataclass(frozen=True)
class LayerSignals:
    """What passed through one call of one weighted layer, forward and backward.

    Shares are in 0..1, everything else has the unit of the tensor. What could not be measured is
    None: shares where the activation is unknown or does not act unit by unit, weight gradients of
    frozen layers.

    Args:
        name: Path of the layer; ` (call 2)` is added where a shared layer is called again.
        kind: Class of the layer.
        activation: Name of the activation that follows the weights, or None if there is none.
        units: Number of units (channels).
        samples: Values seen of each unit: batch size times positions.
        activation_rms, activation_mean, activation_std: Of the layer's output, all values.
        preactivation_mean_square: Of the values before the activation.
        preactivation_variance: Variance over the inputs of the batch, mean over units.
        bias_free_rms: RMS of the values before the activation without the bias; None where there is
            no bias with a number for each unit, or only zeros.
        is_scale_free: Whether the size of its matrices has no effect on the loss, as where they are
            normalized for a cosine.
        input_rms: RMS of what the layer received.
        gradient_rms: RMS of the loss' gradient by the pre-activations.
        gradient_norm: Euclidean norm of the same gradient. Independent of the layer's size in a
            healthy network, so layers of different sizes are compared by it.
        weight_norm, weight_gradient_norm: Euclidean norms over all own weights of the layer.
        has_zero_kernel: Whether its kernel is all zeros, whatever its bias (a transformer of places
            that starts as the identity).
        is_beside: Whether a layer before it reads the same signal: no way passes both.
        constraint: Class of the kernel's constraint, where that makes 0 of usual weights, too.
        non_finite_weights, non_finite_outputs: Counts of NaN and infinite values.
        dead_share: Share of units that are off for every sample.
        saturated_share: Share of units with |derivative| < 0.01 for more than 95 % of samples; of
            a recurrent layer, share of the values of its gates.
        is_bounded: Whether its activation stays small for large inputs (tanh, sigmoid).
        duplicate_share: Share of units whose weights and weight gradients equal another unit's.
        normalized: Whether a normalization layer follows before the next weighted layer.
        is_output: Whether the layer's output is an output of the model.
        trainable: Whether training changes the layer's kernel.
        has_gain: Whether output over input says something of the weights' scale: not where gates
            decide what passes, where the input is numbers of tokens, or where a sine follows.
        usual_gain: RMS of the output over that of the input by Keras' own default weights, which
            keep forward and backward in balance: below 1 where there are more outputs than inputs.
        is_gate: Whether the output scales another signal, as a sigmoid gate does.
        predicted_rms: RMS of the output that theory predicts for random weights of these sizes,
            through the graph from the measured inputs of the model on, without dropout; None where
            it has no word on it.
        predicted_spread: Standard deviation of its logarithm over random weights, dimensionless.
        first_non_finite: Number of the first sample with a NaN or infinite output; None if
            there is none, or it cannot be told.
        update_ratio: RMS of the kernel's change in the first step of the compiled optimizer over
            its RMS, dimensionless; None if it was not measured.

    Example:
        ```python
        for layer in kerasinit.diagnose(model, x, y).signals.layers:
            print(layer.name, layer.activation_rms, layer.gradient_rms, layer.dead_share)
        ```
    """

    name: str
    kind: str
    activation: str | None
    units: int
    samples: int
    activation_rms: float
    activation_mean: float
    activation_std: float
    preactivation_mean_square: float
    preactivation_variance: float
    input_rms: float | None
    gradient_rms: float
    gradient_norm: float
    weight_norm: float
    weight_gradient_norm: float | None
    non_finite_weights: int
    non_finite_outputs: int
    dead_share: float | None = None
    saturated_share: float | None = None
    is_bounded: bool = False
    duplicate_share: float | None = None
    normalized: bool = False
    is_output: bool = False
    trainable: bool = True
    has_gain: bool = True
    usual_gain: float = 1.0
    is_gate: bool = False
    predicted_rms: float | None = None
    predicted_spread: float | None = None
    first_non_finite: int | None = None
    update_ratio: float | None = None
    constraint: str | None = None
    has_zero_kernel: bool = False
    is_beside: bool = False
    bias_free_rms: float | None = None
    is_scale_free: bool = False

    @property
    def path(self) -> str:
        """Path of the layer, without the number of the call."""
        return self.name.partition(" (call ")[0]

    @property
    def preactivation_rms(self) -> float:
        """RMS of the values before the activation."""
        return float(self.preactivation_mean_square**0.5)

    @property
    def mixed_rms(self) -> float:
        """RMS of what its weights make of the input: a bias adds to that, or takes its mean away.

        So it is the smaller of the two with and without the bias.
        """
        if self.bias_free_rms is None:
            return self.preactivation_rms
        return min(self.bias_free_rms, self.preactivation_rms)

    @property
    def has_kernel(self) -> bool:
        """Whether its weights are one kernel, of that name."""
        return self.kind in ("Dense", "Conv1D", "Conv2D", "Conv3D", "EinsumDense")

    @property
    def is_embedding(self) -> bool:
        """Whether it is a table whose rows are read one by one, in a scale of its author's."""
        return self.kind in ("Embedding", "ReversibleEmbedding")

    @property
    def is_symmetric(self) -> bool:
        """Whether most units are copies of others."""
        return (self.duplicate_share or 0.0) >= SYMMETRIC_SHARE

    @property
    def starts_at_zero(self) -> bool:
        """Whether it is zero on purpose: it gets a gradient itself, so it leaves zero at once."""
        is_zero = not self.has_gain and self.preactivation_mean_square == 0
        learns = (self.weight_gradient_norm or 0.0) > 0
        tells_units_apart = self.is_output or not self.is_symmetric
        is_zero = is_zero or self.weight_norm == 0 or self.has_zero_kernel
        return is_zero and learns and tells_units_apart

    def to_dict(self) -> dict[str, Any]:
        """All fields as plain values, ready for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Signals:
    """What one batch did in a model, forward and backward.

    Args:
        layers: Weighted layers in execution order.
        samples: Number of samples in the batch.
        input_rms: RMS of the values that enter the first weighted layer; None if these are
            indices (an `Embedding`) or if there is no weighted layer.
        given_rms: RMS of the input of the model, before any layer; None if it has several, or
            takes indices.
        each_rms: RMS of each input of the model that holds numbers of any size.
        usual_rms: That of one input, with the outermost 2 % of each column on both sides brought
            in; None if it is not large, or a column would be a constant then.
        column_rms: Median RMS of the columns of a small table that vary; None of other inputs.
        outside_ids: Ids for which an embedding has no row; the others were measured.
        sparse_dropouts: Name, rate and units of each `Dropout` that leaves next to no unit in
            training.
        input_non_finite: Number of NaN and infinite values in the model's inputs: all of them,
            not those of the batch alone.
        loss: Loss of the batch; None without targets.
        chance_loss: Loss of a model that knows nothing: the logarithm of the number of classes,
            for cross-entropy losses; None for others.
        guessed_loss: Name of the loss of a model that is not compiled, which targets and outputs
            suggest; None of a compiled one.
        sum_loss: Whether doubling the batch doubles the loss; None without targets.
        input_first_non_finite: Number of the first sample with such a value.
        input_count: Number of arrays that the model takes.
        penalty: Part of the loss that the targets have no part in: of regularizers and `add_loss`.
        activity_penalty: The rest of it, beside that of weights, where layers have an
            `activity_regularizer`.
        has_regularizers: Whether a weight or a layer has a regularizer.
        heads: The outputs, with losses and targets where there are any.
        loss_error: Why the loss could not be computed, in the words of the backend.
        is_frozen: Whether the model has weights, and none that training changes.
        learning_rate: Rate of the compiled optimizer, the highest of a schedule; None if none is
            compiled, or its first step could not be taken.
        optimizer: Name of its class.
        updated_loss: Loss of the same batch after the first step of the optimizer.
        updated_penalty: `penalty` then.
        promised_drop: By how much the gradient says that the loss falls in that step.
        is_scheduled: Whether a schedule sets that rate.
        momentum_gain: How many times as far as the first step later ones go, with momentum.
        decay: Share of the weights that weight decay takes away in a step.
        clip: Argument of the optimizer that clips gradients; None if none does.
        clipped_share: Norm of the gradient after clipping over that before.
        divides_in_half: Whether weights of float16 take steps that are divided by a mean.
        goes_on: Whether the weights were trained before, by another optimizer.
        inputs_differ: Whether any two samples of the batch have different inputs.
        lone_norm: Name of a `BatchNormalization` that sees a single value of each channel.
        bad_weight: Path of a weight that is not finite, where an output is not, if there is one.
        uses_batch: Whether a `BatchNormalization` was seen as in training, by the batch.
        is_initialized: Whether `kerasinit.initialize` or `reset` gave the weights already.

    Example:
        ```python
        signals = measure(model, x, y)
        print(signals.loss, signals.chance_loss, len(signals.layers))
        ```
    """

    layers: tuple[LayerSignals, ...]
    samples: int
    input_rms: float | None
    input_non_finite: int
    loss: float | None = None
    chance_loss: float | None = None
    guessed_loss: str | None = None
    sum_loss: bool | None = None
    input_first_non_finite: int | None = None
    input_count: int = 1
    penalty: float | None = None
    activity_penalty: float = 0.0
    has_regularizers: bool = True
    heads: tuple[HeadSignals, ...] = ()
    loss_error: str | None = None
    is_frozen: bool = False
    learning_rate: float | None = None
    optimizer: str | None = None
    updated_loss: float | None = None
    updated_penalty: float | None = None
    promised_drop: float | None = None
    is_scheduled: bool = False
    momentum_gain: float = 1.0
    decay: float = 0.0
    clip: str | None = None
    clipped_share: float = 1.0
    divides_in_half: bool = False
    goes_on: bool = False
    inputs_differ: bool = True
    lone_norm: str | None = None
    bad_weight: str | None = None
    uses_batch: bool = False
    is_initialized: bool = False
    given_rms: float | None = None
    each_rms: tuple[float, ...] = ()
    usual_rms: float | None = None
    column_rms: float | None = None
    outside_ids: OutsideIds | None = None
    sparse_dropouts: tuple[tuple[str, float, int], ...] = ()

    @property
    def data_loss(self) -> float | None:
        """The loss without its penalties."""
        return None if self.loss is None else self.loss - (self.penalty or 0.0)

    @property
    def has_learned(self) -> bool:
        """Whether the loss is well below chance, so that the weights are not at their start."""
        if self.data_loss is None or self.chance_loss is None or self.sum_loss:
            return False
        return self.data_loss < LEARNED_SHARE * self.chance_loss

    @property
    def hidden(self) -> list[LayerSignals]:
        """The layers whose output is none of the model."""
        return [row for row in self.layers if not row.is_output]

    @property
    def is_normalized(self) -> bool:
        """Whether normalization layers set the scale of the signal, not the weights."""
        layers = {row.path for row in self.hidden}  # one may be called many times, side by side
        normalized = {row.path for row in self.hidden if row.normalized}
        return len(normalized) > NORMALIZED_SHARE * len(layers)

    @property
    def lone_softmax(self) -> HeadSignals | None:
        """An output that is 1 for every input: a softmax over one unit, or what acts as one."""
        is_stuck = not any(row.weight_gradient_norm for row in self.layers)
        found = (one for one in self.heads if one.is_always_one)
        return next((one for one in found if one.activation == "softmax" or is_stuck), None)

    def to_dict(self) -> dict[str, Any]:
        """All fields as plain values, ready for JSON."""
        return asdict(self)


def redraw(signals: Signals, reason: str, *, grows: bool = False) -> tuple[Remedy | None, str]:
    """New weights and the reason; where `initialize` drew them already, what else helps.

    Args:
        signals: Of the model.
        reason: Why new weights help.
        grows: Whether the fault is a growth, whose steps can be kept small.
    """
    if not signals.is_initialized:
        return INITIALIZE, reason
    if grows:
        return CLIP, "the weights are well drawn already; or add normalization layers"
    return None, "the weights are well drawn already: add normalization layers, or use fewer layers"
