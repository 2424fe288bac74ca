"""All programs of the corpus, by name."""

from __future__ import annotations

import families_held
import families_open
import unusual_held  # noqa: F401 (adds its designs to `UNUSUAL`)
from case import PLAIN, Case, Knobs, Program
from faults import FAULTS, Fault
from unusual import UNUSUAL, VARIANTS

FAMILIES = families_open.FAMILIES | families_held.FAMILIES


def programs() -> list[Program]:
    return [*_faulty(), *_variants(), *_unusual()]


def is_held(family: str) -> bool:
    return family in families_held.FAMILIES


def _faulty() -> list[Program]:
    return [
        Program(
            name=f"{family}/{fault.name}",
            family=family,
            held=is_held(family),
            causes=fault.causes,
            where=fault.where,
            make=_making(family, fault.knobs, fault),
            cure=_making(family, fault.cure, fault, cured=True),
            cured_by=fault.cured_by,
            cured_as=_cured_as(family, fault),
        )
        for fault in FAULTS
        for family in fault.families
    ]


def _cured_as(family: str, fault: Fault) -> str:
    if fault.cure == PLAIN and not fault.changes_cured:
        return f"{family}/plain"  # a healthy program of its own
    return f"{family}/{fault.name} cured"


def _making(family: str, knobs: Knobs, fault: Fault, *, cured: bool = False):
    def make() -> Case:
        case = FAMILIES[family](knobs)
        if fault.change is not None and (not cured or fault.changes_cured):
            fault.change(case)
        return case

    return make


def _variants() -> list[Program]:
    found = []
    for name, (families, knobs, change) in VARIANTS.items():
        for family in families or FAMILIES:

            def make(family=family, knobs=knobs, change=change) -> Case:
                case = FAMILIES[family](knobs)
                change(case)
                return case

            found.append(Program(f"{family}/{name}", family, is_held(family), (), make))
    return found


def _unusual() -> list[Program]:
    return [
        Program(f"unusual/{name}", name, held, (), make) for name, (held, make) in UNUSUAL.items()
    ]
