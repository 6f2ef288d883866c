"""The types of `pretrain.encoder` and `pretrain.images`: the networks that params.yaml can name, and their input."""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from components.encoder.channels import HIGHEST, find_coloured, has_alpha
from components.stage.shown import show, show_name
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


Word = Annotated[str, Field(max_length=100)]
Value = bool | int | float | Word
Values = Annotated[tuple[Value, ...], Field(strict=False, max_length=100)]
Arguments = dict[Annotated[str, Field(max_length=100)], Value | Values]

GIVEN = {  # what a network is told by other keys, or what would bring weights, and with them code, from elsewhere
    "channels": "pretrain.images.mean has one number per channel",
    "side": "pretrain.images.side says it",
    "in_chans": "pretrain.images.mean has one number per channel",
    "img_size": "pretrain.images.side says it",
    "num_classes": "it is 0, as features are wanted",
    "features_only": "one vector per image is wanted",
}
FETCHING = re.compile(r"pretrained|checkpoint|cache|url|hub|file")
REPEATING = re.compile(r"depth|layers|blocks")
MOST, MOST_LAYERS = 2**16, 200  # a slip or a damaged file should not build for hours


def _check_arguments(arguments: dict[str, Any]) -> dict[str, Any]:
    for key, value in arguments.items():
        if not key.isidentifier():
            raise ValueError(f"{show_name(key)}: not the name of an argument")
        if key in GIVEN:
            raise ValueError(f"{key}: leave it out: {GIVEN[key]}")
        if FETCHING.search(key):
            raise ValueError(f"{show_name(key)}: leave it out: the weights to begin with are no argument")
        parts = value if isinstance(value, tuple) else (value,)
        most = MOST_LAYERS if REPEATING.search(key) else MOST
        for number in parts:
            if isinstance(number, int | float) and not -most <= number <= most:
                raise ValueError(f"{show_name(key)}: at most {most:,}, not {show(number)}")
    return arguments


def _check_function(path: str) -> str:
    if not re.fullmatch(rf"{re.escape(OWN)}(\.[A-Za-z]\w*){{2,}}", path, re.ASCII):
        raise ValueError(f"a function in a file of components/encoder/own, as {OWN}.mine.build, not {show(path)}")
    return path


OWN = "components.encoder.own"  # the package that networks of the user's own are in, and the only one
Function = Annotated[str, Field(max_length=200), AfterValidator(_check_function)]


class Configurable(Params):
    """A network that is called with arguments; those that are left out are what the called function says."""

    arguments: Annotated[Arguments, Field(max_length=100), AfterValidator(_check_arguments)]

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, raw: Any) -> Any:
        return {"arguments": {}} | raw if isinstance(raw, dict) else raw


class TimmNetwork(Configurable):
    """A model of timm, without its classifier; `arguments` are passed to it, as `patch_size: 4` or `drop_path_rate`."""

    name: Literal["timm"]
    model: Word  # one of timm.list_models()
    frozen_patch_embedding: bool  # a ViT's first layer stays as drawn, as in MoCo v3 (arXiv 2104.02057, section 4.2)

    @model_validator(mode="before")
    @classmethod
    def _leave_free(cls, raw: Any) -> Any:
        return {"frozen_patch_embedding": False} | raw if isinstance(raw, dict) else raw


class OwnNetwork(Configurable):
    """A network of the user's own: `function(channels=, side=, **arguments)` returns it, (B, C, S, S) -> (B, D)."""

    name: Literal["own"]
    function: Function


Encoder = Annotated[
    TinyResNet | TorchvisionResNet | ArticleNetwork | TimmNetwork | OwnNetwork, Field(discriminator="name")
]


def name_network(params: Encoder) -> str:
    """Return what people call the network."""
    match params:
        case TimmNetwork():
            return f"{params.model} of timm"
        case OwnNetwork():
            return params.function
        case _:
            return params.name
