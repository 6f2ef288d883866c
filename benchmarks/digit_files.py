"""Writes scikit-learn's digits as PNG files, one folder per class as a user's photos may lie, and damages them."""

import shutil
from pathlib import Path

import cv2
import numpy as np
from sklearn.datasets import load_digits


class DigitFiles:
    """A folder of the N digits. Each file's name is the image's number in an order that is drawn once."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.rng = np.random.default_rng(seed)
        digits = load_digits()
        order = self.rng.permutation(len(digits.target))
        self.pixels = np.rint(digits.images[order] * 255 / 16).astype(np.uint8)  # (N, 8, 8), in 0..255
        self.classes = digits.target[order]  # (N,)

    def hold(self, count: int) -> None:
        """Hold the first `count` images and no others."""
        self._write(self.pixels[:count], self.classes[:count])

    def shuffle(self, first: int, last: int) -> None:
        """Hold the first `last` images; those from `first` on exchange their classes at random."""
        classes = self.classes[:last].copy()
        self.rng.shuffle(classes[first:])
        self._write(self.pixels[:last], classes)

    def blank(self, first: int, last: int) -> None:
        """Hold the first `last` images; those from `first` on are black."""
        pixels = self.pixels[:last].copy()
        pixels[first:] = 0
        self._write(pixels, self.classes[:last])

    def _write(self, pixels: np.ndarray, classes: np.ndarray) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        for number, (image, label) in enumerate(zip(pixels, classes, strict=True)):
            file = self.folder / str(label) / f"{number:04}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            if not cv2.imwrite(str(file), image):
                raise RuntimeError(f"{file}: cannot be written")
