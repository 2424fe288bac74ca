"""Commands in processes of their own that start at once: forks of one that has imported all."""

import json
import os
import select
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

SERVER = """
import json, os, sys
import kerasinit, kerasinit.experiments, kerasinit.report
from kerasinit.cli import main

for line in sys.stdin:
    words, log = json.loads(line)
    pid = os.fork()
    if pid == 0:
        handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(handle, 1)
        os.dup2(handle, 2)
        code = main(words)
        sys.stdout.flush()
        os._exit(code)
    print(pid, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""


@dataclass
class Forks:
    """Runs one command of `kerasinit` after the other.

    Args:
        log: File that gets what the command prints.
    """

    log: Path
    server: subprocess.Popen[str] = field(init=False)

    def __enter__(self):
        self.server = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", SERVER],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        return self

    def __exit__(self, *error):
        self.server.kill()
        self.server.communicate()

    def run(self, *words, after=None, sign=signal.SIGKILL):
        """Exit code (below 0: the signal that ended it) and the text that was printed.

        Args:
            words: The command.
            after: Seconds until it gets a signal, if it still runs; None to let it end.
            sign: The signal.
        """
        print(json.dumps([[*map(str, words)], str(self.log)]), file=self.server.stdin, flush=True)
        pid, answer = int(self.server.stdout.readline()), self.server.stdout
        if after is not None and not select.select([answer], [], [], after)[0]:
            os.kill(pid, sign)
        return int(answer.readline()), self.log.read_text("utf-8", "replace")
