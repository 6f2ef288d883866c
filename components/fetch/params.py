"""The section `data`: which images there are, what may be wrong with them, and how they are split."""

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from components.fetch.urls import find_fault
from components.stage.shown import show
from components.stage.types import Params, Positive, Probability, Seed, Share, Workers

Text = Annotated[str, Field(min_length=1, max_length=4096)]


def _check_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", name):
        raise ValueError(f"letters, digits, '_', '-' and '.' only, since images are called NAME/..., not {show(name)}")
    return name


def _check_sha256(digest: str) -> str:
    if not re.fullmatch(r"[0-9a-fA-F]{64}", digest):
        raise ValueError(f"64 hexadecimal digits, as `sha256sum` prints them, not {show(digest)}")
    return digest.lower()


def _check_place(place: str) -> str:
    if fault := find_fault(place):
        raise ValueError(fault)
    return place


Name = Annotated[str, Field(max_length=200), AfterValidator(_check_name)]
Sha256 = Annotated[str, AfterValidator(_check_sha256)]
Place = Annotated[Text, AfterValidator(_check_place)]  # a path or a URL, which holds no password and no token
Layout = Literal["classes", "splits", "flat"]  # a folder per class; train, test ... with classes inside; neither


class Digits(Params):
    """The handwritten digits of scikit-learn, which ship inside the package: nothing is downloaded."""

    kind: Literal["digits"]

    @property
    def name(self) -> str:
        """The prefix of the images' ids."""
        return self.kind


class Published(Params):
    """A data set that torchvision knows, with its published labels and splits."""

    kind: Literal[
        "cifar10",
        "cifar100",
        "mnist",
        "fashion_mnist",
        "stl10",
        "imagenette",
        "flowers102",
        "oxford_pets",
        "eurosat",
        "lfw_people",
    ]
    root: Place  # the folder that holds the data set in torchvision's layout, or will
    download: bool  # whether to download it if it is missing; torchvision verifies it

    @property
    def name(self) -> str:
        """The prefix of the images' ids."""
        return self.kind


class Folder(Params):
    """A folder of image files, on this machine or in a bucket."""

    kind: Literal["folder"]
    name: Name  # the prefix of the images' ids
    url: Place  # a path, s3://, gs:// or https://
    layout: Layout


class Manifest(Params):
    """A CSV or Parquet file with a column `path`, and the columns `label` and `split` if these are known."""

    kind: Literal["manifest"]
    name: Name
    url: Place  # paths in the manifest are relative to its folder


class Archive(Params):
    """A tar or zip file of images."""

    kind: Literal["archive"]
    name: Name
    url: Place
    sha256: Sha256
    layout: Layout


class ParquetShards(Params):
    """Parquet files in the layout of Hugging Face's image data sets."""

    kind: Literal["parquet"]
    name: Name
    url: Place  # one file, or a folder of files; train-*.parquet and test-*.parquet are those splits
    image: Text  # the column that holds the images
    label: Text | None  # the column that holds the labels


UserSource = Folder | Manifest | Archive | ParquetShards
Source = Annotated[Digits | Published | UserSource, Field(discriminator="kind")]


class Snapshot(Params):
    """The content of the sources when the user accepted them."""

    files: Annotated[int, Field(ge=0, lt=2**63)]
    bytes: Annotated[int, Field(ge=0, lt=2**63)]
    digest: Sha256


class Limits(Params):
    """Limits of one image's size; the pixels are read from its header, before it is decoded."""

    max_pixels: Annotated[int, Field(ge=1, le=10**10)]
    max_bytes: Annotated[int, Field(ge=1, lt=2**31)]  # what Parquet can hold of one image


class Reencode(Params):
    """How larger images are scaled down and encoded anew: lossless formats as PNG, the others as JPEG."""

    max_side: Annotated[int, Field(ge=8, le=2**16 - 1)]  # as JPEG can hold
    jpeg_quality: Annotated[int, Field(ge=1, le=100)]


class Checks(Params):
    """The limits of the checks: which images are left out, and what stops the run."""

    max_unreadable_fraction: Probability  # of the files that should be images
    near_duplicate_bits: Annotated[int, Field(ge=0, le=7)]  # of 64 in perceptual hashes; more is no near copy
    leaked: Literal["drop", "keep"]  # what is to train on and also in the test split
    max_leaked_fraction: Probability  # of the test images that are also trained on
    max_near_leaked_fraction: Probability  # of the test images that nearly equal a training image
    max_withheld_fraction: Probability  # of the unlabelled images, left out since they nearly equal a test image
    max_class_ratio: Positive  # images of the largest class to those of the smallest


class Data(Params):
    """The sources, which are read in this order into one store."""

    sources: Annotated[tuple[Source, ...], Field(strict=False, min_length=1, max_length=1000)]
    snapshot: Snapshot | None
    test_fraction: Share  # of the labelled images whose source has no splits
    seed: Seed
    workers: Workers  # processes that decode and check
    limits: Limits
    reencode: Reencode | None  # None keeps the bytes of every file
    checks: Checks

    @model_validator(mode="after")
    def _check_names_differ(self) -> Self:
        names = [source.name for source in self.sources]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"sources: two are called {show(name)}; images are told apart by their source's name")
        return self


SECTIONS = {"data": Data}
