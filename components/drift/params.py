"""The section `drift` of params.yaml: how new images are compared with the reference; `embed` is how to embed them."""

from typing import Annotated

from pydantic import Field

from components.stage.types import Params, Seed


class Drift(Params):
    """The sizes of the test; its time and memory grow with the square of the images."""

    images: Annotated[int, Field(ge=2, le=5000)]  # of each side at most; 5,000 take 2 GB
    permutations: Annotated[int, Field(ge=99, le=10**6)]  # no p-value is below 1 / (1 + permutations)
    seed: Seed  # of the samples and of the permutations


SECTIONS = {"drift": Drift}
