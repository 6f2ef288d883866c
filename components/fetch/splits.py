"""Decide which images are for testing, from their content alone, so that adding images never moves another image.

A labelled image whose source has no splits of its own is for testing when the hash of its content and the seed, as a
number in 0..1, is below the requested share. So every class is thinned by the same share, to within chance. An exact
share per class cannot be had together with that promise: of two images, one in each half of the hashes, whichever came
first would have had to be the one that is trained on. Copies of an image have the same hash and stay together.
"""

import hashlib

from components.fetch.params import Data
from components.store.store import TEST, TRAIN, UNLABELLED


def hash_to_unit(content: bytes, seed: int) -> float:
    """Return a number in 0..1 for a digest and a seed, uniformly distributed over all digests."""
    hashed = hashlib.blake2b(content, digest_size=8, key=seed.to_bytes(8, "big")).digest()
    return int.from_bytes(hashed, "big") / 2**64


def choose_split(source_split: str | None, label: str | None, content: bytes, params: Data) -> str:
    """Return the source's own split if there is one, otherwise a split chosen by `content`, the image's digest."""
    if source_split is not None:
        return source_split
    if label is None:
        return UNLABELLED
    return TEST if hash_to_unit(content, params.seed) < params.test_fraction else TRAIN
