"""Changes one room in one place at a time, and looks whether its tests notice.

    python tests/trust/mutate.py --sample 250
    python tests/trust/mutate.py --room signals --module _units

Each mutant is imported by a fork of a process that has Keras. It meets the examples of its module's
docstrings, then the tests that run through its place, the quickest first. Prints the survivors and
the share of the mutants that were killed; beside it, what the share is without those survivors that
change nothing by `equal_mutants.txt`.
"""

import argparse
import contextlib
import doctest
import hashlib
import importlib.abc
import importlib.util
import json
import os
import random
import re
import signal
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import pytest
from mutants import mutants

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
ROOT = Path(__file__).parents[2]
EQUAL = Path(__file__).with_name("equal_mutants.txt")
QUIET = ("-q", "-x", "-p", "no:cacheprovider", "-p", "no:doctest", "-o", "addopts=", "-W", "ignore",
         "--import-mode=importlib")  # fmt: skip
EXAMPLES = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
TESTS_TAKE = 40  # seconds without a mutant, of those tests that run through a place
SLOWER = 4  # times as long as its tests take, and a mutant does not end
START = 20  # seconds that a mutant may take beside its tests


class Changed(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module from another source."""

    def __init__(self, name, source):
        self.name, self.source = name, source

    def find_spec(self, name, path=None, target=None):
        return importlib.util.spec_from_loader(name, self) if name == self.name else None

    def exec_module(self, module):
        exec(compile(self.source, f"<mutant of {self.name}>", "exec"), vars(module))


class Lines:
    """A plugin of pytest that notes through which lines of the room each test runs.

    What a fixture of several tests runs through counts for all of them, and what the room keeps
    in a cache is forgotten before each test.
    """

    def __init__(self, room):
        self.room, self.seconds = str(room), {}
        self.lines, self.of_fixtures, self.fixtures = defaultdict(set), defaultdict(set), {}
        self.found = set()

    def pytest_runtest_logreport(self, report):
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0) + report.duration

    def pytest_runtest_setup(self, item):
        for name, module in list(sys.modules.items()):
            if name.startswith("kerasinit.") and Path(self.room).name in name:
                for value in vars(module).values():
                    getattr(value, "cache_clear", bool)()
        self.found = self.lines[item.nodeid]
        self.fixtures[item.nodeid] = item.fixturenames
        sys.settrace(self.enter)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef, request):
        before = self.found
        if fixturedef.scope != "function":
            self.found = self.of_fixtures[fixturedef.argname]
        try:
            return (yield)
        finally:
            self.found = before

    def pytest_runtest_teardown(self, item):
        sys.settrace(None)

    def enter(self, frame, event, argument):
        return self.trace if frame.f_code.co_filename.startswith(self.room) else None

    def trace(self, frame, event, argument):
        if event == "line":
            self.found.add((Path(frame.f_code.co_filename).stem, frame.f_lineno))
        return self.trace

    def result(self):
        """Lines and seconds of each test, and the modules that the tests imported."""
        lines = {
            test: sorted(found.union(*(self.of_fixtures[name] for name in self.fixtures[test])))
            for test, found in self.lines.items()
        }
        outside = [name for name in sys.modules if not name.startswith(("kerasinit", "test"))]
        return [lines, self.seconds, outside]


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


def lines_of_tests(room, files):
    """Lines and seconds of each test; kept from run to run while room and tests are the same."""
    import keras

    shared = [*room.glob("*.py"), *(ROOT / "tests").glob("*.py"), *files[0].parent.glob("[!t]*.py")]
    all_lines, all_seconds = {}, {}
    for path in files:
        digest = hashlib.sha256(keras.config.backend().encode())
        for part in (*sorted(shared), path):
            digest.update(part.read_bytes())
        kept = Path(tempfile.gettempdir(), f"kerasinit-lines-{digest.hexdigest()[:16]}.json")

        def measure(path=path, kept=kept):
            plugin = Lines(room)
            options = [word for word in QUIET if word != "-x"]
            code = pytest.main([*options, str(path)], plugins=[plugin])
            if code == 0:
                kept.write_text(json.dumps(plugin.result()))
            return int(code)

        if not kept.exists() and in_a_fork(measure, 3600) != 0:
            raise RuntimeError(f"{path} fails without a mutant")
        lines, seconds, outside = json.loads(kept.read_text())
        all_lines.update(lines)
        all_seconds.update(seconds)
        for name in outside:  # once, not in each fork
            with contextlib.suppress(Exception):
                importlib.import_module(name)
    return all_lines, all_seconds


def lines_on_import(room):
    """Lines of functions that run while the room is imported."""
    with tempfile.NamedTemporaryFile("r+") as file:

        def measure():
            plugin = Lines(room)
            sys.settrace(plugin.enter)
            importlib.import_module(f"kerasinit.{room.name}")
            sys.settrace(None)
            Path(file.name).write_text(json.dumps(sorted(plugin.found)))
            return 0

        in_a_fork(measure, 120)
        found = {tuple(place) for place in json.loads(Path(file.name).read_text())}
    return found


class Tests:
    """Which tests meet a mutant."""

    def __init__(self, room, files):
        lines, self.seconds = lines_of_tests(room, files)
        self.by_line = defaultdict(set)
        for test, places in lines.items():
            for place in places:
                self.by_line[tuple(place)].add(test)
        self.on_import = lines_on_import(room)
        self.texts = {path.stem: path.read_text("utf-8") for path in room.glob("*.py")}

    def of(self, mutant, take):
        """The quickest tests that run through the place, as take so many seconds; one at least."""
        places = [(mutant.module.stem, line) for line in mutant.lines]
        if mutant.names:
            words = re.compile(rf"\b({'|'.join(map(re.escape, mutant.names))})\b")
            places = [
                (module, number)
                for module, text in self.texts.items()
                for number, line in enumerate(text.splitlines(), 1)
                if words.search(line)
            ]
        found = set().union(*(self.by_line[place] for place in places))
        if mutant.lines and self.on_import & set(places):
            found = set(self.seconds)  # what it made then may be used anywhere
        if not found and not mutant.lines:
            named = [tests for (module, _), tests in self.by_line.items() if module in places]
            found = set().union(*named)
        some = []
        for test in sorted(found, key=self.seconds.get):
            take -= self.seconds[test]
            if some and take < 0:
                break
            some.append(test)
        return some


def is_killed(mutant, tests, seconds, *, has_examples):
    """Whether an example or a test fails with the mutant."""
    name = ".".join(mutant.module.relative_to(ROOT).with_suffix("").parts)

    def run():
        sys.meta_path.insert(0, Changed(name, mutant.source))
        if has_examples and not examples_pass(name):
            return 1
        return int(pytest.main([*QUIET, *tests])) if tests else 0

    return in_a_fork(run, START + SLOWER * seconds) != 0


def examples_pass(name):
    """Whether the examples in a module's docstrings show what they say."""
    try:
        return doctest.testmod(importlib.import_module(name), optionflags=EXAMPLES).failed == 0
    except Exception:  # noqa: BLE001 - of a mutant, anything
        return False


def main():
    words = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    words.add_argument("--room", default="initializers", help="one of the rooms of kerasinit")
    words.add_argument("--module", action="append", help="this module of the room, and others so")
    words.add_argument("--sample", type=int, help="so many mutants at random")
    words.add_argument("--seed", type=int, default=0, help="of the sample")
    words.add_argument("--tests", nargs="+", help="files of tests that count; those of the room")
    words.add_argument("--take", type=float, default=TESTS_TAKE, help="seconds of tests a mutant")
    words.add_argument("--minutes", type=float, default=1e9, help="then no further mutant")
    arguments = words.parse_args()
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    import keras  # noqa: F401 - what each mutant needs is imported once

    room = ROOT / "kerasinit" / arguments.room
    names = arguments.module or sorted(path.stem for path in room.glob("_[a-z]*.py"))
    every = [mutant for name in names for mutant in mutants(room / f"{name}.py")]
    some = random.Random(arguments.seed).sample(every, min(arguments.sample or 10**9, len(every)))
    files = [ROOT / name for name in arguments.tests or ()]
    tests = Tests(room, files or sorted((ROOT / "tests" / arguments.room).glob("test_*.py")))
    has_examples = {
        name: ">>>" in tests.texts[name]
        and in_a_fork(lambda n=name: 1 - examples_pass(f"kerasinit.{room.name}.{n}"), 120) == 0
        for name in names
    }
    equal = [line.rpartition(" | ")[0] for line in EQUAL.read_text("utf-8").splitlines()]
    survivors, same, tried, began = 0, 0, 0, time.monotonic()
    with contextlib.suppress(KeyboardInterrupt):
        for mutant in some:
            if time.monotonic() - began > 60 * arguments.minutes:
                break
            chosen = tests.of(mutant, arguments.take)
            seconds = sum(map(tests.seconds.get, chosen))
            examples = has_examples[mutant.module.stem]
            tried += 1
            if not is_killed(mutant, chosen, seconds, has_examples=examples):
                survivors += 1
                same += mutant.key in equal
                note = "  (the same)" if mutant.key in equal else "" if chosen else "  (no test)"
                print(f"{mutant.line}: {mutant.key}{note}", flush=True)
    killed = tried - survivors
    print(
        f"{killed} of {tried} mutants killed ({killed / max(tried, 1):.1%}), of {len(every)} in "
        f"all; without the {same} survivors that change nothing: "
        f"{killed / max(tried - same, 1):.1%}; {time.monotonic() - began:.0f} s"
    )


if __name__ == "__main__":
    main()
