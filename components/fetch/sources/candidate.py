"""A candidate is one image as a source offers it, before its content is inspected."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True, slots=True)
class Candidate:
    """An image of a source, which becomes a row of the store or a line of the list of rejected files."""

    source: str  # the source's name in params.yaml
    path: str  # of the image, relative to its source; text that Parquet and JSON can hold
    content: bytes | Path | np.ndarray  # encoded bytes, a file, or pixels: (H, W) or (H, W, 3) uint8
    label: str | None  # the class by name; None when unlabelled
    split: str | None  # None where the source has no splits of its own
    fault: str | None = None  # why the image cannot be stored, if that is known beforehand
    sha256: str = ""  # of the content, if that is known beforehand
    declared_image: bool = False  # whether the source says that it is an image; otherwise its suffix decides

    @property
    def id(self) -> str:
        """The id of the image, which is the same in every run."""
        return f"{self.source}/{self.path}"


def escape_name(name: str | bytes) -> str:
    r"""Return a file's name as text, one to one: bytes that are not UTF-8 as \xff, and a backslash as two."""
    raw = name.encode("utf-8", "surrogateescape") if isinstance(name, str) else name
    return raw.replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")
