"""The confusion table."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from case import Program
from outcomes import is_confirmed

VOICES = ("before", "during", "either")

RIVALS = """\
Published, on their own sets (detected, or root named):
AutoTrainer (701 own models) 100 %, no false alarm; on DeepFD's 52 real faults it detects 12.
UMLAUT / DeepLocalize / DeepFD on those 52: detect 50 / 36 / 47, diagnose 14 / 7 / 27.
DeepDiagnosis: 46 of 53 programs identified, 34 located; on AutoTrainer's 200 faulty and 188 normal
models 67.5 % detected, 36 % false alarms (DeepLocalize 94 % and 72 %).
NeuraLint: recall 70.5 %, precision 100 % on 34 programs.
DEFault: about 94 % detected, 63 % root, of 52 real faults."""


def table(chosen: list[Program], heard: dict[str, Any], known: dict[str, Any]) -> str:
    """Recall by cause, root first, false alarms: of `diagnose`, `GradientStats`, and both."""
    programs = [p for p in chosen if p.name in heard and is_confirmed(p, known)]
    faulty = [program for program in programs if not program.healthy]
    healthy = [program for program in programs if program.healthy]
    groups: dict[str, list[Program]] = defaultdict(list)
    for program in faulty:
        groups[program.name.split("/", 1)[1]].append(program)
    out = [
        "named, and root first, by d: diagnose, G: GradientStats, e: either",
        f"{'fault':22s} {'n':>4s}" + "".join(f"{voice:>6s}" for voice in 2 * ("d", "G", "e")),
    ]
    for name, members in groups.items():
        out.append(_row(name, members, heard))
    out.append(_row("all faults", faulty, heard))
    out.append("")
    for voice in ("before", "during"):
        tried = [
            verdict["worked"]
            for program in faulty
            for verdict in heard[program.name][voice][:1]
            if verdict.get("worked") is not None
        ]
        out.append(f"first fixes that worked, {voice:7s} {sum(tried):3d} of {len(tried)}")
    for voice in VOICES:
        alarmed = [p for p in healthy if _verdicts(heard[p.name], voice)]
        share = 100 * len(alarmed) / max(len(healthy), 1)
        out.append(f"false alarms, {voice:7s} {len(alarmed):3d} of {len(healthy)} ({share:.1f} %)")
        causes = Counter(v["cause"] for p in alarmed for v in _verdicts(heard[p.name], voice))
        out.append(f"    {dict(causes)}")
    crashed = [
        name for name in heard if heard[name]["errors"] and name in {p.name for p in healthy}
    ]
    out.append(f"healthy programs with an error: {crashed}")
    left = [p.name for p in chosen if is_confirmed(p, known) is False]
    out.append(f"left out, because training does not bear the label out: {len(left)}")
    unknown = [p.name for p in chosen if is_confirmed(p, known) is None]
    out.append(f"left out, because they were not trained yet with and without cure: {len(unknown)}")
    return "\n".join([*out, "", RIVALS])


def named(program: Program, found: dict[str, Any], voice: str) -> bool:
    """Whether one of the right causes is among the verdicts."""
    return any(verdict["cause"] in program.causes for verdict in _verdicts(found, voice))


def first(program: Program, found: dict[str, Any], voice: str) -> bool:
    """Whether the first verdict is a right one; `either`: of the first that says anything."""
    verdicts = _verdicts(found, voice)
    return bool(verdicts) and verdicts[0]["cause"] in program.causes


def _verdicts(found: dict[str, Any], voice: str) -> list[dict[str, str]]:
    return found["before"] + found["during"] if voice == "either" else found[voice]


def _row(name: str, members: list[Program], heard: dict[str, Any]) -> str:
    counts = [sum(named(p, heard[p.name], voice) for p in members) for voice in VOICES]
    roots = [sum(first(p, heard[p.name], voice) for p in members) for voice in VOICES]
    numbers = " ".join(f"{value:5d}" for value in (*counts, *roots))
    return f"{name:22s} {len(members):4d} {numbers}"
