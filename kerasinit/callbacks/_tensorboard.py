"""TensorBoard event files, written without TensorFlow."""

from __future__ import annotations

import itertools
import math
import os
import socket
import time
from pathlib import Path
from typing import Any

from kerasinit.callbacks._schema import Row
from kerasinit.signals import HISTOGRAM_EDGES

SCALARS = ("norm", "weight_norm", "update_ratio", "zero_fraction", "signal_gradient_rms")


def require_tensorboard() -> None:
    """Raises `ImportError` with the cure if the `tensorboard` package is not installed."""
    try:
        import tensorboard.compat.proto.event_pb2  # noqa: F401
    except ImportError:
        raise ImportError(
            "`log_dir` needs the tensorboard package: pip install tensorboard"
        ) from None


class EventFile:
    """One event file of TensorBoard.

    Written record by record here, because TensorBoard's own writer would import TensorFlow
    wherever it is installed.

    Args:
        folder: Where the file is created.

    Raises:
        OSError: If it cannot be.
    """

    def __init__(self, folder: Path) -> None:
        from tensorboard.summary.writer.record_writer import RecordWriter

        folder.mkdir(parents=True, exist_ok=True)
        stem = f"events.out.tfevents.{int(time.time())}.{socket.gethostname()}.{os.getpid()}"
        number = sum(1 for _ in folder.glob(f"{stem}*"))
        self.path = folder / f"{stem}.{number}.kerasinit"
        self._file = self.path.open("wb")
        self._writer = RecordWriter(self._file)
        self._add(file_version="brain.Event:2")

    def write(self, row: Row) -> None:
        """Adds the scalars and histograms of one recorded step."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        summary = Summary()
        _scalar(summary, "gradient/norm", row["grad_norm"])
        for layer, part in row["layers"].items():
            numbers: dict[str, Any] = {**part}
            for name in SCALARS:
                _scalar(summary, f"{name}/{layer}", numbers[name])
            if "histogram" in part:
                _histogram(summary, f"log2_gradient/{layer}", part["histogram"])
        for layer, probed in row.get("activations", {}).items():
            for name, value in probed.items():
                _scalar(summary, f"activation_{name}/{layer}", value)
        self._add(step=row["step"], summary=summary)
        self._file.flush()

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def _add(self, **fields: Any) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        event = Event(wall_time=time.time(), **fields)
        self._writer.write(event.SerializeToString())


def _scalar(summary: Any, tag: str, value: float | None) -> None:
    if value is not None:
        summary.value.add(tag=tag, simple_value=value)


def _histogram(summary: Any, tag: str, counts: list[int]) -> None:
    edges = [math.log2(edge) for edge in HISTOGRAM_EDGES]
    filled = [bin_ for bin_, count in enumerate(counts) if count]
    if not filled:
        return
    centres = [(left + right) / 2 for left, right in itertools.pairwise(edges)]
    histogram = summary.value.add(tag=tag).histo
    histogram.min, histogram.max = edges[filled[0]], edges[filled[-1] + 1]
    histogram.num = sum(counts)
    histogram.sum = sum(c * n for c, n in zip(centres, counts, strict=True))
    histogram.sum_squares = sum(c * c * n for c, n in zip(centres, counts, strict=True))
    histogram.bucket_limit.extend(edges[1:])
    histogram.bucket.extend(counts)
