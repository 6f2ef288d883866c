"""Makes stores and settings so small that a test of feeds, samples and readings takes no time."""

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import tifffile
import torch
from PIL import Image

from components.encoder.params import Images
from components.features.embeddings import EmbeddingsWriter
from components.pretrain.params import Pretrain, WholePretrain
from components.stage.command import read_params
from components.store.decode import decode_square
from components.store.store import TRAIN, Row, Store, write_store
from tests.conftest import EVERYTHING_OFF, ROOT, set_in

RGB = Images(side=8, read_side=8, range=None, colours=None, mean=(0.5,) * 3, std=(0.25,) * 3)
CLASSES = ["cat", "dog", "owl"]


def encode_png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(file, format="PNG")
    return file.getvalue()


def encode_bands(pixels: np.ndarray) -> bytes:
    """Encode (H, W, C) uint8 or uint16 as a TIFF of so many channels, none of which has a colour."""
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, photometric="minisblack", planarconfig="contig" if pixels.shape[2] > 1 else None)
    return file.getvalue()


def make_grays(count: int) -> list[np.ndarray]:
    """Make images of 8 x 8 pixels; image n is filled with the gray n, so that it can be recognised."""
    return [np.full((8, 8), gray) for gray in range(count)]


def fill_store(
    folder: Path,
    images: Sequence[np.ndarray],
    *,
    labels: Sequence[int | None] | None = None,
    splits: Sequence[str] | None = None,
    names: list[str] = CLASSES,
    encode: Callable[[np.ndarray], bytes] = encode_png,
) -> Store:
    """Write a store, by default with all images of class 0 and of the train split, and open it."""
    labels, splits = labels or [0] * len(images), splits or [TRAIN] * len(images)
    columns = zip(images, labels, splits, strict=True)
    rows = [Row(f"{n}", encode(image), f"{n}.png", label, split) for n, (image, label, split) in enumerate(columns)]
    write_store(folder, rows, names)
    return Store(folder)


def decode_images(store: Store, splits: tuple[str, ...], *, side: int = 8) -> np.ndarray:
    """Decode every image of the splits as gray: (N, 1, S, S) uint8."""
    groups = store.read_groups(store.find_groups(splits))
    return np.stack(
        [decode_square(encoded, side=side, channels=1, deep=False) for group in groups for encoded in group]
    )


def make_settings(**changes: Any) -> Pretrain:
    """Make the shipped settings for 8 x 8 grays, with views that are the image, and with changes: `feed__workers=0`."""
    section = read_params(ROOT / "params.yaml").pretrain.model_dump()
    section["views"] = {"online": 2, "first": dict(EVERYTHING_OFF), "second": {}, "target": None}
    section["images"] = {"side": 8, "read_side": 8, "range": None, "colours": None, "mean": (0.5,), "std": (0.25,)}
    for key, value in changes.items():
        set_in(section, key.split("__"), value)
    return WholePretrain.model_validate(section)


def write_embeddings(path: Path, rows: pa.Table, features: np.ndarray, precision: torch.dtype = torch.float32) -> None:
    """Write a whole file at once, from rows of the store with id, split and label, and their features: (N, D)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with EmbeddingsWriter(path, precision) as writer:
        writer.add_rows(rows, features)
