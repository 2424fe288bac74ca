"""Changes one room in one place at a time, and looks whether its tests notice.

    python tests/trust/mutate.py --sample 250
    python tests/trust/mutate.py --room signals --module _units

Each mutant is imported by a fork of a process that has Keras, and meets the tests that run through
its line, the quickest first. Prints the share of the mutants that were killed, and the survivors.
"""

import argparse
import ast
import contextlib
import importlib.abc
import importlib.util
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
ROOT = Path(__file__).parents[2]
QUIET = ("-q", "-x", "-p", "no:cacheprovider", "-p", "no:doctest", "-o", "addopts=", "-W", "ignore",
         "--import-mode=importlib")  # fmt: skip
TESTS_TAKE = 40  # seconds without a mutant, of those tests that run through a line
LONGEST = 120  # seconds; a mutant that takes longer does not end
COMPARISONS = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
OPERATORS = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult, ast.Pow: ast.Mult, ast.Mod: ast.Mult,
}  # fmt: skip
CALLS = {"min": "max", "max": "min", "any": "all", "all": "any"}


@dataclass(frozen=True)
class Mutant:
    """A module with one change.

    Args:
        module: File of the module.
        line: Where it is.
        what: What it is.
        source: The changed module.
    """

    module: Path
    line: int
    what: str
    source: str


class Change(ast.NodeTransformer):
    """Changes the place with the given number; counts the places."""

    def __init__(self, wanted=-1):
        self.wanted, self.seen, self.line, self.what = wanted, 0, 0, ""

    def visit(self, node):
        """Leaves annotations, decorators and what is only said in errors as they are."""
        if isinstance(node, ast.Raise | ast.AnnAssign | ast.arg | ast.Import | ast.ImportFrom):
            if isinstance(node, ast.AnnAssign) and node.value is not None:
                node.value = self.visit(node.value)
            return node
        if isinstance(node, ast.FunctionDef):
            node.args = self.visit(node.args)
            node.body = [self.visit(part) for part in node.body]
            return node
        if isinstance(node, ast.ClassDef):
            node.body = [self.visit(part) for part in node.body]
            return node
        if isinstance(node, ast.JoinedStr):
            return node
        self.generic_visit(node)
        other = changed(node)
        if other is None:
            return node
        self.seen += 1
        if self.seen - 1 != self.wanted:
            return node
        self.line, self.what = node.lineno, f"{ast.unparse(node)}  ->  {ast.unparse(other)}"
        return ast.copy_location(other, node)


def changed(node):
    """The node as a mutant has it, or None where there is nothing to change."""
    match node:
        case ast.Compare(left, [operator], right) if type(operator) in COMPARISONS:
            return ast.Compare(left, [COMPARISONS[type(operator)]()], right)
        case ast.BinOp(left, operator, right) if type(operator) in OPERATORS:
            return ast.BinOp(left, OPERATORS[type(operator)](), right)
        case ast.BoolOp(ast.And(), values):
            return ast.BoolOp(ast.Or(), values)
        case ast.BoolOp(ast.Or(), values):
            return ast.BoolOp(ast.And(), values)
        case ast.UnaryOp(ast.Not() | ast.USub(), operand):
            return operand
        case ast.Constant(bool() as value):
            return ast.Constant(not value)
        case ast.Constant(int() as value):
            return ast.Constant(value + 1)
        case ast.Constant(float() as value):
            return ast.Constant(1.1 * value if value else 0.1)
        case ast.IfExp(test, body, orelse):
            return ast.IfExp(test, orelse, body)
        case ast.Call(ast.Name(name), arguments, keywords) if name in CALLS:
            return ast.Call(ast.Name(CALLS[name]), arguments, keywords)
        case ast.If(test, body, orelse) if not isinstance(test, ast.Compare | ast.BoolOp):
            return ast.If(ast.UnaryOp(ast.Not(), test), body, orelse)
    return None


def mutants(module):
    """All mutants of a module's file."""
    text = module.read_text("utf-8")
    counter = Change()
    counter.visit(ast.parse(text))
    for number in range(counter.seen):
        change = Change(number)
        source = ast.unparse(ast.fix_missing_locations(change.visit(ast.parse(text))))
        what = change.what.replace("\n", " ")
        yield Mutant(module, change.line, what, source)


