"""The import is quick, and loads nothing that only some commands need."""

import statistics
import subprocess
import sys

MOST_SECONDS = 1.0  # of `import kerasinit`, where Keras is imported already
MOST_HELP_SECONDS = 1.0  # of `kerasinit --help`, which imports no Keras
EXTRAS = ("plotly", "jinja2", "sklearn", "pandas", "scipy", "distributed", "tensorboard", "rich")
TIMED = """
import time, keras, sys
began = time.perf_counter()
import kerasinit
print(time.perf_counter() - began)
print(" ".join(sys.modules))
"""
HELP = """
import time, runpy, sys
began = time.perf_counter()
sys.argv = ["kerasinit", "--help"]
from importlib.util import find_spec
place = find_spec("kerasinit").submodule_search_locations[0]
try:
    runpy.run_path(place + "/_shell.py")["main"]()
finally:
    print(time.perf_counter() - began, "keras" in sys.modules, sep="\\n")
"""


def output(code):
    command = [sys.executable, "-W", "ignore", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def imports(count, where):
    """Imports and helps `count` times each; the medians count."""
    found = [output(TIMED).strip().split("\n")[-2:] for _ in range(count)]
    seconds = statistics.median(float(one) for one, _ in found)
    yield f"{seconds:.2f} s to import" if seconds > MOST_SECONDS else ""
    without = set(output("import sys, keras; print(' '.join(sys.modules))").split())
    for extra in EXTRAS:
        loaded = extra in found[0][1].split() and extra not in without
        yield f"{extra} is loaded" if loaded else ""
    helped = [output(HELP).strip().split("\n")[-2:] for _ in range(count)]
    seconds = statistics.median(float(one) for one, _ in helped)
    yield f"{seconds:.2f} s to help" if seconds > MOST_HELP_SECONDS else ""
    yield "help imports Keras" if any(keras == "True" for _, keras in helped) else ""
