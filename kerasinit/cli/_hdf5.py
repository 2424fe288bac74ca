"""Damaged HDF5 files, read first where it costs nothing when the library dies or never ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SUFFIXES = (".h5", ".hdf5")  # what Keras opens as HDF5; a `.keras` file has checksums
# For attributes and shapes, which are read within one second; and for arrays in pieces.
SECONDS = 15
BYTES_PER_SECOND = 10e6

# What Keras reads, but for arrays that lie in one piece: nothing but their size can be wrong.
READ = """
import contextlib, pathlib, sys
import h5py

with contextlib.suppress(ImportError):  # on Windows
    import resource  # it ends by itself, should nobody be left to end it
    resource.setrlimit(resource.RLIMIT_CPU, (int(sys.argv[2]),) * 2)

size = pathlib.Path(sys.argv[1]).stat().st_size

def read(item):
    for name in item.attrs:
        item.attrs[name]
    if isinstance(item, h5py.Group):
        for name in item:
            read(item[name])
    elif item.chunks is not None:
        item[()]
    elif item.nbytes > size:
        raise ValueError(f"{item.name} is larger than the file")

try:
    with h5py.File(sys.argv[1]) as file:
        read(file)
except Exception as error:
    sys.exit(f"{str(error) or 'it is damaged'} ({type(error).__name__})")
"""


def hdf5_mistake(path: Path) -> str:
    """Why a file cannot be read as HDF5; empty if it can, or is none by its name.

    A byte that is not what was written can make the HDF5 library follow a wrong address, for ever
    or out of its memory, which ends the process: so it reads in a process of its own.
    """
    if path.suffix not in SUFFIXES:
        return ""
    seconds = round(SECONDS + path.stat().st_size / BYTES_PER_SECOND)
    command = [sys.executable, "-P", "-W", "ignore", "-c", READ, str(path), str(2 * seconds)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        return f"the HDF5 library comes to no end within {seconds} s"
    if done.returncode < 0:
        return f"the HDF5 library dies of it (signal {-done.returncode})"
    return done.stderr.strip().rpartition("\n")[2] if done.returncode else ""
