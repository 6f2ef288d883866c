"""Images that are the same, images that look nearly the same, and which of them stand on both sides of the split.

The same: equal in every decoded pixel. Nearly: perceptual hashes (looks) of 64 bits that differ in at most d. Two such
hashes agree in at least one of d + 1 bands of bits (pigeonhole), so only images that share a band are compared: the
search of Manku, Jain and Das Sarma, "Detecting near-duplicates for web crawling" (WWW 2007).

N images, M different looks, P pairs of looks.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

BITS = 64
LONGEST = 20_000  # looks that share a band and are all compared; of more, only those with near numbers
BLOCK = 250_000  # comparisons at a time, whose numbers fit the cache


@dataclass(frozen=True)
class Copies:
    """Of the images of a store."""

    group: np.ndarray  # (N,) int64, the same number for the same pixels
    look: np.ndarray  # (N,) int64, index into the different looks
    pairs: np.ndarray  # (P, 2) int32 of that index: looks that are nearly the same

    @property
    def repeated(self) -> np.ndarray:
        """Whether an earlier image is the same: (N,) bool."""
        again = np.full(len(self.group), True)
        again[np.unique(self.group, return_index=True)[1]] = False
        return again

    def same_in(self, others: np.ndarray) -> np.ndarray:
        """Whether one of the others, (N,) bool, is the same image: (N,) bool."""
        return np.isin(self.group, self.group[others])

    def near_in(self, others: np.ndarray) -> np.ndarray:
        """Whether one of the others, (N,) bool, looks nearly like the image and is not the same: (N,) bool."""
        if not len(self.look):
            return np.empty(0, bool)
        looks = int(self.look.max()) + 1
        kinds = np.unique(np.stack([self.look[others], self.group[others]]), axis=1)  # different images a look
        count = np.bincount(kinds[0], minlength=looks)  # (M,)
        beside = np.zeros(looks, bool)
        for one, other in (self.pairs.T, self.pairs.T[::-1]):
            beside[one[count[other] > 0]] = True
        near: np.ndarray = beside[self.look] | (count[self.look] > self.same_in(others))
        return near


def find_copies(pixels: np.ndarray, looks: np.ndarray, bits: int) -> Copies:
    """`pixels`: (N,) digests; `looks`: (N,) uint64; `bits`: d, of which nearly the same images differ in at most."""
    different, look = np.unique(looks, return_inverse=True)
    return Copies(np.unique(pixels, return_inverse=True)[1], look, near_pairs(different, bits))


def near_pairs(looks: np.ndarray, bits: int) -> np.ndarray:
    """Pairs of different looks that differ in at most so many bits, each once: (M,) uint64 -> (P, 2), smaller first."""
    found = [np.empty((0, 2), np.int32)]
    masks = bands(bits + 1)
    for number, mask in enumerate(masks):
        banded = looks & mask
        order = np.argsort(banded, kind="stable").astype(np.int32)
        edges = np.concatenate([[0], np.flatnonzero(np.diff(banded[order])) + 1, [len(order)]])
        for run in np.flatnonzero(np.diff(edges) > 1):
            found += compare(looks, order[edges[run] : edges[run + 1]], bits, masks[:number])
    pairs = np.concatenate(found)
    return pairs[np.lexsort(pairs.T[::-1])]


def bands(count: int) -> list[np.uint64]:
    """So many masks that cover all bits once."""
    edges = [number * BITS // count for number in range(count + 1)]
    return [np.uint64((1 << end) - (1 << begin)) for begin, end in pairwise(edges)]


def compare(looks: np.ndarray, rows: np.ndarray, bits: int, before: list[np.uint64]) -> Iterator[np.ndarray]:
    """Every pair among these rising rows that is near enough, but for those that share a band from before: (p, 2).

    Of more rows than LONGEST, pairs that stand further apart are left out: a camera that sees the same scene for ever
    would else take hours.
    """
    step = max(1, BLOCK // min(len(rows), LONGEST))
    for begin in range(0, len(rows), step):
        some, others = rows[begin : begin + step], rows[begin : begin + step + LONGEST]
        differing = looks[some][:, None] ^ looks[others][None, :]
        left, right = np.nonzero(np.bitwise_count(differing) <= bits)
        later = left < right
        left, right = left[later], right[later]
        between = differing[left, right]
        new = np.full(len(between), True)
        for mask in before:
            new &= between & mask != 0
        yield np.stack([some[left[new]], others[right[new]]], axis=1)
