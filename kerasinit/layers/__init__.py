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
    has_own_shape_rule,
    inner_layer,
    is_cell,
    is_channels_first,
    is_kept_method,
    is_norm,
    is_one_matrix,
    is_unknown,
    kind_of,
)
from kerasinit.layers._nonlinearity import (
    activation_name,
    applied_activation,
    is_gating,
    is_linear,
    is_mixing,
    kernel_activation,
    own_activation,
)
from kerasinit.layers._period import angular_frequency
from kerasinit.layers._signal_path import (
    is_closed,
    is_product,
    is_product_of,
    multiplies_by_constant,
    number_factor,
    pixels_merged,
    rectifies,
    tensor_factors,
    units_last,
)
from kerasinit.layers._start_marks import (
    MARK,
    have_learned_biases,
    is_half,
    is_marked_start,
    mark_start,
    numbers_of,
)
from kerasinit.layers._weights import (
    fans,
    find_owner,
    held_initializers,
    initializer_of,
    is_running,
    is_table,
    main_kernel,
    mixes,
    role_of,
    variable_of,
    waits_for_weights,
    weight_kind,
    zeroing_constraint,
)
