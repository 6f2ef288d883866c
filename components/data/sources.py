"""Sources of images: each kind of `data.sources` is a function from its parameters to a stream of records."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from components.data.store import TEST, TRAIN
from components.params.base import InputError
from components.params.data import Data, Digits, Named


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
    from sklearn.datasets import load_digits

    bunch = load_digits()
    for number, (image, label) in enumerate(zip(bunch.images, bunch.target, strict=True)):  # (8, 8) in 0..16
        pixels = np.rint(image * 255 / 16).astype(np.uint8)
        name = f"{params.kind}/{number:04d}.png"
        yield Record(id=name, image=encode(pixels), path=name, label=str(label), split=None)


def cifar10(params: Named) -> Iterator[Record]:
    """CIFAR-10's 60,000 colour images of 32 x 32 pixels (Krizhevsky, 2009)."""
    from torchvision.datasets import CIFAR10

    for split, train in ((TRAIN, True), (TEST, False)):
        data = found(params, CIFAR10, "cifar-10-batches-py", train=train)
        for number, (pixels, label) in enumerate(zip(data.data, data.targets, strict=True)):  # (32, 32, 3) uint8
            name = f"{params.kind}/{split}/{number:05d}.png"
            yield Record(id=name, image=encode(pixels), path=name, label=data.classes[label], split=split)


def imagenette(params: Named) -> Iterator[Record]:
    """Imagenette's 13,394 photographs of ten classes, 160 pixels on the shorter side, as the JPEG files they are."""
    from torchvision.datasets import ImageFolder, Imagenette

    for split, part in ((TRAIN, "train"), (TEST, "val")):
        classes = found(params, Imagenette, "imagenette2-160", split=part, size="160px").classes
        folder = Path(params.root, "imagenette2-160", part)
        for file, label in ImageFolder(str(folder)).samples:
            name = f"{params.kind}/{split}/{Path(file).relative_to(folder).as_posix()}"
            yield Record(id=name, image=Path(file).read_bytes(), path=name, label=classes[label][0], split=split)


def found(params: Named, data_set: Any, folder: str, **which: Any) -> Any:
    """torchvision's own reader of the data set. Raises InputError where it is not there."""
    try:
        return data_set(params.root, download=params.download and not Path(params.root, folder).is_dir(), **which)
    except (RuntimeError, OSError) as error:
        advice = (
            "name the folder above it as root" if params.download else "name the folder above it, or say download: true"
        )
        raise InputError(
            f"params.yaml: data.sources: {params.kind}: no {folder} in '{params.root}', or not all of it: {advice} "
            f"({' '.join(str(error).split())})"
        ) from None


def encode(pixels: np.ndarray) -> bytes:
    """(H, W) or (H, W, 3) uint8 -> PNG; lightly packed, which is three times as fast and a twentieth larger."""
    encoded = BytesIO()
    Image.fromarray(pixels).save(encoded, format="PNG", compress_level=1)
    return encoded.getvalue()


READERS: dict[str, Callable[[Any], Iterator[Record]]] = {"digits": digits, "cifar10": cifar10, "imagenette": imagenette}


def read_sources(params: Data) -> Iterator[Record]:
    """All records of all sources, in the order of params.yaml."""
    for source in params.sources:
        yield from READERS[source.kind](source)
