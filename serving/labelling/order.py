"""Tells which images to label next: those that the stages `select` and `labels` list, then the others.

The lists are CSV files with a column `id`, one image a row, in order. They are read again when they have changed.
"""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from serving.labelling.pool import TEST, TRAIN, Pool

CHOSEN = "In the order of the strategy “{name}”, which the stage select wrote."
SUSPECTED = (
    "Every image that the stage select lists has a label. These are images whose label may be wrong (stage labels)."
)
REST = "No list of the stage select is left, so these come as they stand: images {which}."


@dataclass(frozen=True)
class Next:
    """Images to label, by their rows in the pool, and a line that says why these."""

    rows: list[int]
    note: str


class Order:
    """The order in which images are labelled."""

    def __init__(self, chosen: Path | None, suspects: Path | None) -> None:
        """The folders of the lists that `select` and `labels` write; None if there is no such stage."""
        self.folders = {CHOSEN: chosen, SUSPECTED: suspects}
        self._read: dict[Path, tuple[tuple[int, int], list[str]]] = {}

    def choose(self, pool: Pool, given: dict[str, str], count: int, strategies: tuple[str, ...]) -> Next:
        """Choose the next images that nobody has labelled since the lists were made; the first strategies go first."""
        rows: dict[int, None] = {}
        note = ""
        for says, names in self._list_portions(pool, strategies):
            left = (pool.rows[name] for name in names if name in pool.rows and name not in given)
            found = list(islice(left, max(1, count)))
            note = note or (says if found else "")
            rows |= dict.fromkeys(found)
            if len(rows) >= count:
                break
        return Next(list(rows)[:count], note or "Every image has been labelled here.")

    def _list_portions(self, pool: Pool, strategies: tuple[str, ...]) -> Iterator[tuple[str, Iterable[str]]]:
        for says, folder in self.folders.items():
            for path in sorted(folder.glob("*.csv"), key=lambda path: rank(path, strategies)) if folder else []:
                yield says.format(name=path.stem), self._read_ids(path)
        free, taught = (pool.labels < 0) & (pool.splits != TEST), (pool.labels >= 0) & (pool.splits == TRAIN)
        yield REST.format(which="without a label"), map(str, pool.ids[free])
        yield REST.format(which="of the train split, which have a label already"), map(str, pool.ids[taught])

    def _read_ids(self, path: Path) -> list[str]:
        try:
            state = path.stat()
            sign = (state.st_mtime_ns, state.st_size)
            if path not in self._read or self._read[path][0] != sign:
                with path.open(encoding="utf-8", newline="") as file:
                    self._read[path] = (sign, [row["id"] for row in csv.DictReader(file) if row.get("id")])
        except (OSError, UnicodeDecodeError, csv.Error):
            return []  # it is being written, or no list; the others hold
        return self._read[path][1]


def rank(path: Path, strategies: tuple[str, ...]) -> tuple[int, str]:
    """Tell where a list comes among the others."""
    return (strategies.index(path.stem) if path.stem in strategies else len(strategies), path.stem)
