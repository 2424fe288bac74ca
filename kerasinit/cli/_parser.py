"""What can be typed after `kerasinit`."""

from __future__ import annotations

import argparse
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal, NoReturn

FORMATS = ("json", "csv", "md")

OVERVIEW = """\
Weight initialization for Keras. Questions, one call each:

  How should this layer start?        kernel_initializer="kerasinit>Auto"
  How should this whole model start?  kerasinit.initialize(model)
  Is my signal healthy?               kerasinit diagnose model.keras --data batch.npz
  Are my gradients, while it trains?  callbacks=[kerasinit.GradientStats()]
  Is it ready for my data?            kerasinit.prepare(model, x, y)
  Which start is best for my data?    kerasinit compare

examples:
  kerasinit compare                        the built-in comparison (digits, about a minute)
  kerasinit compare --quick                the same, smaller, in seconds
  kerasinit compare --example > spec.toml  a specification to begin with
  kerasinit compare spec.toml --out runs/a your own; run again to resume
  kerasinit report runs/a                  write the page again, without training
  kerasinit diagnose model.keras --data batch.npz
  kerasinit gains gelu relu                gains and critical scales of activations
  kerasinit list                           every initializer; with a name, all about it
  kerasinit playground                     watch small networks learn, or not, from twelve starts
"""
COMPARE = """\
Trains the same models from every initialization, with several seeds, and ranks them.

Without a specification it compares Keras' own initializers, ours and the textbook mistakes on
plain networks and scikit-learn's digits. Finished trainings are kept in the directory: the same
command with the same --out goes on where an interrupted one stopped.

A specification whose `models` name "package.module:function" runs that code: read the
specification of a stranger first. Nothing else in it imports anything. The module is looked for
where Python looks, and beside the specification.

examples:
  kerasinit compare
  kerasinit compare --quick --out runs/first
  kerasinit compare --example > spec.toml
  kerasinit compare spec.toml --out runs/mine --baseline he_normal
  kerasinit compare spec.toml --out runs/mine --scheduler tcp://127.0.0.1:8786
  kerasinit compare --quick --quiet --format csv > table.csv
"""
REPORT = """\
Writes the page of a finished or unfinished run again, without training.

Also takes the file of one training that kerasinit.callbacks.GradientStats(path=...) wrote.
Imports nothing that the run names: the directory of a stranger runs no code.

examples:
  kerasinit report runs/mine
  kerasinit report runs/mine --format md --quiet
  kerasinit report gradients.jsonl
"""
DIAGNOSE = """\
Looks at the signal of a model at its current weights: one batch forward and backward.

The data file, .npz, holds an array "x" and, for the gradients of the real loss, "y"; one that ends
in .npy is "x" alone. Exit code 0 if the signal is healthy, 1 if not. Keras loads the model, in its
safe mode: give it only a model file whose maker you trust, above all if it ends in .h5. A model
with layers or losses of your own needs the module that registers them: --import mylayers.

examples:
  kerasinit diagnose model.keras --data batch.npz
  kerasinit diagnose model.keras --data x.npy --import mylayers
"""
LIST = """\
Every initializer: name, formula, when to use it. With a name: all about that one.

examples:
  kerasinit list
  kerasinit list HeNormal
"""
COLUMNS_OF_GAINS = """\
  forward    keeps the mean square of the activations: 1 / sqrt(E phi^2)
  centered   keeps their variance: 1 / std(phi)
  backward   keeps the gradient: 1 / sqrt(E phi'^2)
  chi        growth of the squared gradient per layer at the forward gain; 1 is critical
  critical   weight std times sqrt(fan-in) at which signal and gradient both stay; * if unstable
  odd part   gain and kind of the rule of kerasinit.initializers.OddPart at depth 50: it lets
             only (f(x) - f(-x)) / 2 act, as the rest is the same for x and -x"""
GAINS = f"""\
The scale that keeps the signal, and what else a deep plain network does with an activation.

{COLUMNS_OF_GAINS}

examples:
  kerasinit gains
  kerasinit gains gelu relu silu
"""
PLAYGROUND = """\
Trains a small network from twelve starts and writes a page to play with.

The page shows two trainings beside each other, step by step: weights, gradients, what every unit
answers, the decision boundary and the loss. It is one file and needs no network. Starts are zeros,
constant, random_normal_0.01, _0.1, _0.2 and _1, uniform, glorot_uniform (Xavier), he_normal, lecun,
lasagne and initialize; --left and --right also take the name of any other initializer.

examples:
  kerasinit playground
  kerasinit playground --data spiral --activation relu --left constant --right he_normal
  kerasinit playground --right orthogonal --out orthogonal.html
"""
DATA = ("circle", "xor", "gauss", "spiral")


