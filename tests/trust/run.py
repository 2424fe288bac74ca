"""Proves, case by case, what the README promises when things go wrong; prints one table.

    python tests/trust/run.py --quick
    python tests/trust/run.py --only kills --only fuzz --count 100
    python tests/trust/run.py --python tensorflow=... --python jax=... --python old=...

In full it takes about an hour. An interpreter that is named opens what this one saves, and the
other way round (`reload`); one named after a backend runs with it.
"""

import argparse
import importlib
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]
os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])

# Name of the proof: the function, how many cases it is asked for in full and with --quick, and
# what is proved. Some have as many cases as there are.
PROOFS = {
    "kills": ("kills.kills", 50, 2, "a killed comparison goes on; the same records"),
    "disks": ("disks.full_disks", 60, 4, "a full disk costs no finished training"),
    "damage": ("damage.damage", 3000, 60, "a damaged file is read, or one message names it"),
    "models": ("damage.damaged_models", 3000, 0, "so is a damaged model, within seconds"),
    "fuzz": ("fuzz.fuzz", 20_000, 200, "a strange config or spec is refused; no code of it runs"),
    "names": ("names.names", 2000, 60, "a hostile name is shown as what it is"),
    "attach": ("attach.attach", 500, 3, "nothing is left of a callback, however trainings end"),
    "identity": ("identity.identity", 300, 3, "a watched training has the same weights"),
    "builds": ("builds.builds", 4, 1, "the same weights from threads and spawned processes"),
    "memory": ("memory.memory", 20_000, 300, "watched steps take no more memory"),
    "reload": ("reload.reload", 1, 0, "a saved model opens with its weights and predictions"),
    "imports": ("imports.imports", 5, 0, "the import is quick and loads no extra"),
    "packages": ("packages.packages", 2, 0, "wheel and sdist have the same bytes when built again"),
}


def prove(name, count, where):
    """Cases, and what is said of those that failed."""
    module, _, function = PROOFS[name][0].partition(".")
    proof = getattr(importlib.import_module(f"proofs.{module}"), function)
    cases, failed = 0, []
    try:
        for wrong in proof(count, where):
            cases += 1
            if wrong:
                failed.append(wrong)
                print(f"{name}: {wrong}", file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        print(f"{name}: interrupted after {cases} cases", file=sys.stderr)
    return cases, failed


def main():
    words = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    words.add_argument("--quick", action="store_true", help="few cases of each")
    words.add_argument("--only", action="append", choices=PROOFS, help="this proof, and others so")
    words.add_argument("--count", type=int, help="cases, instead of the number in the table")
    words.add_argument("--python", action="append", default=[], metavar="NAME=PATH",
                       help="another interpreter for `reload`")  # fmt: skip
    arguments = words.parse_args()
    os.environ["TRUST_PYTHONS"] = os.pathsep.join(arguments.python)
    anything_failed = False
    print("| proof | what it shows | cases | failed | seconds |\n| --- | --- | --: | --: | --: |")
    for name in arguments.only or PROOFS:
        _, full, quick, what = PROOFS[name]
        count = arguments.count or (quick if arguments.quick else full)
        if not count:
            continue
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as where:
            cases, failed = prove(name, count, Path(where))
        anything_failed |= bool(failed)
        seconds = time.monotonic() - began
        print(f"| {name} | {what} | {cases:,} | {len(failed)} | {seconds:.0f} |", flush=True)
    return anything_failed


if __name__ == "__main__":
    sys.exit(main())
