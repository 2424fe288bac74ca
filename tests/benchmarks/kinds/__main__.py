"""Every kind of network: our start against Keras' own and the best that was published.

    KERAS_BACKEND=torch python tests/benchmarks/kinds transformers --out runs/kinds [--seeds 0 1 2]

One module for each kind: `transformers`, `plain`, `memory`, `implicit`, `gans`, `actor_critic`,
`flows`, `autoencoders`, `quantized`. What is trained already is not trained again; the tables are
printed from the records, as Markdown. `--cells` picks cells by a regular expression. `memory` is
fastest on JAX, the deep ones on torch; the data is bundled with scikit-learn or Python, or made up.
"""

import argparse
import importlib
import sys
import threading
from pathlib import Path

import records

KINDS = (
    "transformers plain memory implicit gans actor_critic flows autoencoders quantized"
).split()


def main():
    """Trains what is missing and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("kinds", nargs="*", default=KINDS)
    parser.add_argument("--out", type=Path, default=Path("runs/kinds"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--cells", default="", help="a regular expression for names of cells")
    parser.add_argument("--starts", nargs="+", help="only these")
    parser.add_argument("--table", action="store_true", help="train nothing")
    options = parser.parse_args()
    for name in options.kinds:
        kind = importlib.import_module(name)
        path = options.out / f"{name}.jsonl"
        if not options.table:
            records.run(kind, path, options.seeds, options.cells, options.starts)
        print(records.table(kind, path), flush=True)


if __name__ == "__main__":
    sys.setrecursionlimit(100_000)  # Keras goes down a graph of 1,000 layers layer by layer
    threading.stack_size(1 << 28)
    thread = threading.Thread(target=main)
    thread.start()
    thread.join()
