"""Finds the nearest images by comparing all of them: cosines of vectors of length 1, a block of images at a time.

A product of matrices may round the same cosine differently at different places of a block. So a block yields all
images within ROUNDING of its k highest cosines, and the order is that of cosines computed again, one by one, in
float64: images with the same features have the same cosine, and the one that comes first in the index comes first.
Memory is bounded by the block, whatever the number of images. N images, n of a block, D features, Q queries, K
neighbours.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np

BLOCK = 16384  # images: 16 MB of 256 features
PORTION = 64  # queries that are compared at a time: 4 MB of cosines with a block
FEW = 4  # up to so many queries a product without BLAS, whose own threads stand in each other's way, is as fast
ROUNDING = 4e-6  # more than float32 errs in a cosine of some thousand features
TIED = 4096  # images of a block that may be as near as the last neighbour; the first of more are taken

Mapper = Callable[[Callable[[int], Any], Iterable[int]], Iterable[Any]]  # `map`, or that of a pool of threads


def search_exactly(
    vectors: np.ndarray, queries: np.ndarray, k: int, each: Mapper = map
) -> tuple[np.ndarray, np.ndarray]:
    """Find the k nearest of vectors (N, D) to each query (Q, D), all of length 1 -> rows (Q, K), cosines (Q, K), with
    K = min(k, N); equal cosines are ordered by row. `each` applies a function to many blocks."""
    k = min(k, len(vectors))
    rows, cosines = np.zeros((len(queries), k), np.int64), np.zeros((len(queries), k), np.float32)
    for first in range(0, len(queries), PORTION):
        part = queries[first : first + PORTION]
        blocks = list(each(partial(search_block, vectors, part, k), range(0, len(vectors), BLOCK)))
        for query, of_blocks in enumerate(zip(*blocks, strict=True), first):
            candidates = join_candidates(of_blocks, k)
            rows[query], cosines[query] = rank_exactly(vectors, queries[query], candidates, k)
    return rows, cosines


def search_block(vectors: np.ndarray, queries: np.ndarray, k: int, first: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return, for each query, the rows of a block that may be among the k nearest, and their rounded cosines."""
    block = vectors[first : first + BLOCK]  # (n, D)
    if len(queries) <= FEW:
        cosines = np.stack([np.einsum("nd,d->n", block, query) for query in queries])  # (Q, n)
    else:
        cosines = queries @ block.T
    return [(rows + first, row[rows]) for row in cosines for rows in [keep_highest(row, k)]]


def keep_highest(cosines: np.ndarray, k: int) -> np.ndarray:
    """Return the places of the k highest cosines and of those as high but for rounding, ascending: (n,) -> (m,)."""
    if len(cosines) <= k:
        return np.arange(len(cosines))
    last = np.partition(cosines, len(cosines) - k)[len(cosines) - k]
    kept = np.flatnonzero(cosines >= last - ROUNDING)
    if len(kept) <= k + TIED:
        return kept
    above = cosines[kept] > last + ROUNDING
    return np.sort(np.concatenate([kept[above], kept[~above][: k + TIED]]))


def join_candidates(of_blocks: Iterable[tuple[np.ndarray, np.ndarray]], k: int) -> np.ndarray:
    """Join the candidates of a query from all blocks, and keep those that may still be among the k nearest: (m,)."""
    rows, cosines = (np.concatenate(parts) for parts in zip(*of_blocks, strict=True))
    kept: np.ndarray = rows[keep_highest(cosines, k)]
    return kept


def rank_exactly(vectors: np.ndarray, query: np.ndarray, rows: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Order candidates by their cosine, equal ones by row: (N, D), (D,), (m,) -> the first k rows and cosines (K,)."""
    exact = np.concatenate(list(compute_cosines(vectors, query, rows)))
    order = np.lexsort((rows, -exact))[:k]
    return rows[order], exact[order]


def compute_cosines(vectors: np.ndarray, query: np.ndarray, rows: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the cosines of rows to a query in portions, each as its row alone would give it."""
    wide = query.astype(np.float64)
    for part in np.array_split(rows, 1 + len(rows) // BLOCK):
        yield np.einsum("nd,d->n", vectors[part].astype(np.float64), wide).clip(-1, 1).astype(np.float32)
