"""Find images that are the same, images that look nearly the same, and which of them are on both sides of the split.

The same images are equal in every decoded pixel. Near copies have perceptual hashes (looks) of 64 bits, which differ in
at most d. Two such hashes agree in at least one of d + 1 bands of bits (pigeonhole), so only images that share a band
are compared: the search of Manku, Jain and Das Sarma, "Detecting near-duplicates for web crawling" (WWW 2007).

N images, M different looks, P pairs of looks.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

BITS = 64
LONGEST = 20_000  # looks that share a band and are all compared; of more, only those with close numbers
BLOCK = 250_000  # comparisons at a time, which fit the cache


@dataclass(frozen=True)
class Copies:
    """The copies and near copies among the images of a store."""

    group: np.ndarray  # (N,) int64, the same number for the same pixels
    look_index: np.ndarray  # (N,) int64, index into the different looks
    pairs: np.ndarray  # (P, 2) int32, indices of looks that are nearly the same

    @property
    def repeated(self) -> np.ndarray:
        """Whether an earlier image is the same, per image: (N,) bool."""
        again = np.full(len(self.group), True)
        again[np.unique(self.group, return_index=True)[1]] = False
        return again

    def find_same(self, subset: np.ndarray) -> np.ndarray:
        """Return which images are the same as an image of the subset, (N,) bool: (N,) bool."""
        return np.isin(self.group, self.group[subset])

    def find_near(self, subset: np.ndarray) -> np.ndarray:
        """Return which images look nearly like an image of the subset, (N,) bool, but differ: (N,) bool."""
        if not len(self.look_index):
            return np.empty(0, bool)
        looks = int(self.look_index.max()) + 1
        images = np.unique(np.stack([self.look_index[subset], self.group[subset]]), axis=1)  # different images per look
        counts = np.bincount(images[0], minlength=looks)  # (M,)
        is_near_look = np.zeros(looks, bool)
        for left, right in (self.pairs.T, self.pairs.T[::-1]):
            is_near_look[left[counts[right] > 0]] = True
        near: np.ndarray = is_near_look[self.look_index] | (counts[self.look_index] > self.find_same(subset))
        return near


def find_copies(pixels: np.ndarray, looks: np.ndarray, bits: int) -> Copies:
    """Find copies by `pixels`, (N,) digests, and near copies by `looks`, (N,) uint64, at most `bits` apart."""
    different, look_index = np.unique(looks, return_inverse=True)
    return Copies(np.unique(pixels, return_inverse=True)[1], look_index, find_near_pairs(different, bits))


def find_near_pairs(looks: np.ndarray, bits: int) -> np.ndarray:
    """Return every pair of different looks that differ in at most `bits`: (M,) uint64 -> (P, 2), smaller first."""
    parts = [np.empty((0, 2), np.int32)]
    masks = make_bands(bits + 1)
    for number, mask in enumerate(masks):
        banded = looks & mask
        order = np.argsort(banded, kind="stable").astype(np.int32)
        edges = np.concatenate([[0], np.flatnonzero(np.diff(banded[order])) + 1, [len(order)]])
        for run in np.flatnonzero(np.diff(edges) > 1):
            parts += compare_looks(looks, order[edges[run] : edges[run + 1]], bits, masks[:number])
    pairs = np.concatenate(parts)
    return pairs[np.lexsort(pairs.T[::-1])]


def make_bands(count: int) -> list[np.uint64]:
    """Return this many masks, which together cover each bit once."""
    edges = [number * BITS // count for number in range(count + 1)]
    return [np.uint64((1 << end) - (1 << begin)) for begin, end in pairwise(edges)]


def compare_looks(
    looks: np.ndarray, rows: np.ndarray, bits: int, earlier_masks: list[np.uint64]
) -> Iterator[np.ndarray]:
    """Yield the pairs among these rising rows that are near and share no band of the earlier masks: (p, 2).

    Of more rows than LONGEST, pairs that are further apart are left out: otherwise a camera that always sees the same
    scene would take hours.
    """
    step = max(1, BLOCK // min(len(rows), LONGEST))
    for begin in range(0, len(rows), step):
        block, candidates = rows[begin : begin + step], rows[begin : begin + step + LONGEST]
        differing = looks[block][:, None] ^ looks[candidates][None, :]
        left, right = np.nonzero(np.bitwise_count(differing) <= bits)
        later = left < right
        left, right = left[later], right[later]
        pair_bits = differing[left, right]
        is_new = np.full(len(pair_bits), True)
        for mask in earlier_masks:
            is_new &= pair_bits & mask != 0
        yield np.stack([block[left[is_new]], candidates[right[is_new]]], axis=1)
