"""A start is fitted to the network tensor by tensor, what is adapted as timm adapts it, and all of it is told."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import torchvision
from timm.layers import resample_abs_pos_embed
from timm.models._manipulate import adapt_input_conv
from torch import Tensor, nn

from components.encoder.build import build_encoder
from components.encoder.params import TorchvisionResNet
from components.pretrain.loop import remember
from components.pretrain.start.adapt import adapt_stem
from components.pretrain.start.file import list_named
from components.pretrain.start.fit import fit
from components.stage.errors import InputError
from tests.pretrain.start.files import build_tiny, draw_weights
from tests.pretrain.tiny import PretrainWith, begin_training
from tests.small import make_settings


def plan_resnet(name: str = "resnet18", *, side: int = 128, channels: int = 3) -> nn.Module:
    params = TorchvisionResNet.model_validate({"name": name, "stem": "auto"})
    with torch.device("meta"):
        return build_encoder(params, channels=channels, side=side)


def fit_it(network: nn.Module, found: Any, *, channels: int = 3) -> tuple[dict[str, Tensor], str]:
    """Fit what a file holds; the notes are one text."""
    weights, notes = fit(network, dict(list_named(Path("f"), found)), channels=channels, source="f")
    return weights, "\n".join(notes)


@pytest.fixture(scope="module")
def resnet() -> dict[str, Tensor]:
    return dict(torchvision.models.resnet18().state_dict())


def test_the_same_network_is_taken_whole_but_for_its_head(resnet: dict[str, Tensor]) -> None:
    weights, said = fit_it(plan_resnet(), resnet)
    assert weights.keys() == resnet.keys() - {"fc.weight", "fc.bias"}
    assert all(torch.equal(tensor, resnet[name]) for name, tensor in weights.items()), "running statistics as well"
    assert said == (
        "taken: conv1.weight, bn1.*: 4 tensors, layer1.*: 20 tensors, layer2.*: 25 tensors, layer3.*: 25 tensors, "
        "layer4.*: 25 tensors\nleft, a head: fc.*: 2 tensors"
    )


def put_under(*prefixes: str) -> Callable[[dict[str, Tensor]], dict[str, Tensor]]:
    """Name weights by each of the prefixes; those of the first are the original ones."""

    def put(weights: dict[str, Tensor]) -> dict[str, Tensor]:
        placed = [(place, prefix, name) for place, prefix in enumerate(prefixes) for name in weights]
        return {f"{prefix}{name}": weights[name] + place for place, prefix, name in placed}

    return put


def put_into_dino(weights: dict[str, Tensor]) -> dict[str, Any]:
    student = {f"module.backbone.{name}": tensor + 1 for name, tensor in weights.items()}
    return {"student": student, "teacher": put_under("backbone.")(weights)}


def put_into_state(*prefixes: str) -> Callable[[dict[str, Tensor]], dict[str, Any]]:
    return lambda weights: {"epoch": 3, "state_dict": put_under(*prefixes)(weights)}


WRAPPED: dict[str, tuple[Callable[[dict[str, Tensor]], Any], str]] = {
    "a state_dict": (put_into_state(""), "state_dict."),
    "DistributedDataParallel": (put_under("module."), "module."),
    "torch.compile": (lambda weights: {"model": put_under("_orig_mod.")(weights)}, "model._orig_mod."),
    "MoCo": (put_into_state("module.encoder_q.", "module.encoder_k."), "state_dict.module.encoder_q."),
    "BYOL": (put_under("online_encoder.net.", "target_encoder.net."), "online_encoder.net."),
    "DINO": (put_into_dino, "teacher.backbone."),
    "solo-learn": (put_into_state("backbone.", "momentum_backbone."), "state_dict.backbone."),
}


@pytest.mark.parametrize("kind", WRAPPED)
def test_weights_are_found_where_others_put_them(kind: str, resnet: dict[str, Tensor]) -> None:
    """Of a network and its moving average it is that which its authors evaluate."""
    wrap, prefix = WRAPPED[kind]
    weights, said = fit_it(plan_resnet(), wrap(resnet))
    assert torch.equal(weights["layer4.0.conv1.weight"], resnet["layer4.0.conv1.weight"])
    assert f" from `{prefix}`" in said


def test_a_network_that_was_numbered_is_found(resnet: dict[str, Tensor]) -> None:
    """As lightly's examples make a backbone."""
    network = torchvision.models.resnet18()
    network.load_state_dict(resnet)
    backbone = nn.Sequential(*list(network.children())[:-1]).state_dict()
    weights, _ = fit_it(plan_resnet(), put_under("backbone.", "backbone_momentum.")(backbone))
    assert torch.equal(weights["layer4.0.conv1.weight"], resnet["layer4.0.conv1.weight"])
    assert len(weights) == 120


def test_other_names_for_the_same_convolutions_are_taken_by_their_order(resnet: dict[str, Tensor]) -> None:
    renamed = {re.sub("layer", "stage", re.sub("conv", "cnv", name)): tensor for name, tensor in resnet.items()}
    weights, said = fit_it(plan_resnet(), renamed)
    assert torch.equal(weights["layer4.0.conv1.weight"], resnet["layer4.0.conv1.weight"])
    assert "the file has other names, cnv1.weight for conv1.weight: taken by their order and shapes" in said


def test_the_encoder_in_a_checkpoint_of_this_project_is_found(pretrain_with: PretrainWith) -> None:
    state, _ = begin_training(pretrain_with())
    with torch.no_grad():
        for parameter in state.objective.networks["target"].parameters():
            parameter.add_(1)
    weights, said = fit_it(build_tiny(), {"state": remember(state)}, channels=1)
    assert torch.equal(weights["0.weight"], state.objective.encoder.state_dict()["0.weight"])
    assert "from `state.objective.online.encoder.`" in said


