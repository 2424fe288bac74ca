"""The command line: parses, calls one room, prints."""

from kerasinit.cli._main import main

__all__ = ["main"]


def __dir__() -> list[str]:
    return __all__
