"""Tests the encoders: stems by image size, their arithmetic cost, and the layers that papers and the article print."""

import copy

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from components.encoder.build import build_encoder, count_features
from components.encoder.params import ArticleNetwork, Encoder, TinyResNet, TorchvisionResNet

TINY = TinyResNet(name="tiny_resnet", widths=(16, 16, 32), blocks=1)
ARTICLE = ArticleNetwork(name="article", hidden=20, features=12)
WITHOUT_MEMORY = torch.device("meta")  # shapes and arithmetic only: a ResNet-18 costs nothing


def resnet18(stem: str = "auto") -> TorchvisionResNet:
    return TorchvisionResNet(name="resnet18", stem=stem)


def has_pooling(encoder: nn.Module) -> bool:
    return any(isinstance(module, nn.MaxPool2d) for module in encoder.modules())


def count_giga_multiplications(params: TorchvisionResNet, *, side: int) -> float:
    with WITHOUT_MEMORY, FlopCounterMode(display=False) as counter, torch.no_grad():
        build_encoder(params, channels=3, side=side).eval()(torch.zeros(1, 3, side, side))
    return counter.get_total_flops() / 2e9  # a multiplication and an addition count as two


@pytest.mark.parametrize(("stem", "side"), [("auto", 32), ("auto", 64), ("small", 224)])
def test_small_images_keep_their_pixels_through_the_stem(stem: str, side: int) -> None:
    with WITHOUT_MEMORY:
        encoder = build_encoder(resnet18(stem), channels=3, side=side)
    first = encoder.conv1
    assert (first.kernel_size, first.stride, first.padding) == ((3, 3), (1, 1), (1, 1))
    assert not has_pooling(encoder)


@pytest.mark.parametrize(("stem", "side"), [("auto", 65), ("auto", 224), ("large", 32)])
def test_large_images_get_the_stem_of_imagenet(stem: str, side: int) -> None:
    with WITHOUT_MEMORY:
        encoder = build_encoder(resnet18(stem), channels=3, side=side)
    first = encoder.conv1
    assert (first.kernel_size, first.stride, first.padding) == ((7, 7), (2, 2), (3, 3))
    assert has_pooling(encoder)


def test_resnet18_costs_what_is_known_of_it() -> None:
    """It costs 0.56 GMAC at 32 pixels (13 % more with a stem padded by 2) and 1.81 GMAC at ImageNet's 224."""
    assert count_giga_multiplications(resnet18(), side=32) == pytest.approx(0.5554, rel=0.005)
    assert count_giga_multiplications(resnet18(), side=224) == pytest.approx(1.8136, rel=0.005)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("params", "side", "features"),
    [(TINY, 8, 32), (resnet18("small"), 16, 512), (resnet18("large"), 32, 512), (ARTICLE, 30, 12)],
    ids=["tiny", "small", "large", "article"],
)
def test_gray_and_colour_images_become_one_vector_each(
    params: Encoder, side: int, features: int, channels: int
) -> None:
    with WITHOUT_MEMORY:
        encoder = build_encoder(params, channels=channels, side=side)
        assert count_features(encoder, channels=channels, side=side) == features
        assert encoder(torch.rand(2, channels, side, side)).shape == (2, features)


def test_the_tiny_network_halves_the_side_from_width_to_width_and_has_the_blocks_it_was_asked_for() -> None:
    sizes = []
    encoder = build_encoder(TinyResNet(name="tiny_resnet", widths=(4, 8, 16), blocks=2), channels=1, side=16)
    for layer in encoder:
        layer.register_forward_hook(lambda _, __, output: sizes.append(tuple(output.shape[1:])))
    encoder(torch.rand(2, 1, 16, 16))
    assert sizes[3:9] == [(4, 16, 16)] * 2 + [(8, 8, 8)] * 2 + [(16, 4, 4)] * 2
    assert sizes[-1] == (16,)


@pytest.mark.parametrize(("side", "left"), [(32, 8), (224, 56), (8, 2), (30, 7)])
def test_the_articles_network_is_as_printed_and_takes_what_the_input_leaves(side: int, left: int) -> None:
    """Section 5.2 has 3 -> 64 -> 128 channels, 4096 and 2048 units; its 128 * 6 * 6 fits neither 224 nor 32 pixels."""
    with WITHOUT_MEMORY:
        encoder = build_encoder(ArticleNetwork(name="article", hidden=4096, features=2048), channels=3, side=side)
        assert encoder(torch.rand(2, 3, side, side)).shape == (2, 2048)
    convolutions = [layer for layer in encoder if isinstance(layer, nn.Conv2d)]
    assert [(layer.in_channels, layer.out_channels, layer.kernel_size, layer.padding) for layer in convolutions] == [
        (3, 64, (3, 3), (1, 1)),
        (64, 128, (3, 3), (1, 1)),
    ]
    layers = [(layer.in_features, layer.out_features) for layer in encoder if isinstance(layer, nn.Linear)]
    assert layers == [(128 * left * left, 4096), (4096, 2048)]
    assert [type(layer).__name__ for layer in encoder] == [
        *["Conv2d", "ReLU", "MaxPool2d"] * 2,
        "Flatten",
        *["Linear", "ReLU"] * 2,
    ]


@pytest.mark.parametrize("training", [True, False])
def test_asking_for_the_number_of_features_leaves_the_encoder_as_it_was(training: bool) -> None:
    encoder = build_encoder(TINY, channels=1, side=8).train(training)
    encoder(torch.rand(4, 1, 8, 8))
    before = copy.deepcopy(encoder.state_dict())
    count_features(encoder, channels=1, side=8)
    assert {module.training for module in encoder.modules()} == {training}
    assert all(torch.equal(before[name], tensor) for name, tensor in encoder.state_dict().items())
