"""Builds the optimiser; biases and norms are neither decayed nor adapted (arXiv 2006.07733, section 3.3)."""

import warnings
from typing import Any

from torch import nn, optim

from components.learning.lars import LARS
from components.learning.params import Adam, AdamW, Lars, Optimiser, RmsProp, Sgd

# PyTorch warns at the first step of such an optimiser, which always runs before one is captured.
warnings.filterwarnings("ignore", "This instance was constructed with capturable=True", UserWarning)


def build_optimiser(network: nn.Module, params: Optimiser) -> optim.Optimizer:
    """Build the optimiser over two groups, with and without weight decay; the schedule sets the rate at every step.

    On CUDA a step of it can be captured in a graph: it reads its rate, and whatever it counts, from the device.
    """
    decayed, plain = split_parameters(network, params.weight_decay)
    rate = params.learning_rate
    on_cuda = next(network.parameters()).is_cuda
    match params:
        case Lars():
            return LARS(
                [{**decayed, "adapt": True}, {**plain, "adapt": False}],
                lr=rate,
                momentum=params.momentum,
                trust_coefficient=params.trust_coefficient,
                trust_clip=params.trust_clip,
            )
        case Sgd():
            return optim.SGD([decayed, plain], lr=rate, momentum=params.momentum, fused=True)
        case Adam():
            return optim.Adam(
                [decayed, plain], lr=rate, betas=(params.beta1, params.beta2), fused=True, capturable=on_cuda
            )
        case AdamW():
            return optim.AdamW(
                [decayed, plain], lr=rate, betas=(params.beta1, params.beta2), fused=True, capturable=on_cuda
            )
        case RmsProp():
            return optim.RMSprop(
                [decayed, plain], lr=rate, alpha=params.smoothing, momentum=params.momentum, capturable=on_cuda
            )


def split_parameters(network: nn.Module, weight_decay: float) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split the parameters that learn into weights, which are decayed, and others: biases, norms and exceptions."""
    learning = {name: parameter for name, parameter in network.named_parameters() if parameter.requires_grad}
    excepted = list_excepted(network)
    weights = [parameter for name, parameter in learning.items() if parameter.ndim > 1 and name not in excepted]
    others = [parameter for name, parameter in learning.items() if parameter.ndim <= 1 or name in excepted]
    return {"params": weights, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}


def list_excepted(network: nn.Module) -> set[str]:
    """List what networks themselves say is not to be decayed, such as a ViT's class token and positions (timm)."""
    telling = [(place, module) for place, module in network.named_modules() if hasattr(module, "no_weight_decay")]
    return {f"{place}.{name}".lstrip(".") for place, module in telling for name in module.no_weight_decay()}


def scale_learning_rate(params: Optimiser, batch_size: int) -> float:
    """Return the rate that warm-up ends at: the stated rate times the batch over all processes / 256 (ibid.)."""
    return params.learning_rate * batch_size / 256
