"""Read published data sets, as torchvision reads and verifies them, and the digits of scikit-learn.

What torchvision opens is a sequence of pairs: an image and the index of its class. Images that lie in files are passed
on as these files, undecoded. H, W pixels.
https://docs.pytorch.org/vision/stable/datasets.html
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from components.fetch.params import Digits, Published
from components.fetch.sources.candidate import Candidate, escape_name
from components.fetch.sources.names import compose
from components.fetch.sources.unpack import remove_empty, unpack, unpack_published
from components.stage.disk import DiskError, find_code
from components.stage.errors import InputError, RunError
from components.store.store import TEST, TRAIN, UNLABELLED

Pair = tuple[np.ndarray | Path, int]  # pixels or file, and the index of its class
REFUSALS = (OSError, RuntimeError, ValueError, LookupError, AssertionError)  # by which readers refuse files


@dataclass(frozen=True)
class DataSet:
    """How torchvision reads a data set, and where its images lie."""

    reader: str  # its class in torchvision.datasets
    image_folder: str  # in root; paths of files are relative to it
    images: Callable[[Any], Iterable[Pair]]  # gets the images from what the reader opened
    arguments: dict[str, Any]  # of the reader, for every part
    parts: tuple[tuple[str | None, dict[str, Any]], ...]  # the split, and the reader's arguments for this part
    by_hand: str | None = None  # files that users must fetch themselves, since torchvision does not


def read_digits(params: Digits) -> Iterator[Candidate]:
    """Yield UCI's 1,797 handwritten digits of 8 x 8 pixels with 17 grays, as scikit-learn ships them."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    for number, (image, label) in enumerate(zip(bunch.images, bunch.target, strict=True)):  # (8, 8) in 0..16
        pixels = np.rint(image * 255 / 16).astype(np.uint8)
        yield Candidate(params.name, f"{number:04d}.png", pixels, label=str(label), split=None)


def read_published(params: Published) -> Iterator[Candidate]:
    """Yield every image once, with its published label and split. Raises InputError if images are missing."""
    data_set = DATA_SETS[params.kind]
    for split, part in data_set.parts:
        yield from _read_part(params, data_set, split, part)  # after that, nothing holds the pixels of this part


def _read_part(params: Published, data_set: DataSet, split: str | None, part: dict[str, Any]) -> Iterator[Candidate]:
    images, classes = _open_part(params, data_set, part)
    folder = _expand_root(params) / data_set.image_folder.format(**part)
    for number, (image, index) in enumerate(images):
        name = escape_name(image.relative_to(folder).as_posix()) if isinstance(image, Path) else f"{number:05d}.png"
        label = None if split == UNLABELLED else compose(classes[index])
        yield Candidate(params.name, compose(f"{split}/{name}" if split else name), image, label, split)


def _open_part(params: Published, data_set: DataSet, part: dict[str, Any]) -> tuple[Iterable[Pair], list[str]]:
    """Return the images of a part, and the names of the classes. Raises InputError, or RunError after a download.

    What is not there is unpacked if the published archives lie in root, and else downloaded if params.yaml says so.
    """
    root, folder = _expand_root(params), data_set.image_folder.split("/")[0]
    exists = (root / folder).is_dir()
    try:
        return _open_reader(root, data_set, part, download=False)
    except REFUSALS as error:
        reason = _describe(error)
    try:
        if data_set.by_hand is None:
            with unpack_published(_get_reader(data_set), root, root / folder), remove_empty(root, root / folder):
                return _open_reader(root, data_set, part, download=True)
    except REFUSALS as error:
        _say_if_disk(error, root)
        reason = "; ".join(dict.fromkeys((reason, _describe(error))))
    try:
        if params.download and not exists and data_set.by_hand is None:
            with remove_empty(root, root / folder):
                return _open_reader(root, data_set, part, download=True)
    except REFUSALS as error:
        _say_if_disk(error, root)
        raise RunError(f"{params.kind}: the download to '{params.root}' failed: {_describe(error)}") from None
    if data_set.by_hand is not None:
        advice = f"torchvision no longer downloads it: put {data_set.by_hand} into '{Path(params.root, folder)}'"
    else:
        advice = "name the folder above it as root, put the published archives there, or say download: true"
        advice += " with another root" if exists else ""
    what = f"no {folder} in '{params.root}', or not all of it"
    raise InputError(f"params.yaml: data.sources: {params.kind}: {what}: {advice} ({reason})")


def _open_reader(
    root: Path, data_set: DataSet, part: dict[str, Any], *, download: bool
) -> tuple[Iterable[Pair], list[str]]:
    opened = _get_reader(data_set)(str(root), download=download, **data_set.arguments, **part)
    return data_set.images(opened), _list_classes(opened)


