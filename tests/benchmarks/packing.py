"""Packs random images as CIFAR-10 is packed (benchmarks/packed.py)."""

import io
from pathlib import Path

import numpy as np
from PIL import Image


def pack(folder: Path, images: np.ndarray, labels: np.ndarray, first: int) -> None:
    """Write images (N, 32, 32, 3) uint8, N a multiple of 500, and their labels; the first file gets `first` of them."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in (("part0.npz", slice(0, first)), ("part1.npz", slice(first, None))):
        blobs = []
        for mosaic in np.split(images[rows], len(images[rows]) // 500):
            rows_of_ten = [np.concatenate(list(row), axis=1) for row in np.split(mosaic, 50)]  # (32, 320, 3) each
            file = io.BytesIO()
            Image.fromarray(np.concatenate(rows_of_ten)).save(file, "webp", lossless=True)
            blobs.append(np.frombuffer(file.getvalue(), np.uint8))
        sizes = [len(blob) for blob in blobs]
        np.savez(folder / name, blob=np.concatenate(blobs), sizes=sizes, labels=labels[rows].astype(np.uint8))


def draw_images(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw smooth random images (N, 32, 32, 3) uint8 and labels (N,) of ten classes."""
    generator = np.random.default_rng(0)
    coarse = generator.integers(0, 256, (count, 4, 4, 3), dtype=np.uint8)
    return coarse.repeat(8, 1).repeat(8, 2), generator.integers(0, 10, count)
