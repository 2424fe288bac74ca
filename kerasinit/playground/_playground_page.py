"""The page of a playground: one HTML file that needs no network."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from kerasinit._version import __version__
from kerasinit.playground._curve import REACH, curve_of
from kerasinit.playground._film import Film, Reel
from kerasinit.playground._filming import BATCH_SIZE, HIDDEN, LEARNING_RATE, WIDTH
from kerasinit.playground._outcomes import LEARNED, outcomes
from kerasinit.playground._starts import Start
from kerasinit.playground._telling import summary_of, told
from kerasinit.report._figures import short
from kerasinit.report._files import extra, write_whole
from kerasinit.report._page import packed_data, templates
from kerasinit.report._words import counted, percent

MARGIN = 1.08  # the square that is drawn, relative to the farthest point
OURS = b'<meta name="generator" content="kerasinit'  # what a page of ours has in its first lines
HEAD_BYTES = 1000


def require_free(path: Path) -> None:
    """Nothing, if a page may be written there: to be asked before the trainings.

    Raises:
        ValueError: If there is something else than a page of ours.
    """
    if path.is_dir():
        raise ValueError(f"{str(path)!r} is a folder. Pass the name of a file: --out page.html.")
    if path.exists():
        with path.open("rb") as stream:
            if OURS not in stream.read(HEAD_BYTES):
                raise ValueError(
                    f"{str(path)!r} exists and is no page of kerasinit. Pass another --out."
                )


def write_playground(
    reels: Sequence[Reel],
    starts: Sequence[Start],
    path: str | Path,
    *,
    left: str = "zeros",
    right: str = "initialize",
) -> Path:
    """Writes the page as one self-contained HTML file.

    Args:
        reels: The trainings, from `film`, one reel per data set; the first one is shown first.
        starts: The starts of the films, in their order.
        path: The file to write; an older page is replaced in one step.
        left: Start that the page shows first, on the left.
        right: Likewise on the right.

    Raises:
        ValueError: If `path` holds something else than a page of ours.
        ImportError: If the extra `compare` is not installed.
        OSError: If the file cannot be written.

    Example:
        ```python
        starts = [find_start("zeros"), find_start("initialize")]
        write_playground([film("xor", "tanh", starts)], starts, "page.html")
        ```
    """
    require_free(Path(path))
    markup = extra("markupsafe").Markup
    names = [start.name for start in starts]
    first = reels[0]
    trainings = sum(len(film.seeds_accuracy) for reel in reels for film in reel.films)
    context = {
        "title": "Where a network starts",
        "facts": " · ".join(
            (
                counted(trainings, "real training"),
                counted(len(starts), "start"),
                f"{HIDDEN} hidden layers of {WIDTH} {first.activation} units",
                f"SGD with momentum 0.9, rate {LEARNING_RATE:g}, batches of {BATCH_SIZE}",
            )
        ),
        "sentences": [summary_of(reels, name) for name in dict.fromkeys((left, right))],
        "reels": [{"data": reel.data, "place": place} for place, reel in enumerate(reels)],
        "starts": starts,
        "left": names.index(left),
        "right": names.index(right),
        "last": len(first.steps) - 1,
        "rows": outcomes(reels),
        "learned": percent(LEARNED, 0),
        "seeds": len(first.films[0].seeds_accuracy),
        "steps": f"{int(first.steps[-1]):,}",
        "css": markup(_read("playground.css")),
        "script": markup(_read("recorded.js") + _read("playground.js")),
        "data": packed_data(_scene(reels, starts)),
        "version": __version__,
    }
    environment = templates(_read)
    return write_whole(path, str(environment.get_template("playground.html.j2").render(context)))


def _read(name: str) -> str:
    return (resources.files("kerasinit.playground") / "templates" / name).read_text("utf-8")


def _scene(reels: Sequence[Reel], starts: Sequence[Start]) -> dict[str, Any]:
    """Everything that the script of the page draws."""
    curve = curve_of(reels[0].activation)
    return {
        "curve": {"name": curve.name, "reach": REACH, "values": short(curve.values, 6)},
        "starts": [{"name": start.name, "text": start.text} for start in starts],
        "sizes": [2, *[WIDTH] * HIDDEN, 1],
        "reels": [
            {
                "data": reel.data,
                "half": float(np.abs(reel.x).max() * MARGIN),
                "x": _half_floats(reel.x),
                "y": "".join(map(str, reel.y.tolist())),
                "steps": reel.steps.tolist(),
                "epochs": reel.epochs.tolist(),
                "films": [_shots(film) for film in reel.films],
            }
            for reel in reels
        ],
    }


def _shots(film: Film) -> dict[str, Any]:
    frames = range(len(film.kernels[0]))
    return {
        "weights": _layer_by_layer(film.kernels, film.biases),
        "gradients": _layer_by_layer(film.kernel_gradients, film.bias_gradients),
        "loss": short(film.loss, 3),
        "test_loss": short(film.test_loss, 3),
        "test_accuracy": short(film.test_accuracy, 3),
        "distinct": film.distinct_units.tolist(),
        "words": [told(film, frame) for frame in frames],
    }


def _layer_by_layer(kernels: Sequence[np.ndarray], biases: Sequence[np.ndarray]) -> str:
    """Per frame: kernel and bias of the first layer, of the second, and so on."""
    parts = [
        array.reshape(len(array), -1)
        for pair in zip(kernels, biases, strict=True)
        for array in pair
    ]
    return _half_floats(np.concatenate(parts, axis=1))


def _half_floats(values: np.ndarray) -> str:
    """Numbers as base64 of little-endian float16: three digits, which a picture needs."""
    with np.errstate(over="ignore", under="ignore"):
        return base64.b64encode(values.astype("<f2").tobytes()).decode("ascii")
