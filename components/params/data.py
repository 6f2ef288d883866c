"""`data`: which images there are and how they are split."""

from typing import Annotated, Literal

from pydantic import Field

from components.params.base import Params, Seed, Share


class Digits(Params):
    """scikit-learn's handwritten digits, shipped inside the package: nothing is downloaded."""

    kind: Literal["digits"]


class Data(Params):
    """The sources, read in this order into one store."""

    sources: Annotated[tuple[Digits, ...], Field(strict=False, min_length=1)]
    test_fraction: Share
    seed: Seed


Section = Data
