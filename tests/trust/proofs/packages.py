"""Wheel and sdist have the same bytes whenever and wherever they are built."""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[3]
BUILD = """
import sys
from hatchling.build import build_sdist, build_wheel
print(build_wheel(sys.argv[1]), build_sdist(sys.argv[1]))
"""


def packages(count, where):
    """Builds `count` times, in folders of other names, at other times of the clock."""
    tools = where / "tools"
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--target", str(tools),
                    "hatchling"], check=True)  # fmt: skip
    digests = {}
    for number in range(count):
        source, out = where / f"source{number}", where / f"built{number}"
        shutil.copytree(
            ROOT, source, ignore=shutil.ignore_patterns(".git", "__pycache__", ".*_cache")
        )
        if number:
            time.sleep(2)  # zip files count in twos
        for path in source.rglob("*"):
            os.utime(path)
        environment = {**os.environ, "PYTHONPATH": str(tools), "SOURCE_DATE_EPOCH": "1700000000"}
        subprocess.run([sys.executable, "-c", BUILD, str(out)], cwd=source, env=environment,
                       check=True, capture_output=True)  # fmt: skip
        for path in sorted(out.iterdir()):
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            same = digests.setdefault(path.name, digest) == digest
            yield "" if same else f"{path.name} has other bytes"
