"""The section `index` of params.yaml: how the images become searchable, and of how many an index is approximate."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from components.features.encoders import ORDER
from components.stage.types import Count, Params, Seed, Workers


class IndexSettings(Params):
    """What is searched exactly, what an approximate index looks through, and how large the map is."""

    encoders: Annotated[tuple[str, ...], Field(strict=False, max_length=1)]  # whose features; none: no stage
    threads: Workers
    seed: Seed
    exact_up_to: Annotated[int, Field(ge=0, le=10**9)]  # images
    lists: Annotated[int, Field(ge=1, le=2**20)]  # into which an approximate index sorts the images
    probes: Annotated[int, Field(ge=1, le=2**20)]  # lists that a search looks through
    sample: Count  # images from which the lists are learned
    candidates: Annotated[int, Field(ge=1, le=1000)]  # per neighbour, that are compared exactly
    queries: Annotated[int, Field(ge=1, le=100_000)]  # images that measure the recall
    map_images: Annotated[int, Field(ge=1, le=5000)]  # that t-SNE places

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name in self.encoders:
            if name not in ORDER:
                raise ValueError(f"encoders: one of {', '.join(ORDER)}, not {name[:40]!r}")
        if self.probes > self.lists:
            raise ValueError(f"probes ({self.probes}) is above lists ({self.lists})")
        return self


SECTIONS = {"index": IndexSettings}
