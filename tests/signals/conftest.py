"""`zoo`: the small models of `models.py`, which tests cannot import by name."""

import importlib.util
from pathlib import Path

import pytest

collect_ignore = ["corpus"]  # programs, not tests: `test_corpus.py` imports them


@pytest.fixture(scope="session")
def zoo():
    spec = importlib.util.spec_from_file_location("zoo", Path(__file__).with_name("models.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
