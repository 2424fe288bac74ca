"""A comparison that is killed at any moment and started again gives what it gives unkilled."""

import random
import signal
import time

from proofs.forks import Forks
from proofs.small import SEVERAL, trainings, whole_lines, write_spec

SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)


def kills(count, where):
    """Kills `count` times; a run that came to its end is followed by a new one."""
    spec, rng = write_spec(where / "spec.toml", SEVERAL), random.Random(0)
    with Forks(where / "log") as forks:
        began = time.monotonic()
        code, text = forks.run("compare", spec, "--out", where / "whole", "--quiet")
        seconds = time.monotonic() - began
        assert code == 0, text
        expected = trainings(whole_lines(where / "whole" / "records.jsonl"))
        killed = number = 0
        while killed < count:
            number += 1
            out = where / f"run{number}"
            command, code = ("compare", spec, "--out", out, "--quiet"), None
            while code != 0:
                before = whole_lines(out / "records.jsonl")
                after = rng.uniform(0, seconds) if killed < count else None
                code, text = forks.run(*command, after=after, sign=rng.choice(SIGNALS))
                lines = whole_lines(out / "records.jsonl")
                if code == 1 or lines[: len(before)] != before:
                    yield f"kill {killed + 1}: {text[:200] or 'a record is lost'}"
                    break
                if after is not None:
                    killed += 1
                    yield ""
            else:
                same = trainings(lines) == expected
                yield "" if same else f"run {number}: the records are not those of a run unkilled"
