"""What was found in all images, in columns: some hundred bytes per image, so that millions of them fit. N images."""

from array import array
from dataclasses import dataclass, field

import numpy as np

from components.fetch.checks.deep import Full
from components.fetch.checks.inspect import DIGEST, THUMBNAIL, Fault, ImageFacts
from components.fetch.sources.candidate import Candidate
from components.store.store import SPLITS, UNLABELLED


@dataclass(frozen=True)
class RejectedFile:
    """A file that is not stored, and why."""

    source: str
    path: str
    reason: str
    image: bool  # whether it should have been an image


@dataclass
class Facts:
    """The facts of all images, in columns; the columns are in the order in which the images came."""

    ids: list[str] = field(default_factory=list)
    class_index: dict[str, int] = field(default_factory=dict)  # in the order in which classes came
    classes: "array[int]" = field(default_factory=lambda: array("i"))  # into class_index, -1 for unlabelled images
    splits: "array[int]" = field(default_factory=lambda: array("b"))  # indices into SPLITS
    pixel_digests: bytearray = field(default_factory=bytearray)
    looks: "array[int]" = field(default_factory=lambda: array("Q"))
    thumbnail_pixels: bytearray = field(default_factory=bytearray)
    widths: "array[int]" = field(default_factory=lambda: array("I"))
    heights: "array[int]" = field(default_factory=lambda: array("I"))
    formats: "array[int]" = field(default_factory=lambda: array("b"))  # indices into format_names
    format_names: list[str] = field(default_factory=list)  # in the order in which formats came
    flat: list[int] = field(default_factory=list)  # rows of images of a single colour
    full: dict[int, Full] = field(default_factory=dict)  # by row, of images with more bits or channels than Pillow's
    misnamed: list[int] = field(default_factory=list)  # rows of files with the suffix of another format
    stored_bytes: "array[int]" = field(default_factory=lambda: array("L"))  # of the encoded image
    grays: "array[int]" = field(default_factory=lambda: array("b"))  # whether the image is gray
    channels: "array[float]" = field(default_factory=lambda: array("d"))  # means of R, G, B and of their squares
    rejected: list[RejectedFile] = field(default_factory=list)
    # Of the labels that people gave (components/fetch/taken.py):
    source_classes: int | None = None  # so many of class_index are of the sources; None: all
    adopted: "array[int]" = field(default_factory=lambda: array("b"))  # whether only a person gave it a label, if any

    def add(self, candidate: Candidate, image: ImageFacts, split: str) -> None:
        """Add an image that is stored."""
        label, row = None if split == UNLABELLED else candidate.label, len(self.ids)
        self.ids.append(candidate.id)
        self.classes.append(-1 if label is None else self.class_index.setdefault(label, len(self.class_index)))
        self.splits.append(SPLITS.index(split))
        self.pixel_digests += image.pixels
        self.looks.append(image.look)
        self.thumbnail_pixels += image.thumbnail
        self.widths.append(image.width)
        self.heights.append(image.height)
        self.stored_bytes.append(len(image.encoded))
        if image.format not in self.format_names:
            self.format_names.append(image.format)
        self.formats.append(self.format_names.index(image.format))
        self.grays.append(image.gray)
        self.channels.extend((*image.means, *image.squares))
        if image.full:
            self.full[row] = image.full
        if image.misnamed:
            self.misnamed.append(row)
        if image.flat:
            self.flat.append(row)

    def reject(self, candidate: Candidate, fault: Fault) -> None:
        """Add a file that is not stored."""
        self.rejected.append(RejectedFile(candidate.source, candidate.path, fault.reason, fault.image))

    @property
    def class_names(self) -> list[str]:
        """The names of the classes that an image has: the sources' sorted, then those that people added, as they came.

        So no class that a person adds changes the number of another class.
        """
        return sorted(self._list_used(slice(self.source_classes))) + self.added_classes

    @property
    def added_classes(self) -> list[str]:
        """The names of the classes that no source has, in the order in which people gave them."""
        return [] if self.source_classes is None else self._list_used(slice(self.source_classes, None))

    def _list_used(self, part: slice) -> list[str]:
        """Return the classes in a part of class_index that an image has."""
        used = np.bincount(np.asarray(self.classes, dtype=np.int64) + 1, minlength=len(self.class_index) + 1)[1:]
        return [name for name, count in list(zip(self.class_index, used, strict=True))[part] if count]

    @property
    def labels(self) -> np.ndarray:
        """The indices into the names of the classes, -1 for unlabelled images: (N,) int64."""
        places = {name: number for number, name in enumerate(self.class_names)}
        table = np.array([places.get(name, -1) for name in self.class_index] + [-1], dtype=np.int64)
        return table[np.asarray(self.classes, dtype=np.int64)]

    @property
    def split_numbers(self) -> np.ndarray:
        """The indices into SPLITS: (N,) int64."""
        return np.asarray(self.splits, dtype=np.int64)

    @property
    def pool(self) -> np.ndarray:
        """Whether an image's source has no label of it, whatever people said: (N,) bool."""
        adopted = np.asarray(self.adopted, dtype=bool) if self.adopted else False
        pool: np.ndarray = (self.split_numbers == SPLITS.index(UNLABELLED)) | adopted
        return pool

    @property
    def thumbnails(self) -> np.ndarray:
        """The small gray images for a second look: (N, 16, 16) uint8."""
        return np.frombuffer(self.thumbnail_pixels, dtype=np.uint8).reshape(-1, THUMBNAIL, THUMBNAIL)

    @property
    def areas(self) -> np.ndarray:
        """The numbers of pixels: (N,) int64."""
        return np.asarray(self.widths, dtype=np.int64) * np.asarray(self.heights, dtype=np.int64)

    def count_full_above(self, side: int | None) -> int:
        """Count the images with more bits or channels than Pillow's whose longer side is above `side`, if given."""
        sides = [max(self.widths[row], self.heights[row]) for row in self.full]
        return sum(side is not None and longer > side for longer in sides)

    def compute_mean_and_deviation(self, subset: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and deviation of the pixels of a subset, (N,) bool, per channel; for one channel if all are gray.

        Each image has the same weight, however large it is.
        """
        means, squares = np.asarray(self.channels).reshape(-1, 2, 3)[subset].sum(axis=0) / max(int(subset.sum()), 1)
        deviation = np.sqrt(np.maximum(squares - means**2, 0))
        grays = np.asarray(self.grays, dtype=bool)[subset]
        channels = slice(0, 1 if len(grays) and grays.all() else 3)
        return means[channels], deviation[channels]

    @property
    def pixels(self) -> np.ndarray:
        """The digests of the pixels: (N,) void of DIGEST bytes."""
        return np.frombuffer(self.pixel_digests, dtype=f"V{DIGEST}")
