"""Collapse made measurable: two numbers that fall when the encoder answers every image alike.

N images, D features.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def z_std(features: Tensor) -> float:
    """Mean over dimensions of the standard deviation of l2-normalised features: (N, D) -> 0 when collapsed, about
    1 / sqrt(D) for directions spread evenly around 0 (SimSiam, arXiv 2011.10566, figure 2); an encoder's features,
    which follow a ReLU, are all positive and stay below that."""
    return float(F.normalize(features.double(), dim=1).std(dim=0).mean())


def rank_me(features: Tensor) -> float:
    """RankMe, exp of the entropy of the normalised singular values: (N, D) -> 1..min(N, D) (arXiv 2210.02885)."""
    singular = torch.linalg.svdvals(features.double())
    share = singular / singular.sum().clamp(min=torch.finfo(torch.float64).tiny)
    return float(torch.special.entr(share).sum().exp())
