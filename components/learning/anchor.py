"""Pulls the encoder's weights towards those that the training began with: L2-SP (Li, Grandvalet & Davoine, ICML 2018,
arXiv 1802.01483, equation 2).

The penalty is alpha / 2 * |w - w_start|^2 over all parameters of the encoder that learn, biases and norms included, and
its gradient alpha * (w - w_start). It is handled as each optimiser handles weight decay: it is part of the gradient,
with LARS therefore inside the trust ratio; with AdamW it is apart from the gradient, as the step
w <- w - lr * alpha * (w - w_start). The start's weights lie beside the encoder's, so a step waits for nothing. They are
no part of a checkpoint: a run that goes on is built from the same start.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn, optim


class Anchor:
    """The weights that a training began with, and the pull towards them before each step of the optimiser."""

    def __init__(self, weights: Iterable[nn.Parameter], strength: float) -> None:
        """Copy the weights as they are now; `strength` is alpha."""
        self.starts: dict[Tensor, Tensor] = {weight: weight.detach().clone() for weight in weights}
        self.strength = strength

    @torch.no_grad()
    def pull(self, optimiser: optim.Optimizer, *_: Any) -> None:
        """Pull every weight that is about to take a step; a pre-hook of the optimiser's step."""
        for group in optimiser.param_groups:
            weights: list[Tensor] = [w for w in group["params"] if w.grad is not None and w in self.starts]
            starts = [self.starts[w] for w in weights]
            if weights and isinstance(optimiser, optim.AdamW):
                share = group["lr"] * self.strength
                # A rate on the device stays there.
                shares = [share.to(weights[0].dtype)] * len(weights) if isinstance(share, Tensor) else share
                torch._foreach_lerp_(weights, starts, shares)
            elif weights:
                gradients = [w.grad for w in weights if w.grad is not None]
                torch._foreach_add_(gradients, torch._foreach_sub(weights, starts), alpha=self.strength)


def anchor_weights(network: nn.Module, optimiser: optim.Optimizer, strength: float) -> None:
    """Pull the network's parameters that learn towards what they are now, at each step of the optimiser."""
    anchor = Anchor((weight for weight in network.parameters() if weight.requires_grad), strength)
    optimiser.register_step_pre_hook(anchor.pull)
