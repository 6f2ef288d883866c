"""Measures how fast images come into the store, in how much memory, and how soon a large store is open.

`python -m benchmarks.store --cifar10 ROOT` runs the real stage, checks included, as a process of its own: on CIFAR-10
in torchvision's layout, and on folders of small JPEG files. In the same run it measures how long torchvision's
ImageFolder takes only to decode the same files in as many workers, and the memory of 16 times as many images.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from ruamel.yaml import YAML
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder

from benchmarks import cifar10
from benchmarks.records import write_record
from benchmarks.scaling import measure_family_memory
from components.stage.command import PARAMS_FILE, exit_on_error, read_params
from components.store.store import SPLITS, TRAIN, UNLABELLED, Row, Store, write_store

SIDE, QUALITY = 96, 90  # of the JPEG files
FOLDERS = (5_000, 20_000, 80_000)
ROWS = 1_000_000  # in the store that is opened


def main() -> None:
    """Measure everything and write the record."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.store", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--cifar10", type=Path, required=True, help="the folder that holds cifar-10-batches-py")
    asked = parser.parse_args()
    with exit_on_error("store"):
        images, labels = cifar10.read_cifar10(asked.cifar10, test=False)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        record: dict[str, Any] = {"workers": read_params(PARAMS_FILE).data.workers}
        source = {"kind": "cifar10", "root": str(asked.cifar10), "download": False}
        record["cifar10"] = measure_fetch(root, source, 60_000)
        record["folders"] = [measure_folder(root, images, labels, count, record["workers"]) for count in FOLDERS]
        peaks = [folder["peak_memory_bytes"] for folder in record["folders"]]
        record["memory_growth"] = peaks[-1] / peaks[0] - 1
        record["opening"] = measure_opening(root / "large")
    print(f"{FOLDERS[-1] // FOLDERS[0]}x the images: peak memory {record['memory_growth']:+.1%}")
    write_record("store", record, "torchvision", "pillow", "pyarrow")


def measure_fetch(root: Path, source: dict[str, Any], count: int) -> dict[str, Any]:
    """Run the stage on one source; return the seconds of the process and the peak memory of it and its children."""
    yaml = YAML()
    with PARAMS_FILE.open() as file:
        params = yaml.load(file)
    params["data"]["sources"] = [source]
    params["data"]["checks"]["max_near_leaked_fraction"] = 1.0  # images of the largest folder resemble each other
    yaml.dump(params, root / "params.yaml")
    paths = {"store": "store", "metrics": "data.json", "findings": "findings", "scratch": "scratch", "labels": "labels"}
    flags = [part for flag, name in paths.items() for part in (f"--{flag}", str(root / name))]
    begun, peak = time.monotonic(), 0
    process = subprocess.Popen(
        [sys.executable, "-m", "components.fetch", *flags, "--params", str(root / "params.yaml")],
        stdout=subprocess.DEVNULL,
    )
    while process.poll() is None:
        peak = max(peak, measure_family_memory(process.pid))
        time.sleep(0.1)
    seconds = time.monotonic() - begun
    stored = sum(group.count for group in Store(root / "store").find_groups(SPLITS))
    if process.returncode or stored != count:
        raise RuntimeError(f"{stored} of {count} images stored, status {process.returncode}")
    result = {"images": count, "seconds": round(seconds, 2), "images_per_second": round(count / seconds)}
    print(source["kind"], result, flush=True)
    return {**result, "peak_memory_bytes": peak}


def measure_folder(root: Path, images: torch.Tensor, labels: torch.Tensor, count: int, workers: int) -> dict[str, Any]:
    """Write a folder of `count` JPEG files; measure the stage on it, and torchvision's decoding alone."""
    folder = root / f"jpegs-{count}"
    for number in range(count):
        row = number % len(images)
        place = folder / f"class-{int(labels[row])}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number:06}.jpg").write_bytes(encode_jpeg(images[row], number))
    source = {"kind": "folder", "name": "jpegs", "url": str(folder), "layout": "classes"}
    numbers = measure_fetch(root, source, count)
    begun = time.monotonic()
    count_read = sum(len(batch) for batch in decode_batches(folder, workers))
    alone = count_read / (time.monotonic() - begun)
    return {**numbers, "torchvision_decodes_per_second": round(alone), "ratio": numbers["images_per_second"] / alone}


def encode_jpeg(image: torch.Tensor, number: int) -> bytes:
    """Enlarge an image of CIFAR-10 and mark it with its number, so that no two files are the same."""
    large = Image.fromarray(image.permute(1, 2, 0).numpy()).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    large.paste((number % 256, number // 256 % 256, number // 65536), (0, 0, 8, 8))
    encoded = BytesIO()
    large.save(encoded, format="JPEG", quality=QUALITY)
    return encoded.getvalue()


def decode_batches(folder: Path, workers: int) -> Iterator[list[Any]]:
    """Yield batches of decoded images, as torchvision's reader gives them to PyTorch's loader."""
    data = ImageFolder(str(folder), transform=lambda image: image.size)
    yield from DataLoader(data, batch_size=64, num_workers=workers, collate_fn=list)


def measure_opening(folder: Path) -> dict[str, Any]:
    """Write a store of a million small rows; time opening it and finding groups and labels to train on."""
    write_store(folder, (Row(f"{n:07}", bytes(64), "", n % 10, SPLITS[n % 3]) for n in range(ROWS)), list("0123456789"))
    begun = time.monotonic()
    store = Store(folder)
    opened = time.monotonic()
    store.read_labels((TRAIN, UNLABELLED))
    numbers = {"rows": ROWS, "open_seconds": opened - begun, "groups_and_labels_seconds": time.monotonic() - opened}
    print(numbers, flush=True)
    return numbers


if __name__ == "__main__":
    main()
