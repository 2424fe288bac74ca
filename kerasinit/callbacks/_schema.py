"""The schema of a recorded step, as `GradientStats.history` and the JSON-lines file give it."""

from __future__ import annotations

from typing import Any, TypedDict

FORMAT = 2  # of one row of `history`, of one line of the file


class GradientRow(TypedDict, total=False):
    """Statistics of the gradient of one variable, or of one layer's variables.

    What is not finite is None. `mean`, `std`, `rms` are over the finite entries.

    Attributes:
        count: Number of entries.
        total, mean, std, rms, norm, min, max: Of the entries; the norm is the L2 norm.
        zeros, zero_fraction: Number and share of entries that are exactly 0.
        non_finite: Number of NaN and infinite entries.
        connected: Whether there is a gradient.
        weight_norm: L2 norm of the weights before the update.
        update_ratio: Norm of what the update changed over that of the weights (of the kernels, in
            a layer that has any); None in steps without an update.
        clipped: The same statistics of the gradient after clipping, with `clipped=True`.
        histogram: Counts between `kerasinit.signals.HISTOGRAM_EDGES`, with `histogram=True`.
        signal_gradient_rms: Of layers: RMS of the bias gradient, the batch sum of the gradient of
            the pre-activations; None without a bias.

    Example:
        ```python
        for path, gradient in stats.history[-1]["variables"].items():
            print(path, gradient["rms"], gradient["zero_fraction"])
        ```
    """

    count: int
    total: float | None
    norm: float | None
    min: float | None
    max: float | None
    zeros: int
    non_finite: int
    mean: float | None
    rms: float | None
    std: float | None
    zero_fraction: float
    connected: bool
    weight_norm: float | None
    update_ratio: float | None
    clipped: dict[str, Any]
    histogram: list[int]
    signal_gradient_rms: float | None


class Row(TypedDict, total=False):
    """One recorded step: a row of `GradientStats.history`, a line of the JSON-lines file.

    Attributes:
        format: Version of this schema.
        run: Names the training: one call of `fit`.
        step: Number of steps before this one since the optimizer was made.
        epoch: Epoch, from 0.
        loss: Mean training loss since the row before, with its penalties.
        grad_norm: Norm of the whole gradient; None if it, or a weight, is not finite.
        overflow: Whether loss scaling skipped this step.
        variables: By path of the variable, without the model's name.
        layers: By path of the layer.
        activations: By path of the layer, in steps that probe: RMS of the output, shares of dead
            and saturated units, RMS of the pre-activation gradient.

    Example:
        ```python
        row = stats.history[-1]
        print(row["step"], row["loss"], row["grad_norm"], list(row["layers"]))
        ```
    """

    format: int
    run: str
    step: int
    epoch: int
    loss: float | None
    grad_norm: float | None
    overflow: bool
    variables: dict[str, GradientRow]
    layers: dict[str, GradientRow]
    activations: dict[str, dict[str, float | None]]