def _get_reader(data_set: DataSet) -> Any:
    from torchvision import datasets  # importing takes seconds

    return getattr(datasets, data_set.reader)


def _describe(error: Exception) -> str:
    reason = " ".join(str(error).split()).partition(" You can use download=True")[0]  # advice for Python
    return reason.rstrip(".") or type(error).__name__


def _say_if_disk(error: Exception, root: Path) -> None:
    """Raise DiskError if an error is of this machine's disk: then nothing is wrong with the data set."""
    code = find_code(error)
    if code is not None:
        raise DiskError(root, code, "the published archives that are there are whole") from None


def _expand_root(params: Published) -> Path:
    return Path(params.root).expanduser().absolute()  # as torchvision does, but refusals name the whole path


def _read_arrays(opened: Any) -> Iterator[Pair]:
    """Yield the pixels, one image at a time: (H, W) or (H, W, 3) uint8."""
    for number in range(len(opened)):
        image, index = opened[number]
        yield np.asarray(image), index


def _list_files(opened: Any) -> list[Pair]:
    """Return the files of a data set that was opened with Path as the loader of images."""
    return _check_present(opened[number] for number in range(len(opened)))


def _list_faces(opened: Any) -> list[Pair]:
    """Return the files of LFW, whose reader looks only for the archive and verifies it; it is unpacked if need be."""
    if not Path(opened.images_dir).is_dir():
        unpack(Path(opened.root, opened.filename), Path(opened.root))
    return _list_files(opened)


def _list_pets(opened: Any) -> list[Pair]:
    """Return the files of Oxford's pets, whose reader takes no loader."""
    return _check_present(zip(opened._images, opened._labels, strict=True))


def _check_present(files: Iterable[tuple[Path, int]]) -> list[Pair]:
    """Return the files. Raises FileNotFoundError if one is missing: most readers look only for the list of files."""
    images: list[Pair] = []
    for file, index in files:
        if not file.is_file():
            raise FileNotFoundError(f"{file} is missing")
        images.append((file, index))
    return images


def _list_classes(opened: Any) -> list[str]:
    """Return the names of the classes, by index. Raises FileNotFoundError if there are none."""
    names = getattr(opened, "classes", None) or list(getattr(opened, "class_to_idx", {}))  # LFW has only the latter
    if not names:
        raise FileNotFoundError("the names of its classes are missing")  # STL-10's reader does without
    return [name if isinstance(name, str) else name[0] for name in names]  # Imagenette's reader gives synonyms too


BY_FLAG = ((TRAIN, {"train": True}), (TEST, {"train": False}))
BY_NAME = ((TRAIN, {"split": "train"}), (TEST, {"split": "test"}))
LOAD_PATHS = {"loader": Path}  # the reader's loader of images, which gives the path of the file

DATA_SETS = {
    "cifar10": DataSet("CIFAR10", "cifar-10-batches-py", _read_arrays, {}, BY_FLAG),
    "cifar100": DataSet("CIFAR100", "cifar-100-python", _read_arrays, {}, BY_FLAG),
    "mnist": DataSet("MNIST", "MNIST", _read_arrays, {}, BY_FLAG),
    "fashion_mnist": DataSet("FashionMNIST", "FashionMNIST", _read_arrays, {}, BY_FLAG),
    "stl10": DataSet("STL10", "stl10_binary", _read_arrays, {}, (*BY_NAME, (UNLABELLED, {"split": "unlabeled"}))),
    "imagenette": DataSet(
        "Imagenette",
        "imagenette2-160/{split}",
        _list_files,
        {"size": "160px", **LOAD_PATHS},
        ((TRAIN, {"split": "train"}), (TEST, {"split": "val"})),
    ),
    "flowers102": DataSet(
        "Flowers102",
        "flowers-102/jpg",
        _list_files,
        LOAD_PATHS,
        ((TRAIN, {"split": "train"}), (TRAIN, {"split": "val"}), (TEST, {"split": "test"})),
    ),
    "oxford_pets": DataSet(
        "OxfordIIITPet",
        "oxford-iiit-pet/images",
        _list_pets,
        {},
        ((TRAIN, {"split": "trainval"}), (TEST, {"split": "test"})),
    ),
    "eurosat": DataSet("EuroSAT", "eurosat/2750", _list_files, LOAD_PATHS, ((None, {}),)),
    "lfw_people": DataSet(
        "LFWPeople",
        "lfw-py/lfw_funneled",
        _list_faces,
        {"image_set": "funneled", **LOAD_PATHS},
        BY_NAME,
        by_hand="lfw-funneled.tgz, peopleDevTrain.txt, peopleDevTest.txt and lfw-names.txt",
    ),
}
