"""The stage index: embeddings and data/store -> index, the images ready to be searched, and what a search misses.

Up to `index.exact_up_to` images a search compares all of them and misses nothing. Memory does not grow with the number
of images, but for what faiss holds of an approximate index: a byte per feature, twice while it is written.
N images, n of a row group, D features.
"""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from threadpoolctl import threadpool_limits

from components.features.cosine import normalise_rows
from components.features.embeddings import read_about, read_features
from components.features.encoders import OURS
from components.index.approximate import build_lists
from components.index.files import IMAGES, LISTS, VECTORS, About, File, write_bytes, write_images, write_vectors
from components.index.measure import measure_recall
from components.index.params import IndexSettings
from components.index.places import make_map
from components.index.search import map_vectors, open_index
from components.show.progress import Progress
from components.stage.command import main
from components.stage.disk import check_file, check_folder, check_room, name_faults
from components.stage.errors import InputError, RunError
from components.stage.files import write_json
from components.store.store import Store

Advance = Callable[[int], None]


def run(
    params: IndexSettings, *, features: str, store: Path, encoder: Path, embeddings: Path, index: Path, metrics: Path
) -> None:
    """Make the images searchable by the features of one encoder, place them in a map, and measure what is missed."""
    check_folder(index)
    check_file(metrics)
    source = embeddings / f"{features}.parquet"
    table, width = read_about(source)
    classes = check_images(source, table, Store(store))
    weights = read_weights(encoder / "config.json") if features == OURS else None
    approximate = len(table) > params.exact_up_to
    check_room({index: len(table) * width * (5 if approximate else 4)}, "the index")  # float32, and a byte each
    clear_folder(index)
    begun = time.monotonic()
    with threadpool_limits(params.threads):
        shape = (len(table), width)
        progress = Progress("index", len(table), "images")
        files = {VECTORS: write_vectors(index / VECTORS, read_vectors(source, width, progress.advance), shape)}
        vectors = map_vectors(index / VECTORS, shape)
        if approximate:
            files[LISTS] = write_lists(index / LISTS, vectors, params)
        places = make_map(vectors, params.map_images, params.seed, Progress("index: map", len(table), "images").advance)
        about = About(
            encoder=features, weights=weights, features=width, classes=classes,
            probes=params.probes, candidates=params.candidates, files=files,
        )  # fmt: skip
        write_images(index, table, places, about)
        opened = open_index(index, params.threads)
        print(f"index: {len(table):,} images of {width} features in {time.monotonic() - begun:.1f} s", flush=True)
        rows = np.random.default_rng(params.seed).permutation(len(table))[: params.queries]
        recall = measure_recall(opened, np.sort(rows)) if approximate else 1.0  # exact is what it is measured against
    measured = {"images": len(table), "approximate": int(approximate), "recall_at_10": float(f"{recall:.6g}")}
    write_json(metrics, {features: measured})


def check_images(source: Path, table: pa.Table, store: Store) -> tuple[str, ...]:
    """Return the names of the classes. Raises InputError if the embeddings are of none or of other images."""
    if not len(table):
        raise InputError(f"{source}: no image; `dvc repro embed` writes it")
    highest = table["label"].fill_null(-1).to_numpy().max()
    if not store.read_columns(["id"])["id"].equals(table["id"]) or highest >= len(store.class_names):
        raise InputError(f"{source}: not of the images in {store.folder}; `dvc repro embed` writes it")
    return tuple(store.class_names)


def read_weights(path: Path) -> str | None:
    """Read the SHA-256 of the encoder's weights, without PyTorch, which the encoder's own reader needs."""
    try:
        return str(json.loads(path.read_bytes())["weights"])
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(
            f"{path}: no `weights`, their SHA-256, to be read there; `dvc repro pretrain` writes it"
        ) from None


def clear_folder(folder: Path) -> None:
    """Make the folder, and remove an index from it, first the file without which there is none."""
    for path in [folder / name for name in (IMAGES, VECTORS, LISTS)]:
        with name_faults(path):
            folder.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)


def read_vectors(source: Path, width: int, advance: Advance) -> Iterator[np.ndarray]:
    """Yield the features with length 1: (n, D) float32. Raises RunError at the end if there were some not finite."""
    broken = count = 0
    for features in read_features(source, width):
        finite = np.isfinite(features).all(axis=1)
        broken, count = broken + int((~finite).sum()), count + len(features)
        yield normalise_rows(np.where(finite[:, None], features, 0).astype(np.float64)).astype("<f4")
        advance(len(features))
    if broken:
        raise RunError(f"{source}: {broken:,} of {count:,} rows are not finite; did the training diverge?")


def write_lists(path: Path, vectors: np.ndarray, params: IndexSettings) -> File:
    """Build and write the approximate index, and print how long building took."""
    begun = time.monotonic()
    content = build_lists(
        vectors, lists=params.lists, sample=params.sample, seed=params.seed,
        advance=Progress("index: lists", len(vectors), "images").advance,
    )  # fmt: skip
    print(f"index: lists of {len(vectors):,} images built in {time.monotonic() - begun:.1f} s", flush=True)
    return write_bytes(path, content)


if __name__ == "__main__":
    main(run)
