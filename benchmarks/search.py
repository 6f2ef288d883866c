"""Measures search in a large index: exact and approximate, one query at a time, and what building it takes.

`python -m benchmarks.search` makes 1,000,000 vectors of 256 features (benchmarks/search_vectors.py), builds an index
of them with the settings of params.yaml, and asks it with further vectors of the same kind. Making, building and asking
are processes of their own; their peaks of memory include what is mapped from files, and PyTorch, which the record needs
and the stage does not. The aims: exact within 150 ms, approximate within 10 ms at a recall@10 of 0.95.
"""

import argparse
import json
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
from threadpoolctl import threadpool_limits

from benchmarks.records import write_record
from benchmarks.search_libraries import BLOCK, NEAREST, WIDTH, read_peak_memory
from benchmarks.search_vectors import make_vectors
from components.index import __main__ as stage
from components.index.files import LISTS, VECTORS, About, write_images, write_vectors
from components.index.params import IndexSettings
from components.index.places import make_map
from components.index.search import Index, map_vectors, open_index
from components.stage.command import PARAMS_FILE, read_params

AIMS = {"exact_ms": 150.0, "approximate_ms": 10.0, "recall_at_10": 0.95}


def main() -> None:
    """Measure and write the record."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--threads", type=int, default=2, help="of an exact search; all else has one")
    asked = parser.parse_args()
    settings = read_params(PARAMS_FILE).index
    record: dict[str, Any] = {"images": asked.images, "width": WIDTH, "queries": asked.queries, "aims": AIMS}
    record |= {"settings": settings.model_dump(mode="json"), "load_average_before": describe_load()}
    with TemporaryDirectory() as folder:
        for name, step, arguments in (
            ("making", make, (asked.images,)),
            ("building", build, (settings,)),
            ("asking", ask, (asked.queries, asked.threads)),
        ):
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                record[name] = pool.apply(step, (Path(folder), *arguments))
            print(name, json.dumps(record[name]), flush=True)
    record["load_average_after"] = describe_load()
    write_record("search", record, "faiss-cpu", "numpy")


def describe_load() -> list[float]:
    """Return how many processes wanted a core in the last 1, 5 and 15 minutes, on average."""
    return [round(load, 1) for load in os.getloadavg()]


def make(folder: Path, images: int) -> dict[str, Any]:
    """Write the vectors that will be indexed."""
    with threadpool_limits(1):
        np.save(folder / "made.npy", make_vectors(images, WIDTH, seed=1))
    return {"peak_memory_bytes": read_peak_memory()}


def build(folder: Path, settings: IndexSettings) -> dict[str, Any]:
    """Build the index as the stage does, from vectors in place of embeddings; return the seconds of each part."""
    made, index = np.load(folder / "made.npy", mmap_mode="r"), folder / "index"
    seconds: dict[str, Any] = {}
    before = read_peak_memory()
    with threadpool_limits(1):
        parts = (made[first : first + BLOCK] for first in range(0, len(made), BLOCK))
        files = {VECTORS: take_time(seconds, "vectors", lambda: write_vectors(index / VECTORS, parts, made.shape))}
        vectors = map_vectors(index / VECTORS, made.shape)
        files[LISTS] = take_time(seconds, "lists", lambda: stage.write_lists(index / LISTS, vectors, settings))
        places = take_time(
            seconds, "map", lambda: make_map(vectors, settings.map_images, settings.seed, lambda count: None)
        )
        about = About(
            encoder="byol", weights=None, features=WIDTH, classes=("a",),
            probes=settings.probes, candidates=settings.candidates, files=files,
        )  # fmt: skip
        ids, count = [f"images/{n:07}.png" for n in range(len(made))], len(made)
        table = pa.table({"id": ids, "split": ["train"] * count, "label": pa.array([0] * count, pa.int64())})
        take_time(seconds, "images", lambda: write_images(index, table, places, about))
    sizes = {path.name: path.stat().st_size for path in sorted(index.iterdir())}
    memory = {"peak_memory_bytes": read_peak_memory(), "peak_memory_before_bytes": before}
    return {"seconds": seconds, "bytes": sizes, **memory}


def take_time(seconds: dict[str, Any], name: str, work: Callable[[], Any]) -> Any:
    """Do the work, and note how long it took by the clock and by the process."""
    clock, process = time.monotonic(), time.process_time()
    result = work()
    seconds[name] = {"clock": time.monotonic() - clock, "process": time.process_time() - process}
    return result


def ask(folder: Path, count: int, threads: int) -> dict[str, Any]:
    """Open the index and ask it: exactly in so many threads, and through the lists; return times and recall."""
    begun = time.monotonic()
    index = open_index(folder / "index", threads)
    opened = time.monotonic() - begun
    queries = make_vectors(count, WIDTH, seed=2)
    with threadpool_limits(1):
        exact, right = ask_one_by_one(replace(index, lists=None), queries)
        likely, found = ask_one_by_one(index, queries)
    hits = sum(len(set(a) & set(b)) for a, b in zip(found, right, strict=True))
    return {
        "open_seconds": opened,
        "threads": threads,
        "exact": exact,
        "approximate": {**likely, "recall_at_10": hits / (NEAREST * count)},
        "peak_memory_bytes": read_peak_memory(),
    }


def ask_one_by_one(index: Index, queries: np.ndarray) -> tuple[dict[str, float], list[list[int]]]:
    """Ask one query after the other; return milliseconds and the rows that were found."""
    seconds, found = [], []
    for query in queries:
        begun = time.perf_counter()
        rows, _ = index.search(query[None], NEAREST)
        seconds.append(time.perf_counter() - begun)
        found.append(rows[0].tolist())
    low, middle, high = min(seconds), statistics.median(seconds), float(np.quantile(seconds, 0.95))
    return {"least_ms": 1000 * low, "median_ms": 1000 * middle, "p95_ms": 1000 * high}, found


if __name__ == "__main__":
    main()
