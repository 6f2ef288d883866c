"""Find images that are the same, images that are nearly the same, and which of them are on both sides of the split.

The same images are equal in every decoded pixel. Near copies have perceptual hashes (looks) of 64 bits that differ in
at most d, and stand a second look. Two such hashes agree in at least one of d + 1 bands of bits (pigeonhole), so only
images that share a band are compared: the search of Manku, Jain and Das Sarma, "Detecting near-duplicates for web
crawling" (WWW 2007).

N images, U images of different pixels, P pairs of near copies.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

BITS = 64
LONGEST = 20_000  # images that share a band and are all compared; of more, only those whose looks are close numbers
BLOCK = 250_000  # comparisons at a time, which fit the cache
CHUNK = 512  # candidates that get their second look at a time, which fit the cache
LOOKS = 1_000  # second looks in vain after which an image is compared with none of the images that come after it
MOST = 100_000  # pairs that are all kept; of more, only those that tell something new

SecondLook = Callable[[np.ndarray, np.ndarray], np.ndarray]  # whether (p,) and (p,) images are near copies: (p,) bool


@dataclass(frozen=True)
class Copies:
    """The images of a store that are the same."""

    group: np.ndarray  # (N,) int64, the same number for the same pixels
    firsts: np.ndarray  # (U,) int64, the first image of each group

    def find_same(self, subset: np.ndarray) -> np.ndarray:
        """Return which images are the same as an image of the subset, (N,) bool: (N,) bool."""
        return np.isin(self.group, self.group[subset])

    def find_repeated(self, subset: np.ndarray) -> np.ndarray:
        """Return which images of the subset, (N,) bool, are the same as an earlier image of it: (N,) bool."""
        rows = np.flatnonzero(subset)
        repeated = subset.copy()
        repeated[rows[np.unique(self.group[rows], return_index=True)[1]]] = False
        return repeated


@dataclass(frozen=True)
class NearCopies:
    """The images of a store that are nearly the same."""

    copies: Copies
    pairs: np.ndarray  # (P, 2) int64, rising rows of images that are near copies, each the first of its group

    def find_near(self, subset: np.ndarray) -> np.ndarray:
        """Return which images nearly equal an image of the subset, (N,) bool, and differ from it: (N,) bool."""
        in_subset = self.copies.find_same(subset)
        near = [left[in_subset[right]] for left, right in self.both_ways()]
        return np.isin(self.copies.group, self.copies.group[np.concatenate(near)])

    def both_ways(self) -> tuple[np.ndarray, np.ndarray]:
        """Return every pair twice, in both orders: (2, P) twice."""
        return self.pairs.T, self.pairs.T[::-1]


def find_copies(pixels: np.ndarray) -> Copies:
    """Find the images whose digests, (N,), are the same."""
    _, firsts, group = np.unique(pixels, return_index=True, return_inverse=True)
    return Copies(group, firsts)


def find_near_copies(
    copies: Copies, looks: np.ndarray, bits: int, parts: np.ndarray, look_again: SecondLook
) -> NearCopies:
    """Find near copies by looks, (N,) uint64, at most `bits` apart, and the second look at two arrays of rows.

    `parts`, (N,) in -1..7, are the parts of the store that images belong to, none if negative. Of very many near copies
    each image keeps at least one in each part that has one, so that `find_near` is exact for a part or several, but for
    what LONGEST and LOOKS leave out.
    """
    rows = copies.firsts[np.argsort(looks[copies.firsts], kind="stable")]
    inside = parts >= 0
    parts_of_group = np.zeros(len(copies.firsts), np.uint8)
    np.bitwise_or.at(parts_of_group, copies.group[inside], np.uint8(1) << parts[inside].astype(np.uint8))
    kept = KeptPairs(parts_of_group[copies.group[rows]], lambda left, right: look_again(rows[left], rows[right]))
    for left, right in gather(find_candidates(looks[rows], bits, kept.is_open), CHUNK):
        kept.add(left, right)
    pairs = np.sort(rows[np.concatenate(kept.pairs)], axis=1)
    return NearCopies(copies, pairs[np.lexsort(pairs.T[::-1])])


class KeptPairs:
    """Takes the second look at candidates, and keeps the pairs that stand it.

    All are kept up to MOST; then only those that show one of the two images its first near copy in a part of the store,
    and no other is looked at. Otherwise a camera that always sees the same scene would fill the memory. Simple pictures
    that look like very many others get at most LOOKS second looks in vain at the next ones, or they would take days.
    """

    def __init__(self, parts: np.ndarray, look_again: SecondLook) -> None:
        """Take the parts that each image belongs to, (U,) uint8, a bit per part."""
        self.parts, self.look_again = parts, look_again
        self.pairs = [np.empty((0, 2), np.int64)]
        self.count = 0
        self.met = np.zeros_like(parts)  # the parts in which a near copy was found
        self.all_parts = np.bitwise_or.reduce(parts)
        self.vain = np.zeros(len(parts), np.int32)  # second looks at a later image that it did not stand

    def is_open(self, rows: np.ndarray) -> np.ndarray:
        """Return whether a further near copy of these images, (p,), might tell something new: (p,) bool."""
        is_open: np.ndarray = np.full(len(rows), self.count < MOST) | (self.met[rows] != self.all_parts)
        return is_open

    def add(self, left: np.ndarray, right: np.ndarray) -> None:
        """Look at these candidates, (p,) each, of which the left ones come before the right ones."""
        wanted = self.vain[left] < LOOKS
        if self.count >= MOST:
            wanted &= (self.parts[right] & ~self.met[left]) | (self.parts[left] & ~self.met[right]) != 0
        left, right = left[wanted], right[wanted]
        near = self.look_again(left, right)
        np.add.at(self.vain, left[~near], 1)
        left, right = left[near], right[near]
        np.bitwise_or.at(self.met, left, self.parts[right])
        np.bitwise_or.at(self.met, right, self.parts[left])
        self.pairs.append(np.stack([left, right], axis=1))
        self.count += len(left)


def gather(pairs: Iterable[tuple[np.ndarray, np.ndarray]], size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the same pairs in arrays of this size, but for the last."""
    waiting, count = [np.empty((2, 0), np.int64)], 0
    for left, right in pairs:
        waiting.append(np.stack([left, right]))
        count += len(left)
        if count >= size:
            together = np.concatenate(waiting, axis=1)
            whole = count - count % size
            for begin in range(0, whole, size):
                yield together[0, begin : begin + size], together[1, begin : begin + size]
            waiting, count = [together[:, whole:]], count - whole
    left, right = np.concatenate(waiting, axis=1)
    yield left, right


