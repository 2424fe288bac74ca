"""The one room that knows which backend runs, and what Keras keeps private.

Everything else is written with `keras.ops` and `keras.random`. A backend is one file, which has the
functions of `_protocol.Backend`; `_keras` reads what Keras keeps private.
"""

import keras

from kerasinit._backend._keras import (
    automatic_config,
    build_shapes,
    building_layer,
    declared_initializers,
    deferred_variable,
    flat_layers,
    functional_ends,
    graph_calls,
    in_stateless_scope,
    is_graph_model,
    layer_scope,
    open_scopes,
    output_spec,
    own_variables,
    seed_states,
    without_traces,
)
from kerasinit._backend._keras_training import (
    cause_of,
    clipped_gradients,
    has_keras_train_step,
    spare_compiled_loss,
    training_argument,
)
from kerasinit._backend._optimizers import (
    accumulated_gradients,
    accumulation_steps,
    any_sparse,
    gradient_values,
    loss_scaling,
    observed_entry,
)
from kerasinit._backend._protocol import Backend, Training
from kerasinit._backend._replaced import replaced
from kerasinit._backend._small_arrays import (
    addresses,
    compiles_steps,
    functions_of,
    joined,
    read_runs,
    rows_of,
    small_array,
    strided_runs,
    sums_by_group,
    sums_of_squared_parts,
    sums_of_squares,
)
from kerasinit._backend._train_step import (
    compile_train_step,
    join_step,
    split_step,
    step_batch,
    step_state,
    waits_for_steps,
)


def _active() -> Backend:
    name = keras.config.backend()
    if name == "tensorflow":
        from kerasinit._backend import tensorflow

        return tensorflow
    if name == "jax":
        from kerasinit._backend import jax

        return jax
    if name == "torch":
        from kerasinit._backend import torch

        return torch
    raise ImportError(
        "kerasinit runs on the Keras backends ('jax', 'tensorflow', 'torch'). "
        f"Received: KERAS_BACKEND={name!r}."
    )


_backend = _active()

assign_rows = _backend.assign_rows
compiled = _backend.compiled
errors = _backend.errors
evaluate = _backend.evaluate
gradient = _backend.gradient
gradients_of = _backend.gradients_of
is_concrete = _backend.is_concrete
jitted = _backend.jitted
library = _backend.library
maps_convolutions_well = _backend.maps_convolutions_well
over_replicas = _backend.over_replicas
parts_of = _backend.parts_of
quietly = _backend.quietly
run_for_shapes = _backend.run_for_shapes
run_once = _backend.run_once
seed_tensor = _backend.seed_tensor
synchronise = _backend.synchronise
takes_rows = _backend.takes_rows
training = _backend.training
wait_for = _backend.wait_for
without_gradients = _backend.without_gradients

__all__ = [
    "Backend",
    "Training",
    "accumulated_gradients",
    "accumulation_steps",
    "addresses",
    "any_sparse",
    "assign_rows",
    "automatic_config",
    "build_shapes",
    "building_layer",
    "cause_of",
    "clipped_gradients",
    "compile_train_step",
    "compiled",
    "compiles_steps",
    "declared_initializers",
    "deferred_variable",
    "errors",
    "evaluate",
    "flat_layers",
    "functional_ends",
    "functions_of",
    "gradient",
    "gradient_values",
    "gradients_of",
    "graph_calls",
    "has_keras_train_step",
    "in_stateless_scope",
    "is_concrete",
    "is_graph_model",
    "jitted",
    "join_step",
    "joined",
    "layer_scope",
    "library",
    "loss_scaling",
    "maps_convolutions_well",
    "observed_entry",
    "open_scopes",
    "output_spec",
    "over_replicas",
    "own_variables",
    "parts_of",
    "quietly",
    "read_runs",
    "replaced",
    "rows_of",
    "run_for_shapes",
    "run_once",
    "seed_states",
    "seed_tensor",
    "small_array",
    "spare_compiled_loss",
    "split_step",
    "step_batch",
    "step_state",
    "strided_runs",
    "sums_by_group",
    "sums_of_squared_parts",
    "sums_of_squares",
    "synchronise",
    "takes_rows",
    "training",
    "training_argument",
    "wait_for",
    "waits_for_steps",
    "without_gradients",
    "without_traces",
]
