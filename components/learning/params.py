"""The settings of `pretrain` that any training needs: views, optimiser, learning rate, and how it is computed.

Each objective adds its own settings to these (components/byol/params.py), and so does the stage
(components/pretrain/params.py).
"""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from components.encoder.params import Encoder, Images
from components.learning.continuing import Continuing
from components.stage.types import (
    Device,
    Epochs,
    NotNegative,
    Params,
    Positive,
    Precision,
    Probability,
    Seed,
    Share,
    Workers,
)

Strength = Annotated[float, Field(ge=0, le=100)]
Interval = Annotated[tuple[Strength, Strength], Field(strict=False)]

Average = Annotated[float, Field(ge=0, lt=1)]  # the share of a moving average that is kept at each step


class Cosine(Params):
    """A decay along half a cosine that reaches 0 at the end of the run."""

    name: Literal["cosine"]


class LateCosine(Params):
    """A learning rate that stays constant for a share of the run, and then decays along half a cosine to 0."""

    name: Literal["late_cosine"]
    hold: Annotated[float, Field(ge=0, lt=1)]  # share of the run's steps, the warm-up included


class Constant(Params):
    """A learning rate that stays constant after the warm-up."""

    name: Literal["constant"]


class Step(Params):
    """A decay that multiplies the rate by `factor` every `every_epochs` epochs, counted from the end of the warm-up."""

    name: Literal["step"]
    factor: Share
    every_epochs: Epochs


Decay = Annotated[Cosine | LateCosine | Constant | Step, Field(discriminator="name")]


class Schedule(Params):
    """A schedule of the learning rate: linear warm-up from 0 to learning_rate * batch_size / 256, then the decay."""

    learning_rate: Positive  # for a batch of 256
    weight_decay: NotNegative  # norms and biases are not decayed
    warmup_epochs: NotNegative
    decay: Decay


class Lars(Schedule):
    """LARS (You et al., arXiv 1708.03888). Norms and biases are neither decayed nor adapted."""

    name: Literal["lars"]
    momentum: Average
    trust_coefficient: Positive
    trust_clip: bool  # whether each layer's own rate is limited to the learning rate


class Sgd(Schedule):
    """Stochastic gradient descent with momentum."""

    name: Literal["sgd"]
    momentum: Average


class Adam(Schedule):
    """Adam (Kingma & Ba, arXiv 1412.6980). The weight decay is L2: added to the gradient, which Adam then scales."""

    name: Literal["adam"]
    beta1: Average
    beta2: Average


class AdamW(Schedule):
    """AdamW (Loshchilov & Hutter, arXiv 1711.05101): Adam whose weight decay is apart from the gradient."""

    name: Literal["adamw"]
    beta1: Average
    beta2: Average


class RmsProp(Schedule):
    """RMSProp (Tieleman & Hinton, lecture 6.5 of Coursera's "Neural Networks for Machine Learning", 2012)."""

    name: Literal["rmsprop"]
    smoothing: Average  # of the squared gradients
    momentum: Average


Optimiser = Annotated[Lars | Sgd | Adam | AdamW | RmsProp, Field(discriminator="name")]


