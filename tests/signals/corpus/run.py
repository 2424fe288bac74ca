"""Labels the corpus by training, or prints how well its faults are named.

python tests/signals/corpus/run.py label            # trains each program with and without cure
python tests/signals/corpus/run.py [--part held]    # the confusion table
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import random
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

from case import Program
from fixes import worked
from outcomes import SEEDS, is_confirmed, labels, said, save, trained
from programs import programs
from table import table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", nargs="?", default="table", choices=("table", "label"))
    parser.add_argument("--part", default="open", choices=("open", "held", "all"))
    parser.add_argument("--only", default="*", help="pattern of names")
    parser.add_argument("--keep", type=Path, help="file of what was said: taken up again")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after so long")
    arguments = parser.parse_args()
    chosen = [
        program
        for program in programs()
        if arguments.part in ("all", "held" if program.held else "open")
        and fnmatch.fnmatch(program.name, arguments.only)
    ]
    random.Random(0).shuffle(chosen)  # so that a run that is cut short is a fair sample
    if arguments.command == "label":
        label(chosen, arguments.seconds)
    else:
        print(table(chosen, hear(chosen, arguments.keep, arguments.seconds), labels()))


def label(chosen: list[Program], seconds: float) -> None:
    """Adds the scores that are missing, one seed after the other."""
    ends = time.monotonic() + seconds
    for seed in SEEDS:
        for program in chosen:
            makes = {program.name: program.make}
            if program.cure is not None:
                makes[program.cured_as] = program.cure
            for name, make in makes.items():
                if time.monotonic() > ends:
                    return
                known = labels()
                scores = known.setdefault(name, {})
                if str(seed) not in scores:
                    scores[str(seed)] = trained(make, seed)
                    save(known)
            if is_confirmed(program, labels()) is False:
                print(program.name, {name: labels()[name] for name in makes}, flush=True)


def hear(chosen: list[Program], kept: Path | None, seconds: float) -> dict[str, dict]:
    """What is said of each program whose label training bears out."""
    ends = time.monotonic() + seconds
    heard = {}
    if kept is not None and kept.exists():
        heard = dict(json.loads(line) for line in kept.read_text().splitlines())
    known = labels()
    for program in chosen:
        is_wrong = is_confirmed(program, known) is False
        if program.name in heard or is_wrong or time.monotonic() > ends:
            continue
        found = said(program)
        for verdict in (*found["before"][:1], *found["during"][:1]):
            verdict["worked"] = worked(program, verdict, known)
        heard[program.name] = found
        if kept is not None:
            with kept.open("a") as file:
                file.write(json.dumps([program.name, heard[program.name]]) + "\n")
    return heard


if __name__ == "__main__":
    main()
