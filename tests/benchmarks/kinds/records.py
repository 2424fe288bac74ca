"""Trainings of one kind as lines of JSON, and the table that they make.

A kind is a module with `TITLE` (what is measured, and which way is better), `STARTS` (name ->
function of a model and a seed), `CELLS` (name -> arguments of `train`) and `train(start, seed,
**cell)`, which returns a score (or several by name). `SKIP` names pairs that are not run.
"""

import json
import re
import time
import traceback

import keras
import numpy as np


def run(kind, path, seeds, cells, starts):
    """Trains what `path` does not hold, and appends it there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    known = {(r["cell"], r["start"], r["seed"]) for r in read(path)}
    for seed in seeds:
        for cell, arguments in kind.CELLS.items():
            for start, draw in kind.STARTS.items():
                wanted = re.search(cells, cell) and (not starts or start in starts)
                skipped = (cell, start) in getattr(kind, "SKIP", ())
                if not wanted or skipped or (cell, start, seed) in known:
                    continue
                record = {"cell": cell, "start": start, "seed": seed}
                record |= {"backend": keras.backend.backend()}
                begin = time.process_time()
                keras.utils.clear_session()
                keras.utils.set_random_seed(seed)
                try:
                    scores = kind.train(draw, seed, **arguments)
                    record["scores"] = scores if isinstance(scores, dict) else {"": scores}
                except ValueError as error:  # a start that is not for this model is a result
                    record["error"] = str(error)[:200]
                    traceback.print_exc()
                record["seconds"] = round(time.process_time() - begin, 1)
                with path.open("a") as file:
                    print(json.dumps(record), file=file, flush=True)
                print(json.dumps(record), flush=True)


def read(path):
    """The records of a file; none where there is none."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines()]


def table(kind, path):
    """Markdown: a row for each cell, a column for each start; median [lowest, highest]."""
    found = {}
    for record in read(path):
        for name, score in record.get("scores", {}).items():
            found.setdefault((record["cell"], name), {}).setdefault(record["start"], []).append(
                score
            )
    lines = [f"**{kind.TITLE}**", "", "| | " + " | ".join(kind.STARTS) + " |"]
    lines += ["| --- " * (1 + len(kind.STARTS)) + "|"]
    order = list(kind.CELLS)
    for (cell, name), row in sorted(found.items(), key=lambda item: order.index(item[0][0])):
        shown = [shown_scores(row.get(start, [])) for start in kind.STARTS]
        lines.append("| " + " | ".join([f"{cell} {name}".strip(), *shown]) + " |")
    seconds = sum(record["seconds"] for record in read(path))
    backends = sorted({record["backend"] for record in read(path)})
    return "\n".join([*lines, "", f"{seconds:.0f} s of processor time, {', '.join(backends)}", ""])


def shown_scores(scores):
    """`median [lowest, highest]` of several, one alone, or a dash."""
    if not scores:
        return "-"
    values = np.array(scores, "float64")
    middle = f"{np.median(values):.4g}"
    return middle if len(values) == 1 else f"{middle} [{values.min():.4g}, {values.max():.4g}]"
