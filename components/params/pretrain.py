"""`pretrain`: the network, the two views, the optimiser and the length of a BYOL run."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from components.params.base import Count, Counts, Device, NotNegative, Params, Positive, Probability, Seed

Interval = Annotated[tuple[NotNegative, NotNegative], Field(strict=False)]
PerChannel = Annotated[tuple[float, ...], Field(strict=False, min_length=1, max_length=4)]
PositivePerChannel = Annotated[tuple[Positive, ...], Field(strict=False, min_length=1, max_length=4)]


class Images(Params):
    """How an image of the store becomes the network's input: side x side pixels, (x - mean) / std a channel."""

    side: Annotated[int, Field(ge=8)]
    mean: PerChannel
    std: PositivePerChannel

    @model_validator(mode="after")
    def _one_std_a_mean(self) -> Self:
        if len(self.mean) != len(self.std):
            raise ValueError("mean and std need one number a channel each")
        if len(self.mean) not in (1, 3):
            raise ValueError("one channel (grayscale) or three (RGB)")
        return self

    @property
    def channels(self) -> int:
        """Number of image channels."""
        return len(self.mean)


class TinyResNet(Params):
    """A ResNet for images of a few pixels: one stage a width, `blocks` basic blocks in each."""

    name: Literal["tiny_resnet"]
    widths: Counts
    blocks: Count


class TorchvisionResNet(Params):
    """One of torchvision's; small stem: 3x3, stride 1, no max-pool. `auto` is small at 64 pixels and below."""

    name: Literal["resnet18", "resnet34", "resnet50", "resnet101", "resnet152"]
    stem: Literal["auto", "small", "large"]


class Head(Params):
    """The sizes of projector and predictor: hidden layer and output."""

    hidden: Count
    out: Annotated[int, Field(ge=2)]


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


class Optimiser(Params):
    """Linear warm-up from 0, then a cosine to 0. Norms and biases are not decayed."""

    name: Literal["adamw", "sgd"]
    learning_rate: Positive
    momentum: Annotated[float, Field(ge=0, lt=1)]  # SGD's momentum; AdamW's beta1
    weight_decay: NotNegative
    warmup_epochs: NotNegative


class Pretrain(Params):
    """Everything that decides the encoder, given the images."""

    seed: Seed
    device: Device
    threads: Count  # of the CPU; their number decides the order of sums, and so the bits
    epochs: Count
    batch_size: Annotated[int, Field(ge=2)]
    tau_base: Probability
    images: Images
    encoder: Annotated[TinyResNet | TorchvisionResNet, Field(discriminator="name")]
    head: Head
    optimiser: Optimiser
    views: Views


Section = Pretrain