@pytest.mark.parametrize("channels", [1, 2, 4, 13])
def test_a_stem_of_other_channels_is_adapted_as_timm_does_it(channels: int, resnet: dict[str, Tensor]) -> None:
    weights, said = fit_it(plan_resnet(channels=channels), resnet, channels=channels)
    torch.testing.assert_close(weights["conv1.weight"], adapt_input_conv(channels, resnet["conv1.weight"]))
    assert f"adapted: conv1.weight, from 3 channels to {channels}, " in said


@pytest.mark.parametrize(("before", "after"), [(1, 3), (13, 3), (2, 5)])
def test_gray_in_each_channel_gives_about_the_same_whatever_the_channels(before: int, after: int) -> None:
    """A stem that saw the same value in all channels answers alike to images of other channels."""
    weight = torch.rand(4, 1, 3, 3).expand(4, before, 3, 3)
    torch.testing.assert_close(adapt_stem(weight, after).sum(1), weight.sum(1))


def test_positions_are_scaled_as_timm_does_it() -> None:
    whole = timm.create_model("vit_tiny_patch16_224", embed_dim=24, depth=1, num_heads=3).state_dict()
    network = timm.create_model("vit_tiny_patch16_224", embed_dim=24, depth=1, num_heads=3, img_size=64, num_classes=0)
    weights, said = fit_it(network, whole)
    torch.testing.assert_close(weights["pos_embed"], resample_abs_pos_embed(whole["pos_embed"], [4, 4]))
    assert "adapted: pos_embed, scaled from 14 x 14 to 4 x 4 places" in said


def test_a_small_stem_is_drawn_anew_and_that_is_said(resnet: dict[str, Tensor]) -> None:
    weights, said = fit_it(plan_resnet(side=32), resnet)
    assert "conv1.weight" not in weights
    assert "left, and drawn at random: conv1.weight; conv1.weight is [64, 3, 7, 7] there and [64, 3, 3, 3] here" in said


def test_a_layer_that_the_file_lacks_is_named(resnet: dict[str, Tensor]) -> None:
    del resnet["layer1.0.bn1.weight"]
    assert "drawn at random, as the file has none: layer1.0.bn1.weight" in fit_it(plan_resnet(), resnet)[1]


@pytest.mark.parametrize(
    ("ours", "theirs", "said"),
    [
        ("resnet34", "resnet18", r"52 % of its numbers are there, of 90%.*; expected conv1\.weight \[64, 3, 7, 7\]"),
        ("resnet18", "resnet34", r"further layers, layer1\.\*: 12 tensors.*another network"),
        ("resnet18", "resnet50", r"layer1\.0\.conv1\.weight is \[64, 64, 1, 1\] there and \[64, 64, 3, 3\] here"),
        ("resnet18", "squeezenet1_1", r"0 % of its numbers are there.*found features\.0\.weight \[64, 3, 3, 3\]"),
    ],
)
def test_another_network_is_one_line_with_what_was_expected_and_found(ours: str, theirs: str, said: str) -> None:
    with torch.device("meta"):
        found = torchvision.models.get_model(theirs).state_dict()
    found = {name: torch.zeros(tensor.shape, dtype=tensor.dtype) for name, tensor in found.items()}
    with pytest.raises(InputError, match=f"f: does not fit pretrain.encoder: .*{said}") as error:
        fit_it(plan_resnet(ours), found)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_other_floats_are_converted(dtype: torch.dtype) -> None:
    stored = {name: tensor.to(dtype) for name, tensor in draw_weights().items() if tensor.is_floating_point()}
    weights, said = fit_it(build_tiny(), stored, channels=1)
    assert all(torch.equal(weights[name], tensor.float()) for name, tensor in stored.items())
    assert f"converted to float32: 30 of {str(dtype).removeprefix('torch.')}" in said


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("3.conv1.weight", lambda tensor: tensor * float("nan"), "not finite"),
        ("1.running_mean", lambda tensor: tensor / 0, "not finite"),
        ("1.bias", lambda tensor: tensor.double() + 1e300, "not finite"),
        ("1.running_var", lambda tensor: -tensor, "a variance below 0"),
        ("3.conv1.weight", lambda tensor: tensor.to(torch.int8), "numbers of int8, as of a quantised network"),
        ("3.conv1.weight", lambda tensor: tensor.to(torch.complex64), "numbers of complex64"),
    ],
)
def test_numbers_that_no_network_has_are_refused(name: str, change: Callable[[Tensor], Tensor], said: str) -> None:
    weights = draw_weights()
    weights[name] = change(weights[name])
    with pytest.raises(InputError, match=f"f: {re.escape(name)} holds .*{said}"):
        fit_it(build_tiny(), weights, channels=1)


def test_names_in_a_file_do_no_harm_to_a_terminal() -> None:
    whole = draw_weights() | {"\x1b[2Jextra\n": torch.zeros(3)}
    assert fit_it(build_tiny(), whole, channels=1)[1].count("\n") == 1
    assert make_settings().start.kind == "none", "the shipped params.yaml begins at random"


def test_a_stem_that_sees_no_channel_is_left() -> None:
    """There is nothing in it to repeat."""
    weights = draw_weights() | {"0.weight": torch.zeros(8, 0, 3, 3)}
    taken, said = fit_it(build_tiny(channels=3), weights)
    assert "0.weight" not in taken
    assert "left, and drawn at random: 0.weight; 0.weight is [8, 0, 3, 3] there and [8, 3, 3, 3] here" in said
