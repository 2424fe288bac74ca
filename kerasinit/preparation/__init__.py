"""Room `preparation`: a model and its data -> a model that is ready to train on it."""

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
