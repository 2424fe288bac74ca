"""The version of kerasinit, as in `pyproject.toml`."""

__version__ = "0.1.0"
