"""Weight initialization for Keras: initializers that know their layer, models, diagnosis."""

from kerasinit import callbacks, experiments, initializers, models, report, signals, theory

__version__ = "0.1.0"

__all__ = ["callbacks", "experiments", "initializers", "models", "report", "signals", "theory"]
