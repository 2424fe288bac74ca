"""Starts that several kinds share: functions of a model and a seed."""

import functools
import warnings

import kerasinit


def own(model, seed):
    """What the layers draw by themselves: Keras' defaults."""
    quiet(kerasinit.reset, model, seed=seed)


def ours(model, seed):
    """`initialize(model)`."""
    quiet(kerasinit.initialize, model, seed=seed)


def by(rules=None, **options):
    """`initialize(model, rules, ...)`."""
    return functools.partial(_by, rules, options)


def _by(rules, options, model, seed):
    quiet(kerasinit.initialize, model, rules, seed=seed, **options)


def quiet(function, *arguments, **options):
    """A call whose warnings (of learned weights) mean nothing here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        function(*arguments, **options)
