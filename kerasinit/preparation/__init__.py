"""Room `preparation`: a model and its data -> a model that is ready to train on it.

Loss, optimizer (`_task`) and batches (`_batches`) -> the bias of each output (`_output_bias`, by
`_label_prior`) and a learning rate: copies of the model (`_trial`, in its place: `_copies`) train
at several (`_rate_search`), and `_rate_rule` chooses. The same trial proves new weights (`_proof`)
and, in `_diagnose`, the remedies of verdicts (`_remedy_trial`).
"""

from kerasinit.preparation._diagnose import diagnose
from kerasinit.preparation._learning_rate import learning_rate
from kerasinit.preparation._output_bias import BiasRow
from kerasinit.preparation._preparation import Preparation
from kerasinit.preparation._prepare import prepare
from kerasinit.preparation._proof import Proof
from kerasinit.preparation._rate_advice import RateAdvice
from kerasinit.preparation._rate_rule import RateCurve

__all__ = [
    "BiasRow",
    "Preparation",
    "Proof",
    "RateAdvice",
    "RateCurve",
    "diagnose",
    "learning_rate",
    "prepare",
]


def __dir__() -> list[str]:
    return __all__
