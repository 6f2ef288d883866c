"""The section `labels` of params.yaml: whose features are looked at, how labels are judged, and what counts as odd."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from components.features.encoders import ORDER
from components.features.judging.params import Sweep
from components.stage.shown import show
from components.stage.types import Count, Device, Params, Seed, Several, Share, Workers

Deviations = Annotated[float, Field(gt=0, le=1000)]


class Labels(Params):
    """How suspicious labels, outliers and near-duplicates are found."""

    encoders: Annotated[tuple[str, ...], Field(strict=False, max_length=100)]
    seed: Seed
    device: Device
    threads: Workers
    folds: Annotated[int, Field(ge=2, le=100)]
    images: Several  # that each fold's classifier learns from, at most
    classifier: Sweep  # C is the one with the lowest cross-entropy on the first fold
    neighbours: Annotated[int, Field(ge=1, le=1000)]
    outlier: Deviations  # robust standard deviations of the log-distance above its median
    near_duplicate: Share  # of the usual distance between neighbours; a pair that is nearer is nearly the same
    most: Count  # rows of each kind

    @model_validator(mode="after")
    def _check_encoders(self) -> Self:
        for name in self.encoders:
            if name not in ORDER:
                raise ValueError(f"encoders: no encoder is called {show(name)}; there are {', '.join(ORDER)}")
        if len(set(self.encoders)) < len(self.encoders):
            raise ValueError("encoders: each encoder once")
        return self


SECTIONS = {"labels": Labels}
