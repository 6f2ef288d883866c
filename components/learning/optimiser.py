"""The optimiser of all that learns; biases and norms are neither decayed nor adapted (arXiv 2006.07733, 3.3)."""

from typing import Any

from torch import nn, optim

from components.learning.lars import LARS
from components.learning.params import Adam, AdamW, Lars, Optimiser, RmsProp, Sgd


def build_optimiser(network: nn.Module, params: Optimiser) -> optim.Optimizer:
    """Over two groups, with and without weight decay; the schedule sets the rate at every step."""
    decayed, plain = parameter_groups(network, params.weight_decay)
    rate = params.learning_rate
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
            return optim.Adam([decayed, plain], lr=rate, betas=(params.beta1, params.beta2), fused=True)
        case AdamW():
            return optim.AdamW([decayed, plain], lr=rate, betas=(params.beta1, params.beta2), fused=True)
        case RmsProp():
            return optim.RMSprop([decayed, plain], lr=rate, alpha=params.smoothing, momentum=params.momentum)


def parameter_groups(network: nn.Module, weight_decay: float) -> tuple[dict[str, Any], dict[str, Any]]:
    """The weights, which are decayed, and the biases and norms, which are not."""
    learning = [p for p in network.parameters() if p.requires_grad]
    weights = [p for p in learning if p.ndim > 1]
    biases_and_norms = [p for p in learning if p.ndim <= 1]
    return {"params": weights, "weight_decay": weight_decay}, {"params": biases_and_norms, "weight_decay": 0.0}


def peak_learning_rate(params: Optimiser, batch_size: int) -> float:
    """The rate that warm-up ends at: linear in the batch over all processes, stated for a batch of 256 (ibid.)."""
    return params.learning_rate * batch_size / 256
