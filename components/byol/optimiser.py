"""The optimiser of the online network. Biases and norms are not decayed (arXiv 2006.07733, section 3.3)."""

from torch import nn, optim

from components.params.pretrain import Optimiser

ADAM_BETA2 = 0.999  # Kingma & Ba's, arXiv 1412.6980


def build_optimiser(network: nn.Module, params: Optimiser) -> optim.Optimizer:
    """AdamW or SGD over two groups, with and without weight decay; the schedule sets the rate at every step."""
    weights = [p for p in network.parameters() if p.ndim > 1]
    biases_and_norms = [p for p in network.parameters() if p.ndim <= 1]
    groups = [
        {"params": weights, "weight_decay": params.weight_decay},
        {"params": biases_and_norms, "weight_decay": 0.0},
    ]
    if params.name == "adamw":
        return optim.AdamW(groups, lr=params.learning_rate, betas=(params.momentum, ADAM_BETA2), fused=True)
    return optim.SGD(groups, lr=params.learning_rate, momentum=params.momentum, fused=True)
