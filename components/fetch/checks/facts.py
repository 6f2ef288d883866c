"""What was seen in all images, in columns: some hundred bytes an image, so that millions of them fit. N images."""

from array import array
from dataclasses import dataclass, field

import numpy as np

from components.fetch.checks.inspect import DIGEST, Fault, Seen
from components.fetch.sources.candidate import Candidate
from components.store.store import SPLITS, TEST, UNLABELLED


@dataclass(frozen=True)
class Rejected:
    """A file that is not stored."""

    source: str
    path: str
    reason: str
    image: bool  # whether it should have been an image


@dataclass
class Channels:
    """Sums over the images to train on, each of which counts the same, however large it is.

    Those that are left out afterwards, since they are also in the test split, have been counted too.
    """

    images: int = 0
    grays: int = 0
    means: np.ndarray = field(default_factory=lambda: np.zeros(3))  # of R, G, B in 0..1
    squares: np.ndarray = field(default_factory=lambda: np.zeros(3))

    def add(self, seen: Seen) -> None:
        """One more image."""
        self.images += 1
        self.grays += seen.gray
        self.means += seen.means
        self.squares += seen.squares

    def mean_and_deviation(self) -> tuple[np.ndarray, np.ndarray]:
        """Of the pixels, one number a channel: one channel where all images are gray."""
        count = max(self.images, 1)
        mean = self.means / count
        deviation = np.sqrt(np.maximum(self.squares / count - mean**2, 0))
        wanted = slice(0, 1 if self.images and self.grays == self.images else 3)
        return mean[wanted], deviation[wanted]


@dataclass
class Facts:
    """The columns are in the order in which the images came."""

    ids: list[str] = field(default_factory=list)
    class_index: dict[str, int] = field(default_factory=dict)  # in the order in which classes came
    classes: "array[int]" = field(default_factory=lambda: array("i"))  # of that index, -1 where unlabelled
    splits: "array[int]" = field(default_factory=lambda: array("b"))  # index into SPLITS
    pixel_digests: bytearray = field(default_factory=bytearray)
    looks: "array[int]" = field(default_factory=lambda: array("Q"))
    widths: "array[int]" = field(default_factory=lambda: array("I"))
    heights: "array[int]" = field(default_factory=lambda: array("I"))
    formats: "array[int]" = field(default_factory=lambda: array("b"))  # of format_names
    format_names: list[str] = field(default_factory=list)  # in the order in which they came
    flat: list[int] = field(default_factory=list)  # rows of images that are of one colour all over
    misnamed: list[int] = field(default_factory=list)  # rows of files with the suffix of another format
    stored_bytes: "array[int]" = field(default_factory=lambda: array("L"))  # encoded
    channels: Channels = field(default_factory=Channels)
    rejected: list[Rejected] = field(default_factory=list)

    def add(self, candidate: Candidate, seen: Seen, split: str) -> None:
        """One image that is stored."""
        label, row = None if split == UNLABELLED else candidate.label, len(self.ids)
        self.ids.append(candidate.id)
        self.classes.append(-1 if label is None else self.class_index.setdefault(label, len(self.class_index)))
        self.splits.append(SPLITS.index(split))
        self.pixel_digests += seen.pixels
        self.looks.append(seen.look)
        self.widths.append(seen.width)
        self.heights.append(seen.height)
        self.stored_bytes.append(len(seen.encoded))
        if seen.format not in self.format_names:
            self.format_names.append(seen.format)
        self.formats.append(self.format_names.index(seen.format))
        if split != TEST:
            self.channels.add(seen)
        if seen.misnamed:
            self.misnamed.append(row)
        if seen.flat:
            self.flat.append(row)

    def reject(self, candidate: Candidate, fault: Fault) -> None:
        """One file that is not."""
        self.rejected.append(Rejected(candidate.source, candidate.path, fault.reason, fault.image))

    @property
    def class_names(self) -> list[str]:
        """Sorted, as the store has them."""
        return sorted(self.class_index)

    @property
    def labels(self) -> np.ndarray:
        """Index into the sorted names, -1 where unlabelled: (N,) int64."""
        sorted_place = {name: number for number, name in enumerate(self.class_names)}
        table = np.array([sorted_place[name] for name in self.class_index] + [-1], dtype=np.int64)
        return table[np.asarray(self.classes, dtype=np.int64)]

    @property
    def split_numbers(self) -> np.ndarray:
        """Index into SPLITS: (N,) int64."""
        return np.asarray(self.splits, dtype=np.int64)

    @property
    def pixels(self) -> np.ndarray:
        """The digests: (N,) of so many bytes each."""
        return np.frombuffer(bytes(self.pixel_digests), dtype=f"V{DIGEST}")
