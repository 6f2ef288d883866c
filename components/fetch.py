"""Stage fetch: the sources that params.yaml names -> data/store, split once and for all stages."""

from collections import Counter
from pathlib import Path

import numpy as np
from sklearn.model_selection import train_test_split

from components import stage
from components.data.metrics import write_json
from components.data.sources import Record, read_sources
from components.data.store import SPLITS, TEST, TRAIN, UNLABELLED, Row, write_store
from components.params.base import InputError
from components.params.data import Data


def run(params: Data, *, store: Path, metrics: Path) -> None:
    """Read every source, split what is labelled into train and test by class, write the store."""
    records = list(read_sources(params))
    repeated = [name for name, times in Counter(record.id for record in records).items() if times > 1]
    if repeated:
        raise InputError(f"params.yaml: data.sources: image '{repeated[0]}' comes twice; list each source once")
    class_names = sorted({record.label for record in records if record.label is not None})
    splits = split_records(records, test_fraction=params.test_fraction, seed=params.seed)
    index = {name: number for number, name in enumerate(class_names)}
    rows = [
        Row(r.id, r.image, r.path, None if r.label is None else index[r.label], split)
        for r, split in zip(records, splits, strict=True)
    ]
    write_store(store, rows, class_names)
    summary = {
        "images": len(rows),
        "classes": len(class_names),
        "bytes": sum(len(row.image) for row in rows),
        "rejected": 0,
        **{split: splits.count(split) for split in SPLITS},
    }
    write_json(metrics, summary)
    print(f"{len(rows):,} images of {len(class_names)} classes: {dict(Counter(splits))}")


def split_records(records: list[Record], *, test_fraction: float, seed: int) -> list[str]:
    """A split for every record: its source's own, else test for a share of each class, else unlabelled."""
    splits = [record.split or (UNLABELLED if record.label is None else TRAIN) for record in records]
    free = [n for n, record in enumerate(records) if record.split is None and record.label is not None]
    if not free:
        return splits
    labels = [records[n].label for n in free]
    try:
        _, test = train_test_split(np.array(free), test_size=test_fraction, stratify=labels, random_state=seed)
    except ValueError as error:
        raise InputError(f"params.yaml: data.test_fraction: {test_fraction:g} cannot be kept: {error}") from None
    for number in test:
        splits[number] = TEST
    return splits


if __name__ == "__main__":
    stage.main(run)
