"""Write all findings as CSV files to sort and search; metrics/data.json has the numbers and the first few."""

import csv
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from components.fetch.checks.duplicates import MOST
from components.fetch.checks.facts import Facts
from components.fetch.checks.verdict import Verdict
from components.stage.disk import write_beside
from components.store.store import SPLITS, TEST


def write_findings(folder: Path, facts: Facts, verdict: Verdict) -> None:
    """Write a CSV file per kind of finding, with its header alone if nothing was found."""
    rejected = ((f"{file.source}/{file.path}", file.reason, file.image) for file in facts.rejected)
    write_rows(folder / "rejected.csv", ("path", "reason", "should_be_image"), rejected)
    write_rows(folder / "odd.csv", ("id", "reason"), verdict.odd)
    write_rows(folder / "leaked.csv", ("test_id", "train_id", "bits"), list_leaks(facts, verdict))
    write_rows(folder / "withheld.csv", ("id", "test_id", "bits"), list_withheld(facts, verdict))
    write_rows(
        folder / "repeated.csv",
        ("id", "split", "kept", "same_as", "its_split", "it_is_kept"),
        list_repeated(facts, verdict),
    )
    deep = ((facts.ids[row], full.channels, full.bits, full.highest) for row, full in sorted(facts.full.items()))
    write_rows(folder / "deep.csv", ("id", "channels", "bits", "highest"), deep)
    pairs = islice(list_nearly_repeated(facts, verdict), MOST)
    write_rows(folder / "nearly_repeated.csv", ("id", "split", "nearly", "its_split", "bits"), pairs)


def list_leaks(facts: Facts, verdict: Verdict) -> Iterator[tuple[object, ...]]:
    """Yield each test image that equals or nearly equals a training image, with that image and the differing bits."""
    group, sides = verdict.near.copies.group, verdict.sides
    trained = (facts.split_numbers != SPLITS.index(TEST)) & ~sides.merged
    same = {group[row]: row for row in np.flatnonzero(trained & verdict.near.copies.find_same(sides.leaked))}
    for row in np.flatnonzero(sides.leaked):
        yield facts.ids[row], facts.ids[same[group[row]]], 0
    yield from list_near(facts, verdict, sides.near_leaked, trained & sides.kept)


def list_withheld(facts: Facts, verdict: Verdict) -> Iterator[tuple[object, ...]]:
    """Yield each unlabelled image that is left out since it nearly equals a test image, with that image."""
    yield from list_near(facts, verdict, verdict.sides.withheld, facts.split_numbers == SPLITS.index(TEST))


def list_near(facts: Facts, verdict: Verdict, images: np.ndarray, others: np.ndarray) -> Iterator[tuple[object, ...]]:
    """Yield each of these images, (N,) bool, with the first of the others, (N,) bool, that it nearly equals."""
    looks, group = np.asarray(facts.looks, dtype=np.uint64), verdict.near.copies.group
    rows = np.flatnonzero(others & np.isin(group, group[verdict.near.pairs]))
    first_other = dict(zip(group[rows[::-1]].tolist(), rows[::-1].tolist(), strict=True))  # by group; the last stays
    partners: dict[int, int] = {}  # by group, a row
    for left, right in verdict.near.both_ways():
        for one, other in zip(group[left].tolist(), group[right].tolist(), strict=True):
            if other in first_other:
                partners[one] = min(partners.get(one, len(group)), first_other[other])
    for row in np.flatnonzero(images).tolist():
        near = partners[int(group[row])]
        yield facts.ids[row], facts.ids[near], int(np.bitwise_count(looks[row] ^ looks[near]))


def list_repeated(facts: Facts, verdict: Verdict) -> Iterator[tuple[object, ...]]:
    """Yield every image that equals an earlier one, beside it; both may have been left out."""
    copies, kept = verdict.near.copies, verdict.sides.kept
    for row in np.flatnonzero(copies.find_repeated(np.full(len(kept), True))):
        first = copies.firsts[copies.group[row]]
        sides = ((facts.ids[image], get_split(facts, image), bool(kept[image])) for image in (row, first))
        yield tuple(value for side in sides for value in side)


def list_nearly_repeated(facts: Facts, verdict: Verdict) -> Iterator[tuple[object, ...]]:
    """Yield the pairs of images that are nearly the same, of several images that are the same the first."""
    looks = np.asarray(facts.looks, dtype=np.uint64)
    for left, right in verdict.near.pairs.tolist():
        bits = int(np.bitwise_count(looks[left] ^ looks[right]))
        yield facts.ids[left], get_split(facts, left), facts.ids[right], get_split(facts, right), bits


def get_split(facts: Facts, row: "int | np.integer") -> str:
    """Return the name of an image's split."""
    return SPLITS[facts.splits[int(row)]]


def write_rows(path: Path, header: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> None:
    """Write a CSV file of these rows."""
    with write_beside(path) as new, new.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
