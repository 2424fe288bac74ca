"""The one room that knows which backend runs, and what Keras keeps private.

Everything else is written with `keras.ops` and `keras.random`. A backend is one file, which has the
functions of `_protocol.Backend` (what TensorFlow and torch do alike: `_eager`); `_keras` reads what
Keras keeps private.
"""

import keras

from kerasinit._backend._arrays import array_of, numpy_of
from kerasinit._backend._held import check_held
from kerasinit._backend._keras import (
    automatic_config,
    build_shapes,
    building_layer,
    declared_initializers,
    deferred_variable,
    flat_layers,
    in_stateless_scope,
    is_of_keras,
    layer_scope,
    mask_of,
    open_scopes,
    output_spec,
    own_variables,
    seed_states,
)
from kerasinit._backend._keras_building import layers_of_same_model, scope_of_running_model
from kerasinit._backend._keras_graphs import (
    detached,
    functional_ends,
    given_to,
    graph_calls,
    is_graph_model,
    is_whole,
    plain_call,
    symbolic_calls,
    symbolic_tensors,
)
from kerasinit._backend._keras_training import (
    cause_of,
    clipped_gradients,
    compiled_in_code,
    decays,
    fresh_compiled_loss,
    has_keras_train_step,
    has_loss_weights,
    inner_optimizer,
    is_of_call,
    lent_loss,
    loss_of_step,
    spare_compiled_loss,
    trained_variables,
    training_argument,
    without_rematerialization,
)
from kerasinit._backend._optimizers import (
    accumulation_steps,
    config_of,
    count_of_steps,
    loss_scaling,
    optimizers_of,
    steps_before,
    steps_taken,
)
from kerasinit._backend._other_models import is_of_keras_2, way_to_a_model
from kerasinit._backend._protocol import Backend, Entering, Training
from kerasinit._backend._raw_calls import RawCall
from kerasinit._backend._replaced import replaced


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
raw_calls = _backend.raw_calls
run_for_shapes = _backend.run_for_shapes
run_once = _backend.run_once
same_beside = _backend.same_beside
same_random_state = _backend.same_random_state
seeded = _backend.seeded
seed_tensor = _backend.seed_tensor
sole_optimizer = _backend.sole_optimizer
synchronise = _backend.synchronise
note_state = _backend.note_state
takes_rows = _backend.takes_rows
training = _backend.training
wait_for = _backend.wait_for
without_gradients = _backend.without_gradients
compile_train_step = _backend.compile_train_step
dense_gradient = _backend.dense_gradient
entry_name = _backend.entry_name
is_reachable = _backend.is_reachable
join_step = _backend.join_step
packed = _backend.packed
sampled = _backend.sampled
split_step = _backend.split_step
step_state = _backend.step_state
sum_of_squares = _backend.sum_of_squares
update_of = _backend.update_of
waits_for_steps = _backend.waits_for_steps
