"""Writes suspects/<encoder>.csv: a row per suspicious label, outlier and near-duplicate, the worst first."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import chain, islice
from pathlib import Path

import numpy as np
import pyarrow as pa

from components.features.embeddings import Embeddings
from components.labels.crossed import Suspicions
from components.labels.distances import Found
from components.labels.hashed import Hashed
from components.stage.disk import write_beside
from components.stage.errors import InputError
from components.store.store import TEST, Store

LABEL, OUTLIER, NEAR_DUPLICATE = "label", "outlier", "near_duplicate"
YES = {True: "yes", False: "no"}


@dataclass(frozen=True)
class Suspect:
    """A row of the table; what a kind has not is empty."""

    kind: str
    id: str
    path: str  # of the image in its source
    split: str
    label: str  # the name of the class that was given; empty if none was
    suggested: str  # the likeliest class
    score: str  # label: the given class's probability; outlier: mean cosine to the nearest; near_duplicate: cosine
    probability: str  # of the suggested class
    other: str  # the nearest image: of an outlier, or the other one of a pair
    other_split: str
    other_label: str
    leak: str  # yes if one of a pair is a test image and the other is trained on
    by_hash: str  # yes if the checks of fetch had found the pair


HEADER = [field.name for field in fields(Suspect)]


@dataclass(frozen=True)
class Table:
    """Writes rows about the images of a store."""

    table: Embeddings
    paths: pa.Array  # (N,) str
    class_names: Sequence[str]

    def describe(
        self, kind: str, row: int, score: float, *, other: int | None = None, more: Mapping[str, str]
    ) -> Suspect:
        """Describe an image, beside another if there is one."""
        names = {"id": self.name(row), "path": self.paths[row].as_py(), "split": str(self.table.splits[row])}
        names |= {"label": self.name_class(int(self.table.labels[row])), "score": f"{score:.6f}"}
        if other is not None:
            names |= {"other": self.name(other), "other_split": str(self.table.splits[other])}
            names |= {"other_label": self.name_class(int(self.table.labels[other]))}
        return Suspect(**dict.fromkeys(HEADER, "") | {"kind": kind} | names | dict(more))

    def name(self, row: int) -> str:
        """Return an image's id."""
        return str(self.table.ids[row])

    def name_class(self, label: int) -> str:
        """Return the name of a class; empty for an image without a label."""
        return self.class_names[label] if label >= 0 else ""

    def list_labels(self, found: Suspicions) -> Iterator[Suspect]:
        """Yield the suspicious labels."""
        columns = (column.tolist() for column in (found.rows, found.confidence, found.suggested, found.probability))
        for row, confidence, suggested, probability in zip(*columns, strict=True):
            more = {"suggested": self.name_class(suggested), "probability": f"{probability:.6f}"}
            yield self.describe(LABEL, row, confidence, more=more)

    def list_outliers(self, found: Found) -> Iterator[Suspect]:
        """Yield the outliers, each with its nearest image."""
        for row in found.outliers.tolist():
            yield self.describe(OUTLIER, row, float(found.cosines[row]), other=int(found.nearest[row]), more={})

    def list_pairs(self, found: Found, hashed: Hashed) -> Iterator[Suspect]:
        """Yield the pairs that are nearly the same."""
        for (row, other), cosine in zip(found.pairs.tolist(), found.pair_cosines.tolist(), strict=True):
            known = hashed.knows(self.name(row), self.name(other))
            more = {"leak": YES[self.leaks(row, other)], "by_hash": YES[known]}
            yield self.describe(NEAR_DUPLICATE, row, cosine, other=other, more=more)

    def leaks(self, row: int, other: int) -> bool:
        """Whether one of two images is a test image and the other is trained on."""
        return bool((self.table.splits[row] == TEST) != (self.table.splits[other] == TEST))


def open_table(store_folder: Path, table: Embeddings, embeddings: Path) -> Table:
    """Open the table of a store's images. Raises InputError if the embeddings are of others."""
    store = Store(store_folder)
    columns = store.read_columns(["id", "image.path"])
    same = len(columns) == len(table.ids) and np.array_equal(columns["id"].to_numpy().astype(str), table.ids)
    if not same or table.labels.max(initial=-1) >= len(store.class_names):
        raise InputError(f"{embeddings}: not of the images in {store_folder}; `dvc repro embed` writes it")
    return Table(table, columns["image"].combine_chunks().field("path"), store.class_names)


def write_table(path: Path, parts: Iterable[Iterable[Suspect]], most: int) -> None:
    """Write the first rows of each part, `most` at most; the header alone if there is none."""
    rows = chain.from_iterable(islice(part, most) for part in parts)
    with write_beside(path) as new, new.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        writer.writerows([getattr(row, name) for name in HEADER] for row in rows)
