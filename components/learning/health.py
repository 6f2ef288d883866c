"""Measures collapse: whether the encoder gives all images the same features, or nearly the same.

All measures are in double precision on the features' own device, and finite if the features are: one image, equal
images and zeros count as collapsed. Apple's GPU has no double precision: bring its features to the host before.

N images, D features, P outputs of a projector, R rows of the N at a time.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

ROWS = 512  # rows whose distances to all others are held at once: 16 MiB for 4096 images


def z_std(features: Tensor) -> float:
    """Compute the mean over dimensions of the standard deviation of l2-normalised features: (N, D) -> float.

    It is 0 when collapsed and about 1 / sqrt(D) for directions spread evenly around 0 (SimSiam, arXiv 2011.10566,
    figure 2); an encoder's features, which follow a ReLU, are never negative and stay below that.
    """
    unit = F.normalize(features.double(), dim=1)  # (N, D)
    return float(unit.std(dim=0, correction=min(1, len(unit) - 1)).mean())


def spread(projections: Tensor) -> float:
    """Compute z_std as a share of its value for evenly spread directions: (N, P) -> 1 for these, 0 when collapsed."""
    return z_std(projections) * math.sqrt(projections.shape[1])


def rank_me(features: Tensor) -> float:
    """Compute RankMe, exp of the entropy of normalised singular values: (N, D) -> 1..min(N, D) (arXiv 2210.02885).

    The singular values are the roots of the Gram matrix's eigenvalues, which a GPU finds many times faster than it
    decomposes the features. Squares lose half of the digits: singular values below sqrt(min(N, D)) * 1.5e-8 of the
    largest drown in rounding and count as 0.
    """
    wide = features.double()
    gram = wide.T @ wide if len(wide) > wide.shape[1] else wide @ wide.T  # of the smaller side: M x M, M = min(N, D)
    values = torch.linalg.eigvalsh(gram)  # (M,), rising
    rounding = len(values) * torch.finfo(torch.float64).eps * values[-1]  # as in numpy.linalg.matrix_rank
    singular = torch.where(values > rounding, values, 0.0).sqrt()
    share = singular / singular.sum().clamp(min=torch.finfo(torch.float64).tiny)
    return float(torch.special.entr(share).sum().exp())


def alignment(first: Tensor, second: Tensor) -> float:
    """Compute the mean squared distance of the l2-normalised features of two views per image: twice (N, D) -> 0..4.

    It is 0 when both views have the same features, which is also so after a collapse (Wang & Isola, arXiv 2005.10242,
    alpha = 2).
    """
    difference = F.normalize(first.double(), dim=1) - F.normalize(second.double(), dim=1)  # (N, D)
    return float(difference.square().sum(dim=1).mean())


def uniformity(features: Tensor) -> float:
    """Compute the log of the mean over pairs of exp(-2 d^2), d the distance of l2-normalised features: (N, D) -> float.

    It is 0 when collapsed and for a single image, about -4 for many evenly spread directions, and lower if they are
    more even (Wang & Isola, arXiv 2005.10242, t = 2).
    """
    unit = F.normalize(features.double(), dim=1)  # (N, D)
    if len(unit) == 1:
        return 0.0
    potentials = [sum_pair_potentials(unit[start:], rows=ROWS) for start in range(0, len(unit), ROWS)]
    return float((torch.stack(potentials).sum() / math.comb(len(unit), 2)).log())


def sum_pair_potentials(unit: Tensor, *, rows: int) -> Tensor:
    """Sum exp(-2 d^2) over the pairs of each of the first R rows with every later row: (N, D) -> ()."""
    squares = unit.square().sum(dim=1)  # (N,): 1, or 0 for a row of zeros
    distances = squares[:rows, None] + squares - 2 * unit[:rows] @ unit.T  # (R, N), squared
    return distances.clamp(min=0).mul(-2).exp().triu(diagonal=1).sum()