class Arguments(argparse.Namespace):
    """What was typed."""

    command: str | None
    traceback: bool
    spec: Path | None
    out: Path | None
    quick: bool
    example: bool
    scheduler: str | None
    format: Literal["json", "csv", "md"] | None
    quiet: bool
    baseline: str | None
    path: Path
    model: Path
    data: Path
    modules: list[str]
    activations: list[str]
    name: str | None
    sets: list[str]
    activation: str
    left: str
    right: str


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    root = _Parser(
        prog="kerasinit", description=OVERVIEW, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    root.add_argument("--version", action="version", version=f"kerasinit {_version()}")
    commands = root.add_subparsers(dest="command", metavar="COMMAND")

    def command(name: str, summary: str, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(
            name,
            help=summary,
            description=text,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        added.add_argument("--traceback", action="store_true", help=argparse.SUPPRESS)
        return added

    compare = command("compare", "train from every initialization and rank them", COMPARE)
    compare.add_argument("spec", nargs="?", type=Path, help="specification, a TOML file")
    compare.add_argument(
        "--out", type=Path, metavar="DIR", help="run directory (default: a new one)"
    )
    compare.add_argument("--quick", action="store_true", help="the built-in comparison, smaller")
    compare.add_argument("--example", action="store_true", help="print a specification to edit")
    compare.add_argument("--scheduler", metavar="ADDRESS", help="train on a Dask cluster")
    _output(compare)
    report = command("report", "write the page of a run again", REPORT)
    report.add_argument("path", type=Path, metavar="DIR", help="run directory, or a .jsonl file")
    _output(report)
    diagnose = command("diagnose", "is the signal of a model healthy?", DIAGNOSE)
    diagnose.add_argument("model", type=Path, metavar="MODEL", help="a saved model, .keras or .h5")
    diagnose.add_argument("--data", type=Path, required=True, metavar="FILE.npz", help="one batch")
    diagnose.add_argument(
        "--import", dest="modules", action="append", default=[], metavar="MODULE",
        help="import this first: it registers what the model is made of",
    )  # fmt: skip
    gains = command("gains", "gains and critical scales of activations", GAINS)
    gains.add_argument(
        "activations", nargs="*", metavar="ACTIVATION", help="(default: all of Keras')"
    )
    list_ = command("list", "all initializers: name, formula, when to use", LIST)
    list_.add_argument("name", nargs="?", metavar="NAME", help="one initializer")
    play = command("playground", "watch small networks learn from different starts", PLAYGROUND)
    play.add_argument(
        "--data", dest="sets", nargs="+", choices=DATA, default=list(DATA), metavar="SET",
        help=f"{', '.join(DATA)} (default: all, to choose from in the page)",
    )  # fmt: skip
    play.add_argument("--activation", default="tanh", help="of the hidden layers (default: tanh)")
    play.add_argument("--left", default="zeros", metavar="START", help="(default: zeros)")
    play.add_argument(
        "--right", default="initialize", metavar="START", help="(default: initialize)"
    )
    play.add_argument(
        "--out", type=Path, metavar="FILE.html", help="the page (default: playground.html)"
    )
    play.add_argument("--quiet", action="store_true", help="no progress")
    return root


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Tells a mistake; what was typed may be the name of a strange file (`kerasinit list *`).

        As `kerasinit._safe_text.safe`, whose import would load Keras.
        """
        super().error("".join(c if c.isprintable() else repr(c)[1:-1] for c in message))


def _version() -> str:
    try:
        return version("kerasinit")
    except PackageNotFoundError:  # run from a source tree
        return "(not installed)"


def _output(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--baseline",
        metavar="NAME",
        help="compare with this initializer (default: glorot_uniform, or the first)",
    )
    command.add_argument("--format", choices=FORMATS, help="print the rows in this form instead")
    command.add_argument("--quiet", action="store_true", help="no progress, no table, no summary")