class View(Params):
    """The strengths with which a view is drawn from an image; a strength of 0 leaves its operation out."""

    crop_area: Interval  # share of the image's area that a crop keeps; [1, 1] keeps all
    crop_ratio: Interval  # width / height of that crop
    flip: Probability
    rotate: Annotated[float, Field(ge=0, le=360)]  # degrees, drawn from +-rotate
    scale: Annotated[float, Field(ge=0, lt=1)]  # size drawn from 1 +- scale
    shift: Probability  # share of the side, drawn from +-shift in x and in y
    shear: Annotated[float, Field(ge=0, lt=80)]  # degrees, drawn from +-shear
    jitter: Probability  # of applying the four operations below, in random order
    brightness: Strength  # factor drawn from 1 +- brightness; contrast and saturation likewise
    contrast: Strength
    saturation: Strength
    hue: Annotated[float, Field(ge=0, le=0.5)]  # share of the colour circle, drawn from +-hue
    grayscale: Probability
    blur: Probability
    blur_sigma: Interval  # pixels
    solarise: Probability
    solarise_threshold: Probability
    noise: Strength  # standard deviation of Gaussian noise on pixels in 0..1

    @model_validator(mode="after")
    def _check_intervals(self) -> Self:
        for key in ("crop_area", "crop_ratio", "blur_sigma"):
            low, high = getattr(self, key)
            if not 0 < low <= high:
                raise ValueError(f"{key} needs two numbers above 0, the smaller first, not [{low:g}, {high:g}]")
        if self.crop_area[1] > 1:
            raise ValueError(f"crop_area is a share of the image, at most 1, not {self.crop_area[1]:g}")
        return self

    @property
    def colourless(self) -> "View":
        """The same view with its geometry alone, by which fine-tuning shows images."""
        return self.model_copy(update=dict.fromkeys(("jitter", "grayscale", "blur", "solarise", "noise"), 0.0))


class TargetView(View):
    """A view that the target network alone sees."""

    count: Annotated[int, Field(ge=1, le=100)]  # of such views per image


class Views(Params):
    """The views: the first is stated in full, the others by their differences from the first.

    The online network sees `first` and `second` by turns, `online` views in all. The target network sees the same
    views, or views of its own, if there is a `target`.
    """

    online: Annotated[int, Field(ge=2, le=100)]
    first: View
    second: View  # built from `first` and the differences that params.yaml states, like `target`
    target: TargetView | None

    @model_validator(mode="before")
    @classmethod
    def _complete_others(cls, raw: Any) -> Any:
        if not isinstance(raw, dict) or not isinstance(first := raw.get("first"), dict):
            return raw
        return raw | {key: first | raw[key] for key in ("second", "target") if isinstance(raw.get(key), dict)}

    def list_online(self) -> list[View]:
        """List the views that the online network sees of each image."""
        return [(self.first, self.second)[number % 2] for number in range(self.online)]

    def list_target(self) -> list[View]:
        """List the views that the target network alone sees of each image."""
        return [self.target] * self.target.count if self.target else []


class Training(Params):
    """The settings of any training, whatever its objective."""

    objective: Annotated[str, Field(max_length=100)]  # the name of its room in components/
    seed: Seed
    device: Device
    threads: Workers  # CPU threads; their number decides the order of sums, and so the bits
    precision: Precision
    compile: Literal["auto", "always", "never"]
    deterministic: bool  # whether a seed gives the same bits on CUDA too; on a CPU it always does
    epochs: Epochs
    batch_size: Annotated[int, Field(ge=2, le=10**6)]  # over all processes
    accumulate: Annotated[int, Field(ge=1, le=10**6)]  # parts in which each process computes its images of a batch
    images: Images
    encoder: Encoder
    optimiser: Optimiser
    continuing: Continuing
    views: Views

    @model_validator(mode="after")
    def _check_head_epochs(self) -> Self:
        if self.continuing.head_epochs >= self.epochs:
            raise ValueError(
                f"continuing.head_epochs: {self.continuing.head_epochs} of {self.epochs} leave the encoder none; "
                f"at most {self.epochs - 1}"
            )
        return self

    @model_validator(mode="after")
    def _check_parts(self) -> Self:
        if not fits_batch(self.accumulate, self.batch_size):
            fitting = [parts for parts in range(1, self.batch_size) if fits_batch(parts, self.batch_size)]
            near = next((parts for parts in fitting if parts > self.accumulate), fitting[-1])
            raise ValueError(
                f"accumulate: {self.accumulate} does not cut batch_size: {self.batch_size} into equal parts of two "
                f"images or more, as {near} would"
            )
        return self


def fits_batch(parts: int, batch_size: int) -> bool:
    """Whether a batch can be cut into so many equal parts of two images or more, which BatchNorm needs."""
    return batch_size % parts == 0 and batch_size // parts >= 2
