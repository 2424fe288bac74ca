"""Room `theory`: activation, depth, width -> predicted signal, in plain numbers."""

from kerasinit.theory._activation_gain import MOMENTS, gain
from kerasinit.theory._activations import NOT_ELEMENTWISE, Activation, ActivationLike, resolve
from kerasinit.theory._bivariate import pair_expectation
from kerasinit.theory._critical_point import CriticalPoint, critical
from kerasinit.theory._depth_scales import DepthScales, correlation_map, depth_scales
from kerasinit.theory._finite_width import LogLength, log_length
from kerasinit.theory._lengths import FixedPoint, chi_par, chi_perp, fixed_points, length_map
from kerasinit.theory._odd_part_point import OddPartPoint, odd_part
from kerasinit.theory._propagate import Propagation, propagate
from kerasinit.theory._quadrature import expectation

__all__ = [
    "MOMENTS",
    "NOT_ELEMENTWISE",
    "Activation",
    "ActivationLike",
    "CriticalPoint",
    "DepthScales",
    "FixedPoint",
    "LogLength",
    "OddPartPoint",
    "Propagation",
    "chi_par",
    "chi_perp",
    "correlation_map",
    "critical",
    "depth_scales",
    "expectation",
    "fixed_points",
    "gain",
    "length_map",
    "log_length",
    "odd_part",
    "pair_expectation",
    "propagate",
    "resolve",
]


def __dir__() -> list[str]:
    return __all__
