"""How a logistic regression is chosen and fitted; the same wherever one is."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from components.stage.types import Params, Positive


class Sweep(Params):
    """Logistic regression with an l2 penalty of 1 / (2 C), where C is chosen from a log scale."""

    c_low: Positive
    c_high: Positive
    c_count: Annotated[int, Field(ge=1, le=1000)]
    max_iterations: Annotated[int, Field(ge=1, le=10**6)]
    tolerance: Positive  # of the gradient's largest entry, per train image

    @model_validator(mode="after")
    def _check_sweep(self) -> Self:
        if self.c_low > self.c_high:
            raise ValueError(f"c_low ({self.c_low:g}) is above c_high ({self.c_high:g})")
        return self
