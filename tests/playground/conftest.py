"""One short reel, trained once for all tests of the room."""

import pytest

from kerasinit import playground

NAMES = ("zeros", "constant", "glorot_uniform", "initialize")
EPOCHS = 25


@pytest.fixture(scope="session")
def starts():
    return [playground.find_start(name) for name in NAMES]


@pytest.fixture(scope="session")
def reel(starts):
    return playground.film("xor", "tanh", starts, epochs=EPOCHS)


@pytest.fixture(scope="session")
def page(reel, starts, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "page.html"
    return playground.write_playground([reel], starts, path)
