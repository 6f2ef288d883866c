"""Reads which pairs of images the stage fetch found to be the same or nearly the same, by pixels and hashes.

Of several images that are the same, the findings name only the first in further pairs; so an image stands here for the
first that it equals.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from components.stage.errors import InputError

PAIRS = {  # file of the findings: the columns of its pairs
    "nearly_repeated.csv": ("id", "nearly"),
    "leaked.csv": ("test_id", "train_id"),
    "withheld.csv": ("id", "test_id"),
}


@dataclass(frozen=True)
class Hashed:
    """The pairs that are known."""

    first: dict[str, str]  # image: the first image that it equals, if it is not that itself
    near: frozenset[frozenset[str]]  # pairs of such first images

    def knows(self, one: str, other: str) -> bool:
        """Whether this pair of images was found."""
        one, other = self.first.get(one, one), self.first.get(other, other)
        return one == other or frozenset((one, other)) in self.near


def read_findings(folder: Path) -> Hashed:
    """Read the pairs. Raises InputError if a file of them is not there or has other columns."""
    first = dict(read_pairs(folder / "repeated.csv", ("id", "same_as")))
    pairs = [pair for name, columns in PAIRS.items() for pair in read_pairs(folder / name, columns)]
    return Hashed(first, frozenset(frozenset(first.get(name, name) for name in pair) for pair in pairs))


def read_pairs(path: Path, columns: tuple[str, str]) -> Iterator[tuple[str, str]]:
    """Yield two columns of a CSV file of the findings."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file, strict=True):
                yield row[columns[0]], row[columns[1]]
    except (OSError, UnicodeDecodeError, csv.Error, KeyError) as error:
        fault = f"no column {error}" if isinstance(error, KeyError) else str(error)
        raise InputError(f"{path}: cannot be read ({fault}); `dvc repro fetch` writes it") from None
