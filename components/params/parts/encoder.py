"""The encoders that params.yaml can name."""

from typing import Annotated, Literal

from pydantic import Field

from components.params.base import Count, Counts, Params


class TinyResNet(Params):
    """A ResNet for images of a few pixels: one stage a width, `blocks` basic blocks in each."""

    name: Literal["tiny_resnet"]
    widths: Counts
    blocks: Count


class TorchvisionResNet(Params):
    """One of torchvision's; small stem: 3x3, stride 1, no max-pool. `auto` is small at 64 pixels and below."""

    name: Literal["resnet18", "resnet34", "resnet50", "resnet101", "resnet152"]
    stem: Literal["auto", "small", "large"]


class ArticleNetwork(Params):
    """The article's own (section 5.2): two convolutions with pooling, then two layers of these sizes."""

    name: Literal["article"]
    hidden: Count
    features: Count


Encoder = Annotated[TinyResNet | TorchvisionResNet | ArticleNetwork, Field(discriminator="name")]
