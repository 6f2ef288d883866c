"""All that the checks found, as CSV files to sort and search; metrics/data.json has the numbers and the first few."""

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from components.data.checks import Verdict
from components.data.facts import Facts
from components.data.store import SPLITS


def write_findings(folder: Path, facts: Facts, verdict: Verdict) -> None:
    """A file a kind of finding, empty but for its header where nothing was found."""
    folder.mkdir(parents=True, exist_ok=True)
    rejected = ((f"{one.source}/{one.path}", one.reason, one.image) for one in facts.rejected)
    write(folder / "rejected.csv", ("path", "reason", "should_be_image"), rejected)
    write(folder / "odd.csv", ("id", "reason"), verdict.odd)
    write(
        folder / "repeated.csv", ("id", "split", "kept", "same_as", "its_split", "it_is_kept"), repeated(facts, verdict)
    )
    write(folder / "nearly_repeated.csv", ("id", "split", "nearly", "its_split", "bits"), nearly(facts, verdict))


def repeated(facts: Facts, verdict: Verdict) -> Iterator[tuple[object, ...]]:
    """Every image that is the same as an earlier one; either of both may have been left out."""
    firsts = np.unique(verdict.copies.group, return_index=True)[1]  # of each group
    for row in np.flatnonzero(verdict.copies.repeated):
        first = firsts[verdict.copies.group[row]]
        sides = ((facts.ids[one], split(facts, one), bool(verdict.kept[one])) for one in (row, first))
        yield tuple(value for side in sides for value in side)


def nearly(facts: Facts, verdict: Verdict) -> Iterator[tuple[object, ...]]:
    """Pairs; of images with the same look, and of the first images of two looks that are near."""
    looks, copies = np.asarray(facts.looks, dtype=np.uint64), verdict.copies
    firsts = np.unique(copies.look, return_index=True)[1]  # of each look
    for row in range(len(looks)):
        first = firsts[copies.look[row]]
        if first != row and copies.group[first] != copies.group[row]:
            yield facts.ids[first], split(facts, first), facts.ids[row], split(facts, row), 0
    for one, other in firsts[copies.pairs]:
        bits = int(np.bitwise_count(looks[one] ^ looks[other]))
        yield facts.ids[one], split(facts, one), facts.ids[other], split(facts, other), bits


def split(facts: Facts, row: "int | np.integer") -> str:
    """Of one image."""
    return SPLITS[facts.splits[int(row)]]


def write(path: Path, header: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> None:
    """One file."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
