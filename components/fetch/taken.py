"""Takes the labels that people gave into the images that were read, over the labels of the sources.

A label changes no image's part in the test: an image for testing stays one, with its new label, and an image without a
label becomes one to train on, never one to test with, since a person chose it and no hash did. What is left out of
training because it is or looks like a test image stays left out, as if it had no label
(components/fetch/checks/sides.py). N images.
"""

import csv
import re
from array import array
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from components.fetch.checks.facts import Facts
from components.fetch.given_rows import Row
from components.stage.disk import write_beside
from components.stage.shown import show_name
from components.store.store import SPLITS, TEST, TRAIN, UNLABELLED


@dataclass(frozen=True)
class Taken:
    """A label that a person gave, and the image that it was given to."""

    row: Row
    place: int | None  # of the image among those that were read; None: there is no such image
    source_label: str | None  # None: the source has none

    @property
    def differs(self) -> bool:
        """Whether the source says something else."""
        return self.source_label is not None and self.source_label != self.row.label


def take_in(facts: Facts, given: Mapping[str, Row]) -> tuple[Facts, list[Taken]]:
    """Return the facts with these labels, and what became of each label; the facts of before are as they were."""
    classes, splits = array("i", facts.classes), array("b", facts.splits)
    class_index, by_number = dict(facts.class_index), [*facts.class_index, None]
    places = find_places(facts, given)
    taken, adopted = [], array("b", bytes(len(facts.ids)))
    for name, written in given.items():
        place, row = places.get(name), replace(written, label=spell(written.label, facts.class_index))
        taken.append(Taken(row, place, None if place is None else by_number[facts.classes[place]]))
        if place is not None:
            classes[place] = class_index.setdefault(row.label, len(class_index))
            if SPLITS[splits[place]] == UNLABELLED:
                splits[place] = SPLITS.index(TRAIN)
                adopted[place] = True
    labelled = replace(
        facts,
        classes=classes,
        splits=splits,
        class_index=class_index,
        source_classes=len(facts.class_index),
        adopted=adopted,
    )
    return labelled, taken


def spell(label: str, known: Container[str]) -> str:
    """Return a whole number without the .0 that a spreadsheet adds, if that is how the sources write it."""
    plain = re.sub(r"(?<=\d)\.0+$", "", label)
    return plain if label not in known and plain in known else label


def find_places(facts: Facts, given: Mapping[str, Row]) -> dict[str, int]:
    """Find the place of each image that has a label, by its id; labels know ids without spaces at the ends."""
    if not given:
        return {}
    return {name: place for place, image in enumerate(facts.ids) if (name := image.strip()) in given}


def describe_taken(taken: list[Taken], facts: Facts, kept: np.ndarray) -> dict[str, Any]:
    """Return the numbers about these labels for metrics/data.json; `kept`, (N,) bool, are the images in the store."""
    found = [(label, label.place) for label in taken if label.place is not None]
    stored = [(label, place) for label, place in found if kept[place]]
    return {
        "given": len(stored),
        "given_differing": sum(label.differs for label, _ in stored),
        "given_new": sum(label.source_label is None for label, _ in stored),
        "given_test": sum(SPLITS[facts.splits[place]] == TEST for _, place in stored),
        "given_left_out": len(found) - len(stored),
        "given_unknown": len(taken) - len(found),
    }


def warn_of_given(taken: list[Taken], facts: Facts, kept: np.ndarray, file: Path) -> Iterator[str]:
    """Yield a line for the labels of images that are not there, and one for those of images that are left out."""
    unknown = [label.row.id for label in taken if label.place is None]
    left_out = [label.row.id for label in taken if label.place is not None and not kept[label.place]]
    rejected = {f"{file.source}/{file.path}" for file in facts.rejected}
    if unknown:
        why = "which cannot be stored" if unknown[0] in rejected else "which no source has"
        yield f"{file}: labels of images that are not there: {len(unknown):,}, as {show_name(unknown[0])}, {why}"
    if left_out:
        why = "since they equal another image or nearly equal a test image"
        yield f"{file}: labels of images that are left out: {len(left_out):,}, as {show_name(left_out[0])}, {why}"


def write_taken(path: Path, taken: list[Taken], facts: Facts, kept: np.ndarray) -> None:
    """Write what became of each label as CSV, with its header alone if nobody gave one."""
    with write_beside(path) as new, new.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("id", "label", "who", "when", "source_label", "split", "stored"))
        for label in taken:
            row, place = label.row, label.place
            found = ("", "", False) if place is None else (label.source_label, SPLITS[facts.splits[place]], kept[place])
            writer.writerow((row.id, row.label, row.who, row.when, *found))
