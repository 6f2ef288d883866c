"""Makes what the stage classifier reads: a store of images whose gray is their class, an encoder, its embeddings."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from components.classifier import __main__ as classifier
from components.features.load import load_encoder
from components.stage.command import read_params
from components.store.store import SPLITS, TEST, TRAIN
from tests.conftest import ROOT
from tests.small import decode_images, fill_store, write_embeddings

FEW = {"c_count": 5, "c_low": 0.01, "c_high": 100.0}
PLACES = ("store", "encoder", "embeddings", "classifier", "plots")


def write_inputs(
    folder: Path, encoder: Path, labels: list[int | None], splits: list[str], names: list[str], *, noise: float = 60
) -> Path:
    """Write the store and the embeddings of its images by the encoder, which is linked."""
    drawn = np.random.default_rng(0)
    grays = [40 + 60 * (label or 0) + noise * drawn.normal(size=(8, 8)) for label in labels]
    store = fill_store(
        folder / "store", [gray.clip(0, 255) for gray in grays], labels=labels, splits=splits, names=names
    )
    (folder / "encoder").symlink_to(encoder)
    squares = torch.from_numpy(decode_images(store, SPLITS))
    with torch.inference_mode():
        features = load_encoder(encoder).compute_features(squares).numpy()
    write_embeddings(folder / "embeddings" / "byol.parquet", store.read_columns(["id", "split", "label"]), features)
    return folder


def write_three_classes(folder: Path, encoder: Path, each: int = 30) -> Path:
    """Write images of three classes that are hard to tell apart, every third one to test on."""
    labels: list[int | None] = [n % 3 for n in range(3 * each)]
    splits = [TEST if n // 3 % 3 == 0 else TRAIN for n in range(3 * each)]
    return write_inputs(folder, encoder, labels, splits, ["cat", "dog", "owl"])


def run_stage(folder: Path, **changes: Any) -> dict[str, Any]:
    """Run the stage as `dvc repro classifier` does, and return the metrics."""
    params = read_params(ROOT / "params.yaml")
    evaluate = params.evaluate.model_copy(update={"logistic": params.evaluate.logistic.model_copy(update=FEW)})
    metrics = folder / "metrics" / "classifier.json"
    places = {name: folder / name for name in PLACES}
    places |= {"metrics": metrics, "predictions": folder / "predictions" / "classifier.parquet"}
    classifier.run(params.classifier.model_copy(update=changes), evaluate, features="byol", **places)
    measured: dict[str, Any] = json.loads(metrics.read_text())["byol"]
    return measured
