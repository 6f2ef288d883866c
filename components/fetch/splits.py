"""Which image is for testing: a matter of its content alone, so that adding images never moves one, either way.

A labelled image whose source has no splits of its own is for testing when the hash of its content and the seed, as a
number in 0..1, is below the share that is asked for. So every class is thinned by the same share, to within chance. An
exact share of each class cannot be had together with that promise: of two images, one of each half, whichever came
first would have had to be the one that is trained on. Copies of an image have the same hash and stay together.
"""

import hashlib

from components.fetch.params import Data
from components.store.store import TEST, TRAIN, UNLABELLED


def place_in_unit(content: bytes, seed: int) -> float:
    """A number in 0..1 for a digest, even over all digests."""
    hashed = hashlib.blake2b(content, digest_size=8, key=seed.to_bytes(8, "big")).digest()
    return int.from_bytes(hashed, "big") / 2**64


def split_of(own: str | None, label: str | None, content: bytes, params: Data) -> str:
    """`own` is the source's, `content` the digest of the image."""
    if own is not None:
        return own
    if label is None:
        return UNLABELLED
    return TEST if place_in_unit(content, params.seed) < params.test_fraction else TRAIN
