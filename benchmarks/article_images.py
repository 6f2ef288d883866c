"""What benchmarks.article trains and judges on: a store as the stage `fetch` writes it, and parameters that suit it."""

import io
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks import cifar10
from benchmarks.recipe import fetch_outputs
from components.fetch import __main__ as fetch
from components.stage import command as stage
from components.store.store import TEST, TRAIN, Row, write_store
from presets.apply import plain, with_presets

CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
TEST_SHARE = 5  # one test image to so many train images


def write_digits(store: Path) -> Any:
    """The demo's images and parameters."""
    params = stage.read_params(stage.PARAMS_FILE)
    with tempfile.TemporaryDirectory() as folder:
        fetch.run(params.data, **(fetch_outputs(Path(folder)) | {"store": store}))
    return params


def write_cifar10(store: Path, root: Path, images: int) -> Any:
    """The first so many of the train split and a fifth as many of the test split, with the presets `cifar10 cpu`."""
    params = stage.check_params(plain(with_presets(stage.PARAMS_FILE, ["cifar10", "cpu"])), stage.PARAMS_FILE)
    parts = {TRAIN: images, TEST: images // TEST_SHARE}
    write_store(store, (row for split, count in parts.items() for row in rows(root, split, count)), CLASSES)
    return params


def rows(root: Path, split: str, count: int) -> Iterator[Row]:
    """Rows of the store. Raises InputError where there is no CIFAR-10."""
    pixels, labels = cifar10.read(root, test=split == TEST)
    for number, (image, label) in enumerate(zip(pixels[:count], labels[:count].tolist(), strict=True)):
        encoded = io.BytesIO()
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(encoded, "png")
        yield Row(f"cifar10/{split}/{number:05}", encoded.getvalue(), f"{number:05}.png", label, split)
