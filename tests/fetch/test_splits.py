"""Which images are for testing depends on their content alone."""

import hashlib

import numpy as np
import pytest

from components.fetch.params import Data
from components.fetch.splits import choose_split, hash_to_unit
from components.store.store import TEST, TRAIN, UNLABELLED
from tests.fetch.fetched import section

CONTENTS = [hashlib.sha256(f"{n}".encode()).digest()[:16] for n in range(20_000)]


def make_params(fraction: float, seed: int = 0) -> Data:
    return section([{"kind": "digits"}], test_fraction=fraction, seed=seed)


def split_all(contents: list[bytes], fraction: float, seed: int = 0, label: str | None = "cat") -> list[str]:
    params = make_params(fraction, seed)
    return [choose_split(None, label, content, params) for content in contents]


@pytest.mark.parametrize("fraction", [0.05, 0.25, 0.9])
def test_the_share_that_is_asked_for_is_kept_to_within_chance(fraction: float) -> None:
    splits = split_all(CONTENTS, fraction)
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
    """The hash is BLAKE2b of 8 bytes keyed with the seed (RFC 7693); another would mix train and test of every user."""
    assert hash_to_unit(content, seed) == int(first, 16) / 2**64


def test_places_are_even_over_the_unit_interval() -> None:
    places = np.array([hash_to_unit(content, 3) for content in CONTENTS])
    counts = np.histogram(places, bins=20, range=(0, 1))[0]
    assert ((counts - 1000) ** 2 / 1000).sum() < 43.8, "chi-squared with 19 degrees of freedom, at 0.001"


def test_a_larger_share_takes_more_images_and_gives_none_back() -> None:
    """Otherwise somebody who asks for more test images later would train on an old one."""
    few, many = split_all(CONTENTS, 0.1), split_all(CONTENTS, 0.3)
    assert all(after == TEST for before, after in zip(few, many, strict=True) if before == TEST)
    assert few.count(TEST) < many.count(TEST)


def test_another_seed_is_another_split() -> None:
    assert split_all(CONTENTS[:100], 0.5, seed=0) != split_all(CONTENTS[:100], 0.5, seed=1)


def test_a_split_does_not_depend_on_the_class() -> None:
    """So copies of an image stay together, even under two labels."""
    assert split_all(CONTENTS[:100], 0.5, label="cat") == split_all(CONTENTS[:100], 0.5, label="dog")


@pytest.mark.parametrize("label", ["cat", None])
def test_what_the_source_says_goes_before(label: str | None) -> None:
    assert choose_split(TEST, label, CONTENTS[0], make_params(0.01)) == TEST
    assert choose_split(TRAIN, label, CONTENTS[0], make_params(0.99)) == TRAIN


def test_an_image_without_a_label_is_for_training_whatever_its_hash() -> None:
    assert set(split_all(CONTENTS[:50], 0.99, label=None)) == {UNLABELLED}
