"""Measures what an approximate index misses: recall@10 against exact search, of images that look for their like.

An image is no neighbour of itself. A found image counts if its cosine is that of the tenth nearest or higher, so that
which of several equal ones was found makes no difference (as in ann-benchmarks, arXiv 1807.05614). N images, Q queries.
"""

import numpy as np

from components.index.exact import ROUNDING, search_exactly
from components.index.search import Index

NEAREST = 10


def measure_recall(index: Index, rows: np.ndarray) -> float:
    """Measure the share of the ten nearest of rows (Q,) that a search finds; all, if there is no other image."""
    queries = index.vectors[rows]
    nearest = min(NEAREST, len(index.vectors) - 1)
    if not nearest:
        return 1.0
    exact = drop_own(rows, *search_exactly(index.vectors, queries, nearest + 1, index.each))  # (Q, nearest)
    found = drop_own(rows, *index.search(queries, nearest + 1))
    return float((found >= exact[:, -1:] - ROUNDING).mean())


def drop_own(own: np.ndarray, rows: np.ndarray, cosines: np.ndarray) -> np.ndarray:
    """Return the cosines without that of the query itself, or without the last if it was not found: (Q, K - 1)."""
    is_own = rows == own[:, None]
    is_own[~is_own.any(axis=1), -1] = True
    others: np.ndarray = cosines[~is_own].reshape(len(rows), -1)
    return others
