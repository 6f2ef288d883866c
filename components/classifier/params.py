"""The section `classifier` of params.yaml: whether there is one, and how its probabilities are set and judged."""

from typing import Annotated, Literal

from pydantic import Field

from components.stage.types import Params


class Classifier(Params):
    """What is put under a logistic head. How the head is fitted stands in `evaluate`, as it is the logistic probe's."""

    encoders: Annotated[tuple[Literal["byol"], ...], Field(strict=False, max_length=1)]
    folds: Annotated[int, Field(ge=2, le=100)]  # of the train images
    bins: Annotated[int, Field(ge=2, le=1000)]  # of confidence


SECTIONS = {"classifier": Classifier}
