"""Tests that decoders give images of the input's size, whatever it is, with values below 0."""

import pytest
import torch
from torch import Tensor, nn

from components.article.decoder import build_decoder, list_tiny_maps, list_torchvision_maps
from components.encoder.build import build_encoder, count_features
from components.encoder.params import ArticleNetwork, Encoder, TinyResNet, TorchvisionResNet

TINY = TinyResNet(name="tiny_resnet", widths=(4, 8, 12), blocks=1)
ARTICLE = ArticleNetwork(name="article", hidden=20, features=12)
SMALL, LARGE = (TorchvisionResNet(name="resnet18", stem=stem) for stem in ("small", "large"))
WIDE = TorchvisionResNet(name="resnet50", stem="large")
ENCODERS = {"tiny": TINY, "article": ARTICLE, "small": SMALL, "large": LARGE, "wide": WIDE}
WITHOUT_MEMORY = torch.device("meta")


@pytest.mark.parametrize("side", [8, 9, 15, 31, 32, 33, 50, 224])
@pytest.mark.parametrize("channels", [1, 4])
@pytest.mark.parametrize("name", ENCODERS)
def test_an_image_comes_back_at_its_own_size(name: str, channels: int, side: int) -> None:
    """By the article's own sizes, 32 x 32 pixels of CIFAR-10 would come back as 29 x 29."""
    params: Encoder = ENCODERS[name]
    with WITHOUT_MEMORY:
        features = count_features(build_encoder(params, channels=channels, side=side), channels=channels, side=side)
        decoder = build_decoder(params, features=features, channels=channels, side=side)
        assert decoder(torch.rand(2, features)).shape == (2, channels, side, side)


@pytest.mark.parametrize("name", ["tiny", "article"])
def test_what_comes_back_may_be_below_zero(name: str) -> None:
    """A normalised image has values below 0, which a ReLU at the end, as in the article, could never rebuild."""
    params = ENCODERS[name]
    torch.manual_seed(0)
    rebuilt = build_decoder(params, features=12, channels=1, side=8)(torch.rand(16, 12))
    assert rebuilt.min() < 0 < rebuilt.max()


def record_shapes(encoder: nn.Module, kinds: tuple[type[nn.Module], ...], side: int) -> list[tuple[int, int]]:
    """Record the channels and side of the outputs of all modules of these kinds, in order, without repetitions."""
    seen: list[tuple[int, int]] = []

    def record(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if output.ndim == 4:
            seen.append((output.shape[1], output.shape[2]))

    for module in encoder.modules():
        if isinstance(module, kinds):
            module.register_forward_hook(record)
    with torch.no_grad():
        encoder(torch.rand(2, 3, side, side))
    return list(dict.fromkeys(seen))


@pytest.mark.parametrize("side", [33, 50])
@pytest.mark.parametrize("name", ["tiny", "small", "large"])
def test_a_residual_networks_maps_are_mirrored_one_by_one(name: str, side: int) -> None:
    """The decoder's maps are those that the encoder itself gives, odd sides included."""
    params = ENCODERS[name]
    expected = list_tiny_maps(params, side) if isinstance(params, TinyResNet) else list_torchvision_maps(params, side)
    with WITHOUT_MEMORY:
        assert record_shapes(build_encoder(params, channels=3, side=side), (nn.ReLU, nn.MaxPool2d), side) == expected
