"""The types of `pretrain.encoder` and `pretrain.images`: the networks that params.yaml can name, and their input."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from components.encoder.channels import HIGHEST, find_coloured, has_alpha
from components.stage.types import Params, Width

MOST_CHANNELS = 1024
Side = Annotated[int, Field(ge=8, le=4096)]  # pixels
Statistic = Annotated[float, Field(ge=-1e6, le=1e6)]
Deviation = Annotated[float, Field(ge=1e-6, le=1e6)]
Level = Annotated[int, Field(ge=0, le=HIGHEST)]
Channel = Annotated[int, Field(ge=0, lt=MOST_CHANNELS)]


class Images(Params):
    """The network's input, made from an image of the store: side x side pixels; (x - mean) / std per channel."""

    side: Side
    read_side: Side  # of the square to which images are decoded, and from which views are cut
    range: Annotated[tuple[Level, Level], Field(strict=False)] | None  # become 0 and 1; None: 8 bits, 0 and 255
    colours: Annotated[tuple[Channel, ...], Field(strict=False, max_length=3)] | None  # components/encoder/channels.py
    mean: Annotated[tuple[Statistic, ...], Field(strict=False, min_length=1, max_length=MOST_CHANNELS)]
    std: Annotated[tuple[Deviation, ...], Field(strict=False, min_length=1, max_length=MOST_CHANNELS)]

    @model_validator(mode="after")
    def _check_sizes(self) -> Self:
        if len(self.mean) != len(self.std):
            raise ValueError("mean and std need one number per channel")
        if self.read_side < self.side:
            raise ValueError(f"read_side is at least side, {self.side}")
        return self

    @model_validator(mode="after")
    def _check_pixels(self) -> Self:
        if self.range and self.range[0] >= self.range[1]:
            raise ValueError(f"range needs two different numbers, the smaller first, not {list(self.range)}")
        if self.colours is None:
            return self
        if len(self.colours) == 2 or len(set(self.colours)) < len(self.colours):
            raise ValueError(
                "colours needs the numbers of three different channels: red, green and blue; or that of a gray one; or "
                f"none, []; not {list(self.colours)}"
            )
        if max(self.colours, default=0) >= self.channels:
            last = self.channels - 1
            raise ValueError(f"colours names channel {max(self.colours)}, but mean has channels 0 to {last}")
        return self

    @property
    def channels(self) -> int:
        """The number of image channels."""
        return len(self.mean)

    @property
    def deep(self) -> bool:
        """Whether pixels keep the values of their file, up to 16 bits, and are not brought to 8 bits."""
        return self.range is not None

    @property
    def limits(self) -> tuple[int, int]:
        """The pixel values that become 0 and 1."""
        return self.range or (0, 255)

    @property
    def coloured(self) -> tuple[int, ...]:
        """The channels that have a colour."""
        return find_coloured(self.channels, self.colours)

    @property
    def alpha(self) -> bool:
        """Whether the last channel is alpha."""
        return has_alpha(self.channels, self.colours)


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
