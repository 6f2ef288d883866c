"""The type of `pretrain.continuing`: what keeps the weights that a training begins with from being spoilt by it.

The heads are new and random, and what they ask of the encoder at first is noise, at a rate that was chosen for weights
which have nothing to lose.
"""

from typing import Annotated, Literal

from pydantic import Field

from components.stage.types import NotNegative, Params


class Continuing(Params):
    """The ways of being careful with a start. With 1.0, 0, `batch`, 0.0 and 0 there is none."""

    layer_decay: Annotated[float, Field(ge=0.01, le=1)]  # a layer's rate is that of the next one times this
    frozen_layers: Annotated[int, Field(ge=0, le=10**4)]  # so many layers, from the input, do not learn
    norms: Literal[
        "batch", "frozen"
    ]  # what the encoder's BatchNorms normalise by: each batch, or the start's statistics
    anchor: NotNegative  # alpha of L2-SP, alpha / 2 * |w - w_start|^2 over the encoder's weights (anchor.py)
    head_epochs: Annotated[int, Field(ge=0, le=10**6)]  # so many first epochs train the heads alone
