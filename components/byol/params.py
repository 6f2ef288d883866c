"""The settings that BYOL adds to `pretrain`: its two heads and the decay of its moving average."""

from typing import Annotated

from pydantic import Field

from components.learning.params import Training
from components.stage.types import Params, Probability, Width


class Head(Params):
    """The sizes of the hidden layer and the output of BYOL's projector and predictor."""

    hidden: Width
    out: Annotated[int, Field(ge=2, le=2**16)]


class ByolSettings(Training):
    """All settings of a training with BYOL."""

    head: Head
    tau_base: Probability  # decay of the target's moving average at the first step
    tau_hold: Probability  # share of the run for which tau stays there, before it rises to 1 along half a cosine


OBJECTIVE = ByolSettings
