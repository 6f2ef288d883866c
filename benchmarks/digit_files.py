"""scikit-learn's digits as PNG files in a folder a class, as somebody's photos may lie there, and what befalls them."""

import shutil
from pathlib import Path

import cv2
import numpy as np
from sklearn.datasets import load_digits


class DigitFiles:
    """The folder. Images are called by their number in an order that is drawn once; N of them."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.rng = np.random.default_rng(seed)
        digits = load_digits()
        order = self.rng.permutation(len(digits.target))
        self.pixels = np.rint(digits.images[order] * 255 / 16).astype(np.uint8)  # (N, 8, 8), in 0..255
        self.classes = digits.target[order]  # (N,)

    def hold(self, count: int) -> None:
        """The first `count` images, and no other."""
        self._write(self.pixels[:count], self.classes[:count])

    def shuffle(self, first: int, last: int) -> None:
        """Hold `last` images, those from `first` on with each other's classes."""
        classes = self.classes[:last].copy()
        self.rng.shuffle(classes[first:])
        self._write(self.pixels[:last], classes)

    def blank(self, first: int, last: int) -> None:
        """Hold `last` images, those from `first` on all black."""
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
