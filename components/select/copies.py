"""Which images nearly equal which others by their hashes, as the stage fetch found; features do not tell all of them.

A photograph that was encoded anew may lie as far from itself as two others from each other, if the encoder has not
learnt to overlook that.
"""

import csv
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from components.stage.errors import InputError

FILE = "nearly_repeated.csv"  # among the findings of the stage fetch

Copies = Mapping[str, set[str]]  # the ids of the near copies of an image, by its id


def read_copies(findings: Path) -> Copies:
    """Read the pairs that fetch listed, both ways. Raises InputError if they are not there or damaged."""
    path, copies = findings / FILE, defaultdict[str, set[str]](set)
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file, strict=True):
                copies[row["id"]].add(row["nearly"])
                copies[row["nearly"]].add(row["id"])
    except (OSError, UnicodeError, KeyError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read: {error}; `dvc repro fetch` writes it") from None
    return dict(copies)
