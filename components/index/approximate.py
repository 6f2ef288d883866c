"""Finds likely neighbours among very many images by an inverted file of faiss, IndexIVFScalarQuantizer.

Its lists are the cells of k-means, and a search looks through those nearest to the query ("IVF" of Jegou, Douze and
Schmid 2011, PAMI 33); a feature takes one byte. The likely neighbours are then compared exactly, so that what a byte
rounds off costs no order. docs/search.md says why it is this one. faiss is loaded at need: only an index of more
than `index.exact_up_to` images needs it. N images, D features, Q queries, C candidates.
"""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from components.stage.errors import InputError

PER_LIST = 39  # images that faiss wants for each list, else it warns
PORTION = 16384  # images that are added at a time


def load_faiss() -> Any:
    """Import faiss. Its own types lack what it makes of its classes at import."""
    return importlib.import_module("faiss")


def build_lists(
    vectors: np.ndarray, *, lists: int, sample: int, seed: int, advance: Callable[[int], None]
) -> np.ndarray:
    """Sort vectors (N, D) of length 1 into lists, and return the index as the bytes of its file, (bytes,) uint8.

    One thread gives the same bits each time. `advance` is called with the number of images that were added."""
    faiss = load_faiss()
    count, width = vectors.shape
    lists = max(1, min(lists, min(sample, count) // PER_LIST))
    index = faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatIP(width), width, lists, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT
    )
    rows = np.sort(np.random.default_rng(seed).permutation(count)[:sample])
    index.cp.seed, index.cp.max_points_per_centroid = seed, -(-len(rows) // lists)  # all of the sample
    index.train(np.ascontiguousarray(vectors[rows]))
    for first in range(0, count, PORTION):
        part = np.ascontiguousarray(vectors[first : first + PORTION])
        index.add(part)
        advance(len(part))
    written: np.ndarray = faiss.serialize_index(index)
    return written


def open_lists(path: Path, *, count: int, width: int) -> Any:
    """Open the file as it lies on the disk. Raises InputError if it is no index of so many images and features."""
    faiss = load_faiss()
    try:
        index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP)
    except RuntimeError as error:
        reason = str(error).splitlines()[0][:200]
        raise InputError(f"{path}: faiss cannot read it ({reason}); `dvc repro index` writes it") from None
    if (index.ntotal, index.d) != (count, width):
        raise InputError(f"{path}: {index.ntotal:,} images of {index.d} features, not {count:,} of {width}")
    # It would start threads for each search, only to bring what is in memory already.
    faiss.downcast_InvertedLists(index.invlists).prefetch_nthread = 0
    return index


def find_candidates(index: Any, queries: np.ndarray, count: int, probes: int) -> np.ndarray:
    """Find likely neighbours of each query: (Q, D) -> rows (Q, C), -1 where the lists hold fewer."""
    faiss = load_faiss()
    settings = faiss.SearchParametersIVF(nprobe=min(probes, index.nlist))
    rows: np.ndarray = index.search(np.ascontiguousarray(queries), count, params=settings)[1]
    return rows
