"""What `pretrain` says of any training: the two views, the optimiser and its learning rate, and how it is computed.

Each objective adds its own settings to these (components/byol/params.py), and so does the stage (pretrain/params.py).
"""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from components.encoder.params import Encoder, Images
from components.stage.types import Count, Device, NotNegative, Params, Positive, Precision, Probability, Seed, Share

Interval = Annotated[tuple[NotNegative, NotNegative], Field(strict=False)]

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


class View(Params):
    """How one view is drawn from an image; a strength of 0 leaves its operation out."""

    crop_area: Interval  # share of the image's area that a crop keeps; [1, 1] keeps all
    crop_ratio: Interval  # width / height of that crop
    flip: Probability
    rotate: NotNegative  # degrees, drawn from +-rotate
    scale: Annotated[float, Field(ge=0, lt=1)]  # size drawn from 1 +- scale
    shift: Probability  # share of the side, drawn from +-shift in x and in y
    shear: Annotated[float, Field(ge=0, lt=80)]  # degrees, drawn from +-shear
    jitter: Probability  # of the four below, in random order
    brightness: NotNegative  # factor drawn from 1 +- brightness; likewise the next two
    contrast: NotNegative
    saturation: NotNegative
    hue: Annotated[float, Field(ge=0, le=0.5)]  # share of the colour circle, drawn from +-hue
    grayscale: Probability
    blur: Probability
    blur_sigma: Interval  # pixels
    solarise: Probability
    solarise_threshold: Probability
    noise: NotNegative  # standard deviation of Gaussian noise, of the range 0..1

    @model_validator(mode="after")
    def _intervals_ascend(self) -> Self:
        for key in ("crop_area", "crop_ratio", "blur_sigma"):
            low, high = getattr(self, key)
            if not 0 < low <= high:
                raise ValueError(f"{key} needs two numbers above 0, the smaller first, not [{low:g}, {high:g}]")
        if self.crop_area[1] > 1:
            raise ValueError(f"crop_area is a share of the image, at most 1, not {self.crop_area[1]:g}")
        return self

    @property
    def colourless(self) -> "View":
        """The same view with the geometry alone, as fine-tuning shows images."""
        return self.model_copy(update=dict.fromkeys(("jitter", "grayscale", "blur", "solarise", "noise"), 0.0))


class Views(Params):
    """The two views are one table and what the second does otherwise."""

    first: View
    second: View  # built from `first` and the differences that the file states

    @model_validator(mode="before")
    @classmethod
    def _second_differs_from_first(cls, raw: Any) -> Any:
        if isinstance(raw, dict) and isinstance(raw.get("second"), dict):
            first = raw.get("first")
            return {**raw, "second": first | raw["second"] if isinstance(first, dict) else first}
        return raw


class Training(Params):
    """What any training is told, whatever its objective."""

    objective: str  # the room of components/ that holds it
    seed: Seed
    device: Device
    threads: Count  # of the CPU; their number decides the order of sums, and so the bits
    precision: Precision
    compile: Literal["auto", "always", "never"]
    epochs: Count
    batch_size: Annotated[int, Field(ge=2)]  # over all processes
    images: Images
    encoder: Encoder
    optimiser: Optimiser
    views: Views
