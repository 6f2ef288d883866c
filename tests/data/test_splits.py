"""Which image is for testing goes by its content alone."""

import hashlib
from functools import cache

import numpy as np
import pytest

from components.data.splits import place_in_unit, split_of
from components.data.store import TEST, TRAIN, UNLABELLED
from components.params.data import Data
from components.stage import read_params
from tests.conftest import ROOT

CONTENTS = [hashlib.sha256(f"{n}".encode()).digest()[:16] for n in range(20_000)]


@cache
def params(fraction: float, seed: int = 0) -> Data:
    shipped: Data = read_params(ROOT / "params.yaml").data
    return shipped.model_copy(update={"test_fraction": fraction, "seed": seed})


@pytest.mark.parametrize("fraction", [0.05, 0.25, 0.9])
def test_the_share_that_is_asked_for_is_kept_to_within_chance(fraction: float) -> None:
    splits = [split_of(None, "cat", content, params(fraction)) for content in CONTENTS]
    deviation = np.sqrt(fraction * (1 - fraction) / len(CONTENTS))
    assert abs(splits.count(TEST) / len(CONTENTS) - fraction) < 4 * deviation
    assert set(splits) == {TRAIN, TEST}


@pytest.mark.parametrize(
    ("content", "seed", "first"),
    [
        (bytes(16), 0, "4bb7f6821d010393"),
        (bytes(16), 13, "33d08432689f7f83"),
        (bytes(range(16)), 1, "b819dc34841de611"),
    ],
)
def test_places_are_the_same_in_every_version(content: bytes, seed: int, first: str) -> None:
    """BLAKE2b of 8 bytes with the seed as its key (RFC 7693); another hash would mix train and test of every user."""
    assert place_in_unit(content, seed) == int(first, 16) / 2**64


def test_places_are_even_over_the_unit_interval() -> None:
    places = np.array([place_in_unit(content, 3) for content in CONTENTS])
    counts = np.histogram(places, bins=20, range=(0, 1))[0]
    assert ((counts - 1000) ** 2 / 1000).sum() < 43.8, "chi-squared with 19 degrees of freedom, at 0.001"


def test_a_larger_share_takes_more_images_and_gives_none_back() -> None:
    """So that who asks for more test images later never trains on an old one."""
    few, many = ({c for c in CONTENTS if split_of(None, "x", c, params(f)) == TEST} for f in (0.1, 0.3))
    assert few < many


def test_another_seed_is_another_split() -> None:
    first, second = ([split_of(None, "x", c, params(0.5, seed)) for c in CONTENTS[:100]] for seed in (0, 1))
    assert first != second


def test_a_split_does_not_depend_on_name_or_class() -> None:
    """So copies of an image stay together, whatever they are called."""
    assert all(split_of(None, "a", c, params(0.5)) == split_of(None, "b", c, params(0.5)) for c in CONTENTS[:100])


@pytest.mark.parametrize("label", ["cat", None])
def test_what_the_source_says_goes_before(label: str | None) -> None:
    assert split_of(TEST, label, CONTENTS[0], params(0.01)) == TEST
    assert split_of(TRAIN, label, CONTENTS[0], params(0.99)) == TRAIN


def test_an_image_without_a_label_is_for_training_whatever_its_hash() -> None:
    assert {split_of(None, None, content, params(0.99)) for content in CONTENTS[:50]} == {UNLABELLED}
