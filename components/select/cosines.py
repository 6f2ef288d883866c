"""Cosines of many features with many others, a block at a time, so that no matrix of all pairs is ever held.

N and M images, D features, k neighbours.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

ENTRIES = 2**24  # of a matrix of cosines that is held: 64 MB
ROWS = 2**16  # of features that are moved to the device at a time


def split_rows(features: Tensor, others: int, device: torch.device) -> Iterator[tuple[slice, Tensor]]:
    """Yield the features on the device in blocks whose cosines with so many others may be held: (n, D) each."""
    size = max(1, min(ROWS, ENTRIES // max(others, 1)))
    for first in range(0, len(features), size):
        rows = slice(first, min(first + size, len(features)))
        yield rows, features[rows].to(device)


def find_nearest(features: Tensor, others: Tensor, device: torch.device) -> Tensor:
    """Find each feature's highest cosine with any other: (N, D), (M, D) -> (N,), -1 where there is no other."""
    highest = torch.full((len(features),), -1.0)
    if not len(others):
        return highest
    there = others.to(device)
    for rows, block in split_rows(features, len(others), device):
        highest[rows] = (block @ there.T).amax(1).cpu()
    return highest


def measure_typicality(features: Tensor, neighbours: int, device: torch.device) -> Tensor:
    """Measure the inverse of the mean distance to the nearest neighbours among themselves: (N, D) -> (N,).

    Distances are Euclidean, of features of length 1.
    """
    wanted = min(neighbours, len(features) - 1)
    if wanted < 1:
        return torch.ones(len(features))
    there, parts = features.to(device), []
    for rows, block in split_rows(features, len(features), device):
        cosines = block @ there.T  # (n, N)
        own = torch.arange(rows.start, rows.stop, device=device)
        cosines[torch.arange(len(own), device=device), own] = -2.0  # an image is no neighbour of itself
        near = cosines.topk(wanted, dim=1).values  # (n, k)
        parts.append(1 / ((2 - 2 * near).clamp(min=0).sqrt().mean(1) + 1e-5))
    return torch.cat(parts).cpu()
