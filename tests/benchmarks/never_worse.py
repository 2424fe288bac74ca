"""Is `initialize(model)` ever worse than the model's own start? Small models, paired seeds.

    python tests/benchmarks/never_worse.py --out runs/never_worse [--only vit mini_gpt] [--seeds 5]

Each model of `small_models.py` trains from its own start (`reset`), from `initialize(model)` and,
where it is installed (the extra `bench`), from AnyInit: same data, batches and steps. The score
is the loss on the test part (for a GAN, a distance of moments). A run that was interrupted goes on;
the table is printed from the records. On TensorFlow.
"""

import argparse
import json
import time
import warnings
from pathlib import Path

import keras
import numpy as np
from small_models import PROBLEMS

import kerasinit
from kerasinit.experiments._bootstrap import small_sample_factor

STARTS = ("own", "initialize", "anyinit")
RESAMPLES = 4000


def optimizers(problem):
    """The optimizers of a problem."""
    return getattr(problem, "optimizers", None) or (problem.model.optimizer,)


def variables(problem):
    """Everything that a training changes."""
    problem_variables = [*problem.model.variables]
    for optimizer in optimizers(problem):
        problem_variables += optimizer.variables
    return problem_variables


def draw(model, start, seed):
    """Gives the model the weights of a start."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if start == "own":
            kerasinit.reset(model, seed=seed)
        elif start == "initialize":
            kerasinit.initialize(model, seed=seed)
        else:
            import anyinit

            anyinit.initialize(model, seed=seed)


def trained(name, starts, seeds, known):
    """One record for each training that is not known yet."""
    missing = [(s, k) for k in range(seeds) for s in starts if (name, s, k) not in known]
    if not missing:
        return
    keras.utils.clear_session()
    keras.utils.set_random_seed(0)
    problem = PROBLEMS[name]()
    for optimizer in optimizers(problem):
        if not optimizer.built:
            optimizer.build(problem.model.trainable_variables)
    at_first = [keras.ops.convert_to_numpy(v).copy() for v in variables(problem)]
    for start, seed in missing:
        begin = time.perf_counter()
        for variable, value in zip(variables(problem), at_first, strict=True):
            variable.assign(value)
        record = {"model": name, "start": start, "seed": seed}
        try:
            draw(problem.model, start, seed)
        except Exception as error:  # noqa: BLE001 - a start that cannot be drawn is a result
            yield {**record, "error": f"{type(error).__name__}: {error}"[:300]}
            continue
        keras.utils.set_random_seed(seed)  # the order of the batches
        problem.train()
        yield {**record, "score": problem.score(), "seconds": time.perf_counter() - begin}


def verdict(ours, theirs):
    """`better`, `worse` or `undetermined`, by a 95 % interval of the mean log ratio."""
    ratios = np.log(np.maximum(ours, 1e-12) / np.maximum(theirs, 1e-12))
    if len(ratios) < 2:
        return "undetermined"
    picks = np.random.default_rng(0).integers(0, len(ratios), (RESAMPLES, len(ratios)))
    means = ratios[picks].mean(1)
    middle, factor = ratios.mean(), small_sample_factor(len(ratios))
    low, high = middle + factor * (np.quantile(means, (0.025, 0.975)) - middle)
    return "better" if high < 0 else "worse" if low > 0 else "undetermined"


def table(records):
    """Markdown: median [lowest, highest] of each start, how often ours is worse, the verdicts."""
    lines = [
        "| model | own start | initialize | AnyInit | worse than own | verdict | against AnyInit |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in dict.fromkeys(record["model"] for record in records):
        scores = {start: {} for start in STARTS}
        for record in records:
            if record["model"] == name and "score" in record:
                scores[record["start"]][record["seed"]] = record["score"]
        cells = [name]
        for start in STARTS:
            values = np.array([*scores[start].values()])
            cells.append(
                f"{np.median(values):.4g} [{values.min():.4g}, {values.max():.4g}]"
                if len(values)
                else next((r["error"][:60] for r in records if r["model"] == name
                           and r["start"] == start and "error" in r), "-")
            )  # fmt: skip
        for other in ("own", "anyinit"):
            seeds = sorted(scores["initialize"].keys() & scores[other].keys())
            ours, theirs = (np.array([scores[s][k] for k in seeds]) for s in ("initialize", other))
            if other == "own":
                cells.append(f"{int((ours > theirs).sum())} of {len(seeds)}")
            cells.append(verdict(ours, theirs) if seeds else "-")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main():
    """Runs what is missing and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/never_worse"))
    parser.add_argument("--only", nargs="*", default=list(PROBLEMS), choices=list(PROBLEMS))
    parser.add_argument("--starts", nargs="*", default=None, choices=STARTS)
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    starts = options.starts or [s for s in STARTS if s != "anyinit" or has_anyinit()]
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "trainings.jsonl"
    records = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    known = {(record["model"], record["start"], record["seed"]) for record in records}
    with path.open("a") as file:
        for name in options.only:
            for record in trained(name, starts, options.seeds, known):
                records.append(record)
                print(json.dumps(record), file=file, flush=True)
            done = [record for record in records if record["model"] == name]
            print(table(done).splitlines()[-1], flush=True)
    shown = [record for record in records if record["model"] in options.only]
    print(table(shown))
    print(f"{sum(record.get('seconds', 0) for record in shown):.0f} s of training and drawing")


def has_anyinit():
    """Whether the rival is installed."""
    try:
        import anyinit  # noqa: F401
    except ImportError:
        return False
    return True


if __name__ == "__main__":
    main()
