"""Tests, without labels, whether the new images of a store differ from the reference of an encoder -> drift.json.

`python -m components.drift` is not a stage, since it compares two versions of the data. The reference is
embeddings/byol.parquet as the stage embed wrote it with the same encoder. New images are those of the store whose ids
are not in the reference; they are embedded here as in that stage (section `embed`). components/drift/difference.py
defines the p-value.

M images of the reference, N new images, n rows of either, B a batch, C channels, S pixels per side, D features.
"""

import components.stage.openmp  # noqa: F401  (before torch)

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from components.drift.difference import Difference, compare_features
from components.drift.params import Drift
from components.embed.params import Embed
from components.features.embedders import make_embedders
from components.features.embeddings import read_about, read_tables
from components.features.encoders import OURS
from components.features.load import LoadedEncoder, load_encoder
from components.learning.device import choose_device, choose_precision, prepare_device
from components.show.progress import Progress
from components.stage.command import main
from components.stage.disk import check_file
from components.stage.errors import InputError, RunError
from components.stage.files import write_json
from components.store.squares import draw_rows, read_squares
from components.store.store import SPLITS, Store

FEWEST = 2  # images on each side that can be compared


def run(params: Drift, embed: Embed, *, encoder: Path, reference: Path, store: Path, metrics: Path) -> None:
    """Test whether the new images of a store look to the encoder like those it was embedded on before."""
    check_file(metrics)
    loaded, opened = load_encoder(encoder), Store(store)
    known = read_reference_ids(reference, loaded)
    fresh = np.flatnonzero(~pc.is_in(opened.read_columns(["id"])["id"], value_set=known).to_numpy())
    rng = np.random.default_rng(params.seed)
    old, new = (draw_rows(rows, params.images, rng) for rows in (np.arange(len(known)), fresh))
    difference = None
    if len(new) >= FEWEST:
        features = read_reference_features(reference, old), embed_rows(opened, new, loaded, embed)
        if not all(np.isfinite(side).all() for side in features):
            raise RunError(f"{encoder}: gives features that are not finite numbers; was it trained to the end?")
        difference = compare_features(*features, permutations=params.permutations, seed=params.seed)
    print(f"drift: {describe_difference(difference, len(new), len(fresh), len(old))}", flush=True)
    write_json(
        metrics,
        {
            "p_value": difference and difference.p_value,
            "statistic": difference and difference.statistic,
            "mean_cosine": difference and difference.mean_cosine,
            "new": len(new),
            "reference": len(old),
            "permutations": params.permutations,
        },
    )


def read_reference_ids(reference: Path, loaded: LoadedEncoder) -> pa.ChunkedArray:
    """Read the ids (M,). Raises InputError if the file is not this encoder's embeddings of at least two images."""
    table, width = read_about(reference)
    if width != loaded.config.features:
        raise InputError(
            f"{reference}: {width} features per image, the encoder gives {loaded.config.features}: "
            f"--reference must be what stage embed wrote with --encoder"
        )
    ids = table["id"]
    if len(ids) < FEWEST:
        raise InputError(f"{reference}: images: {len(ids)}; at least {FEWEST} are needed to compare others with")
    return ids


def read_reference_features(reference: Path, rows: np.ndarray) -> np.ndarray:
    """Read the features of rows in rising order, with one row group in memory at a time: (n, D) float32."""

    def read_parts() -> Iterator[np.ndarray]:
        first = 0
        for table in read_tables(reference):
            wanted = rows[(rows >= first) & (rows < first + len(table))] - first
            first += len(table)
            column = table["embedding"].combine_chunks()
            yield column.flatten().to_numpy().reshape(len(table), -1)[wanted]

    return np.concatenate(list(read_parts()))


def embed_rows(store: Store, rows: np.ndarray, loaded: LoadedEncoder, params: Embed) -> np.ndarray:
    """Embed the images at these rows of the store, which are in rising order: (n, D) float32."""
    device = choose_device(params.device, "embed.device")
    prepare_device(device, params.threads)
    precision = choose_precision(params.precision, device)
    embedder = make_embedders(loaded, None, device, precision, pixels_side=params.pixels_side)[OURS]
    shape = loaded.config.images
    progress = Progress("drift", len(rows), "images")
    parts = []
    for first in range(0, len(rows), params.batch_size):
        batch = rows[first : first + params.batch_size]
        squares = read_squares(
            store, SPLITS, batch, side=shape.side, channels=shape.channels, deep=shape.deep
        )  # (B, C, S, S)
        parts.append(embedder(torch.from_numpy(squares)).cpu().numpy())
        progress.advance(len(batch))
    return np.concatenate(parts)


def describe_difference(difference: Difference | None, new: int, fresh: int, old: int) -> str:
    """Describe the outcome in one line for the log."""
    if fresh == 0:
        return "no new images"
    if difference is None:
        return f"{fresh} new image, too few to compare: at least {FEWEST} are needed"
    return (
        f"p = {difference.p_value:.4f}, MMD^2 {difference.statistic:.5f}, "
        f"cosine of the means {difference.mean_cosine:.4f} "
        f"({new:,} of {fresh:,} new images against {old:,} of the reference)"
    )


if __name__ == "__main__":
    main(run)
