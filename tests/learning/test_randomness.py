"""Tests that the seed of a place is the same in every run and on every machine, and that no two are alike."""

import itertools

from components.learning.randomness import ORDER, PREVIEW, SAMPLE, VIEWS, derive_seed


def test_a_place_has_the_same_seed_on_every_machine() -> None:
    """The values are pinned: other seeds would silently train a different encoder from the same parameters."""
    assert derive_seed(0, ORDER, 0) == 1_317_536_309_490_288_386
    assert derive_seed(0, VIEWS, 12345) == 4_250_308_754_021_634_649
    assert derive_seed(7, SAMPLE) == 8_779_501_138_110_131_270


def test_no_two_places_share_a_seed() -> None:
    streams = (ORDER, VIEWS, SAMPLE, PREVIEW)
    places = [(), *((step,) for step in range(2000)), *itertools.product(range(5), range(5))]
    seeds = [derive_seed(seed, what, *place) for seed in (0, 1) for what in streams for place in places]
    assert len(set(seeds)) == len(seeds)


def test_torch_and_numpy_both_take_it() -> None:
    assert all(0 <= derive_seed(0, VIEWS, step) < 2**63 for step in range(1000))
