"""The one room that asks which backend runs, or reads what Keras keeps private.

Everything else is written with `keras.ops` and `keras.random`. Each function names the
private attribute it reads; `tests/test_backend.py` fails the day Keras changes one of them.
"""

from kerasinit._backend._building import (
    building_layer,
    building_path,
    deferred_variable,
    in_stateless_scope,
    is_graph_model,
    layer_scope,
    open_scopes,
)
from kerasinit._backend._epochs import Training, training
from kerasinit._backend._gradients import gradient, gradients_of, spare_compiled_loss
from kerasinit._backend._graphs import functional_ends, graph_calls
from kerasinit._backend._layers import (
    automatic_config,
    build_shapes,
    declared_initializers,
    flat_layers,
    has_keras_train_step,
    output_spec,
    own_variables,
    seed_states,
    synchronise,
    training_argument,
    without_traces,
)
from kerasinit._backend._mapped import (
    jitted,
    maps_convolutions_well,
    over_replicas,
    quietly,
)
from kerasinit._backend._name import name
from kerasinit._backend._programs import parts_of
from kerasinit._backend._small_arrays import (
    small_array,
    small_array_functions,
    strided_rows,
    sum_of_squares,
)
from kerasinit._backend._tracing import (
    cause_of,
    compiled,
    copied,
    errors,
    evaluate,
    is_concrete,
    run_for_shapes,
    run_once,
    seed_tensor,
    wait_for,
    without_gradients,
)
from kerasinit._backend._training import (
    accumulated_gradients,
    accumulation_steps,
    clipped_gradients,
    compile_train_step,
    gradient_values,
    join_step,
    loss_scaling,
    observed_entry,
    split_step,
    step_batch,
    step_state,
)
from kerasinit._backend._variables import assign_rows, takes_rows

__all__ = [
    "Training",
    "accumulated_gradients",
    "accumulation_steps",
    "assign_rows",
    "automatic_config",
    "build_shapes",
    "building_layer",
    "building_path",
    "cause_of",
    "clipped_gradients",
    "compile_train_step",
    "compiled",
    "copied",
    "declared_initializers",
    "deferred_variable",
    "errors",
    "evaluate",
    "flat_layers",
    "functional_ends",
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
    "layer_scope",
    "loss_scaling",
    "maps_convolutions_well",
    "name",
    "observed_entry",
    "open_scopes",
    "output_spec",
    "over_replicas",
    "own_variables",
    "parts_of",
    "quietly",
    "run_for_shapes",
    "run_once",
    "seed_states",
    "seed_tensor",
    "small_array",
    "small_array_functions",
    "spare_compiled_loss",
    "split_step",
    "step_batch",
    "step_state",
    "strided_rows",
    "sum_of_squares",
    "synchronise",
    "takes_rows",
    "training",
    "training_argument",
    "wait_for",
    "without_gradients",
    "without_traces",
]
