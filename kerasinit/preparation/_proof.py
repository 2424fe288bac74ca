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
            return f"{curve.losses[0]:.4g} -> {curve.end:.4g} at rate {curve.rate:.2g}"

        steps, last = len(self.ready.losses), len(self.ready.last)
        return (
            f"Training loss of the first step -> mean of the last {last} of {steps} steps, on the "
            f"same batches\nNew start: {words(self.ready)}\nOwn start: {words(self.own)}\n"
            f"{self.reason}"
        )


def proof_of(
    own: RateCurve,
    ready: RateCurve,
    *,
    has_learned: bool,
    knows_nothing: bool = False,
    ready_knows_nothing: bool = False,
) -> Proof:
    """Compares the two starts on the last batches, which both have seen.

    The model keeps its own start if that ends lower by more than the batches differ, and one that
    it has learned unless the new one ends lower by as much. A start from which nothing was learned
    is not better than one that is still on its way down to there.

    Args:
        own: From the weights that the model came with.
        ready: From the new ones.
        has_learned: Whether the model was trained before.
        knows_nothing: Whether its own start ends no lower than a model that knows the shares of the
            labels alone.
        ready_knows_nothing: Likewise, of the new start: no reason to give up what was learned.
    """
    has_learned = has_learned and not knows_nothing
    if is_lower(own.last, ready.last):
        if knows_nothing and ready.end < ready.losses[0]:
            few = f"From its own start, the model learns nothing in {len(own.losses)} steps"
            return Proof(
                own, ready, True, f"{few}: these are too few to tell. It gets the new one."
            )
        return Proof(own, ready, False, "The own start is better: the model keeps it.")
    if has_learned and ready_knows_nothing:
        few = f"From the new start, the model learns nothing in {len(ready.losses)} steps"
        return Proof(own, ready, False, f"{few}: it keeps what it has learned.")
    if is_lower(ready.last, own.last):
        replaced = " It replaces what the model has learned." if has_learned else ""
        return Proof(own, ready, True, f"The new start is better.{replaced}")
    as_good = "The new start is as good within the spread of the batches"
    if has_learned:
        return Proof(own, ready, False, f"{as_good}: the model keeps what it has learned.")
    return Proof(own, ready, True, f"{as_good}.")