def find_candidates(
    looks: np.ndarray, bits: int, is_open: Callable[[np.ndarray], np.ndarray]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield once every pair of rising looks, (U,) uint64, that differ in at most `bits`: (p,) and (p,) indices.

    Pairs of which neither image is still open when they are reached are left out.
    """
    masks = make_bands(bits + 1)
    for number, mask in enumerate(masks):
        banded = looks & mask
        order = np.argsort(banded, kind="stable")
        edges = np.concatenate([[0], np.flatnonzero(np.diff(banded[order])) + 1, [len(order)]])
        for run in np.flatnonzero(np.diff(edges) > 1):
            yield from compare_looks(looks, order[edges[run] : edges[run + 1]], bits, masks[:number], is_open)


def make_bands(count: int) -> list[np.uint64]:
    """Return this many masks, which together cover each bit once."""
    edges = [number * BITS // count for number in range(count + 1)]
    return [np.uint64((1 << end) - (1 << begin)) for begin, end in pairwise(edges)]


def compare_looks(
    looks: np.ndarray,
    rows: np.ndarray,
    bits: int,
    earlier_masks: list[np.uint64],
    is_open: Callable[[np.ndarray], np.ndarray],
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the pairs among these rising rows that are near and share no band of the earlier masks: (p,) and (p,).

    Of more rows than LONGEST, pairs that are further apart are left out: otherwise a camera that always sees the same
    scene would take hours.
    """
    step = max(1, BLOCK // min(len(rows), LONGEST))
    for begin in range(0, len(rows), step):
        block, candidates = rows[begin : begin + step], rows[begin : begin + step + LONGEST]
        if not is_open(block).any():
            candidates = candidates[is_open(candidates)]
        differing = looks[block][:, None] ^ looks[candidates][None, :]
        left, right = np.nonzero(np.bitwise_count(differing) <= bits)
        later = block[left] < candidates[right]
        left, right = left[later], right[later]
        pair_bits = differing[left, right]
        is_new = np.full(len(pair_bits), True)
        for mask in earlier_masks:
            is_new &= pair_bits & mask != 0
        if is_new.any():
            yield block[left[is_new]], candidates[right[is_new]]
