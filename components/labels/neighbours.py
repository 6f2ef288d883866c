"""Finds each image's nearest neighbours by cosine, exactly, in memory that grows with N k and not with N^2.

N images, Q of them in a block of queries, B in a block of the bank, D features, k neighbours.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from components.show.progress import Progress

QUERIES, BANK = 1024, 16_384  # images in a block: 64 MB of cosines


def find_neighbours(features: np.ndarray, k: int, device: torch.device) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows and cosines of each image's k nearest others, nearest first: (N, D) -> (N, k) int64, (N, k).

    There are fewer where there are no k others."""
    count = len(features)
    k = max(0, min(k, count - 1))
    rows, cosines = np.empty((count, k), np.int64), np.empty((count, k), np.float32)
    progress = Progress("labels: neighbours", count, "images")
    for begin in range(0, count, QUERIES):
        queries = read_units(features, begin, QUERIES, device)  # (Q, D)
        best = queries.new_full((len(queries), 0), 0.0), queries.new_full((len(queries), 0), 0, dtype=torch.int64)
        for first in range(0, count, BANK):
            found = queries @ read_units(features, first, BANK, device).T  # (Q, B)
            hide_themselves(found, begin, first)
            best = keep_nearest(*best, found, first, k)
        cosines[begin : begin + QUERIES], rows[begin : begin + QUERIES] = (part.cpu().numpy() for part in best)
        progress.advance(len(queries))
    return rows, cosines


def read_units(features: np.ndarray, begin: int, size: int, device: torch.device) -> Tensor:
    """Read a block of rows, each scaled to length 1; a row of zeros stays one: (B, D) float32."""
    return F.normalize(torch.from_numpy(features[begin : begin + size]).to(device), dim=1)


def hide_themselves(cosines: Tensor, begin: int, first: int) -> None:
    """Put the cosine of each query with itself below all others, in place: (Q, B), of rows from `begin` on and columns
    from `first` on."""
    own = torch.arange(begin, begin + len(cosines), device=cosines.device) - first  # (Q,)
    inside = (own >= 0) & (own < cosines.shape[1])
    cosines[inside.nonzero()[:, 0], own[inside]] = -2.0


def keep_nearest(cosines: Tensor, rows: Tensor, found: Tensor, first: int, k: int) -> tuple[Tensor, Tensor]:
    """Keep the k nearest of those known so far and of a further block: (Q, <= k) twice, (Q, B) -> (Q, <= k) twice."""
    new, places = found.topk(min(k, found.shape[1]), dim=1)
    together, theirs = torch.cat([cosines, new], 1), torch.cat([rows, places + first], 1)
    kept, order = together.topk(min(k, together.shape[1]), dim=1)
    return kept, theirs.gather(1, order)
