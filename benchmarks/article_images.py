"""Writes the store that benchmarks.article trains and judges on, and returns the parameters that suit its images."""

import io
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks import cifar10
from benchmarks.recipe import place_fetch_outputs
from components.fetch import __main__ as fetch
from components.stage import command as stage
from components.store.store import TEST, TRAIN, Row, write_store
from presets.apply import apply_presets, to_plain

CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
TEST_SHARE = 5  # train images per test image


def write_digits(store: Path) -> Any:
    """Write the demo's images to the store and return the parameters of params.yaml."""
    params = stage.read_params(stage.PARAMS_FILE)
    with tempfile.TemporaryDirectory() as folder:
        fetch.run(params.data, **(place_fetch_outputs(Path(folder)) | {"store": store}))
    return params


def write_cifar10(store: Path, root: Path, images: int) -> Any:
    """Write the first train images and a fifth as many test images; apply the presets `cifar10 cpu`."""
    params = stage.check_params(to_plain(apply_presets(stage.PARAMS_FILE, ["cifar10", "cpu"])), stage.PARAMS_FILE)
    parts = {TRAIN: images, TEST: images // TEST_SHARE}
    write_store(store, (row for split, count in parts.items() for row in make_rows(root, split, count)), CLASSES)
    return params


def make_rows(root: Path, split: str, count: int) -> Iterator[Row]:
    """Make the store's rows from the first images of a split. Raises InputError where CIFAR-10 is missing."""
    pixels, labels = cifar10.read_cifar10(root, test=split == TEST)
    for number, (image, label) in enumerate(zip(pixels[:count], labels[:count].tolist(), strict=True)):
        encoded = io.BytesIO()
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(encoded, "png")
        yield Row(f"cifar10/{split}/{number:05}", encoded.getvalue(), f"{number:05}.png", label, split)
