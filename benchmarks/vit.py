"""Trains a ViT-Tiny of timm on the first images of CIFAR-10, on a CPU, and says what it is worth after some epochs.

It has 4 of its 12 blocks and patches of 8 pixels, as a whole one with patches of 4 sees 7 images in a core's second.

`python -m benchmarks.vit --cifar10 ROOT` applies the presets `cifar10 vit`, changes them as CHANGES says, and runs the
stages pretrain, embed and evaluate without DVC. The record has the readings of every epoch, and the accuracies of the
encoder, of the same network with random weights, and of the pixels. It also runs the exported file on the test images.
"""

import components.stage.openmp  # noqa: F401  (before torch)

import argparse
import csv
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from ruamel.yaml import YAML

from benchmarks import cifar10
from benchmarks.article_images import CLASSES, TEST_SHARE, make_rows
from benchmarks.recipe import judge, place_pretrain_outputs
from benchmarks.records import write_record
from components.embed import __main__ as embed
from components.encoder.saved import ONNX
from components.features.load import load_encoder
from components.pretrain import __main__ as pretrain
from components.stage import command as stage
from components.store.store import TEST, TRAIN, write_store
from presets.apply import apply_presets, merge, to_plain

PROBES = ("knn", "logistic")
SHOWN = ("epoch", "loss", "gradient_norm", "z_std", "rank_me", "projection_spread", "knn")
CHANGES = """
pretrain:
  device: cpu
  threads: 1
  precision: float32
  compile: never
  batch_size: 128
  encoder: {model: vit_tiny_patch16_224, arguments: {patch_size: 8, depth: 4}}
  head: {hidden: 512, out: 128}
  optimiser: {learning_rate: 1.0e-3, warmup_epochs: 1}
  watch: {every_epochs: 1, sample: 512, knn_queries: 1000, knn_bank: 4000, loggers: []}
embed: {device: cpu, threads: 1, precision: float32}
evaluate:
  probes: [knn, logistic]
  shared: {device: cpu, threads: 1, labels_per_class: [10], label_fractions: [], draws: 10}
  logistic: {c_count: 12}
"""


def main() -> None:
    """Train, judge and write the record."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.vit", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--cifar10", type=Path, required=True, metavar="ROOT", help=cifar10.ROOT_HELP)
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    with stage.exit_on_error("vit"), tempfile.TemporaryDirectory() as folder:
        params = read_settings(asked.epochs, asked.seed)
        results = run_once(params, Path(folder), asked.cifar10, asked.images)
    settings = {"images": asked.images, "epochs": asked.epochs, "seed": asked.seed}
    write_record(
        "vit", settings | {"params": params.pretrain.model_dump(mode="json")} | results, "torch", "timm", "onnxruntime"
    )


def read_settings(epochs: int, seed: int) -> Any:
    """Return the parameters of the presets with the changes."""
    whole = apply_presets(stage.PARAMS_FILE, ["cifar10", "vit"])
    merge(whole, YAML(typ="safe").load(CHANGES))
    merge(whole, {"pretrain": {"epochs": epochs, "seed": seed}})
    return stage.check_params(to_plain(whole), stage.PARAMS_FILE)


def run_once(params: Any, root: Path, images: Path, count: int) -> dict[str, Any]:
    """Run the stages, and return what they measured."""
    parts = {TRAIN: count, TEST: count // TEST_SHARE}
    write_store(root / "store", (row for split, n in parts.items() for row in make_rows(images, split, n)), CLASSES)
    pretrain.run(params.pretrain, store=root / "store", **place_pretrain_outputs(root))
    embed.run(params.embed, store=root / "store", encoder=root / "encoder", embeddings=root / "embeddings")
    return {
        "curve": read_curve(root / "curve.csv"),
        "largest_difference_of_onnx": compare_exported(root / "encoder", images),
        "pretrain": json.loads((root / "pretrain.json").read_text()),
        **{probe: judge(params.evaluate, probe, root / "store", root) for probe in PROBES},
    }


def read_curve(path: Path) -> list[dict[str, float]]:
    """Read the readings of every epoch."""
    with path.open() as file:
        return [{key: float(row[key]) for key in SHOWN if row.get(key)} for row in csv.DictReader(file)]


def compare_exported(folder: Path, root: Path) -> float:
    """Return the largest difference between the features of the exported and of the loaded encoder, on test images."""
    images = cifar10.read_cifar10(root, test=True)[0][:100]
    loaded = load_encoder(folder)
    mean, std = (
        np.array(values, np.float32).reshape(1, 3, 1, 1)
        for values in (loaded.config.images.mean, loaded.config.images.std)
    )
    exported = onnxruntime.InferenceSession(folder / ONNX, providers=["CPUExecutionProvider"])
    (features,) = exported.run(None, {"images": (images.numpy().astype(np.float32) / 255 - mean) / std})
    return float(np.abs(features - loaded.embed(images.permute(0, 2, 3, 1).numpy())).max())


if __name__ == "__main__":
    main()
