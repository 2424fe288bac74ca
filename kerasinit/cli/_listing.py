"""`kerasinit list`: the catalog of initializers, or all about one."""

from __future__ import annotations

from collections.abc import Sequence

from kerasinit.cli._parser import Arguments
from kerasinit.cli._screen import results
from kerasinit.cli._tables import WIDE, table


def catalog(arguments: Arguments) -> int:
    """`kerasinit list`: every initializer with its string, formula, use and source."""
    from kerasinit.initializers import catalog as entries

    if arguments.name:
        return _one(arguments.name)
    console = results()
    if console.width >= WIDE:
        shown = table(
            columns=("name", "string", "formula", "when to use", "source"), numbers=False, space=1
        )
        for entry in entries():
            shown.add_row(entry.name, _string(entry.strings), *entry[2:])
    else:
        shown = table(columns=("name, string", "formula, when to use, source"), space=1,
                      numbers=False)  # fmt: skip
        for entry in entries():
            shown.add_row(f"{entry.name}\n{_string(entry.strings)}", "\n".join(entry[2:]) + "\n")
    console.print(shown)
    console.print(
        "string: what kernel_initializer= takes after `import kerasinit`. `kerasinit list NAME` "
        "tells all about one.",
        style="dim",
    )
    return 0


def _one(name: str) -> int:
    """`kerasinit list NAME`: what the catalog and the docstring say of one initializer."""
    import inspect

    import keras

    from kerasinit import initializers
    from kerasinit.models._near_names import near

    entries = initializers.catalog()
    known = {text.lower(): one for one in entries for text in (one.name, *one.strings)}
    entry = known.get(name.lower())
    if entry is None:
        keras_has_it = isinstance(getattr(keras.initializers, name, None), type)
        theirs = f"It is Keras' own: help(keras.initializers.{name}). " if keras_has_it else ""
        names = [one.name for one in entries]
        raise ValueError(f"There is no initializer {name!r} here. {theirs}{near(name, names)}")
    cls = getattr(initializers, entry.name)
    console = results()
    arguments = [
        one.replace(annotation=one.empty) for one in inspect.signature(cls).parameters.values()
    ]
    shown = inspect.Signature(arguments)
    console.print(f"kerasinit.{entry.name}{shown}", style="bold", soft_wrap=True)
    strings = ", ".join(map(repr, entry.strings)) or "none: it needs arguments"
    for label, text in (
        ("string", strings), ("formula", entry.formula), ("use", entry.use),
        ("source", entry.source),
    ):  # fmt: skip
        console.print(f"  {label:8} {text}", soft_wrap=True)
    console.print(f"\n{inspect.getdoc(cls)}", soft_wrap=True)
    return 0


def _string(strings: Sequence[str]) -> str:
    """The shortest string that a layer accepts."""
    return min(strings, key=len) if strings else "(by class only)"
