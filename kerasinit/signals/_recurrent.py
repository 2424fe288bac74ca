"""How far the gates of a recurrent layer are closed or open for good."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

from kerasinit.layers import inner_layer, is_linear, kind_of
from kerasinit.signals._batch import to_numpy
from kerasinit.signals._elementwise import elementwise_derivatives
from kerasinit.signals._units import FLAT_DERIVATIVE


def flat_gates(layer: Any, inputs: np.ndarray, outputs: np.ndarray) -> float | None:
    """Share of the values of gates and states at which their activation is flat, in 0..1.

    Read at the last step, with the last state for the one before it, which has the same law.

    Args:
        layer: An `LSTM`, `GRU` or `SimpleRNN`; None is returned for any other.
        inputs: What it received, `(batch, steps, features)`.
        outputs: What it gave, `(batch, units)` or `(batch, steps, units)`.
    """
    cell = inner_layer(layer)
    if kind_of(cell).name not in ("LSTMCell", "GRUCell", "SimpleRNNCell") or inputs.ndim != 3:
        return None
    state = outputs[:, -1] if outputs.ndim == 3 else outputs
    kernel, recurrent = to_numpy(cell.kernel), to_numpy(cell.recurrent_kernel)
    with np.errstate(over="ignore", invalid="ignore"):
        values = inputs[:, -1] @ kernel + state @ recurrent
    if cell.bias is not None:
        values = values + to_numpy(cell.bias).reshape(-1, kernel.shape[1]).sum(axis=0)
    gates = np.split(values, kind_of(cell).gates, axis=-1)
    # The candidate of an LSTM is its third gate, of a GRU its last.
    candidate = min(2, len(gates) - 1)
    flat = []
    for k, gate in enumerate(gates):
        function = cell.activation if k == candidate else cell.recurrent_activation
        if is_linear(function):
            return None
        slopes = elementwise_derivatives(function, ops.convert_to_tensor(gate.astype("float32")))
        flat.append(np.mean(np.abs(to_numpy(slopes)) < FLAT_DERIVATIVE))
    return float(np.mean(flat))
