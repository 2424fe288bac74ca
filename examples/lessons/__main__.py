"""All lessons, or those named, one after another.

python examples/lessons [NAME ...] [--out FOLDER]
"""

import argparse
import importlib
import time

from lesson import FOLDER, show

LESSONS = (
    "zeros", "constant", "spread", "families", "depth", "slow", "fans", "shared", "very_deep",
    "transformer", "reload",
)  # fmt: skip


def main() -> None:
    """Runs what was asked for."""
    parser = argparse.ArgumentParser(prog="lessons", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*LESSONS, "all"], default="all")
    parser.add_argument("--out", default=FOLDER, metavar="FOLDER")
    arguments = parser.parse_args()
    names = LESSONS if "all" in arguments.names else arguments.names
    for name in names:
        began = time.process_time()
        module = importlib.import_module(name)
        print(f"\n=== {name}: {module.__doc__.splitlines()[0]}")
        show(module.lesson, arguments.out)
        print(f"({time.process_time() - began:.1f} s of processor time)")


if __name__ == "__main__":
    main()
