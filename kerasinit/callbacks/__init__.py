"""Room `callbacks`: a training -> rows of gradient statistics, in the logs and beside them.

The way of a gradient:

1. `GradientStats` (`_gradient_stats`) puts a `Session` last into Keras' list of callbacks
   (`_trainings`).
2. Before a step, the session puts a `WatchedStep` in place of the model's train function, for that
   call alone (`_attached`). It asks what the sessions wish for (`_session`, `_schedule`).
3. A step that is due is run by a second train function, `MeasuringStep`, which observes what enters
   the optimizer (`_measuring`), and reads what else tells of the step (`_beside`, `_probe`).
4. Samples of gradients, and of weights before and after, are packed into one vector. Outside of the
   step it becomes an array of statistics, a row for each variable (`_step_vector`, `_statistics`).
5. A `Reading` is that vector until somebody asks for its numbers, and what they are called
   (`_reading`, `_variable_names`). A `Record` is a reading in a training, and makes a row of
   `history` and of the files on demand (`_record`, `_schema`; `_sinks`, `_tensorboard`, `_show`).
6. Records are judged (`_judgement`), and verdicts acted on (`_reaction`).
"""

from kerasinit.callbacks._gradient_stats import GradientStats
from kerasinit.callbacks._reaction import GradientError, GradientWarning
from kerasinit.callbacks._schema import GradientRow, Row

__all__ = ["GradientError", "GradientRow", "GradientStats", "GradientWarning", "Row"]


def __dir__() -> list[str]:
    return __all__
