"""All copies and near copies are found, compared with brute force."""

import numpy as np
import pytest

from components.fetch.checks import duplicates
from components.fetch.checks.duplicates import (
    BITS,
    NearCopies,
    find_candidates,
    find_copies,
    find_near_copies,
    gather,
    make_bands,
)


def make_digests(*names: str) -> np.ndarray:
    return np.array([name.ljust(16).encode() for name in names]).view("V16")


def always(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Stand in for a second look that every pair stands."""
    return np.full(len(left), True)


def search(pixels: np.ndarray, looks: np.ndarray, bits: int, parts: np.ndarray | None = None) -> NearCopies:
    parts = np.zeros(len(looks), np.int64) if parts is None else parts
    return find_near_copies(find_copies(pixels), looks, bits, parts, always)


def find_pairs(looks: np.ndarray, bits: int) -> list[tuple[int, int]]:
    pairs = find_candidates(looks, bits, lambda rows: np.full(len(rows), True))
    return sorted((int(a), int(b)) for left, right in pairs for a, b in zip(left, right, strict=True))


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
    assert find_pairs(looks, bits) == find_pairs_by_brute_force(looks, bits)
    if kind == "clustered" and bits >= 1:
        assert find_pairs_by_brute_force(looks, bits), "else the test would show nothing"


@pytest.mark.parametrize("block", [1, 7, 300])
def test_pairs_are_found_across_the_blocks_of_a_comparison(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "BLOCK", block)
    looks = np.unique(np.random.default_rng(1).integers(0, 2**9, 200, dtype=np.uint64))  # all share most bands
    assert find_pairs(looks, 3) == find_pairs_by_brute_force(looks, 3)


@pytest.mark.parametrize("looks", [[], [5], [0, 2**64 - 1], [0, 2**63]])
def test_few_looks_at_the_ends_of_their_range(looks: list[int]) -> None:
    expected = [(0, 1)] if looks == [0, 2**63] else []
    assert find_pairs(np.array(looks, dtype=np.uint64), 3) == expected


@pytest.mark.parametrize("count", range(1, 9))
def test_the_bands_cover_every_bit_once(count: int) -> None:
    assert sum(int(mask) for mask in make_bands(count)) == 2**BITS - 1
    assert all(int(a) & int(b) == 0 for n, a in enumerate(make_bands(count)) for b in make_bands(count)[n + 1 :])


def test_copies_and_near_copies_on_both_sides_by_hand() -> None:
    """a is there twice, b is near to a, c has the look of a and other pixels, and d is alone."""
    pixels = make_digests("a", "a", "b", "c", "d")
    looks = np.array([0b0, 0b0, 0b11, 0b0, 2**63 + 2**40 + 2**20 + 2**10], dtype=np.uint64)
    near = search(pixels, looks, bits=3)
    assert near.copies.find_repeated(np.full(5, True)).tolist() == [False, True, False, False, False]
    subset = np.array([True, False, False, False, False])  # a, the first
    assert near.copies.find_same(subset).tolist() == [True, True, False, False, False]
    assert near.find_near(subset).tolist() == [False, False, True, True, False], "the same is not nearly the same"
    assert near.find_near(np.full(5, True)).tolist() == [True, True, True, True, False]
    assert near.pairs.tolist() == [[0, 2], [0, 3], [2, 3]], "of a, the first"


@pytest.mark.parametrize("seed", range(5))
def test_sameness_and_nearness_to_a_part_of_the_images_against_brute_force(seed: int) -> None:
    """The images share looks, pixels or both, since two images may have the same look."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, 60, 90)
    looks = rng.integers(0, 2**6, 60, dtype=np.uint64)[group] << np.uint64(29)
    subset = rng.random(90) < (0.3, 0.0, 1.0, 0.02, 0.5)[seed]
    found = search(np.array([b"%016d" % number for number in group]).view("V16"), looks, bits=1)
    near = np.bitwise_count(looks[:, None] ^ looks[None]) <= 1  # (N, N)
    same = group[:, None] == group[None]
    assert found.copies.find_same(subset).tolist() == (same & subset).any(axis=1).tolist()
    assert found.find_near(subset).tolist() == (near & ~same & subset).any(axis=1).tolist()
    repeated = [bool(subset[row] and (same[row, :row] & subset[:row]).any()) for row in range(90)]
    assert found.copies.find_repeated(subset).tolist() == repeated


def test_thousands_of_copies_of_one_image_take_no_time_and_are_no_near_copies() -> None:
    """Blank pages, compared two by two, would be 800 million pairs."""
    found = search(np.repeat(make_digests("blank"), 40_000), np.zeros(40_000, np.uint64), bits=3)
    assert found.copies.find_repeated(np.full(40_000, True)).sum() == 39_999
    assert len(found.pairs) == 0
    assert not found.find_near(np.full(40_000, True)).any()


def test_thousands_of_frames_of_one_scene_are_each_paired_once() -> None:
    """The frames of a camera that stands still share most of their bands."""
    rng = np.random.default_rng(0)
    flips = np.uint64(1) << rng.integers(0, BITS, (1500, 2)).astype(np.uint64)
    looks = np.unique(np.uint64(0x0F0F0F0F0F0F0F0F) ^ flips[:, 0] ^ flips[:, 1])
    pairs = find_pairs(looks, 4)
    assert len(set(pairs)) == len(pairs) == len(looks) * (len(looks) - 1) // 2


def test_of_too_many_pairs_each_image_keeps_a_near_copy_in_every_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts are the splits; all frames look alike, every fifth is in no part, and each must find its leak."""
    monkeypatch.setattr(duplicates, "MOST", 100)
    monkeypatch.setattr(duplicates, "CHUNK", 64)
    monkeypatch.setattr(duplicates, "BLOCK", 2000)
    rng = np.random.default_rng(0)
    parts = rng.choice([-1, 0, 1, 2], 600, p=[0.2, 0.7, 0.09, 0.01])
    pixels = np.array([b"%016d" % number for number in range(600)]).view("V16")
    found = search(pixels, np.full(600, 5, np.uint64), 3, parts)
    assert len(found.pairs) < 60_000, "of 179,700"
    for part in range(3):
        assert found.find_near(parts == part).all()
    assert len(np.unique(found.pairs, axis=0)) == len(found.pairs)


def test_only_what_stands_the_second_look_is_near() -> None:
    """Its answer is about pairs of images, of which several may share a look."""
    pixels, looks = make_digests("a", "b", "c", "a"), np.array([1, 1, 3, 1], np.uint64)
    copies = find_copies(pixels)
    near = find_near_copies(copies, looks, 3, np.zeros(4, np.int64), lambda left, right: (left == 2) | (right == 2))
    assert near.pairs.tolist() == [[0, 2], [1, 2]]


def test_simple_pictures_that_look_alike_are_each_compared_with_the_next_ones_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All that share a look, compared two by two, would take days; those that come next to each other are compared."""
    monkeypatch.setattr(duplicates, "LOOKS", 20)
    monkeypatch.setattr(duplicates, "CHUNK", 10)
    pixels = np.array([b"%016d" % number for number in range(600)]).view("V16")
    looked = []

    def are_neighbours(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        looked.append(len(left))
        return right == left + 1

    near = find_near_copies(find_copies(pixels), np.full(600, 5, np.uint64), 3, np.zeros(600, int), are_neighbours)
    assert len(near.pairs) == 599
    assert sum(looked) <= 600 * (20 + 10), "of 179,700"


@pytest.mark.parametrize("sizes", [[], [0], [3], [5, 0, 1], [1] * 12, [17]])
def test_candidates_are_gathered_in_their_order(sizes: list[int]) -> None:
    numbers = np.split(np.arange(sum(sizes)), np.cumsum(sizes)[:-1]) if sizes else []
    chunks = list(gather(((part, -part) for part in numbers), 5))
    assert [len(left) for left, _ in chunks[:-1]] == [5] * (sum(sizes) // 5)
    assert np.concatenate([left for left, _ in chunks]).tolist() == list(range(sum(sizes)))
    assert all((left == -right).all() for left, right in chunks)


def test_no_image_at_all() -> None:
    found = search(make_digests("x")[:0], np.empty(0, np.uint64), bits=3)
    assert found.copies.find_repeated(np.empty(0, bool)).shape == found.find_near(np.empty(0, bool)).shape == (0,)
