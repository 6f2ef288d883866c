"""`drift`: how new images are compared with those the encoder is known on. How they are embedded stands in `embed`."""

from typing import Annotated

from pydantic import Field

from components.stage.types import Params, Seed


class Drift(Params):
    """Sizes of the test; its time and memory grow with the square of the images."""

    images: Annotated[int, Field(ge=2, le=5000)]  # of each side at most; 5,000 take 2 GB
    permutations: Annotated[int, Field(ge=99)]  # no p-value is below 1 / (1 + permutations)
    seed: Seed  # of the samples and of the permutations


SECTIONS = {"drift": Drift}
