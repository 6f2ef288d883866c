"""Decide which images are left out because another image is the same or nearly the same, and what has leaked.

An unlabelled copy of an image that stands in the train or test split is the same image once more, as in a folder of all
photographs beside a list that labels some of them: it is left out, and that is no leak. Nor are unlabelled images that
are nearly the same as a test image, since the list may name scaled or re-encoded copies, and since a burst has its
neighbours; they are left out as well. An image of the train split that is also in the test split is a leak. An
unlabelled image that a person gave a label is one to train on, but it is left out where it would have been without the
label, and is no leak there. The pool is these and the unlabelled images. N images.
"""

from dataclasses import dataclass

import numpy as np

from components.fetch.checks.duplicates import Copies, NearCopies, find_copies, find_near_copies
from components.fetch.checks.facts import Facts
from components.fetch.checks.inspect import THUMBNAIL
from components.fetch.checks.second_look import look_again
from components.fetch.params import Checks
from components.store.store import SPLITS, TEST, TRAIN, UNLABELLED


@dataclass(frozen=True)
class Sides:
    """The images that are left out and those that leaked, each (N,) bool."""

    merged: np.ndarray  # images of the pool that equal an image of the other splits, and are left out
    dropped: np.ndarray  # images of the train split that equal a test image, and are left out
    withheld: np.ndarray  # images of the pool that nearly equal a test image, and are left out
    leaked: np.ndarray  # test images that equal an image to train on
    near_leaked: np.ndarray  # test images that nearly equal an image to train on

    @property
    def kept(self) -> np.ndarray:
        """Whether an image is stored, per image."""
        kept: np.ndarray = ~(self.merged | self.dropped | self.withheld)
        return kept


def find_sides(facts: Facts, checks: Checks) -> tuple[Sides, NearCopies]:
    """Find copies and near copies among all images, and decide which are left out."""
    copies = find_copies(facts.pixels)
    train, test, unlabelled = (facts.split_numbers == SPLITS.index(split) for split in (TRAIN, TEST, UNLABELLED))
    none, pool = np.full(len(test), False), facts.pool
    labelled = ~pool if checks.leaked == "drop" else train & ~pool
    merged = (pool & copies.find_same(labelled)) | (unlabelled & copies.find_same(train))
    # If they are kept, what equals a test image is trained on as well, once.
    dropped = train & ~pool & copies.find_same(test) if checks.leaked == "drop" else none
    parts = np.where(merged | dropped, -1, np.where(pool, SPLITS.index(UNLABELLED), facts.split_numbers))
    near = find_near_images(facts, copies, checks.near_duplicate_bits, parts)
    withheld = pool & ~merged & near.find_near(test) if checks.leaked == "drop" else none
    trained = ~(test | dropped | merged | withheld)
    leaked = test & copies.find_same(~test & ~merged)
    return Sides(merged, dropped, withheld, leaked, test & near.find_near(trained)), near


def find_near_images(facts: Facts, copies: Copies, bits: int, parts: np.ndarray) -> NearCopies:
    """Find near copies by looks and thumbnails; images smaller than a thumbnail have fewer details than it has."""
    thumbnails, details = facts.thumbnails, np.minimum(facts.areas / THUMBNAIL**2, 1)

    def look_at(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        return look_again(thumbnails[left], thumbnails[right], np.minimum(details[left], details[right]))

    return find_near_copies(copies, np.asarray(facts.looks, dtype=np.uint64), bits, parts, look_at)
