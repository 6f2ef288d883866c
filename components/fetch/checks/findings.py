"""Write all findings as CSV files to sort and search; metrics/data.json has the numbers and the first few."""

import csv
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from components.fetch.checks.facts import Facts
from components.fetch.checks.verdict import Verdict
from components.store.store import SPLITS, TEST

MOST = 100_000  # pairs of near copies that are listed at most


def write_findings(folder: Path, facts: Facts, verdict: Verdict) -> None:
    """Write a CSV file per kind of finding, with its header alone if nothing was found."""
    folder.mkdir(parents=True, exist_ok=True)
    rejected = ((f"{file.source}/{file.path}", file.reason, file.image) for file in facts.rejected)
    write_rows(folder / "rejected.csv", ("path", "reason", "should_be_image"), rejected)
    write_rows(folder / "odd.csv", ("id", "reason"), verdict.odd)
    write_rows(folder / "leaked.csv", ("test_id", "train_id", "bits"), list_leaks(facts, verdict))
    write_rows(
        folder / "repeated.csv",
        ("id", "split", "kept", "same_as", "its_split", "it_is_kept"),
        list_repeated(facts, verdict),
    )
    pairs = islice(list_nearly_repeated(facts, verdict), MOST)
    write_rows(folder / "nearly_repeated.csv", ("id", "split", "nearly", "its_split", "bits"), pairs)


def list_leaks(facts: Facts, verdict: Verdict) -> Iterator[tuple[object, ...]]:
    """Yield each test image that equals or nearly equals a training image, with that image and the differing bits."""
    copies, looks = verdict.copies, np.asarray(facts.looks, dtype=np.uint64)
    trained = facts.split_numbers != SPLITS.index(TEST)
    same = {copies.group[row]: row for row in np.flatnonzero(trained & copies.find_same(verdict.leaked))}
    for row in np.flatnonzero(verdict.leaked):
        yield facts.ids[row], facts.ids[same[copies.group[row]]], 0
    wanted = np.isin(copies.pairs, copies.look_index[verdict.near_leaked]).any(axis=1)
    near_looks = defaultdict[int, list[int]](list)  # by look
    for left, right in copies.pairs[wanted].tolist():
        near_looks[left].append(right)
        near_looks[right].append(left)
    by_look = defaultdict[int, list[int]](list)  # training images
    for train in np.flatnonzero(trained & verdict.kept & copies.find_near(verdict.near_leaked)).tolist():
        by_look[int(copies.look_index[train])].append(train)
    for test in np.flatnonzero(verdict.near_leaked).tolist():
        look = int(copies.look_index[test])
        candidates = (row for near_look in (look, *near_looks[look]) for row in by_look[near_look])
        near = next(row for row in candidates if copies.group[row] != copies.group[test])
        yield facts.ids[test], facts.ids[near], int(np.bitwise_count(looks[test] ^ looks[near]))


def list_repeated(facts: Facts, verdict: Verdict) -> Iterator[tuple[object, ...]]:
    """Yield every image that equals an earlier one, beside it; both may have been left out."""
    firsts = np.unique(verdict.copies.group, return_index=True)[1]  # the first image of each group
    for row in np.flatnonzero(verdict.copies.repeated):
        first = firsts[verdict.copies.group[row]]
        sides = ((facts.ids[image], get_split(facts, image), bool(verdict.kept[image])) for image in (row, first))
        yield tuple(value for side in sides for value in side)


def list_nearly_repeated(facts: Facts, verdict: Verdict) -> Iterator[tuple[object, ...]]:
    """Yield pairs of images with the same look, and the first images of two looks that are near."""
    looks, copies = np.asarray(facts.looks, dtype=np.uint64), verdict.copies
    firsts = np.unique(copies.look_index, return_index=True)[1]  # the first image of each look
    for row in range(len(looks)):
        first = firsts[copies.look_index[row]]
        if first != row and copies.group[first] != copies.group[row]:
            yield facts.ids[first], get_split(facts, first), facts.ids[row], get_split(facts, row), 0
    for left, right in firsts[copies.pairs]:
        bits = int(np.bitwise_count(looks[left] ^ looks[right]))
        yield facts.ids[left], get_split(facts, left), facts.ids[right], get_split(facts, right), bits


def get_split(facts: Facts, row: "int | np.integer") -> str:
    """Return the name of an image's split."""
    return SPLITS[facts.splits[int(row)]]


def write_rows(path: Path, header: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> None:
    """Write a CSV file of these rows."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
