"""A candidate: one image as a source offers it, before anybody has looked inside."""

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class Candidate:
    """What becomes a row of the store, or a line of the list of what was rejected."""

    source: str  # the source's name in params.yaml
    path: str  # of the image in its source; text that Parquet and JSON can hold
    content: bytes | Path | np.ndarray  # encoded; or the file; or pixels, (H, W) or (H, W, 3) uint8
    label: str | None  # the class by name; None when unlabelled
    split: str | None  # None where the source has no splits of its own
    fault: str | None = None  # why it cannot be stored, where that is known beforehand
    sha256: str = ""  # of the content, where that is known beforehand
    meant: bool = False  # whether the source says that it is an image; else its name does, or does not

    @property
    def id(self) -> str:
        """The same for the same image of the same source in every run."""
        return f"{self.source}/{self.path}"


def as_text(name: str | bytes) -> str:
    """A file's name as text, one to one: what is not UTF-8 is written as \\xff, and a backslash as two."""
    raw = os.fsencode(name) if isinstance(name, str) else name
    return raw.replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")


def as_label(value: Any) -> str | None:
    """A class's name as text, also where a table has it as a number; one of 3.0 is 3, for pandas writes it so."""
    if isinstance(value, float):
        value = None if math.isnan(value) else int(value) if value.is_integer() else value
    if isinstance(value, bytes):
        value = as_text(value)
    return None if value is None else str(value).strip() or None
