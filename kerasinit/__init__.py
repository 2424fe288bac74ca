"""Weight initialization for Keras: initializers that know their layer, models, diagnosis."""

from kerasinit import callbacks, experiments, initializers, models, report, signals, theory
from kerasinit.initializers import fans
from kerasinit.models import Plan, initialize, portable, reset
from kerasinit.signals import diagnose
from kerasinit.theory import gain

__version__ = "0.1.0"

__all__ = [
    "Plan",
    "callbacks",
    "diagnose",
    "experiments",
    "fans",
    "gain",
    "initialize",
    "initializers",
    "models",
    "portable",
    "report",
    "reset",
    "signals",
    "theory",
]
