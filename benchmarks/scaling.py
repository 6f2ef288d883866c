"""Measures what more data cost: images per second and peak memory of a streamed epoch over 1x, 4x and 16x the images.

`python -m benchmarks.scaling --cifar10 ROOT` trains one epoch of a small network in a process of its own for each size
and watches the memory of the whole family of processes, its loader's workers included: proportional set size, so that
what they share counts once. The larger stores repeat CIFAR-10's images, as the pixels do not matter here.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import torch

from benchmarks import cifar10
from benchmarks.recipe import place_pretrain_outputs
from benchmarks.records import write_record
from components.byol.params import Head
from components.encoder.params import TinyResNet
from components.fetch.checks.inspect import encode_png
from components.pretrain import __main__ as pretrain
from components.stage.command import exit_on_error
from components.store.store import TRAIN, Row, write_store

FACTORS = (1, 4, 16)


def main() -> None:
    """Measure every size and write the record; with --store, train on that store only."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--cifar10", type=Path, required=True, help=cifar10.ROOT_HELP)
    parser.add_argument("--images", type=int, default=5000, help="in the smallest store")
    parser.add_argument("--kind", choices=["streaming", "resident"], default="streaming")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--store", type=Path, help=argparse.SUPPRESS)  # for the processes that measure_size starts
    asked = parser.parse_args()
    if asked.store:
        train_epoch(asked.store, asked.kind, asked.device)
        return
    with exit_on_error("scaling"):
        images, _ = cifar10.read_cifar10(asked.cifar10, test=False)
    sizes = [measure_size(images, factor * asked.images, asked) for factor in FACTORS]
    growth = sizes[-1]["peak_memory_bytes"] / sizes[0]["peak_memory_bytes"] - 1
    print(f"{FACTORS[-1]}x the images: peak memory {growth:+.1%}")
    settings = {"kind": asked.kind, "device": asked.device}
    write_record(f"scaling-{asked.kind}", {"settings": settings, "sizes": sizes, "memory_growth": growth}, "torch")


def measure_size(images: torch.Tensor, count: int, asked: argparse.Namespace) -> dict[str, Any]:
    """Train on a store of `count` images in a process of its own; return its memory and speed."""
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder, "store")
        write_store(store, make_rows(images, count), ["any"])
        command = [sys.executable, "-m", "benchmarks.scaling", "--cifar10", str(asked.cifar10), "--kind", asked.kind]
        process = subprocess.Popen([*command, "--device", asked.device, "--store", str(store)])
        peak = 0
        while process.poll() is None:
            peak = max(peak, measure_family_memory(process.pid))
            time.sleep(0.1)
        if process.returncode:
            raise RuntimeError(f"training on {count} images ended with {process.returncode}")
        metrics = json.loads(Path(folder, "pretrain.json").read_text())
    result = {"images": count, "peak_memory_bytes": peak, "images_per_second": metrics["images_per_second"]}
    print(result, flush=True)
    return result


def make_rows(images: torch.Tensor, count: int) -> Iterator[Row]:
    """Make `count` rows of a store, which repeat CIFAR-10's images."""
    encoded = [encode_png(image.permute(1, 2, 0).numpy()) for image in images[: min(count, 5000)]]
    for number in range(count):
        yield Row(f"{number:08}", encoded[number % len(encoded)], f"{number:08}.png", None, TRAIN)


def measure_family_memory(pid: int) -> int:
    """Return the bytes of memory of a process and of all processes that it started."""
    total = 0
    try:
        parent = psutil.Process(pid)
        for process in (parent, *parent.children(recursive=True)):
            total += process.memory_full_info().pss
    except psutil.Error:
        return total  # a process has ended meanwhile
    return total


def train_epoch(store: Path, kind: str, device: str) -> None:
    """Train one epoch of a network so small that the feed decides the speed."""
    params = cifar10.read_settings(
        epochs=1,
        device=device,
        encoder=TinyResNet(name="tiny_resnet", widths=(8, 16), blocks=1),
        head=Head(hidden=64, out=32),
        batch_size=256,
        threads=1,
    )
    feed = params.feed.model_copy(update={"kind": kind})
    watch = params.watch.model_copy(update={"loggers": (), "sample": 256, "knn_queries": 0, "collapse": 0.0})
    pretrain.run(
        params.model_copy(update={"feed": feed, "watch": watch}),
        store=store,
        **place_pretrain_outputs(store.parent),
    )


if __name__ == "__main__":
    main()
