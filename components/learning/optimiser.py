"""Builds the optimiser; biases and norms are neither decayed nor adapted (arXiv 2006.07733, section 3.3)."""

import warnings
from collections.abc import Iterable, Mapping, Set
from types import MethodType
from typing import Any

from torch import Tensor, nn, optim

from components.encoder.layers import list_layers
from components.learning.continuing import Continuing
from components.learning.lars import LARS
from components.learning.params import Adam, AdamW, Lars, Optimiser, RmsProp, Sgd

# PyTorch warns at the first step of such an optimiser, which always runs before one is captured.
warnings.filterwarnings("ignore", "This instance was constructed with capturable=True", UserWarning)

Group = dict[str, Any]


def build_optimiser(
    network: nn.Module, params: Optimiser, factors: Mapping[nn.Parameter, float] | None = None
) -> optim.Optimizer:
    """Build the optimiser over two groups, with and without weight decay, for each factor of the learning rate.

    Parameters that `factors` does not have learn at the rate itself, which the schedule sets at every step. On CUDA a
    step of it can be captured in a graph: it reads its rate, and whatever it counts, from the device.
    """
    pairs = split_by_factor(network, params.weight_decay, factors or {})
    groups = [group for pair in pairs for group in pair]
    rate = params.learning_rate
    on_cuda = next(network.parameters()).is_cuda
    match params:
        case Lars():
            return LARS(
                [{**group, "adapt": adapt} for pair in pairs for group, adapt in zip(pair, (True, False), strict=True)],
                lr=rate,
                momentum=params.momentum,
                trust_coefficient=params.trust_coefficient,
                trust_clip=params.trust_clip,
            )
        case Sgd():
            return optim.SGD(groups, lr=rate, momentum=params.momentum, fused=True)
        case Adam():
            return optim.Adam(groups, lr=rate, betas=(params.beta1, params.beta2), fused=True, capturable=on_cuda)
        case AdamW():
            return optim.AdamW(groups, lr=rate, betas=(params.beta1, params.beta2), fused=True, capturable=on_cuda)
        case RmsProp():
            return optim.RMSprop(groups, lr=rate, alpha=params.smoothing, momentum=params.momentum, capturable=on_cuda)


def compute_factors(encoder: nn.Module, params: Continuing) -> dict[nn.Parameter, float]:
    """Compute the factor of each rate in the encoder: 1 in the last layer, in each before it the next one's times
    `layer_decay` (Bao et al., arXiv 2106.08254, as in MAE's util/lr_decay.py).

    It is empty if nothing sets the encoder apart from the heads. Heads that learn first need groups of their own too,
    as PyTorch's fused SGD takes no group of which a part has momentum.
    """
    layers = list_layers(encoder) if params.layer_decay < 1 or params.head_epochs else []
    parameters = dict(encoder.named_parameters())
    return {
        parameters[name]: params.layer_decay**place
        for place, layer in enumerate(reversed(layers))
        for name in layer
        if name in parameters  # and not a buffer
    }


def set_rate(optimiser: optim.Optimizer, rate: float | Tensor) -> None:
    """Set the learning rate of every group: the rate itself, or, on the device if it lies there, times its factor."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group["factor"] if "factor" in group else rate


def split_by_factor(
    network: nn.Module, weight_decay: float, factors: Mapping[nn.Parameter, float]
) -> list[tuple[Group, Group]]:
    """Split the parameters that learn by their factors, if they have one, and each part in two."""
    parts: dict[float | None, list[nn.Parameter]] = {}
    excepted = list_excepted(network)
    for parameter in network.parameters():
        if parameter.requires_grad:
            parts.setdefault(factors.get(parameter), []).append(parameter)
    pairs = []
    for factor, part in parts.items():
        noted = {} if factor is None else {"factor": factor}
        decayed, plain = split_parameters(part, weight_decay, excepted)
        pairs.append((decayed | noted, plain | noted))
    return pairs


def split_parameters(
    parameters: Iterable[nn.Parameter], weight_decay: float, excepted: Set[nn.Parameter]
) -> tuple[Group, Group]:
    """Split the parameters that learn into weights, which are decayed, and others: biases, norms and exceptions."""
    learning = [parameter for parameter in parameters if parameter.requires_grad]
    weights = [parameter for parameter in learning if parameter.ndim > 1 and parameter not in excepted]
    others = [parameter for parameter in learning if parameter.ndim <= 1 or parameter in excepted]
    return {"params": weights, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}


def list_excepted(network: nn.Module) -> set[nn.Parameter]:
    """List what networks themselves say is not to be decayed, such as a ViT's class token and positions (timm)."""
    excepted = set()
    for module in network.modules():
        if isinstance(list_names := getattr(module, "no_weight_decay", None), MethodType):
            named = dict(module.named_parameters())
            excepted |= {named[name] for name in list_names() if name in named}  # it may name what this model lacks
    return excepted


def scale_learning_rate(params: Optimiser, batch_size: int) -> float:
    """Return the rate that warm-up ends at: the stated rate times the batch over all processes / 256 (ibid.)."""
    return params.learning_rate * batch_size / 256
