"""Room `theory`: activation, depth, width -> predicted signal, in plain numbers."""

from kerasinit.theory._activations import Activation, resolve
from kerasinit.theory._gains import calculate_gain, gain
from kerasinit.theory._odd_part import OddPartPoint, odd_part

__all__ = ["Activation", "OddPartPoint", "calculate_gain", "gain", "odd_part", "resolve"]
