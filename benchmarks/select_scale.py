"""Measures the seconds and the memory that choosing among very many images takes.

`python -m benchmarks.select_scale --images 1000000 --features 256` writes benchmarks/results/select-scale.json. The
features are drawn around 200 centres and lie in a file as the stage embed writes it; 1,000 images have a label of 10.
Each strategy chooses as params.yaml says, in a process of its own on the CPU.
"""

import components.stage.openmp  # noqa: F401  (before torch)

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from benchmarks.records import write_record
from components.features.embeddings import EmbeddingsWriter
from components.learning.device import prepare_device
from components.select.choose import choose
from components.select.pool import read_pool
from components.stage.command import PARAMS_FILE, exit_on_error, read_params

CENTRES, LABELLED, CLASSES, PORTION = 200, 1000, 10, 10_000


def main() -> None:
    """Measure every strategy and write the record."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.select_scale", description=(__doc__ or "").split("\n\n")[0]
    )
    parser.add_argument("--images", type=int, required=True)
    parser.add_argument("--features", type=int, required=True)
    parser.add_argument("--measure", nargs=2, metavar=("STRATEGY", "FILE"), help="in this process; print what it took")
    asked = parser.parse_args()
    with exit_on_error("select_scale"):
        if asked.measure:
            print(json.dumps(measure(*asked.measure)))
            return
        params = read_params(PARAMS_FILE).select
        results: dict[str, dict[str, float]] = {}
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "byol.parquet"
            write_features(file, asked.images, asked.features)
            for strategy in reversed(params.known_strategies):  # the quickest first
                command = [sys.executable, "-m", "benchmarks.select_scale", *sys.argv[1:], "--measure", strategy, file]
                done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
                results[strategy] = json.loads(done.stdout.splitlines()[-1])
                print(strategy, results[strategy], flush=True)
                about = {"images": asked.images, "features": asked.features, "labelled": LABELLED}
                record = {**about, "budget": params.budget, "strategies": results}
                write_record("select-scale", record, "torch", "scikit-learn", "numpy")


def write_features(path: Path, images: int, features: int) -> None:
    """Write a file of embeddings, of which the first images have labels."""
    generator = np.random.default_rng(0)
    centres = generator.normal(size=(CENTRES, features))
    with EmbeddingsWriter(path, torch.float32) as writer:
        for first in range(0, images, PORTION):
            numbers = np.arange(first, min(first + PORTION, images))
            labels = pa.array(numbers % CLASSES, mask=numbers >= LABELLED)
            splits = ["train" if number < LABELLED else "unlabelled" for number in numbers]
            rows = pa.table({"id": [f"folder/{number}.jpg" for number in numbers], "split": splits, "label": labels})
            near = centres[generator.integers(CENTRES, size=len(numbers))]
            writer.add_rows(rows, near + generator.normal(size=near.shape))


def measure(strategy: str, file: str) -> dict[str, float]:
    """Measure reading and choosing in this process."""
    params, device = read_params(PARAMS_FILE).select, torch.device("cpu")
    prepare_device(device, params.threads)
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    pool = read_pool(Path(file), params.pool, {})
    read = time.monotonic()
    choice = choose(pool, strategy, params, device)
    cpu = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "chosen": len(choice.rows),
        "read_seconds": round(read - began, 1),
        "choose_seconds": round(time.monotonic() - read, 1),
        "cpu_seconds": round(cpu.ru_utime + cpu.ru_stime, 1),
        "peak_mb": round(cpu.ru_maxrss / 1000),
        "peak_mb_before": round(before / 1000),
    }


if __name__ == "__main__":
    main()
