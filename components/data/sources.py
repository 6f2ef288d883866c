"""Sources of images: each kind of `data.sources` is a function from its parameters to a stream of records."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from components.params.data import Data, Digits


@dataclass(frozen=True)
class Record:
    """One image as the source had it."""

    id: str  # stable: the same image of the same source has the same id in every run
    image: bytes  # encoded
    path: str  # where the source had it
    label: str | None  # the class by name; None when unlabelled
    split: str | None  # None where the source has no splits of its own


def digits(params: Digits) -> Iterator[Record]:
    """UCI's 1,797 handwritten digits of 8 x 8 pixels with 17 grays, as scikit-learn ships them."""
    bunch = load_digits()
    for number, (image, label) in enumerate(zip(bunch.images, bunch.target, strict=True)):  # (8, 8) in 0..16
        pixels = np.rint(image * 255 / 16).astype(np.uint8)
        encoded = BytesIO()
        Image.fromarray(pixels).save(encoded, format="PNG")
        name = f"{params.kind}/{number:04d}.png"
        yield Record(id=name, image=encoded.getvalue(), path=name, label=str(label), split=None)


READERS: dict[str, Callable[[Digits], Iterator[Record]]] = {"digits": digits}


def read_sources(params: Data) -> Iterator[Record]:
    """All records of all sources, in the order of params.yaml."""
    for source in params.sources:
        yield from READERS[source.kind](source)
