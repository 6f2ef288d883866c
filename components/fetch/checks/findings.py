"""All that the checks found, as CSV files to sort and search; metrics/data.json has the numbers and the first few."""

import csv
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from components.fetch.checks.facts import Facts
from components.fetch.checks.verdict import Verdict
from components.store.store import SPLITS, TEST

MOST = 100_000  # pairs of nearly the same images that are listed


def write_findings(folder: Path, facts: Facts, verdict: Verdict) -> None:
    """A file a kind of finding, empty but for its header where nothing was found."""
    folder.mkdir(parents=True, exist_ok=True)
    rejected = ((f"{one.source}/{one.path}", one.reason, one.image) for one in facts.rejected)
    write(folder / "rejected.csv", ("path", "reason", "should_be_image"), rejected)
    write(folder / "odd.csv", ("id", "reason"), verdict.odd)
    write(folder / "leaked.csv", ("test_id", "train_id", "bits"), leaks(facts, verdict))
    write(
        folder / "repeated.csv", ("id", "split", "kept", "same_as", "its_split", "it_is_kept"), repeated(facts, verdict)
    )
    pairs = islice(nearly(facts, verdict), MOST)
    write(folder / "nearly_repeated.csv", ("id", "split", "nearly", "its_split", "bits"), pairs)


def leaks(facts: Facts, verdict: Verdict) -> Iterator[tuple[object, ...]]:
    """Every test image that stands among those to train on or nearly does, beside one such; 0 bits: pixel for pixel."""
    copies, looks = verdict.copies, np.asarray(facts.looks, dtype=np.uint64)
    trained = facts.split_numbers != SPLITS.index(TEST)
    same = {copies.group[row]: row for row in np.flatnonzero(trained & copies.same_in(verdict.leaked))}
    for row in np.flatnonzero(verdict.leaked):
        yield facts.ids[row], facts.ids[same[copies.group[row]]], 0
    wanted = np.isin(copies.pairs, copies.look[verdict.near_leaked]).any(axis=1)
    beside = defaultdict[int, list[int]](list)  # by look
    for one, other in copies.pairs[wanted].tolist():
        beside[one].append(other)
        beside[other].append(one)
    by_look = defaultdict[int, list[int]](list)
    for train in np.flatnonzero(trained & verdict.kept & copies.near_in(verdict.near_leaked)).tolist():
        by_look[int(copies.look[train])].append(train)
    for test in np.flatnonzero(verdict.near_leaked).tolist():
        look = int(copies.look[test])
        others = (other for place in (look, *beside[look]) for other in by_look[place])
        near = next(other for other in others if copies.group[other] != copies.group[test])
        yield facts.ids[test], facts.ids[near], int(np.bitwise_count(looks[test] ^ looks[near]))


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
