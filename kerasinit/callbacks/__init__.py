"""Room `callbacks`: a training -> rows of gradient statistics, in the logs and beside them.

The way of a gradient, from the optimizer to a row:

    optimizer.apply(gradients)   which is watched for the time of one step (`_measuring`)
    -> samples                   of gradients, of weights before and after (`_step_vector`)
    -> one flat vector           `vector_before`, `vector_after`; the step returns it
    -> numpy                     once somebody asks the `Reading` of the step (`_reading`)
    -> array of statistics       `unpacked`: a row for each variable (`_statistics`)
    -> `Record` -> row           named (`_variable_names`, `_record`, `_schema`), in `history` and
                                 files (`_ledger`, `_sinks`, `_tensorboard`), shown (`_show`)
    -> verdict -> reaction       `_judgement`, `_reaction`

Who calls whom:

1. `GradientStats` (`_gradient_stats`) puts a `Session` last into Keras' list of callbacks
   (`_trainings`).
2. Before a step, the session puts a `WatchedStep` in place of the model's train function, for that
   call alone (`_attached`). It asks what the sessions wish for (`_session`, `_schedule`).
3. A step that is due is run by a second train function, `MeasuringStep`, which also reads what else
   tells of the step (`_beside`, `_probe`).
4. The session hands a record to its `Ledger`, which keeps, writes and judges it.
"""

from kerasinit.callbacks._gradient_stats import GradientStats
from kerasinit.callbacks._reaction import GradientError, GradientWarning
from kerasinit.callbacks._schema import GradientRow, Row

__all__ = ["GradientError", "GradientRow", "GradientStats", "GradientWarning", "Row"]


def __dir__() -> list[str]:
    return __all__
