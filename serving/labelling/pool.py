"""The images that can be labelled, as the index that is served has them: N images, K classes, D features."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

TEST, TRAIN = "test", "train"


@dataclass(frozen=True)
class Pool:
    """Holds what is known about the images before anybody labels them."""

    version: str  # of what is served
    ids: np.ndarray  # (N,) str
    splits: np.ndarray  # (N,) str
    labels: np.ndarray  # (N,) int64, -1 where unlabelled
    classes: tuple[str, ...]  # K names
    vectors: np.ndarray  # (N, D) float32, features of length 1

    @cached_property
    def rows(self) -> dict[str, int]:
        """The row of each image."""
        return {name: row for row, name in enumerate(self.ids.tolist())}

    def name_class(self, row: int) -> str | None:
        """Name the class that an image's source gave it, if it gave it one."""
        label = int(self.labels[row])
        return self.classes[label] if label >= 0 else None
