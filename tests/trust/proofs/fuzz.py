"""Strange configs, specs and records are refused as bad values; nothing that they name runs."""

import copy
import inspect
import json
import sys

import keras
import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kerasinit import initializers
from kerasinit.experiments import Experiment, Replica
from proofs.small import SPEC, finished_run

REFUSALS = (ValueError, TypeError)
PAYLOAD = {"module": "payload", "class_name": "Build", "config": {}, "registered_name": None}
WORDS = (
    *("relu", "gelu", "kerasinit>HeNormal", "he_normal", "fan_in", "fan_out", "float32", "auto"),
    *(
        "payload:build",
        "mlp",
        "xor",
        "NaN",
        "1",
        "1e400",
        "",
        "\x1b[2J",
        "\u202e",
        "../..",
        "\ud800",
    ),
)
numbers = st.one_of(
    st.integers(), st.floats(), st.booleans(), st.integers(-5, 5), st.floats(0, 2),
    st.sampled_from([10**400, -(10**400), 2**31, 2**63, 1e300, 1e-320, -0.0, 1j]),
)  # fmt: skip
scalars = st.one_of(
    st.none(), numbers, st.sampled_from(WORDS), st.text(max_size=6), st.just(PAYLOAD),
    st.integers(-5, 5).map(np.int64), st.floats(width=32).map(np.float32),
    st.lists(st.floats(width=32), max_size=3).map(np.array),
)  # fmt: skip
anything = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)
CLASSES = [getattr(initializers, entry.name) for entry in initializers.catalog()]


def strict(values):
    """The values as they come back from a file, if they are strict JSON."""
    return json.loads(json.dumps(values, allow_nan=False))


@st.composite
def configs(draw):
    kind = draw(st.sampled_from(CLASSES))
    names = [*inspect.signature(kind).parameters, "other"]
    config = draw(st.dictionaries(st.sampled_from(names), anything, max_size=4))
    return {"class_name": f"kerasinit>{kind.__name__}", "config": config}


def check_config(config):
    made = keras.initializers.deserialize(copy.deepcopy(config))
    again = type(made).from_config(strict(made.get_config()))
    assert again.get_config() == made.get_config()


specs = st.dictionaries(
    st.sampled_from([*inspect.signature(Experiment).parameters, "other"]), anything, max_size=4
)


def check_spec(values):
    made = Experiment.from_dict(values)
    assert Experiment.from_dict(strict(made.to_dict())) == made


def changed(values, draw):
    """The values with something else at one place, at any depth."""
    values = copy.deepcopy(values)
    inside = values
    while True:
        keys = list(inside) if isinstance(inside, dict) else [*range(len(inside))]
        key = draw(st.sampled_from(keys))
        if not (isinstance(inside[key], dict | list) and inside[key]) or draw(st.booleans()):
            break
        inside = inside[key]
    if draw(st.integers(0, 3)):
        inside[key] = draw(anything)
    else:
        del inside[key]
    return values


def lines_like(record):
    @st.composite
    def lines(draw):
        values = changed(changed(record, draw), draw)
        return json.dumps(values, default=lambda value: str(value))

    return lines()


def check_line(line):
    record = Replica.from_line(line)
    assert Replica.from_line(record.to_line()).to_line() == record.to_line()


tokens = st.sampled_from(
    [*SPEC.replace('"', ' " ').split(), "\n", "{", "}", "[", "]", "=", "'", "."]
)
texts = st.lists(tokens | st.text(max_size=3), max_size=30).map(" ".join)


@st.composite
def toml_texts(draw):
    whole = SPEC.format(model="mlp", data="xor")
    start = draw(st.integers(0, len(whole)))
    return whole[:start] + draw(texts) + whole[start + draw(st.integers(0, 9)) :]


def fuzz(count, where):
    """A quarter each: initializer configs, specs, records, and TOML texts."""
    (where / "payload.py").write_text("raise AssertionError('the code of the sender runs')\n")
    sys.path.insert(0, str(where))
    record = json.loads((finished_run(where) / "records.jsonl").read_text().split("\n")[0])

    def check_toml(text):
        (where / "spec.toml").write_bytes(text.encode("utf-8", "surrogatepass"))
        check_spec(Experiment.load(where / "spec.toml").to_dict())

    kinds = ((configs(), check_config), (specs, check_spec), (lines_like(record), check_line),
             (toml_texts(), check_toml))  # fmt: skip
    try:
        for values, check in kinds:
            yield from one_by_one(values, check, count // len(kinds))
        yield "the payload was imported" if "payload" in sys.modules else ""
    finally:
        sys.path.remove(str(where))


def one_by_one(values, check, count):
    """A text per example; the one that hypothesis made small if one fails."""
    tried = 0

    @settings(
        max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(values)
    def refused_or_right(value):
        nonlocal tried
        tried += 1
        try:
            check(value)
        except REFUSALS as error:
            if not str(error):
                raise RuntimeError("refused without a word") from error

    try:
        refused_or_right()
    except Exception as error:  # noqa: BLE001 - whatever is no refusal
        yield f"{check.__name__}: {type(error).__name__}: {error} {getattr(error, '__notes__', '')}"
    yield from [""] * tried
