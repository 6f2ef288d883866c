"""Pairs of images to be verified, in the layout of LFW's pairs.txt (vis-www.cs.umass.edu/lfw, README of the file)."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from components.stage.errors import InputError


@dataclass(frozen=True)
class Pairs:
    """Row numbers of both images, whether they show the same class, and the fold: (P,) each."""

    first: np.ndarray
    second: np.ndarray
    same: np.ndarray
    fold: np.ndarray


def read_pairs(named: str, ids: np.ndarray) -> Pairs:
    """Read the file that params.yaml names. Raises InputError where it cannot be read or is not in LFW's layout."""
    try:
        text = Path(named).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise InputError(f"params.yaml: evaluate.verification.pairs: {named} cannot be read: {reason}") from None
    return parse_pairs(text, ids, named)


def parse_pairs(text: str, ids: np.ndarray, name: str) -> Pairs:
    """LFW's pairs.txt: a first line with the number of folds and of same-class pairs a fold; then for each fold so many
    lines `name n m` (images n and m of that name), and as many lines `name n other m`. An image is found by the end of
    its id, `name/name_000n`. Raises InputError where the file is not so, or names an image that there is not."""
    lines = [line.split() for line in text.splitlines() if line.strip()]
    if not lines or not all(number.isdecimal() for number in lines[0]) or len(lines[0]) != 2:
        raise InputError(f"{name}: line 1: the number of folds and of same-class pairs a fold, such as '10 300'")
    folds, each = int(lines[0][0]), int(lines[0][1])
    if folds < 2 or each < 1 or len(lines) - 1 != folds * each * 2:
        raise InputError(
            f"{name}: {folds} folds of {each} same-class and {each} other pairs are {folds * each * 2} lines (and two "
            f"folds at least), not {len(lines) - 1}"
        )
    rows = {"/".join(PurePosixPath(str(one)).with_suffix("").parts[-2:]): row for row, one in enumerate(ids)}
    same = np.tile(np.repeat([True, False], each), folds)
    found = [
        _pair(line, rows, f"{name}: pair {number}", same=bool(is_same))
        for number, (line, is_same) in enumerate(zip(lines[1:], same, strict=True), start=1)
    ]
    first, second = (np.array(column) for column in zip(*found, strict=True))
    return Pairs(first, second, same, np.arange(len(found)) // (2 * each))


def _pair(line: list[str], rows: dict[str, int], where: str, *, same: bool) -> tuple[int, int]:
    """Row numbers of both images."""
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
