"""Whether the built API reference has every public name, and an entry for each.

python tests/reference.py FOLDER, after pdoc wrote into FOLDER
"""

import importlib
import inspect
import sys
from pathlib import Path

import kerasinit


def public_names():
    """Pairs of a page and a name that must stand on it."""
    for name in kerasinit.__all__:
        found = getattr(kerasinit, name)
        if not inspect.ismodule(found):
            yield "kerasinit.html", name
            continue
        room = importlib.import_module(f"kerasinit.{name}")
        for inner in room.__all__:
            yield f"kerasinit/{name}.html", inner


def main(folder):
    """Exits with the names that are missing."""
    names = list(public_names())
    pages = {page: (folder / page).read_text("utf-8") for page, _ in names}
    missing = [f"{name} in {page}" for page, name in names if f'id="{name}"' not in pages[page]]
    if missing:
        sys.exit("The API reference lacks " + ", ".join(missing))
    print(f"The API reference has all {len(names)} public names on {len(pages)} pages.")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
