"""The section `retrain`: what begins a retraining, what its training begins with, and how much old data stays."""

from typing import Annotated, Literal

from pydantic import Field

from components.stage.types import Count, Epochs, NotNegative, Params, Positive, Share


class WarmOptimiser(Params):
    """The keys of `pretrain.optimiser` that a training from the champion has of its own; None: as they are there."""

    learning_rate: Positive | None
    warmup_epochs: NotNegative | None


class Warm(Params):
    """The keys of `pretrain` that a training from the champion has of its own; None: as they are there."""

    epochs: Epochs | None
    tau_base: Annotated[float, Field(ge=0, lt=1)] | None
    optimiser: WarmOptimiser


class Retrain(Params):
    """When a retraining begins, counted from the run that was judged last, with what, and what it leaves."""

    start: Literal["scratch", "champion"]  # scratch: with what `pretrain.start` says
    warm: Warm  # is written over `pretrain` where the training begins with the champion
    new_images: Count  # new, gone or changed images that begin a retraining
    drift_below: Share | None  # with a p-value of drift below this, fewer begin one; None: never
    keep: Count | None  # older versions whose data stay when a night begins; None: those of all
