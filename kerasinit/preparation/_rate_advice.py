"""A learning rate for one model on its data, and what it was chosen from."""

from __future__ import annotations

import html
from dataclasses import asdict, dataclass
from textwrap import fill
from typing import Any

from kerasinit._columns import columns, html_table, width
from kerasinit._safe_text import encodable, safe
from kerasinit.preparation._rate_rule import RateCurve, last_quarter
from kerasinit.preparation._sharpness import GRADIENTS
from kerasinit.preparation._trial import Cost

LEGEND = (
    "Mean loss of these training steps. In a column, all rates have seen the same batches; an "
    "empty cell is of a rate that was given up before. Untrained: the model as it is."
)


@dataclass(frozen=True)
class RateAdvice:
    """What `learning_rate` found; `print` shows it.

    Args:
        model: Name of the model.
        optimizer: Class of its optimizer.
        rate: The learning rate to train with.
        range: The lowest and the highest rate that are worth trying beside it: a factor 2.4 below,
            and half way up (in factors) to the highest whose loss is as low in the short training.
            No training compared them at its end.
        curves: What was tried, highest rate first. Rates that were given up have fewer losses, of
            other batches than the last ones.
        untrained: Loss of the model as it is, on the last batches.
        reason: Why this rate.
        cost: What the trainings took; the sharpness took 17 gradients more.
        falls: Whether at some rate the loss fell by more than the batches differ.
        batch_size: Samples of a batch; other batches want other rates.
        own_rate: The optimizer's learning rate, as it was found.
        sharpness: The largest eigenvalue of the second derivative of the first batch's loss. None
            where no limit of the rate follows from it (an optimizer other than `SGD`, Nesterov
            momentum, clipping), where it is not positive, in half precision, with a `train_step`
            of the user's own, and in what `prepare` reports.
        momentum: Of the optimizer; 0 where there is no sharpness.

    Example:
        ```python
        advice = kerasinit.learning_rate(model, x, y)
        model.optimizer.learning_rate = advice.rate
        ```
    """

    model: str
    optimizer: str
    rate: float
    range: tuple[float, float]
    curves: tuple[RateCurve, ...]
    untrained: float
    reason: str
    cost: Cost
    falls: bool
    batch_size: int
    own_rate: float
    sharpness: float | None = None
    momentum: float = 0.0

    @property
    def stable_below(self) -> float | None:
        """The rate up to which gradient descent is stable here: 2 (1 + momentum) / sharpness.

        Source: Polyak, 1964, on quadratics, https://doi.org/10.1016/0041-5553(64)90137-5
        """
        return None if self.sharpness is None else 2 * (1 + self.momentum) / self.sharpness

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
            raise ImportError("`plot` needs plotly: pip install plotly") from None
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

    def __str__(self) -> str:
        sentences = [fill(sentence, width()) for sentence in self._sentences()]
        table = columns(self._headings(), self._rows())
        return encodable("\n".join([*sentences, "", table, "", fill(LEGEND, width())]))

    def __repr__(self) -> str:
        return safe(f"<RateAdvice for {self.model!r}: {self.rate:.3g} with {self.optimizer}>")

    def _repr_html_(self) -> str:
        title = f"Learning rate of {self.model!r}"
        return html_table(title, self._headings(), self._rows(), (LEGEND, *self._sentences()))

    def _sentences(self) -> list[str]:
        low, high = self.range
        gradients = "" if self.sharpness is None else f", {GRADIENTS} gradients for the sharpness"
        return [
            safe(
                f"Learning rate for {self.model!r} with {self.optimizer}, for batches of "
                f"{self.batch_size} samples: {self.rate:.2g}."
            ),
            f"Worth trying: {low:.2g} to {high:.2g}. The optimizer has {self.own_rate:.2g}.",
            f"Because {self.reason}.",
            *self._limit(),
            f"Cost: {self.cost}{gradients}.",
        ]

    def _limit(self) -> list[str]:
        if self.stable_below is None:
            return []
        word = "below" if self.rate < self.stable_below else "above: the loss may first climb"
        return [
            f"At the start, gradient descent is stable up to {2 * (1 + self.momentum):.3g} / "
            f"{self.sharpness:.3g} (sharpness of the loss) = {self.stable_below:.2g}. The advice "
            f"is {word}."
        ]

    def _ends(self) -> list[int]:
        """After how many steps rates were given up; at last, all steps."""
        return sorted({len(curve.losses) for curve in self.curves})

    def _headings(self) -> list[str]:
        parts = [last_quarter(end) for end in self._ends()]
        steps = [
            f"step {part.stop}"
            if part.stop - part.start == 1
            else f"steps {part.start + 1}-{part.stop}"
            for part in parts
        ]
        return ["rate", *steps]

    def _rows(self) -> list[list[str]]:
        ends = self._ends()
        rows = [
            [
                f"{curve.rate:.2g}",
                *(
                    f"{curve.end_after(end):.4g}" if end <= len(curve.losses) else ""
                    for end in ends
                ),
            ]
            for curve in self.curves
        ]
        return [*rows, ["untrained", *[""] * (len(ends) - 1), f"{self.untrained:.4g}"]]
