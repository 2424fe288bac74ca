import dataclasses
import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasinit.experiments import Replica

OLD = Path(__file__).parent / "records_format_1.jsonl"


def test_a_record_survives_its_line(replica):
    record = replica()
    assert Replica.from_line(record.to_line()) == record


def test_a_line_is_strict_json_without_a_line_end(replica):
    line = replica(seconds=math.inf).to_line()
    assert "\n" not in line
    assert json.loads(line, parse_constant=pytest.fail)["seconds"] is None


def test_a_number_that_is_not_finite_comes_back_as_nan(replica):
    curves = {"loss": [1.0, math.nan], "val_accuracy": [0.1, math.inf]}
    read = Replica.from_line(replica(curves=curves).to_line()).curves
    assert read["loss"][0] == 1.0
    assert math.isnan(read["loss"][1])
    assert math.isnan(read["val_accuracy"][1])


def test_a_target_never_reached_stays_none(replica):
    assert Replica.from_line(replica(epochs_to_target=None).to_line()).epochs_to_target is None


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=1))
def test_numbers_keep_six_digits(replica, values):
    read = Replica.from_line(replica(dead_share=values).to_line()).dead_share
    assert read == pytest.approx(values, rel=1e-5, abs=1e-300)


def test_the_key_tells_apart_cell_initializer_and_seed(replica):
    cell = {**replica().cell, "depth": 3}
    keys = {replica().key, replica(seed=1).key, replica("zeros").key, replica(cell=cell).key}
    assert len(keys) == 4


def test_the_key_ignores_the_order_of_the_cell(replica):
    cell = dict(reversed(replica().cell.items()))
    assert replica(cell=cell).key == replica().key


def test_records_of_format_1_are_read():
    records = [Replica.from_line(line) for line in OLD.read_text("utf-8").splitlines()]
    assert [record.format for record in records] == [2, 2]
    assert records[0].measured_epochs == [0, 1, 2]
    assert records[0].mapped


def test_a_field_of_a_later_minor_version_is_ignored(replica):
    data = {**dataclasses.asdict(replica()), "mood": "sunny"}
    assert Replica.from_line(json.dumps(data)) == replica()


def test_a_newer_format_is_refused(replica):
    data = {**dataclasses.asdict(replica()), "format": 99}
    with pytest.raises(ValueError, match="newer kerasinit"):
        Replica.from_line(json.dumps(data))


@pytest.mark.parametrize("line", ["", "{", "[]", "3", '{"format": "2"}', '{"a": 1}'])
def test_a_line_that_is_no_record_is_refused(line):
    with pytest.raises(ValueError, match="Received"):
        Replica.from_line(line)


def test_a_record_without_a_field_says_which():
    with pytest.raises(ValueError, match=r"misses a field.*initializer"):
        Replica.from_line('{"format": 2, "cell": {}}')
