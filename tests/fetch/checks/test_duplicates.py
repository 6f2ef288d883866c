"""All copies and near copies are found, compared with brute force."""

import numpy as np
import pytest

from components.fetch.checks import duplicates
from components.fetch.checks.duplicates import BITS, find_copies, find_near_pairs, make_bands


def make_digests(*names: str) -> np.ndarray:
    return np.array([name.ljust(16).encode() for name in names]).view("V16")


def find_pairs_by_brute_force(looks: np.ndarray, bits: int) -> list[tuple[int, int]]:
    pairs = [(a, b) for a in range(len(looks)) for b in range(a + 1, len(looks))]
    return [(a, b) for a, b in pairs if (int(looks[a]) ^ int(looks[b])).bit_count() <= bits]


def make_looks(kind: str) -> np.ndarray:
    """Return random looks, of which hardly any are near, or a few with many neighbours within some bits."""
    rng = np.random.default_rng(0)
    if kind == "random":
        return np.unique(rng.integers(0, 2**64, 300, dtype=np.uint64))
    centres = rng.integers(0, 2**64, 6, dtype=np.uint64)
    flips = rng.integers(0, BITS, (300, 5)).astype(np.uint64)
    kept = rng.integers(0, 2, (300, 5)).astype(np.uint64)
    masks = np.bitwise_xor.reduce(kept << flips, axis=1)
    return np.unique(centres[rng.integers(0, 6, 300)] ^ masks)


@pytest.mark.parametrize("bits", range(8))
@pytest.mark.parametrize("kind", ["random", "clustered"])
def test_every_near_pair_is_found_once_and_no_other(kind: str, bits: int) -> None:
    looks = make_looks(kind)
    assert [tuple(pair) for pair in find_near_pairs(looks, bits).tolist()] == find_pairs_by_brute_force(looks, bits)
    if kind == "clustered" and bits >= 1:
        assert find_pairs_by_brute_force(looks, bits), "else the test would show nothing"


@pytest.mark.parametrize("block", [1, 7, 300])
def test_pairs_are_found_across_the_blocks_of_a_comparison(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "BLOCK", block)
    looks = np.unique(np.random.default_rng(1).integers(0, 2**9, 200, dtype=np.uint64))  # all share most bands
    assert [tuple(pair) for pair in find_near_pairs(looks, 3).tolist()] == find_pairs_by_brute_force(looks, 3)


@pytest.mark.parametrize("looks", [[], [5], [0, 2**64 - 1], [0, 2**63]])
def test_few_looks_at_the_ends_of_their_range(looks: list[int]) -> None:
    expected = [[0, 1]] if looks == [0, 2**63] else []
    assert find_near_pairs(np.array(looks, dtype=np.uint64), 3).tolist() == expected


@pytest.mark.parametrize("count", range(1, 9))
def test_the_bands_cover_every_bit_once(count: int) -> None:
    assert sum(int(mask) for mask in make_bands(count)) == 2**BITS - 1
    assert all(int(a) & int(b) == 0 for n, a in enumerate(make_bands(count)) for b in make_bands(count)[n + 1 :])


def test_copies_and_near_copies_on_both_sides_by_hand() -> None:
    """a is there twice, b is near to a, c has the look of a and other pixels, and d is alone."""
    pixels = make_digests("a", "a", "b", "c", "d")
    looks = np.array([0b0, 0b0, 0b11, 0b0, 2**63 + 2**40 + 2**20 + 2**10], dtype=np.uint64)
    copies = find_copies(pixels, looks, bits=3)
    assert copies.repeated.tolist() == [False, True, False, False, False]
    subset = np.array([True, False, False, False, False])  # a, the first
    assert copies.find_same(subset).tolist() == [True, True, False, False, False]
    assert copies.find_near(subset).tolist() == [False, False, True, True, False], "the same is not nearly the same"
    assert copies.find_near(np.full(5, True)).tolist() == [True, True, True, True, False]


@pytest.mark.parametrize("seed", range(5))
def test_sameness_and_nearness_to_a_part_of_the_images_against_brute_force(seed: int) -> None:
    """The images share looks, pixels or both, since two images may have the same look."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, 60, 90)
    looks = rng.integers(0, 2**6, 60, dtype=np.uint64)[group] << np.uint64(29)
    subset = rng.random(90) < (0.3, 0.0, 1.0, 0.02, 0.5)[seed]
    copies = find_copies(np.array([b"%016d" % number for number in group]).view("V16"), looks, bits=1)
    near = np.bitwise_count(looks[:, None] ^ looks[None]) <= 1  # (N, N)
    same = group[:, None] == group[None]
    assert copies.find_same(subset).tolist() == (same & subset).any(axis=1).tolist()
    assert copies.find_near(subset).tolist() == (near & ~same & subset).any(axis=1).tolist()
    assert copies.repeated.tolist() == [bool(same[row, :row].any()) for row in range(90)]


def test_thousands_of_copies_of_one_image_take_no_time_and_are_no_near_copies() -> None:
    """Blank pages, compared two by two, would be 800 million pairs."""
    copies = find_copies(np.repeat(make_digests("blank"), 40_000), np.zeros(40_000, np.uint64), bits=3)
    assert copies.repeated.sum() == 39_999
    assert len(copies.pairs) == 0
    assert not copies.find_near(np.full(40_000, True)).any()


def test_thousands_of_frames_of_one_scene_are_each_paired_once() -> None:
    """The frames of a camera that stands still share most of their bands."""
    rng = np.random.default_rng(0)
    flips = np.uint64(1) << rng.integers(0, BITS, (3000, 2)).astype(np.uint64)
    looks = np.unique(np.uint64(0x0F0F0F0F0F0F0F0F) ^ flips[:, 0] ^ flips[:, 1])
    pairs = find_near_pairs(looks, 4)
    assert len(np.unique(pairs, axis=0)) == len(pairs) == len(looks) * (len(looks) - 1) // 2


def test_no_image_at_all() -> None:
    copies = find_copies(make_digests("x")[:0], np.empty(0, np.uint64), bits=3)
    assert copies.repeated.shape == copies.find_near(np.empty(0, bool)).shape == (0,)
