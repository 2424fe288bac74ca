"""A model that is used, and is afterwards what it was before."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from kerasinit import _backend
from kerasinit.layers import MARK
from kerasinit.models._journal import journal, uninterrupted
from kerasinit.preparation._contents import same_contents, variables_in


class _Finished(Exception):  # noqa: N818 - not an error: it ends what is taken back
    pass


@contextlib.contextmanager
def taken_back(variables: Iterable[Any]) -> Iterator[None]:
    """Gives every variable its old values back when the body ends, however it ends."""
    with contextlib.suppress(_Finished), journal(variables):
        yield
        raise _Finished


def marks_of(model: Any) -> Callable[[], None]:
    """What is remembered of the variables now, as drawn and not learned: a call puts it back."""
    held = [(vars(variable), vars(variable).get(MARK)) for variable in model.variables]

    def put_back() -> None:
        for attributes, mark in held:
            attributes.pop(MARK, None)
            attributes.update({} if mark is None else {MARK: mark})

    return put_back


def hidden_variables(model: Any) -> list[Any]:
    """Variables that layers hold and do not count among theirs: the states of a stateful RNN."""
    known = {id(variable) for variable in model.variables}
    held = {id(one): one for one in variables_in(map(vars, _backend.flat_layers(model)))}
    return [one for key, one in held.items() if key not in known]


@contextlib.contextmanager
def same_attributes(model: Any, *others: Any) -> Iterator[None]:
    """Takes back what the body does to attributes of a model and its layers, and draws nothing.

    Also what it puts into lists, dicts and sets that they hold, and on torch what it does to
    gradients, and to buffers and modes of torch's own modules. What it writes into arrays and
    objects of other classes is not seen.

    Args:
        model: A Keras model.
        *others: What else keeps its attributes.
    """
    owners = [*_backend.flat_layers(model), *others]
    held = [dict(vars(owner)) for owner in owners]
    try:
        with same_contents(held), _backend.same_beside(model), _backend.same_random_state():
            yield
    finally:
        with uninterrupted():
            for owner, attributes in zip(owners, held, strict=True):
                own = vars(owner)
                for name in own.keys() - attributes.keys():
                    del own[name]
                own.update(attributes)


@contextlib.contextmanager
def untouched(model: Any, *others: Any) -> Iterator[None]:
    """Takes back all that the body does to a model: also to variables of it and its metrics.

    Args:
        model: A built model; the variables of its optimizer are left to the body.
        *others: What else keeps its attributes.
    """
    kept = [
        *model.variables,
        *getattr(model, "metrics_variables", ()),
        *hidden_variables(model),
    ]
    with same_attributes(model, *others), taken_back(kept):
        yield
