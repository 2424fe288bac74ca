"""Sentences and tables are made from the numbers of the trainings."""

import base64
import dataclasses
import gzip
import html
import json
import re

import numpy as np
import pytest

from kerasinit import playground


@pytest.fixture(scope="module")
def page_of(reel, starts, tmp_path_factory):
    """What a page tells of the reel, of several, or of one with other films of `initialize`."""
    path = tmp_path_factory.mktemp("told") / "page.html"

    def make(changed=None, *, left="zeros", reels=1):
        films = (*reel.films[:-1], changed or reel.films[-1])
        shown = [dataclasses.replace(reel, films=films)] * reels
        text = playground.write_playground(shown, starts, path, left=left).read_text("utf-8")
        return html.unescape(text)

    return make


@pytest.fixture(scope="module")
def told(page_of):
    """The sentences on the units and on the gradient, at a frame of a film."""

    def find(start, frame, changed=None):
        packed = re.search(
            r'<script id="page-data" type="[^"]*">([^<]*)</script>', page_of(changed)
        )
        data = json.loads(gzip.decompress(base64.b64decode(packed[1])))
        place = [one["name"] for one in data["starts"]].index(start)
        return data["reels"][0]["films"][place]["words"][frame]

    return find


def test_zeros_are_told(told):
    units, gradient = told("zeros", 0)
    assert units == "Every weight is exactly 0: the 8 units of a layer are 8 times the same."
    assert (
        gradient == "The gradient of every weight is exactly 0: only the bias of the output learns."
    )


def test_equal_weights_are_told_to_the_end(told):
    units, _ = told("constant", -1)
    assert "the 8 units have equal weights" in units


def test_different_units_are_told(told):
    units, gradient = told("initialize", 0)
    assert units == "No unit is a copy: each hidden layer has 8 different ones."
    assert "times the last one's." in gradient


def test_a_unit_that_becomes_a_copy_is_counted(reel, told):
    film = reel.film_of("initialize")
    kernel, bias = film.kernels[1].copy(), film.biases[1].copy()
    kernel[0, :, 3], bias[0, 3] = kernel[0, :, 5], bias[0, 5]
    changed = dataclasses.replace(
        film,
        kernels=(film.kernels[0], kernel, *film.kernels[2:]),
        biases=(film.biases[0], bias, *film.biases[2:]),
    )
    assert told("initialize", 0, changed)[0] == (
        "Some units are copies of others: layer 2 has 7 different of 8."
    )
    assert "No unit is a copy" in told("initialize", 1, changed)[0]


@pytest.mark.parametrize(("factor", "words"), [(1e-6, "vanishes"), (1e6, "explodes")])
def test_a_gradient_that_changes_on_the_way_is_named(reel, told, factor, words):
    film = reel.film_of("initialize")
    first, *rest = film.kernel_gradients
    changed = dataclasses.replace(film, kernel_gradients=(factor * first, *rest))
    assert words in told("initialize", 0, changed)[1]


def test_a_training_that_diverged_is_told(reel, told):
    film = reel.film_of("initialize")
    broken = tuple(np.full_like(kernel, np.nan) for kernel in film.kernels)
    assert "diverged" in told("initialize", 0, dataclasses.replace(film, kernels=broken))[0]


def test_the_summary_counts_what_is_right(page_of):
    assert "are still copies of one another on the xor data" in page_of(left="zeros")
    assert "all differ, and 9" in page_of(left="zeros")  # `initialize` stands on the right
    assert "on all 2 data sets" in page_of(left="constant", reels=2)


def test_the_table_has_every_start(page_of):
    rows = re.findall(r'<tr><th scope="row">(.*?)</th>(.*?)</tr>', page_of())
    cells = {name: re.findall(r"<td(.*?)>(.*?)</td>", rest) for name, rest in rows}
    assert list(cells) == ["zeros", "constant", "glorot_uniform", "initialize"]
    assert cells["zeros"][-1][1] == cells["constant"][-1][1] == "1 of 8"
    assert cells["zeros"][-2][1] == "0"
    assert cells["initialize"][-1][1] == "8 of 8"
    assert "learned" in cells["initialize"][0][0]
    assert "learned" not in cells["zeros"][0][0]