class Changed(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module from another source."""

    def __init__(self, name, source):
        self.name, self.source = name, source

    def find_spec(self, name, path=None, target=None):
        return importlib.util.spec_from_loader(name, self) if name == self.name else None

    def exec_module(self, module):
        exec(compile(self.source, f"<mutant of {self.name}>", "exec"), vars(module))


class Lines:
    """A plugin of pytest that notes through which lines of the room each test runs."""

    def __init__(self, room):
        self.room, self.lines, self.seconds = str(room), defaultdict(set), {}

    def pytest_runtest_logreport(self, report):
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0) + report.duration

    def pytest_runtest_setup(self, item):
        found = self.lines[item.nodeid]

        def trace(frame, event, argument):
            if event == "line":
                found.add((Path(frame.f_code.co_filename).stem, frame.f_lineno))
            return trace

        def enter(frame, event, argument):
            return trace if frame.f_code.co_filename.startswith(self.room) else None

        sys.settrace(enter)

    def pytest_runtest_teardown(self, item):
        sys.settrace(None)


def in_a_fork(function, seconds):
    """What the function returns in a fork, at most 255; None if it takes too long."""
    pid = os.fork()
    if pid == 0:
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 1)
        os.dup2(silent, 2)
        signal.alarm(int(seconds))
        os._exit(function())
    status = os.waitpid(pid, 0)[1]
    return None if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def lines_of_tests(room, tests):
    """(Module, line) -> the tests that run through it, the quickest first; seconds of each test."""
    import pytest

    with tempfile.NamedTemporaryFile("r+") as file:

        def measure():
            plugin = Lines(room)
            options = [word for word in QUIET if word != "-x"]
            code = pytest.main([*options, *tests], plugins=[plugin])
            found = {test: sorted(lines) for test, lines in plugin.lines.items()}
            Path(file.name).write_text(json.dumps([found, plugin.seconds]))
            return int(code)

        code = in_a_fork(measure, 3600)
        if code != 0:
            raise RuntimeError(f"the tests fail without a mutant: {code}")
        lines, seconds = json.loads(Path(file.name).read_text())
    by_line = defaultdict(list)
    for test in sorted(lines, key=seconds.get):
        for place in lines[test]:
            by_line[tuple(place)].append(test)
    return by_line, seconds


def quickest(tests, seconds):
    """So many of the tests, the quickest first, as take `TESTS_TAKE` together; one at least."""
    some, left = [], TESTS_TAKE
    for test in sorted(tests, key=seconds.get):
        left -= seconds[test]
        if some and left < 0:
            break
        some.append(test)
    return some


def survives(mutant, tests):
    """Whether all the tests pass with the mutant."""
    import pytest

    def run():
        name = ".".join(mutant.module.relative_to(ROOT).with_suffix("").parts)
        sys.meta_path.insert(0, Changed(name, mutant.source))
        return int(pytest.main([*QUIET, *tests]))

    return in_a_fork(run, LONGEST) == 0


def main():
    words = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    words.add_argument("--room", default="initializers", help="one of the rooms of kerasinit")
    words.add_argument("--module", action="append", help="this module of the room, and others so")
    words.add_argument("--sample", type=int, help="so many mutants at random")
    words.add_argument("--seed", type=int, default=0, help="of the sample")
    words.add_argument("--tests", nargs="+", help="files of tests that count; those of the room")
    words.add_argument("--minutes", type=float, default=1e9, help="then no further mutant")
    arguments = words.parse_args()
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    import hypothesis  # noqa: F401 - what each mutant needs is imported once
    import keras  # noqa: F401
    import scipy.stats  # noqa: F401

    room = ROOT / "kerasinit" / arguments.room
    names = arguments.module or sorted(path.stem for path in room.glob("_[a-z]*.py"))
    every = [mutant for name in names for mutant in mutants(room / f"{name}.py")]
    some = random.Random(arguments.seed).sample(every, min(arguments.sample or 10**9, len(every)))
    by_line, seconds = lines_of_tests(room, arguments.tests or [f"tests/{arguments.room}"])
    tests_of_module = defaultdict(dict)
    for (name, _), tests in by_line.items():
        tests_of_module[name] |= dict.fromkeys(tests)
    survivors, tried, began = [], 0, time.monotonic()
    with contextlib.suppress(KeyboardInterrupt):
        for mutant in some:
            if time.monotonic() - began > 60 * arguments.minutes:
                break
            name = mutant.module.stem
            tests = by_line.get((name, mutant.line)) or [*tests_of_module[name]]
            survived = survives(mutant, quickest(tests, seconds))
            tried += 1
            if survived:
                survivors.append(mutant)
                print(f"{mutant.module.name}:{mutant.line}: {mutant.what}", flush=True)
    killed = tried - len(survivors)
    print(
        f"{killed} of {tried} mutants killed ({killed / max(tried, 1):.0%}), of {len(every)} in all"
    )


if __name__ == "__main__":
    main()
