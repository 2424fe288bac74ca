"""Whether a model trains better from its new start than from the one it came with."""

from __future__ import annotations

from dataclasses import dataclass

from kerasinit.preparation._rate_rule import RateCurve, is_lower


@dataclass(frozen=True)
class Proof:
    """The same trial from two starts, each at the rate that suits it.

    Args:
        own: From the weights that the model came with.
        ready: From the new weights and biases.
        adopted: Whether the model gets the new ones.
        reason: Why.

    Example:
        ```python
        proof = kerasinit.prepare(model, x, y).trial
        print(proof.adopted, proof.ready.end, proof.own.end)
        ```
    """

    own: RateCurve
    ready: RateCurve
    adopted: bool
    reason: str

    def __str__(self) -> str:
        def words(curve: RateCurve) -> str:
            return f"loss {curve.losses[0]:.4g} -> {curve.end:.4g} (rate {curve.rate:.2g})"

        return (
            f"{len(self.ready.losses)} steps: {words(self.ready)}; from its own start: "
            f"{words(self.own)}. {self.reason}"
        )


def proof_of(own: RateCurve, ready: RateCurve) -> Proof:
    """Compares the two starts on the last batches, which both have seen.

    The model keeps its own start only if that ends lower by more than the batches differ.
    """
    if is_lower(own.last, ready.last):
        return Proof(own, ready, False, "The own start is better: the model keeps it.")
    is_better = is_lower(ready.last, own.last)
    word = "better" if is_better else "as good within the spread of the batches"
    return Proof(own, ready, True, f"The new start is {word}.")
