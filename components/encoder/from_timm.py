"""Builds any model of timm without its classifier (Wightman, https://github.com/huggingface/pytorch-image-models).

The model is timm's own, so that its tensors have timm's names. It is never told to bring weights, so nothing is read
from a disk or a network. timm takes seconds to import, so it is imported only when it is needed.
B images, C channels, S pixels per side, D features.
"""

import difflib
from typing import Any

from torch import nn

from components.encoder.errors import NetworkError, explain
from components.encoder.params import TimmNetwork
from components.stage.shown import show


def build_timm_network(params: TimmNetwork, *, channels: int, side: int) -> nn.Module:
    """Build the model for images of this side, if it asks for one: (B, C, S, S) -> (B, D). Raises NetworkError."""
    import timm

    check_name(params.model, timm.list_models())
    settled: dict[str, Any] = dict(params.arguments) | {"num_classes": 0, "in_chans": channels}
    with explain(f"there is no {params.model} of timm with these arguments"):
        try:
            network = timm.create_model(params.model, pretrained=False, **settled, img_size=side)
        except TypeError as error:
            if "'img_size'" not in str(error):
                raise
            network = timm.create_model(params.model, pretrained=False, **settled)  # it takes images of any side
    check_patches(network, params.model, side)
    return network


def check_name(name: str, known: list[str]) -> None:
    """Check the name of a model against those that there are. Raises NetworkError with what would be right."""
    if name in known:
        return
    plain = name.rpartition(":")[2].rpartition("/")[2].partition(".")[0]
    if plain in known:
        raise NetworkError(f"{plain}, not {show(name)}: published weights are for pretrain.start to name", "model")
    near = difflib.get_close_matches(plain, known, n=5)
    cure = f"did you mean {' or '.join(near)}?" if near else "timm.list_models() lists what it has"
    raise NetworkError(f"timm has no {show(name)}; {cure}", "model")


def check_patches(network: nn.Module, model: str, side: int) -> None:
    """Check that patches cover the image, of which timm drops the rest without a word. Raises NetworkError if not."""
    from timm.layers.patch_embed import PatchEmbed

    for module in network.modules():
        if isinstance(module, PatchEmbed) and not module.dynamic_img_pad and side % module.patch_size[0]:
            patch = module.patch_size[0]
            raise NetworkError(
                f"{model} cuts patches of {patch} pixels, which do not fill pretrain.images.side, {side}; "
                "say patch_size in `arguments`, or a multiple as the side"
            )


def freeze_patch_embedding(network: nn.Module, params: TimmNetwork) -> None:
    """Let the projection of the patches get no gradient. Raises NetworkError if the network has none.

    In MoCo v3 that keeps a ViT stable, since the spikes of its gradient begin there (arXiv 2104.02057, section 4.2).
    """
    names = [name for name, _ in network.named_parameters() if {"patch_embed", "proj"} <= set(name.split("."))]
    if not names:
        raise NetworkError(f"{params.model} has no patch embedding; say false", "frozen_patch_embedding")
    for name in names:
        network.get_parameter(name).requires_grad_(False)
