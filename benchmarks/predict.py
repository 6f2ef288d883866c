"""onnxruntime or torch, for whoever asks for the class of an image: how soon is the first answer, how many come then?

The first answer is timed from the start of a process to its end: `python -m serving.predict` with one image, and the
same image through torch, `load_encoder` and `load_classifier`. The rate is that of networks alone, on batches that are
there, by turns, so that both meet the same load of the machine. B images, C channels, S pixels per side.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from benchmarks.records import write_record
from components.encoder.build import build_encoder
from components.encoder.params import Encoder, Images, TinyResNet, TorchvisionResNet
from components.pretrain.onnx import export_onnx

BATCH = 64
NETWORKS: dict[str, tuple[Encoder, int, int]] = {  # the network, C and S
    "tiny_resnet, 8 pixels": (TinyResNet(name="tiny_resnet", widths=(16, 32, 64), blocks=1), 1, 8),
    "resnet18, 128 pixels": (TorchvisionResNet(name="resnet18", stem="large"), 3, 128),
}
BY_TORCH = """
import sys, torch
from PIL import Image
from components.classifier.load import load_classifier
from components.features.load import load_encoder
features = load_encoder("models/encoder").embed([Image.open(sys.argv[1])])
print(load_classifier("models/classifier").from_features(torch.from_numpy(features)))
"""


def main() -> None:
    """Measure and write the record."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.predict", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--image", type=Path, required=True, help="a file that models/classifier classifies")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    commands = {
        "onnxruntime": [sys.executable, "-m", "serving.predict", str(asked.image)],
        "torch": [sys.executable, "-c", BY_TORCH, str(asked.image)],
    }
    runs: dict[str, Callable[[], object]] = {name: partial(run_quietly, command) for name, command in commands.items()}
    first = {
        name: {"wall_s": wall, "cpu_s": cpu} for name, (wall, cpu) in measure_by_turns(runs, asked.repeats).items()
    }
    rates = {name: measure_rates(*settings, asked) for name, settings in NETWORKS.items()}
    record = {"threads": asked.threads, "batch": BATCH, "first_answer": first, "images_per_second": rates}
    write_record("predict", record, "torch", "onnxruntime")


def run_quietly(command: list[str]) -> None:
    """Run a command to its end."""
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def measure_by_turns(runs: dict[str, Callable[[], object]], repeats: int) -> dict[str, tuple[float, float]]:
    """Measure the median wall and processor seconds of each, children included; one run of each warms the caches."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    for _ in range(repeats + 1):
        for name, run in runs.items():
            wall, cpu = time.perf_counter(), sum(os.times()[:4])
            run()
            found[name].append((time.perf_counter() - wall, sum(os.times()[:4]) - cpu))
    medians = {
        name: [statistics.median(column) for column in zip(*taken[1:], strict=True)] for name, taken in found.items()
    }
    return {name: (round(wall, 4), round(cpu, 4)) for name, (wall, cpu) in medians.items()}


def measure_rates(encoder: Encoder, channels: int, side: int, asked: argparse.Namespace) -> dict[str, float]:
    """Measure how many images per second of processor time a network takes, by each of both."""
    torch.manual_seed(0)
    network = build_encoder(encoder, channels=channels, side=side).eval()
    images = Images(side=side, read_side=side, range=None, colours=None, mean=(0.5,) * channels, std=(0.25,) * channels)
    batch = torch.randn(BATCH, channels, side, side)
    with tempfile.TemporaryDirectory() as folder:
        export_onnx(network, Path(folder, "encoder.onnx"), images)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = asked.threads
        session = onnxruntime.InferenceSession(Path(folder, "encoder.onnx"), options)
    count = max(1, 4096 * 8 // (BATCH * side))  # batches of a turn
    inputs = {"images": np.ascontiguousarray(batch.numpy())}
    with torch.inference_mode():
        turns: dict[str, Callable[[], object]] = {
            "onnxruntime": lambda: [session.run(None, inputs) for _ in range(count)],
            "torch": lambda: [network(batch) for _ in range(count)],
        }
        measured = measure_by_turns(turns, asked.repeats)
    return {name: round(BATCH * count / cpu, 1) for name, (_, cpu) in measured.items()}


if __name__ == "__main__":
    main()
