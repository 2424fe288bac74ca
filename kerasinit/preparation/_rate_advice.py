"""A learning rate for one model on its data, and what it was chosen from."""

from __future__ import annotations

import html
from dataclasses import asdict, dataclass
from typing import Any

from kerasinit._columns import WIDTH
from kerasinit._safe_text import printed, safe
from kerasinit.preparation._rate_rule import RateCurve
from kerasinit.preparation._trial import Cost


@dataclass(frozen=True)
class RateAdvice:
    """What `learning_rate` found; `print` shows it.

    Args:
        model: Name of the model.
        optimizer: Class of its optimizer.
        rate: The learning rate to train with.
        range: The lowest and the highest rate that are about as good.
        curves: What was tried, highest rate first.
        reason: Why this rate.
        cost: What it took.
        batch_size: Samples of a batch; other batches want other rates.
        own_rate: The optimizer's learning rate, as it was found.
    """

    model: str
    optimizer: str
    rate: float
    range: tuple[float, float]
    curves: tuple[RateCurve, ...]
    reason: str
    cost: Cost
    batch_size: int
    own_rate: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self)

    def plot(self) -> Any:
        """A plotly figure of the losses: one line for each rate.

        Raises:
            ImportError: If plotly is not installed.
        """
        try:
            import plotly.graph_objects as go
        except ImportError:
            raise ImportError("`plot` needs plotly: pip install 'kerasinit[compare]'") from None
        figure = go.Figure(
            [
                go.Scatter(
                    x=list(range(1, len(curve.losses) + 1)),
                    y=list(curve.losses),
                    name=f"{curve.rate:.2g}",
                )
                for curve in self.curves
            ]
        )
        figure.update_layout(
            title=f"Loss of {html.escape(self.model)} by learning rate (advised: {self.rate:.2g})",
            xaxis_title="training step",
            yaxis={"title": "loss", "type": "log"},
        )
        return figure

    def __repr__(self) -> str:
        return safe(f"<RateAdvice for {self.model!r}: {self.rate:.2g} with {self.optimizer}>")

    def __str__(self) -> str:
        return printed(self, WIDTH)

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"

    def __rich__(self) -> Any:
        """Renders the advice on a `rich` console."""
        from rich.console import Group
        from rich.text import Text

        low, high = self.range
        lines = [
            f"Learning rate for {safe(self.model)!r} with {self.optimizer}: {self.rate:.2g} "
            f"(good from {low:.2g} to {high:.2g}; the optimizer has {self.own_rate:.2g})",
            f"Because {self.reason}. For batches of {self.batch_size}.",
        ]
        return Group(*map(Text, lines), _table(self), Text(f"Cost: {self.cost}.", style="dim"))


def _table(advice: RateAdvice) -> Any:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("rate", "first loss", "last losses", "steps"):
        table.add_column(heading, justify="right")
    for curve in advice.curves:
        table.add_row(
            f"{curve.rate:.2g}",
            f"{curve.losses[0]:.4g}",
            f"{curve.end:.4g}",
            str(len(curve.losses)),
        )
    return table
