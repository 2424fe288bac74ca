"""Shared fixtures: every test starts from the same global seed and a clean Keras session."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

from pathlib import Path

import keras
import pytest
from hypothesis import settings

collect_ignore = ["benchmarks"]

# Laws are checked without a time limit: first calls compile and integrate.
settings.register_profile("kerasinit", deadline=None, max_examples=40)
settings.load_profile("kerasinit")


class OtherBackends:
    """Leaves out the doctests of backends that may not be installed."""

    @staticmethod
    def pytest_ignore_collect(collection_path: Path):
        others = {"jax", "tensorflow", "torch"} - {keras.config.backend()}
        is_backend = collection_path.parent.name == "_backend"
        return True if is_backend and collection_path.stem in others else None


def pytest_configure(config):
    # Not a hook of this file: those see the paths beside it only.
    config.pluginmanager.register(OtherBackends())


@pytest.fixture(autouse=True)
def fresh_session():
    keras.utils.clear_session(
        free_memory=False
    )  # a collection for each test costs most of its time
    keras.utils.set_random_seed(0)


@pytest.fixture(scope="session")
def backend():
    return keras.config.backend()
