"""The types of `pretrain.encoder` and `pretrain.images`: the networks that params.yaml can name, and their input."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from components.stage.types import Params, Width

Side = Annotated[int, Field(ge=8, le=4096)]  # pixels
Statistic = Annotated[float, Field(ge=-1e6, le=1e6)]
Deviation = Annotated[float, Field(ge=1e-6, le=1e6)]
PerChannel = Annotated[tuple[Statistic, ...], Field(strict=False, min_length=1, max_length=4)]


class Images(Params):
    """The network's input, made from an image of the store: side x side pixels; (x - mean) / std per channel."""

    side: Side
    read_side: Side  # of the square to which images are decoded, and from which views are cut
    mean: PerChannel  # one number: gray, two: gray and alpha, three: RGB, four: RGBA
    std: Annotated[tuple[Deviation, ...], Field(strict=False, min_length=1, max_length=4)]

    @model_validator(mode="after")
    def _check_sizes(self) -> Self:
        if len(self.mean) != len(self.std):
            raise ValueError("mean and std need one number per channel")
        if self.read_side < self.side:
            raise ValueError(f"read_side is at least side, {self.side}")
        return self

    @property
    def channels(self) -> int:
        """The number of image channels."""
        return len(self.mean)


class TinyResNet(Params):
    """A ResNet for images of a few pixels: one stage per width, with `blocks` basic blocks in each."""

    name: Literal["tiny_resnet"]
    widths: Annotated[tuple[Width, ...], Field(strict=False, min_length=1, max_length=16)]
    blocks: Annotated[int, Field(ge=1, le=100)]


class TorchvisionResNet(Params):
    """A ResNet of torchvision. The small stem is 3x3, stride 1, without max-pool; `auto` takes it up to 64 pixels."""

    name: Literal["resnet18", "resnet34", "resnet50", "resnet101", "resnet152"]
    stem: Literal["auto", "small", "large"]


class ArticleNetwork(Params):
    """The article's network (section 5.2): two convolutions with pooling, then two layers of these sizes."""

    name: Literal["article"]
    hidden: Width
    features: Width


Encoder = Annotated[TinyResNet | TorchvisionResNet | ArticleNetwork, Field(discriminator="name")]
