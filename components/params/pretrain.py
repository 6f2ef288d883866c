"""`pretrain`: the objective, the network, the two views, the optimiser and the length of a run."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from components.params.base import (
    Count,
    Device,
    Launcher,
    NotNegative,
    Params,
    Positive,
    Probability,
    Seed,
    Share,
)
from components.params.parts.article import ArticleWeights
from components.params.parts.encoder import Encoder
from components.params.parts.optimiser import Optimiser

Interval = Annotated[tuple[NotNegative, NotNegative], Field(strict=False)]
PerChannel = Annotated[tuple[float, ...], Field(strict=False, min_length=1, max_length=4)]


class Images(Params):
    """How an image of the store becomes the network's input: side x side pixels, (x - mean) / std a channel."""

    side: Annotated[int, Field(ge=8)]
    read_side: Annotated[int, Field(ge=8)]  # images are decoded to such a square, and views are cut from it
    mean: PerChannel  # one: gray, two: gray and alpha, three: RGB, four: RGBA
    std: Annotated[tuple[Positive, ...], Field(strict=False, min_length=1, max_length=4)]

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if len(self.mean) != len(self.std):
            raise ValueError("mean and std need one number a channel each")
        if self.read_side < self.side:
            raise ValueError(f"read_side is at least side, {self.side}")
        return self

    @property
    def channels(self) -> int:
        """Number of image channels."""
        return len(self.mean)


class Head(Params):
    """The sizes of BYOL's projector and predictor: hidden layer and output."""

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


class Feed(Params):
    """Where the images are while they are trained on, and who makes the views of them."""

    kind: Literal["auto", "resident", "streaming"]
    resident_share: Share  # of the device's free memory: `auto` is resident while the decoded images take no more
    executor: Literal["batched", "albumentations"]
    workers: Annotated[int, Field(ge=0)]  # processes that decode, when streaming; 0 decodes in the training process
    shuffle_images: Count  # that a worker shuffles at a time, when streaming

    @model_validator(mode="after")
    def _residents_are_batched(self) -> Self:
        if self.kind == "resident" and self.executor == "albumentations":
            raise ValueError("executor: a resident feed makes its views on the device; say batched, or streaming")
        return self


class Watch(Params):
    """What is looked at during the run, and where it is logged."""

    every_epochs: Count
    sample: Annotated[int, Field(ge=2)]  # images, always the same, whose features tell the encoder's health
    collapse: NotNegative  # the run stops when the spread that the objective watches falls below; 0 lets it go on
    knn_queries: Annotated[int, Field(ge=0)]  # held-out train images that an online kNN classifies; 0 leaves it out
    knn_bank: Count  # train images at most that vote
    knn_k: Count
    knn_temperature: Positive
    loggers: Annotated[tuple[Literal["dvclive", "tensorboard"], ...], Field(strict=False)]


class Pretrain(Params):
    """Everything that decides the encoder, given the images."""

    launcher: Launcher
    objective: Literal["byol", "article"]
    seed: Seed
    device: Device
    threads: Count  # of the CPU; their number decides the order of sums, and so the bits
    precision: Literal["auto", "float32", "bfloat16"]
    compile: Literal["auto", "always", "never"]
    checkpoint_seconds: NotNegative  # between two of them
    epochs: Count
    batch_size: Annotated[int, Field(ge=2)]  # over all processes
    tau_base: Probability  # of BYOL
    images: Images
    encoder: Encoder
    head: Head
    article: ArticleWeights
    optimiser: Optimiser
    views: Views
    feed: Feed
    watch: Watch

    @model_validator(mode="after")
    def _can_be_run(self) -> Self:
        if self.feed.executor == "albumentations" and self.images.channels in (2, 4):
            raise ValueError("feed.executor: albumentations would colour alpha too; say batched, or 1 or 3 channels")
        if self.objective == "article" and not any(self.article.model_dump().values()):
            raise ValueError("article: every weight is 0, so there is nothing to learn; say one above 0")
        return self


Section = Pretrain
