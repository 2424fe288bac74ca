"""Shared fixtures: every test starts from the same global seed and a clean Keras session."""

import gc
import os
import shutil

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

from pathlib import Path

import keras
import pytest
from hypothesis import settings

ON_CI = os.environ.get("CI", "").lower() == "true"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]

collect_ignore = ["benchmarks"]

# Laws are checked without a time limit: first calls compile and integrate.
settings.register_profile("kerasinit", deadline=None, max_examples=40)
settings.load_profile("kerasinit")

# Backends leave many objects: looking through all of them often took a tenth of the time.
gc.freeze()  # what is imported stays
gc.set_threshold(50_000, 20, 50)


class OtherBackends:
    """Leaves out the doctests of backends that may not be installed."""

    @staticmethod
    def pytest_ignore_collect(collection_path: Path):
        others = {"jax", "tensorflow", "torch"} - {keras.config.backend()}
        is_backend = collection_path.parent.name == "_backend"
        its_backend = collection_path.stem.strip("_").split("_")[0]
        return True if is_backend and its_backend in others else None


def pytest_configure(config):
    # Not a hook of this file: those see the paths beside it only.
    config.pluginmanager.register(OtherBackends())


def pytest_unconfigure(config):
    gc.freeze()  # the end of the process need not look through what all tests left


@pytest.fixture(autouse=True)
def fresh_session():
    keras.utils.clear_session(
        free_memory=False
    )  # a collection for each test costs most of its time
    keras.utils.set_random_seed(0)


@pytest.fixture(scope="module")
def quick_compilation():
    """What is compiled runs once or twice here: JAX and TensorFlow spend longer to make it fast."""
    if keras.config.backend() == "jax":
        import jax

        jax.config.update("jax_disable_most_optimizations", True)
        yield
        jax.config.update("jax_disable_most_optimizations", False)
    elif keras.config.backend() == "tensorflow":
        from tensorflow.config import optimizer  # rewrites graphs before their first run

        optimizer.set_experimental_options({"disable_meta_optimizer": True})
        yield
        optimizer.set_experimental_options({"disable_meta_optimizer": False})
    else:
        yield


@pytest.fixture(scope="session")
def backend():
    return keras.config.backend()


@pytest.fixture(scope="module")
def browser():
    """A real browser without a window; on CI it must be there."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        assert not ON_CI, "CI must have playwright"
        pytest.skip("playwright is not installed")
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        assert not ON_CI, "CI must have Chromium"
        pytest.skip("Chromium is not installed")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield launched
        launched.close()
