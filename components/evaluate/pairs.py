"""Reads pairs of images for the probe verification, in the layout of LFW's pairs.txt.

The layout is that of the README of the file at vis-www.cs.umass.edu/lfw. P pairs.
"""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from components.stage.errors import InputError


@dataclass(frozen=True)
class Pairs:
    """P pairs of images: both row numbers, whether the classes are the same, and the fold, (P,) each."""

    first: np.ndarray
    second: np.ndarray
    same: np.ndarray
    fold: np.ndarray


def read_pairs(path: str, ids: np.ndarray) -> Pairs:
    """Read the file of pairs that params.yaml names. Raises InputError if it is unreadable or not in LFW's layout."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise InputError(f"params.yaml: evaluate.verification.pairs: {path} cannot be read: {reason}") from None
    return parse_pairs(text, ids, path)


def parse_pairs(text: str, ids: np.ndarray, name: str) -> Pairs:
    """Parse LFW's pairs.txt: the first line has the number of folds and of same-class pairs per fold; each fold then
    has that many lines `name n m` (images n and m of that name) and as many `name n other m`. An image is found by
    the end of its id, `name/name_000n`. Raises InputError if the layout is different or an image does not exist."""
    lines = [line.split() for line in text.splitlines() if line.strip()]
    if not lines or not all(number.isdecimal() for number in lines[0]) or len(lines[0]) != 2:
        raise InputError(f"{name}: line 1: the number of folds and of same-class pairs per fold, such as '10 300'")
    folds, each = int(lines[0][0]), int(lines[0][1])
    if folds < 2 or each < 1 or len(lines) - 1 != folds * each * 2:
        raise InputError(
            f"{name}: {folds} folds of {each} same-class and {each} other pairs are {folds * each * 2} lines (and two "
            f"folds at least), not {len(lines) - 1}"
        )
    rows = {"/".join(PurePosixPath(str(image_id)).with_suffix("").parts[-2:]): row for row, image_id in enumerate(ids)}
    same = np.tile(np.repeat([True, False], each), folds)
    pairs = [
        _parse_pair(line, rows, f"{name}: pair {number}", same=bool(is_same))
        for number, (line, is_same) in enumerate(zip(lines[1:], same, strict=True), start=1)
    ]
    first, second = (np.array(column) for column in zip(*pairs, strict=True))
    return Pairs(first, second, same, np.arange(len(pairs)) // (2 * each))


def _parse_pair(line: list[str], rows: dict[str, int], where: str, *, same: bool) -> tuple[int, int]:
    """Return the row numbers of both images of a line. Raises InputError if the line is not in the layout."""
    wanted = 3 if same else 4
    other = line[2] if len(line) == 4 else line[0]
    if len(line) != wanted or not (line[1].isdecimal() and line[-1].isdecimal()) or (other == line[0]) != same:
        layout = "'name 1 2' in this half of the fold" if same else "'name 1 other 2' in this half of the fold"
        raise InputError(f"{where}: {layout}, not '{' '.join(line)}'")
    keys = [f"{person}/{person}_{int(number):04}" for person, number in ((line[0], line[1]), (other, line[-1]))]
    for key in keys:
        if key not in rows:
            raise InputError(f"{where}: no image of the store is called .../{key}")
    return rows[keys[0]], rows[keys[1]]
