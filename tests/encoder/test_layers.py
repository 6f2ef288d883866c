"""An encoder's layers: a learning rate per layer, or frozen layers, reach every tensor once, in the right order."""

import pytest
import torch
from torch import Tensor, nn

from components.encoder.build import build_encoder
from components.encoder.layers import list_layers
from components.encoder.params import ArticleNetwork, TinyResNet, TorchvisionResNet


def name_layers(encoder: nn.Module) -> list[str]:
    """Name each layer after its first tensor, once it is sure that every tensor is in one layer."""
    layers = list_layers(encoder)
    assert sorted(name for layer in layers for name in layer) == sorted(encoder.state_dict())
    return [layer[0] for layer in layers]


def test_a_resnet_has_its_stem_and_its_blocks_as_layers() -> None:
    with torch.device("meta"):
        tiny = build_encoder(TinyResNet(name="tiny_resnet", widths=(4, 8), blocks=2), channels=1, side=8)
        large = build_encoder(TorchvisionResNet(name="resnet18", stem="auto"), channels=3, side=32)
        article = build_encoder(ArticleNetwork(name="article", hidden=8, features=4), channels=1, side=8)
    blocks = [f"layer{stage}.{block}.conv1.weight" for stage in (1, 2, 3, 4) for block in (0, 1)]
    assert name_layers(large) == ["conv1.weight", *blocks]
    assert name_layers(tiny) == ["0.weight", *(f"{number}.conv1.weight" for number in (3, 4, 5, 6))]
    assert "1.running_mean" in list_layers(tiny)[0], "the stem's norm, with its buffers"
    assert name_layers(article) == ["0.weight", "3.weight", "7.weight", "9.weight"]


class Own(nn.Module):
    """A network with a parameter of its own, a list of blocks, and a norm."""

    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.zeros(4))
        self.first = nn.Conv2d(1, 4, 3)
        self.blocks = nn.ModuleList([nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)), nn.Conv2d(4, 4, 1)])
        self.last = nn.LayerNorm(4)

    def forward(self, images: Tensor) -> Tensor:  # noqa: D102
        return images.mean((2, 3))


def test_any_other_network_has_its_children_as_layers() -> None:
    expected = [["token", "first.weight", "first.bias"], ["blocks.0.0.weight", "blocks.0.0.bias"]]
    layers = list_layers(Own())
    assert layers[0] == expected[0]
    assert layers[1][:2] == expected[1]
    assert layers[1][2] == "blocks.0.1.weight"
    assert layers[2] == ["blocks.1.weight", "blocks.1.bias", "last.weight", "last.bias"]
    assert sum(len(layer) for layer in layers) == len(Own().state_dict())
    assert list_layers(nn.Flatten()) == []


@pytest.mark.parametrize(
    ("model", "first", "second", "count"),
    [
        ("efficientnet_lite0", "conv_stem.weight", "blocks.0.0.conv_dw.weight", 17),
        ("vit_tiny_patch16_224", "cls_token", "blocks.0.norm1.weight", 13),
    ],
)
def test_a_network_of_timm_has_the_layers_that_timm_names(model: str, first: str, second: str, count: int) -> None:
    import timm

    with torch.device("meta"):
        encoder = timm.create_model(model, num_classes=0)
    names = name_layers(encoder)
    assert (names[0], names[1], len(names)) == (first, second, count)
