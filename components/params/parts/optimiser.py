"""The optimisers that params.yaml can name, and the course of their learning rate."""

from typing import Annotated, Literal

from pydantic import Field

from components.params.base import Count, NotNegative, Params, Positive, Share

Average = Annotated[float, Field(ge=0, lt=1)]  # how much of a moving average is kept at a step


class Cosine(Params):
    """Falls to 0 at the end of the run, along half a cosine."""

    name: Literal["cosine"]


class Constant(Params):
    """Stays as it is."""

    name: Literal["constant"]


class Step(Params):
    """Times `factor` after every so many epochs, counted from the end of the warm-up."""

    name: Literal["step"]
    factor: Share
    every_epochs: Count


Decay = Annotated[Cosine | Constant | Step, Field(discriminator="name")]


class Schedule(Params):
    """Linear warm-up from 0 to learning_rate * batch_size / 256, then the decay."""

    learning_rate: Positive  # of a batch of 256
    weight_decay: NotNegative  # norms and biases are not decayed
    warmup_epochs: NotNegative
    decay: Decay


class Lars(Schedule):
    """You et al., arXiv 1708.03888. Norms and biases are not adapted either."""

    name: Literal["lars"]
    momentum: Average
    trust_coefficient: Positive
    trust_clip: bool  # whether a layer's own rate may never exceed the learning rate


class Sgd(Schedule):
    """With momentum."""

    name: Literal["sgd"]
    momentum: Average


class Adam(Schedule):
    """Kingma & Ba, arXiv 1412.6980. Its weight decay is a part of the gradient, which it then scales: L2."""

    name: Literal["adam"]
    beta1: Average
    beta2: Average


class AdamW(Schedule):
    """Loshchilov & Hutter, arXiv 1711.05101: Adam whose weight decay is apart from the gradient."""

    name: Literal["adamw"]
    beta1: Average
    beta2: Average


class RmsProp(Schedule):
    """Tieleman & Hinton, lecture 6.5 of Coursera's "Neural Networks for Machine Learning" (2012)."""

    name: Literal["rmsprop"]
    smoothing: Average  # of the squared gradients
    momentum: Average


Optimiser = Annotated[Lars | Sgd | Adam | AdamW | RmsProp, Field(discriminator="name")]
