"""`promote`: what a new encoder must show to take the champion's place; pipelines/retrain/gate.py holds it to that."""

from typing import Annotated

from pydantic import Field

from components.stage.types import NotNegative, Params, Probability, Share

Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")]  # what GTO can make a tag of
Fraction = Annotated[float, Field(ge=-1, le=1)]


class Health(Params):
    """Of an encoder that has not collapsed, whatever its metric says."""

    min_rank_me: NotNegative
    min_z_std: NotNegative


class Data(Params):
    """Of images that can be judged on."""

    max_rejected_fraction: Probability
    max_repeated_fraction: Probability
    max_relabelled_fraction: Probability


class Drift(Params):
    """Of the new images' distribution."""

    hold_below: Share | None


class Promote(Params):
    """The gate."""

    artifact: Name
    stage: Name
    probe: str
    metric: str
    minimal_gain: Fraction
    minimal_gain_low: Fraction
    floor: Probability
    health: Health
    data: Data
    drift: Drift
