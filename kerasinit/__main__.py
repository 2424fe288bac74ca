"""Runs the command line: `python -m kerasinit`."""

import sys

from kerasinit.cli import main

if __name__ == "__main__":
    sys.exit(main())
