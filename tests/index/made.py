"""Makes a store, an encoder's config.json and embeddings, and runs the stage index on them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from components.features.embeddings import EmbeddingsWriter
from components.index import __main__ as stage
from components.index.params import IndexSettings
from components.index.search import Index, open_index
from components.stage.command import read_params
from components.store.store import TEST, TRAIN, UNLABELLED
from tests.conftest import ROOT
from tests.small import CLASSES, fill_store

WEIGHTS = "ab" * 32


class Float32:
    """The precision that the file of embeddings names, without an import of PyTorch."""

    def __str__(self) -> str:
        return "torch.float32"


def make_features(count: int, width: int = 16, seed: int = 0) -> np.ndarray:
    """Make features around ten centres: (N, D) float32."""
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(10, width))[np.arange(count) % 10] + 0.3 * rng.normal(size=(count, width))).astype("f4")


def write_inputs(folder: Path, features: np.ndarray) -> Path:
    """Write all that the stage reads: every third image is unlabelled."""
    about = [((0, TRAIN), (1, TEST), (None, UNLABELLED))[n % 3] for n in range(len(features))]
    labels, splits = [label for label, _ in about], [split for _, split in about]
    fill_store(folder / "store", [np.full((2, 2), 7)] * len(features), labels=labels, splits=splits)
    write_embeddings(folder, features, labels, splits)
    (folder / "encoder").mkdir()
    (folder / "encoder/config.json").write_text(json.dumps({"weights": WEIGHTS}))
    return folder


def write_embeddings(folder: Path, features: np.ndarray, labels: list[int | None], splits: list[str]) -> None:
    ids = [f"{n}" for n in range(len(features))]
    rows = pa.table({"id": ids, "split": splits, "label": pa.array(labels, pa.int64())})
    (folder / "embeddings").mkdir(exist_ok=True)
    with EmbeddingsWriter(folder / "embeddings/byol.parquet", Float32()) as writer:  # type: ignore[arg-type]
        writer.add_rows(rows, features)


def make_settings(**changes: Any) -> IndexSettings:
    section: IndexSettings = read_params(ROOT / "params.yaml").index
    return section.model_copy(update={"map_images": 30, "lists": 8, "probes": 4, "queries": 50} | changes)


def run_stage(folder: Path, features: str = "byol", **changes: Any) -> dict[str, dict[str, float]]:
    """Run the stage as `dvc repro index` does, and return its metrics."""
    paths = {name: folder / name for name in ("store", "encoder", "embeddings", "index")}
    stage.run(make_settings(**changes), features=features, **paths, metrics=folder / "index.json")
    metrics: dict[str, dict[str, float]] = json.loads((folder / "index.json").read_text())
    return metrics


def make_index(folder: Path, features: np.ndarray, **changes: Any) -> Index:
    run_stage(write_inputs(folder, features), **changes)
    return open_index(folder / "index")


__all__ = ["CLASSES", "WEIGHTS", "make_features", "make_index", "make_settings", "run_stage", "write_inputs"]
