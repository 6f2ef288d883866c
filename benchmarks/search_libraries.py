"""Measures libraries of approximate search side by side: faiss with IVF and HNSW, and usearch.

`python -m benchmarks.search_libraries` builds every index in a process of its own with one thread, from the same
vectors (benchmarks/search_vectors.py), and asks it one query after the other. Each answer is measured as the library
gives it and with the likely neighbours compared exactly in float32 (`reranked`). The seconds of the process are beside
those of the clock, since the latter tell little on a machine that is shared.
"""

import argparse
import hashlib
import json
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import psutil
from threadpoolctl import threadpool_limits

from benchmarks.records import write_record
from benchmarks.search_vectors import make_vectors
from components.index.approximate import load_faiss
from components.index.exact import rank_exactly, search_exactly

WIDTH, NEAREST, QUERIES, BLOCK = 256, 10, 300, 20_000
KINDS = ("faiss IVF", "faiss IVF, 8 bits", "faiss HNSW", "faiss HNSW, 8 bits", "usearch, float16", "usearch, int8")
LISTS, TRAINING, LINKS, EXPANSION = 1024, 65_536, 16, 80
Ask = Callable[[np.ndarray, int], np.ndarray]  # (1, D), K -> rows (K,)


def main() -> None:
    """Measure each library and write the record."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search_libraries", description=__doc__)
    parser.add_argument("--images", type=int, default=200_000, help="in each index")
    parser.add_argument("--kinds", nargs="+", default=KINDS, choices=KINDS)
    asked = parser.parse_args()
    results = []
    with TemporaryDirectory() as folder:
        vectors, queries = make_vectors(asked.images, WIDTH, seed=1), make_vectors(QUERIES, WIDTH, seed=2)
        np.save(Path(folder) / "vectors.npy", vectors)
        np.save(Path(folder) / "queries.npy", queries)
        np.save(Path(folder) / "truth.npy", search_exactly(vectors, queries, NEAREST)[0])
        del vectors
        for kind in asked.kinds:
            with multiprocessing.get_context("spawn").Pool(1) as pool:  # a process of its own: its peak of memory
                results.append(pool.apply(measure, (kind, folder)))
            print(json.dumps(results[-1]), flush=True)
    about = {"load_average": [round(load, 1) for load in os.getloadavg()], "images": asked.images, "width": WIDTH}
    write_record("search_libraries", about | {"libraries": results}, "faiss-cpu", "usearch", "numpy")


def measure(kind: str, folder: str) -> dict[str, Any]:
    """Measure one library: its import, building, the file, opening, and recall and time at several efforts."""
    vectors = np.load(Path(folder) / "vectors.npy", mmap_mode="r")
    queries, truth = (np.load(Path(folder) / f"{name}.npy") for name in ("queries", "truth"))
    path, before = Path(folder) / "index", psutil.Process().memory_info().rss
    began, began_cpu = time.monotonic(), time.process_time()
    __import__("faiss" if kind.startswith("faiss") else "usearch.index")
    imported, imported_cpu = time.monotonic(), time.process_time()
    with threadpool_limits(1):
        (build_faiss if kind.startswith("faiss") else build_usearch)(kind, vectors, path)
        built, built_cpu = time.monotonic(), time.process_time()
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        peak, begun = read_peak_memory(), time.monotonic()
        efforts = (open_faiss if kind.startswith("faiss") else open_usearch)(path)
        opened = time.monotonic()
        answers = [{"effort": name} | ask_all(ask, vectors, queries, truth) for name, ask in efforts.items()]
    return {
        "kind": kind,
        "import_seconds": {"clock": imported - began, "process": imported_cpu - began_cpu},
        "build_seconds": {"clock": built - imported, "process": built_cpu - imported_cpu},
        "build_memory_bytes": peak - before,
        "bytes": path.stat().st_size,
        "open_seconds": opened - begun,
        "answers": answers,
        "sha256": digest,
    }


def read_peak_memory() -> int:
    """Return the most bytes of memory that this process has held; getrusage would count those of its parent too."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])


