"""`data`: which images there are and how they are split."""

from typing import Annotated, Literal

from pydantic import Field

from components.params.base import Params, Seed, Share


class Digits(Params):
    """scikit-learn's handwritten digits, shipped inside the package: nothing is downloaded."""

    kind: Literal["digits"]


class Named(Params):
    """A data set that torchvision knows: train and test splits as published, both with labels."""

    kind: Literal["cifar10", "imagenette"]
    root: Annotated[str, Field(min_length=1)]  # the folder that holds it in torchvision's layout, or will
    download: bool  # whether it is fetched where it is not there; torchvision verifies it


Source = Annotated[Digits | Named, Field(discriminator="kind")]


class Data(Params):
    """The sources, read in this order into one store."""

    sources: Annotated[tuple[Source, ...], Field(strict=False, min_length=1)]
    test_fraction: Share
    seed: Seed


Section = Data
