"""Doctests are collected from the file of the active backend: the others may not be installed."""

import keras

collect_ignore = [
    f"kerasinit/_backend/{backend}.py"
    for backend in ("jax", "tensorflow", "torch")
    if backend != keras.config.backend()
]
