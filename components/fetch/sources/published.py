"""Published data sets as torchvision reads and verifies them; digits from scikit-learn.

What torchvision opens is a sequence of pairs: an image, and the index of its class. Where the images lie as files, they
are passed on as these files, undecoded. H, W pixels.
https://docs.pytorch.org/vision/stable/datasets.html
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from components.fetch.params import Digits, Published
from components.fetch.sources.candidate import Candidate, as_text
from components.stage.errors import InputError, RunError
from components.store.store import TEST, TRAIN, UNLABELLED

Pair = tuple[np.ndarray | Path, int]  # pixels or file, and the index of its class


@dataclass(frozen=True)
class DataSet:
    """How torchvision reads a data set, and where its images lie."""

    reader: str  # the class in torchvision.datasets
    place: str  # of the images, in root; paths of files are relative to it
    images: Callable[[Any], Iterable[Pair]]  # out of what the reader opened
    always: dict[str, Any]  # what the reader is told for every part
    parts: tuple[tuple[str | None, dict[str, Any]], ...]  # the split, and what the reader is told for this part
    by_hand: str | None = None  # which files to fetch oneself, where torchvision does not


def digits(params: Digits) -> Iterator[Candidate]:
    """UCI's 1,797 handwritten digits of 8 x 8 pixels with 17 grays, as scikit-learn ships them."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    for number, (image, label) in enumerate(zip(bunch.images, bunch.target, strict=True)):  # (8, 8) in 0..16
        pixels = np.rint(image * 255 / 16).astype(np.uint8)
        yield Candidate(params.name, f"{number:04d}.png", pixels, label=str(label), split=None)


def published(params: Published) -> Iterator[Candidate]:
    """Every image once, with its published label and split. Raises InputError where the data set is not all there."""
    data_set = DATA_SETS[params.kind]
    for split, part in data_set.parts:
        yield from _candidates(params, data_set, split, part)  # when it ends, nothing holds the pixels of this part


def _candidates(params: Published, data_set: DataSet, split: str | None, part: dict[str, Any]) -> Iterator[Candidate]:
    images, classes = _open(params, data_set, part)
    folder = _root(params) / data_set.place.format(**part)
    for number, (image, index) in enumerate(images):
        name = as_text(image.relative_to(folder).as_posix()) if isinstance(image, Path) else f"{number:05d}.png"
        label = None if split == UNLABELLED else classes[index]
        yield Candidate(params.name, f"{split}/{name}" if split else name, image, label, split)


def _open(params: Published, data_set: DataSet, part: dict[str, Any]) -> tuple[Iterable[Pair], list[str]]:
    """The images of one part, and the names of the classes."""
    from torchvision import datasets  # takes seconds

    folder = data_set.place.split("/")[0]
    is_there = Path(_root(params), folder).is_dir()
    download = params.download and not is_there and data_set.by_hand is None
    try:
        reader = getattr(datasets, data_set.reader)
        opened = reader(str(_root(params)), download=download, **data_set.always, **part)
        return data_set.images(opened), _classes(opened)
    except (OSError, RuntimeError, ValueError, LookupError, AssertionError) as error:  # as the readers refuse files
        if data_set.by_hand is not None:
            advice = f"torchvision no longer downloads it: put {data_set.by_hand} into '{Path(params.root, folder)}'"
        elif is_there:
            advice = f"name the folder above it as root, or remove '{Path(params.root, folder)}' and say download: true"
        elif params.download:
            reason = " ".join(str(error).split())
            raise RunError(f"{params.kind}: the download to '{params.root}' failed: {reason}") from None
        else:
            advice = "name the folder above it as root, or say download: true"
        reason = " ".join(str(error).split()).partition(" You can use download=True")[0]  # the advice says that better
        raise InputError(
            f"params.yaml: data.sources: {params.kind}: no {folder} in '{params.root}', or not all of it: {advice} "
            f"({reason or type(error).__name__})"
        ) from None


def _root(params: Published) -> Path:
    return Path(params.root).expanduser()  # as torchvision does


def _arrays(opened: Any) -> Iterator[Pair]:
    """The pixels, one image at a time: (H, W) or (H, W, 3) uint8."""
    for number in range(len(opened)):
        image, index = opened[number]
        yield np.asarray(image), index


def _files(opened: Any) -> list[Pair]:
    """The files, of a data set that was opened with Path as the loader of images."""
    return _present(opened[number] for number in range(len(opened)))


def _pets(opened: Any) -> list[Pair]:
    """The same of Oxford's pets, whose reader takes no loader."""
    return _present(zip(opened._images, opened._labels, strict=True))


def _present(files: Iterable[tuple[Path, int]]) -> list[Pair]:
    """The files, all of which exist: most readers look for the list of them only."""
    images: list[Pair] = []
    for file, index in files:
        if not file.is_file():
            raise FileNotFoundError(f"{file} is missing")
        images.append((file, index))
    return images


def _classes(opened: Any) -> list[str]:
    """The names of the classes, by index."""
    names = getattr(opened, "classes", None) or list(getattr(opened, "class_to_idx", {}))  # LFW has only the latter
    if not names:
        raise FileNotFoundError("the names of its classes are missing")  # STL-10's reader does without
    return [name if isinstance(name, str) else name[0] for name in names]  # Imagenette gives synonyms too


BY_FLAG = ((TRAIN, {"train": True}), (TEST, {"train": False}))
BY_NAME = ((TRAIN, {"split": "train"}), (TEST, {"split": "test"}))
NAMES = {"loader": Path}  # an image is loaded as its file's name

DATA_SETS = {
    "cifar10": DataSet("CIFAR10", "cifar-10-batches-py", _arrays, {}, BY_FLAG),
    "cifar100": DataSet("CIFAR100", "cifar-100-python", _arrays, {}, BY_FLAG),
    "mnist": DataSet("MNIST", "MNIST", _arrays, {}, BY_FLAG),
    "fashion_mnist": DataSet("FashionMNIST", "FashionMNIST", _arrays, {}, BY_FLAG),
    "stl10": DataSet("STL10", "stl10_binary", _arrays, {}, (*BY_NAME, (UNLABELLED, {"split": "unlabeled"}))),
    "imagenette": DataSet(
        "Imagenette",
        "imagenette2-160/{split}",
        _files,
        {"size": "160px", **NAMES},
        ((TRAIN, {"split": "train"}), (TEST, {"split": "val"})),
    ),
    "flowers102": DataSet(
        "Flowers102",
        "flowers-102/jpg",
        _files,
        NAMES,
        ((TRAIN, {"split": "train"}), (TRAIN, {"split": "val"}), (TEST, {"split": "test"})),
    ),
    "oxford_pets": DataSet(
        "OxfordIIITPet",
        "oxford-iiit-pet/images",
        _pets,
        {},
        ((TRAIN, {"split": "trainval"}), (TEST, {"split": "test"})),
    ),
    "eurosat": DataSet("EuroSAT", "eurosat/2750", _files, NAMES, ((None, {}),)),
    "lfw_people": DataSet(
        "LFWPeople",
        "lfw-py/lfw_funneled",
        _files,
        {"image_set": "funneled", **NAMES},
        BY_NAME,
        by_hand="lfw-funneled.tgz, the folder lfw_funneled that is in it, peopleDevTrain.txt, peopleDevTest.txt and "
        "lfw-names.txt",
    ),
}
