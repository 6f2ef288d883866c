"""LARS: each layer has its own learning rate, in proportion to its weights (You et al., arXiv 1708.03888).

As BYOL uses it (arXiv 2006.07733, appendix J; DeepMind's byol/utils/optimizers.py), for each tensor of weights w with
gradient g:

    u = g + weight_decay * w
    trust = trust_coefficient * |w| / |u|, or 1 where either norm is 0
    v <- momentum * v + trust * u
    w <- w - lr * v

With `trust_clip`, min(trust / lr, 1) takes the place of trust, so that the first step has the rate
lr * min(trust / lr, 1) = min(trust, lr): no layer is ever faster than lr (solo-learn's clip_lars_lr). A group's
`factor`, which its lr already contains, multiplies that minimum. Nothing here waits for the device. L is the number of
tensors in a group.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, optim

SMALLEST = torch.finfo(torch.float32).tiny  # divides in place of a learning rate of 0


class LARS(optim.Optimizer):
    """The LARS optimiser over groups that each state `weight_decay` and `adapt`.

    Without `adapt`, trust is 1, which is momentum SGD. The tensors of a group share one device and one floating-point
    type.
    """

    def __init__(
        self,
        groups: Iterable[dict[str, Any]],
        *,
        lr: float,
        momentum: float,
        trust_coefficient: float,
        trust_clip: bool,
    ) -> None:
        shared = {"lr": lr, "momentum": momentum, "trust_coefficient": trust_coefficient, "trust_clip": trust_clip}
        super().__init__(groups, shared)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # the loss is computed by the caller
        """Move every parameter that has a gradient."""
        for group in self.param_groups:
            weights: list[Tensor] = [w for w in group["params"] if w.grad is not None]
            if weights:
                self._move(weights, group)

    def _move(self, weights: list[Tensor], group: dict[str, Any]) -> None:
        """Move the L tensors by one step with list operations; each product with a () is one kernel per tensor."""
        lr: float | Tensor = group["lr"]
        rate = lr if isinstance(lr, Tensor) else weights[0].new_full((), lr)  # ()
        velocities = [self._get_velocity(w) for w in weights]
        gradients = [w.grad for w in weights if w.grad is not None]
        updates = list(torch._foreach_add(gradients, weights, alpha=group["weight_decay"]))
        torch._foreach_mul_(velocities, group["momentum"])
        if group["adapt"]:
            trusts = compute_trust_ratios(weights, updates, group, rate)  # (L,)
            torch._foreach_addcmul_(velocities, updates, list(trusts.unbind()))
        else:
            torch._foreach_add_(velocities, updates)
        torch._foreach_addcmul_(weights, velocities, [-rate] * len(weights))

    def _get_velocity(self, weight: Tensor) -> Tensor:
        """Return the momentum buffer of a weight, of the weight's shape; it is 0 before the first step."""
        state = self.state[weight]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(weight)
        buffer: Tensor = state["momentum_buffer"]
        return buffer


def compute_trust_ratios(weights: list[Tensor], updates: list[Tensor], group: dict[str, Any], rate: Tensor) -> Tensor:
    """Compute the trust ratio, the factor of the update, of each of the L tensors at the learning rate (): (L,)."""
    weight_norms = torch.stack(torch._foreach_norm(weights))  # (L,)
    update_norms = torch.stack(torch._foreach_norm(updates))  # (L,)
    ratios = group["trust_coefficient"] * weight_norms / update_norms  # (L,)
    if group["trust_clip"]:
        own = ratios * group["factor"] if "factor" in group else ratios  # (L,)
        ratios = (own / rate.clamp(min=SMALLEST)).clamp(max=1)  # (L,)
    return torch.where((weight_norms > 0) & (update_norms > 0), ratios, 1.0)  # (L,)
