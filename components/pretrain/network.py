"""Checks that the network of params.yaml can be built and trained, before any work: timm's and the user's own may not.

Without memory for its weights, timm's is built and run in a second.
"""

import copy
from contextlib import suppress

import torch
from torch import nn

from components.encoder.build import check_features, plan_encoder
from components.encoder.errors import NetworkError
from components.encoder.from_timm import freeze_patch_embedding
from components.encoder.params import Encoder, Images, OwnNetwork, TimmNetwork, name_network
from components.encoder.tokens import is_transformer
from components.learning.params import Lars, Training
from components.stage.errors import InputError

PLACE = "params.yaml: pretrain.encoder"


def check_network(params: Training) -> None:
    """Check the network. Raises InputError."""
    encoder, shape = params.encoder, {"channels": params.images.channels, "side": params.images.side}
    if not isinstance(encoder, TimmNetwork | OwnNetwork):
        return
    try:
        network = plan_encoder(encoder, **shape)
        check_features(network, encoder, **shape)
        hold_fixed(network, encoder)
    except NetworkError as error:
        raise InputError(error.locate(PLACE)) from None
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise InputError(f"{PLACE}: {name_network(encoder)} has no weights that learn")
    if isinstance(params.optimiser, Lars) and is_transformer(network, **shape):
        raise InputError(
            f"params.yaml: pretrain.optimiser.name: lars makes transformers such as {name_network(encoder)} collapse; "
            "say adamw, as `python -m presets vit` does"
        )


def hold_fixed(network: nn.Module, params: Encoder) -> None:
    """Take what should stay as drawn out of the training. Raises NetworkError if it is not there."""
    if isinstance(params, TimmNetwork) and params.frozen_patch_embedding:
        freeze_patch_embedding(network, params)


def leave_out_unused(network: nn.Module, params: Encoder, images: Images) -> None:
    """Take weights that the features do not depend on out of the training: several processes would wait for them.

    They get no gradient and so never change, whether they are said to learn or not.
    """
    if not isinstance(params, TimmNetwork | OwnNetwork):
        return
    with suppress(Exception):  # the user's own network may need numbers, which such tensors do not have
        double = copy.deepcopy(network).to("meta").train()
        double(torch.zeros(2, images.channels, images.side, images.side, device="meta")).sum().backward()
        for learning, parameter in zip(network.parameters(), double.parameters(), strict=True):
            learning.requires_grad_(parameter.grad is not None)
