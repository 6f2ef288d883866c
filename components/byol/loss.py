"""The loss: squared distance of l2-normalised vectors, summed over both directions (arXiv 2006.07733, equation 2).

||p/|p| - z/|z|||^2 = 2 - 2 cos(p, z). The two directions are added, not averaged: the average would halve the learning
rate that every published recipe means.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def regression_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """2 - 2 cos, mean over the batch: (B, P), (B, P) -> () in 0..4. The target gets no gradient."""
    precise = torch.promote_types(prediction.dtype, torch.float32)  # a cosine near 1 has no digits left in bfloat16
    return 2 - 2 * F.cosine_similarity(prediction.to(precise), target.detach().to(precise), dim=-1).mean()


def byol_loss(predictions: tuple[Tensor, Tensor], targets: tuple[Tensor, Tensor]) -> Tensor:
    """Each view's prediction against the target's projection of the *other* view: four (B, P) -> () in 0..8."""
    return regression_loss(predictions[0], targets[1]) + regression_loss(predictions[1], targets[0])
