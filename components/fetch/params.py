"""`data`: which images there are, what may be wrong with them, and how they are split."""

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from components.stage.types import Count, Params, Positive, Probability, Seed, Share

Text = Annotated[str, Field(min_length=1)]


def _is_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", name):
        raise ValueError(f"letters, digits, '_', '-' and '.' only, since images are called NAME/..., not {name!r}")
    return name


def _is_sha256(digest: str) -> str:
    if not re.fullmatch(r"[0-9a-fA-F]{64}", digest):
        raise ValueError(f"64 hexadecimal digits, as `sha256sum` prints them, not {digest!r}")
    return digest.lower()


Name = Annotated[str, AfterValidator(_is_name)]
Sha256 = Annotated[str, AfterValidator(_is_sha256)]
Layout = Literal["classes", "splits", "flat"]  # class a sub-folder; train, test ... with classes inside; no classes


class Digits(Params):
    """scikit-learn's handwritten digits, shipped inside the package: nothing is downloaded."""

    kind: Literal["digits"]

    @property
    def name(self) -> str:
        """What its images' ids begin with."""
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
    root: Text  # the folder that holds it in torchvision's layout, or will
    download: bool  # whether it is fetched where it is not there; torchvision verifies it

    @property
    def name(self) -> str:
        """What its images' ids begin with."""
        return self.kind


class Folder(Params):
    """Image files in a folder, here or in a bucket."""

    kind: Literal["folder"]
    name: Name  # what its images' ids begin with
    url: Text  # a path, s3://, gs:// or https://
    layout: Layout


class Manifest(Params):
    """A CSV or Parquet file with a column `path`, and `label` and `split` where these are known."""

    kind: Literal["manifest"]
    name: Name
    url: Text  # paths in it are relative to its folder


class Archive(Params):
    """A tar or zip file of images."""

    kind: Literal["archive"]
    name: Name
    url: Text
    sha256: Sha256
    layout: Layout


class ParquetShards(Params):
    """Parquet files in the layout of Hugging Face's image data sets."""

    kind: Literal["parquet"]
    name: Name
    url: Text  # one file, or a folder of them; train-*.parquet and test-*.parquet are these splits
    image: Text  # the column of the images
    label: Text | None  # the column of the labels


Own = Folder | Manifest | Archive | ParquetShards
Source = Annotated[Digits | Published | Own, Field(discriminator="kind")]


class Snapshot(Params):
    """What the sources held when that was accepted."""

    files: Annotated[int, Field(ge=0)]
    bytes: Annotated[int, Field(ge=0)]
    digest: Sha256


class Limits(Params):
    """What is too much for one image; read from its header, before it is decoded."""

    max_pixels: Count
    max_bytes: Count


class Reencode(Params):
    """Larger images are scaled down and encoded anew: lossless ones as PNG, the others as JPEG."""

    max_side: Annotated[int, Field(ge=8)]
    jpeg_quality: Annotated[int, Field(ge=1, le=100)]


class Checks(Params):
    """What is looked for among the images, and what stops the run."""

    max_unreadable_fraction: Probability  # of the files that should be images
    near_duplicate_bits: Annotated[int, Field(ge=0, le=7)]  # of the 64 of two perceptual hashes, that may differ
    leaked: Literal["drop", "keep"]  # images to train on that are also in the test split, pixel for pixel
    max_leaked_fraction: Probability  # of the test images
    max_near_leaked_fraction: Probability  # of the test images: nearly the same as an image to train on
    max_class_ratio: Positive  # largest to smallest class


class Data(Params):
    """The sources, read in this order into one store."""

    sources: Annotated[tuple[Source, ...], Field(strict=False, min_length=1)]
    snapshot: Snapshot | None
    test_fraction: Share  # of the labelled images whose source has no splits of its own
    seed: Seed
    workers: Count  # processes that decode and check
    limits: Limits
    reencode: Reencode | None  # None keeps every file's bytes
    checks: Checks

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [source.name for source in self.sources]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"sources: two are called '{name}'; images are told apart by their source's name")
        return self


SECTIONS = {"data": Data}
