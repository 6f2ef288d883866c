"""The networks: stems by image size, the arithmetic they cost, heads, and their first weights."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from components.byol.network import build_encoder, build_head, build_online, feature_dimension
from components.model.files import Config, untrained_encoder
from components.params.pretrain import Head, Images, TinyResNet, TorchvisionResNet

TINY = TinyResNet(name="tiny_resnet", widths=(16, 16, 32), blocks=1)
WITHOUT_MEMORY = torch.device("meta")  # shapes and arithmetic only: a ResNet-18 costs nothing
HEAD = Head(hidden=12, out=6)


def resnet18(stem: str = "auto") -> TorchvisionResNet:
    return TorchvisionResNet(name="resnet18", stem=stem)


def pools(encoder: nn.Module) -> bool:
    return any(isinstance(module, nn.MaxPool2d) for module in encoder.modules())


def giga_multiplications(params: TorchvisionResNet, *, side: int) -> float:
    with WITHOUT_MEMORY, FlopCounterMode(display=False) as counter, torch.no_grad():
        build_encoder(params, channels=3, side=side).eval()(torch.zeros(1, 3, side, side))
    return counter.get_total_flops() / 2e9  # a multiplication and an addition count as two


@pytest.mark.parametrize(("stem", "side"), [("auto", 32), ("auto", 64), ("small", 224)])
def test_small_images_keep_their_pixels_through_the_stem(stem: str, side: int) -> None:
    with WITHOUT_MEMORY:
        encoder = build_encoder(resnet18(stem), channels=3, side=side)
    first = encoder.conv1
    assert (first.kernel_size, first.stride, first.padding) == ((3, 3), (1, 1), (1, 1))
    assert not pools(encoder)


@pytest.mark.parametrize(("stem", "side"), [("auto", 65), ("auto", 224), ("large", 32)])
def test_large_images_get_the_stem_of_imagenet(stem: str, side: int) -> None:
    with WITHOUT_MEMORY:
        encoder = build_encoder(resnet18(stem), channels=3, side=side)
    first = encoder.conv1
    assert (first.kernel_size, first.stride, first.padding) == ((7, 7), (2, 2), (3, 3))
    assert pools(encoder)


def test_resnet18_costs_what_is_known_of_it() -> None:
    """0.56 GMAC at 32 pixels (a stem padded by 2 would cost 13 % more), 1.81 at ImageNet's 224."""
    assert giga_multiplications(resnet18(), side=32) == pytest.approx(0.5554, rel=0.005)
    assert giga_multiplications(resnet18(), side=224) == pytest.approx(1.8136, rel=0.005)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("params", "side", "features"),
    [(TINY, 8, 32), (resnet18("small"), 16, 512), (resnet18("large"), 32, 512)],
    ids=["tiny", "small", "large"],
)
def test_gray_and_colour_images_become_one_vector_each(
    params: TinyResNet | TorchvisionResNet, side: int, features: int, channels: int
) -> None:
    with WITHOUT_MEMORY:
        encoder = build_encoder(params, channels=channels, side=side)
        assert feature_dimension(encoder, channels=channels, side=side) == features
        assert encoder(torch.rand(2, channels, side, side)).shape == (2, features)


def test_the_tiny_network_halves_the_side_from_width_to_width_and_has_the_blocks_it_was_asked_for() -> None:
    sizes = []
    encoder = build_encoder(TinyResNet(name="tiny_resnet", widths=(4, 8, 16), blocks=2), channels=1, side=16)
    for layer in encoder:
        layer.register_forward_hook(lambda _, __, output: sizes.append(tuple(output.shape[1:])))
    encoder(torch.rand(2, 1, 16, 16))
    assert sizes[3:9] == [(4, 16, 16)] * 2 + [(8, 8, 8)] * 2 + [(16, 4, 4)] * 2
    assert sizes[-1] == (16,)


def test_heads_are_those_of_the_paper() -> None:
    """Linear with bias, BatchNorm, ReLU, Linear without bias, and no norm behind it."""
    first, norm, relu, last = build_head(10, HEAD)
    assert isinstance(first, nn.Linear)
    assert isinstance(norm, nn.BatchNorm1d)
    assert isinstance(relu, nn.ReLU)
    assert isinstance(last, nn.Linear)
    assert first.weight.shape == (12, 10)
    assert first.bias is not None
    assert last.weight.shape == (6, 12)
    assert last.bias is None
    assert (norm.num_features, norm.momentum, norm.eps, norm.affine) == (12, 0.1, 1e-5, True)


def test_every_norm_of_the_network_forgets_a_tenth_a_batch() -> None:
    with WITHOUT_MEMORY:
        online = build_online(resnet18(), HEAD, channels=3, side=32, seed=0)
    norms = [module for module in online.modules() if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)]
    assert {(norm.momentum, norm.eps) for norm in norms} == {(0.1, 1e-5)}


def test_the_online_network_predicts_from_the_projection() -> None:
    online = build_online(TINY, HEAD, channels=1, side=8, seed=0).eval()
    assert online.projector[0].in_features == 32
    assert online.predictor[0].in_features == HEAD.out
    views = torch.rand(3, 1, 8, 8)
    with torch.no_grad():
        by_hand = online.predictor(online.projector(online.encoder(views)))
        assert online(views).shape == (3, HEAD.out)
        torch.testing.assert_close(online(views), by_hand)
        assert not torch.allclose(by_hand, online.projector(online.encoder(views)))


def test_the_same_seed_gives_the_same_bits_and_another_seed_other_ones() -> None:
    def weights(seed: int) -> dict[str, Tensor]:
        torch.rand(seed + 1)  # whatever was drawn before must not matter
        return build_online(TINY, HEAD, channels=1, side=8, seed=seed).state_dict()

    once, again, other = weights(3), weights(3), weights(4)
    assert all(torch.equal(once[name], again[name]) for name in once)
    assert not torch.equal(once["encoder.0.weight"], other["encoder.0.weight"])
    assert not torch.equal(once["predictor.3.weight"], other["predictor.3.weight"])


def test_the_random_baseline_is_the_encoder_that_training_began_with() -> None:
    """Otherwise the report would compare against another draw of the weights than the one that was trained."""
    images = Images(side=8, read_side=8, mean=(0.5,), std=(0.5,))
    online = build_online(TINY, HEAD, channels=1, side=8, seed=5)
    baseline = untrained_encoder(Config(encoder=TINY, images=images, features=32, seed=5, provenance={}))
    began = online.encoder.state_dict()
    assert all(torch.equal(began[name], tensor) for name, tensor in baseline.state_dict().items())


@pytest.mark.parametrize("training", [True, False])
def test_asking_for_the_number_of_features_leaves_the_encoder_as_it_was(training: bool) -> None:
    encoder = build_encoder(TINY, channels=1, side=8).train(training)
    encoder(torch.rand(4, 1, 8, 8))
    before = copy.deepcopy(encoder.state_dict())
    feature_dimension(encoder, channels=1, side=8)
    assert {module.training for module in encoder.modules()} == {training}
    assert all(torch.equal(before[name], tensor) for name, tensor in encoder.state_dict().items())


def test_signals_neither_die_nor_explode_on_their_way_through_a_fresh_network() -> None:
    online = build_online(TINY, HEAD, channels=1, side=8, seed=0)
    prediction = online(torch.randn(16, 1, 8, 8, generator=torch.Generator().manual_seed(0)))
    assert 0.05 < float(prediction.detach().std(0).mean()) < 20
    prediction.square().mean().backward()
    assert all(parameter.grad.abs().max() > 0 for parameter in online.parameters())
