"""The section `promote`: what a challenger must show to replace the champion; pipelines/retrain/gate.py checks it."""

from typing import Annotated

from pydantic import Field

from components.stage.types import NotNegative, Params, Probability, Share

Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", max_length=100)]  # GTO makes a Git tag of it
Text = Annotated[str, Field(min_length=1, max_length=100)]
Fraction = Annotated[float, Field(ge=-1, le=1)]


class Health(Params):
    """The limits below which an encoder counts as collapsed, whatever its metric says."""

    min_rank_me: NotNegative
    min_z_std: NotNegative


class Data(Params):
    """The limits above which the images are not fit to judge an encoder on."""

    max_rejected_fraction: Probability
    max_repeated_fraction: Probability
    max_relabelled_fraction: Probability


class Drift(Params):
    """The p-value of drift in the new images below which a promotion is held."""

    hold_below: Share | None


class Promote(Params):
    """The conditions of the gate that a challenger must pass."""

    artifact: Name
    stage: Name
    probe: Text
    metric: Text
    champion_within: Probability
    start_within: Probability | None
    minimal_gain: Fraction
    minimal_gain_low: Fraction
    floor: Probability
    health: Health
    data: Data
    drift: Drift
