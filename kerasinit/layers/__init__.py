"""Room `layers`: a Keras layer -> facts about it, from one table with a row for each kind."""

from kerasinit.layers._axes import (
    Fans,
    KernelAxes,
    axes_of_equation,
    axes_of_shape,
    kernel_axes,
)
from kerasinit.layers._kinds import (
    ROWS,
    LayerKind,
    acts_in_gates,
    attention_part,
    inner_layer,
    is_cell,
    is_channels_first,
    is_kept_method,
    is_norm,
    is_one_matrix,
    kind_of,
)
from kerasinit.layers._nonlinearity import (
    activation_name,
    applied_activation,
    is_linear,
    kernel_activation,
    own_activation,
)
from kerasinit.layers._signal_path import (
    is_closed,
    pixels_merged,
    units_last,
)
from kerasinit.layers._weights import (
    fans,
    find_owner,
    held_initializers,
    initializer_of,
    main_kernel,
    role_of,
    variable_of,
    weight_kind,
)

__all__ = [
    "ROWS",
    "Fans",
    "KernelAxes",
    "LayerKind",
    "activation_name",
    "acts_in_gates",
    "applied_activation",
    "attention_part",
    "axes_of_equation",
    "axes_of_shape",
    "fans",
    "find_owner",
    "held_initializers",
    "initializer_of",
    "inner_layer",
    "is_cell",
    "is_channels_first",
    "is_closed",
    "is_kept_method",
    "is_linear",
    "is_norm",
    "is_one_matrix",
    "kernel_activation",
    "kernel_axes",
    "kind_of",
    "main_kernel",
    "own_activation",
    "pixels_merged",
    "role_of",
    "units_last",
    "variable_of",
    "weight_kind",
]
