"""Room `theory`: activation, depth, width -> predicted signal, in plain numbers."""

from kerasinit.theory._activation_gain import MOMENTS, calculate_gain, gain
from kerasinit.theory._activations import NOT_ELEMENTWISE, Activation, resolve
from kerasinit.theory._bivariate import pair_expectation
from kerasinit.theory._critical_point import CriticalPoint, critical, half_stable
from kerasinit.theory._depth_scales import DepthScales, correlation_map, depth_scales
from kerasinit.theory._finite_width import LogLength, dead_probability, log_length
from kerasinit.theory._growth import batch_norm_growth, branch_scale, residual_growth
from kerasinit.theory._lengths import FixedPoint, chi_par, chi_perp, fixed_points, length_map
from kerasinit.theory._moments import (
    Moments,
    after_activation,
    after_add,
    after_average,
    after_average_pooling,
    after_concatenate,
    after_dropout,
    after_max_pooling,
    after_multiply,
)
from kerasinit.theory._odd_part_point import OddPartPoint, odd_part
from kerasinit.theory._propagate import Propagation, propagate
from kerasinit.theory._quadrature import expectation

__all__ = [
    "MOMENTS",
    "NOT_ELEMENTWISE",
    "Activation",
    "CriticalPoint",
    "DepthScales",
    "FixedPoint",
    "LogLength",
    "Moments",
    "OddPartPoint",
    "Propagation",
    "after_activation",
    "after_add",
    "after_average",
    "after_average_pooling",
    "after_concatenate",
    "after_dropout",
    "after_max_pooling",
    "after_multiply",
    "batch_norm_growth",
    "branch_scale",
    "calculate_gain",
    "chi_par",
    "chi_perp",
    "correlation_map",
    "critical",
    "dead_probability",
    "depth_scales",
    "expectation",
    "fixed_points",
    "gain",
    "half_stable",
    "length_map",
    "log_length",
    "odd_part",
    "pair_expectation",
    "propagate",
    "residual_growth",
    "resolve",
]
