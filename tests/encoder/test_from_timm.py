"""Models of timm: their input, what they are called, what they may not be told, and what cannot be trained."""

import pytest
import torch
from pydantic import TypeAdapter, ValidationError
from torch import nn

from components.encoder.build import build_encoder, check_features, list_unsaved, plan_encoder
from components.encoder.errors import NetworkError
from components.encoder.from_timm import freeze_patch_embedding
from components.encoder.params import Encoder, TimmNetwork

READ = TypeAdapter(Encoder)
VIT = {"patch_size": 4, "depth": 1}


def timm_network(model: str, frozen: bool = False, **arguments: object) -> TimmNetwork:
    return TimmNetwork(name="timm", model=model, arguments=arguments, frozen_patch_embedding=frozen)


@pytest.mark.parametrize(
    ("model", "arguments", "channels", "side", "features"),
    [
        ("efficientnet_lite0", {}, 1, 32, 1280),
        ("convnext_atto", {"depths": (1, 1, 1, 1)}, 4, 33, 320),
        ("vit_tiny_patch16_224", VIT, 3, 28, 192),
        ("swin_tiny_patch4_window7_224", {"depths": (1, 1, 1, 1)}, 2, 32, 768),
        ("resnet18", {}, 3, 40, 512),
    ],
)
def test_it_takes_images_of_the_side_and_the_channels_that_params_say(
    model: str, arguments: dict[str, object], channels: int, side: int, features: int
) -> None:
    params = timm_network(model, **arguments)
    with torch.device("meta"):
        network = build_encoder(params, channels=channels, side=side)
        assert check_features(network, params, channels=channels, side=side) == features
        assert network(torch.rand(3, channels, side, side)).shape == (3, features)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("efficientnet_lite", "did you mean .*efficientnet_lite0"),
        ("vit_tiny_patch16_224.augreg_in21k", "vit_tiny_patch16_224, not 'vit_tiny_patch16_224.augreg_in21k'"),
        ("hf-hub:timm/resnet18.a1_in1k", "resnet18, not 'hf-hub:timm"),
        ("hf-hub:nobody/nothing", r"timm.list_models\(\)"),
        ("/etc/passwd", "timm has no"),
        ("local-dir:/tmp", "timm has no"),
    ],
)
def test_a_name_that_timm_does_not_have_is_answered_with_one_that_it_has(name: str, said: str) -> None:
    with pytest.raises(NetworkError, match=said) as caught:
        plan_encoder(timm_network(name), channels=3, side=32)
    assert caught.value.locate("pretrain.encoder").startswith("pretrain.encoder.model: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"pretrained": True}, "pretrained: leave it out"),
        ({"checkpoint_path": "weights.pt"}, "checkpoint_path: leave it out"),
        ({"pretrained_cfg": "x"}, "leave it out"),
        ({"cache_dir": "/"}, "leave it out"),
        ({"num_classes": 10}, "features are wanted"),
        ({"img_size": 32}, "pretrain.images.side says it"),
        ({"depth": 100_000}, "depth: at most 200"),
        ({"embed_dim": 10**12}, "embed_dim: at most"),
        ({"drop_rate": float("nan")}, "a finite number"),
        ({"a b": 1}, "not the name of an argument"),
        ({"x": {"y": 1}}, "Input should be"),
    ],
)
def test_an_argument_brings_neither_weights_nor_endless_work(arguments: object, said: str) -> None:
    """config.json comes from others: it must not make timm read a pickle or ask a network."""
    with pytest.raises(ValidationError, match=said):
        READ.validate_python({"name": "timm", "model": "resnet18", "arguments": arguments})


def test_what_is_left_out_is_not_there() -> None:
    read = READ.validate_python({"name": "timm", "model": "resnet18"})
    assert read == timm_network("resnet18")
    assert READ.validate_json(read.model_dump_json()) == read
    listed = timm_network("convnext_atto", depths=(1, 1, 2, 1), drop_path_rate=0.1, conv_mlp=True, act_layer="relu")
    assert READ.validate_json(listed.model_dump_json()) == listed


@pytest.mark.parametrize(
    ("params", "side", "said"),
    [
        (timm_network("resnet18", colour=3), 32, "unexpected keyword argument 'colour'"),
        (timm_network("resnet18", act_layer="no"), 32, "no resnet18 of timm with these arguments"),
        (timm_network("vit_tiny_patch16_224", **VIT), 30, "patches of 4 pixels, which do not fill .* 30"),
        (timm_network("vit_tiny_patch16_224"), 8, "vit_tiny_patch16_224"),
        (timm_network("inception_v3"), 16, "takes no images of 3 channels and 16 x 16 pixels"),
        (timm_network("test_vit", global_pool=""), 32, r"gives \[2, 5, 64\] for 2 images, not \[2, D\]"),
    ],
)
def test_a_network_that_there_cannot_be_is_one_line(params: TimmNetwork, side: int, said: str) -> None:
    with pytest.raises(NetworkError, match=said) as caught:
        check_features(plan_encoder(params, channels=3, side=side), params, channels=3, side=side)
    assert "\n" not in str(caught.value)


def test_a_plan_takes_no_memory_unless_something_is_kept_beside_the_weights() -> None:
    """Positions of windows are computed once and stand in no file: without them a loaded Swin would be broken."""
    plain = plan_encoder(timm_network("vit_tiny_patch16_224", **VIT), channels=3, side=32)
    windows = plan_encoder(timm_network("swin_tiny_patch4_window7_224", depths=(1, 1, 1, 1)), channels=3, side=32)
    assert all(tensor.is_meta for tensor in plain.state_dict().values())
    assert list_unsaved(windows)
    assert not any(tensor.is_meta for tensor in windows.buffers())


def test_the_patch_embedding_is_held_and_nothing_else() -> None:
    with torch.device("meta"):
        network = build_encoder(timm_network("vit_tiny_patch16_224", **VIT), channels=3, side=32)
    freeze_patch_embedding(network, timm_network("vit_tiny_patch16_224"))
    held = {name for name, parameter in network.named_parameters() if not parameter.requires_grad}
    assert held == {"patch_embed.proj.weight", "patch_embed.proj.bias"}
    with pytest.raises(NetworkError, match="no patch embedding; say false"):
        freeze_patch_embedding(nn.Linear(2, 2), timm_network("resnet18"))