def build_faiss(kind: str, vectors: np.ndarray, path: Path) -> None:
    """Build and write an index of faiss."""
    faiss = load_faiss()
    inner, byte = faiss.METRIC_INNER_PRODUCT, faiss.ScalarQuantizer.QT_8bit
    index: Any = {
        "faiss IVF": lambda: faiss.IndexIVFFlat(faiss.IndexFlatIP(WIDTH), WIDTH, LISTS, inner),
        "faiss IVF, 8 bits": lambda: faiss.IndexIVFScalarQuantizer(faiss.IndexFlatIP(WIDTH), WIDTH, LISTS, byte, inner),
        "faiss HNSW": lambda: faiss.IndexHNSWFlat(WIDTH, LINKS, inner),
        "faiss HNSW, 8 bits": lambda: faiss.IndexHNSWSQ(WIDTH, byte, LINKS, inner),
    }[kind]()
    if "HNSW" in kind:
        index.hnsw.efConstruction = EXPANSION
    rows = np.sort(np.random.default_rng(0).permutation(len(vectors))[:TRAINING])
    index.train(np.ascontiguousarray(vectors[rows]))
    for first in range(0, len(vectors), BLOCK):
        index.add(np.ascontiguousarray(vectors[first : first + BLOCK]))
    faiss.write_index(index, str(path))


def open_faiss(path: Path) -> dict[str, Ask]:
    """Open an index of faiss, as it lies on the disk where it can, and return how it is asked at each effort."""
    faiss = load_faiss()
    index: Any = faiss.read_index(str(path), faiss.IO_FLAG_MMAP)
    if not hasattr(index, "invlists"):
        settings = {f"efSearch {n}": faiss.SearchParametersHNSW(efSearch=n) for n in (16, 32, 64, 128)}
    else:
        faiss.downcast_InvertedLists(index.invlists).prefetch_nthread = 0
        settings = {f"nprobe {n}": faiss.SearchParametersIVF(nprobe=n) for n in (8, 16, 32, 64)}

    def make(params: Any) -> Ask:
        return lambda query, k: np.asarray(index.search(query, k, params=params)[1][0])

    return {name: make(params) for name, params in settings.items()}


def build_usearch(kind: str, vectors: np.ndarray, path: Path) -> None:
    """Build and write an index of usearch."""
    from usearch.index import Index

    index = Index(
        ndim=WIDTH,
        metric="cos",
        dtype="f16" if "float16" in kind else "i8",
        connectivity=LINKS,
        expansion_add=EXPANSION,
    )
    for first in range(0, len(vectors), BLOCK):
        part = np.ascontiguousarray(vectors[first : first + BLOCK])
        index.add(np.arange(first, first + len(part)), part, threads=1)
    index.save(str(path))


def open_usearch(path: Path) -> dict[str, Ask]:
    """Open an index of usearch as it lies on the disk, and return how it is asked at each effort."""
    from usearch.index import Index

    def make(effort: int) -> Ask:
        index: Any = Index.restore(str(path), view=True)
        index.expansion_search = effort
        return lambda query, k: np.asarray(index.search(query[0], k, threads=1).keys, dtype=np.int64)

    return {f"expansion {effort}": make(effort) for effort in (16, 32, 64, 128)}


def ask_all(ask: Ask, vectors: np.ndarray, queries: np.ndarray, truth: np.ndarray) -> dict[str, Any]:
    """Ask one query after the other, as the library answers and with its likely neighbours compared exactly."""

    def rerank(query: np.ndarray, k: int) -> np.ndarray:
        likely = ask(query, 4 * k)
        return rank_exactly(vectors, query[0], likely[likely >= 0], k)[0]

    return {name: time_answers(way, queries, truth) for name, way in (("plain", ask), ("reranked", rerank))}


def time_answers(ask: Ask, queries: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Return recall@10 and the milliseconds of a query: median and 95th percentile."""
    seconds, found = [], 0
    for query, rows in zip(queries, truth, strict=True):
        begun = time.perf_counter()
        answer = ask(query[None], NEAREST)
        seconds.append(time.perf_counter() - begun)
        found += len(set(answer.tolist()) & set(rows.tolist()))
    return {
        "recall_at_10": found / (NEAREST * len(queries)),
        "median_ms": 1000 * statistics.median(seconds),
        "p95_ms": 1000 * float(np.quantile(seconds, 0.95)),
    }


if __name__ == "__main__":
    main()
