"""The stage labels: embeddings -> suspects/<encoder>.csv, what a person should look at; nothing is changed by itself.

Suspicious labels (crossed.py), outliers and near-duplicates (distances.py) by one encoder's features, the latter beside
those that the stage fetch found by hash.
"""

import components.stage.openmp  # noqa: F401  (before torch)

from collections.abc import Iterable, Mapping
from pathlib import Path

from components.features.embeddings import read_embeddings
from components.labels.crossed import NothingToJudgeError, Suspicions, judge_labels
from components.labels.distances import Found, NothingToFindError, judge_distances
from components.labels.hashed import Hashed, read_findings
from components.labels.neighbours import find_neighbours
from components.labels.params import Labels
from components.labels.table import Suspect, Table, open_table, write_table
from components.learning.device import choose_device, choose_double_device, prepare_device
from components.stage.command import main
from components.stage.disk import check_file
from components.stage.errors import InputError
from components.stage.files import write_json


def run(
    params: Labels, *, features: str, store: Path, embeddings: Path, findings: Path, suspects: Path, metrics: Path
) -> None:
    """Find suspicious labels, outliers and near-duplicates by the features of one encoder."""
    for file in (suspects, metrics):
        check_file(file)
    path = embeddings / f"{features}.parquet"
    if not path.is_file():
        raise InputError(f"{path}: missing; `dvc repro embed` writes it, or labels.encoders names what is there")
    device = choose_double_device(choose_device(params.device, "labels.device"))
    prepare_device(device, params.threads)
    hashed, embedded = read_findings(findings), read_embeddings(path)
    table = open_table(store, embedded, path)
    measured: dict[str, float | str] = {"images": len(embedded.ids)}
    parts: list[Iterable[Suspect]] = []
    reasons = []
    try:
        labels = judge_labels(embedded, params, device)
        measured |= count_labels(labels)
        parts.append(table.list_labels(labels))
    except NothingToJudgeError as reason:
        reasons.append(f"labels are not judged: {reason}")
    try:
        found = judge_distances(*find_neighbours(embedded.features, params.neighbours, device), params)
        measured |= count_found(found, table, hashed)
        parts += [table.list_outliers(found), table.list_pairs(found, hashed)]
    except NothingToFindError as reason:
        reasons.append(f"outliers and near-duplicates are not looked for: {reason}")
    for line in reasons:
        print(f"labels {features}: {line}", flush=True)
    write_table(suspects, parts, params.most)
    write_json(metrics, {features: measured | ({"skipped": "; ".join(reasons)} if reasons else {})})
    print(f"labels {features}: {describe(measured)} -> {suspects}", flush=True)


def count_labels(found: Suspicions) -> dict[str, float | str]:
    """Count the suspicious labels, and tell how good the classifiers are that suspect them."""
    accuracy = {
        "accuracy": found.accuracy.value,
        "accuracy_low": found.accuracy.low,
        "accuracy_high": found.accuracy.high,
    }
    rounded = {name: float(f"{value:.6g}") for name, value in accuracy.items()}
    return {"suspects": len(found.rows), "judged": found.judged, "not_judged": found.not_judged, **rounded}


def count_found(found: Found, table: Table, hashed: Hashed) -> dict[str, float | str]:
    """Count the outliers and the pairs, and of these the ones that hashes had found and that are leaks."""
    pairs = found.pairs.tolist()
    return {
        "outliers": len(found.outliers),
        "near_duplicates": len(pairs),
        "found_by_hash": sum(hashed.knows(table.name(one), table.name(other)) for one, other in pairs),
        "leaks": sum(table.leaks(one, other) for one, other in pairs),
    }


def describe(measured: Mapping[str, float | str]) -> str:
    """Describe in a line what was found."""
    said = []
    if "suspects" in measured:
        right = f"by classifiers that get {100 * float(measured['accuracy']):.1f} % right"
        said.append(f"suspicious labels: {measured['suspects']:,} of {measured['judged']:,} ({right})")
        if measured["not_judged"]:
            said.append(f"in classes too small to judge: {measured['not_judged']:,}")
    if "outliers" in measured:
        of_pairs = f"known by hash: {measured['found_by_hash']:,}, across train and test: {measured['leaks']:,}"
        said.append(f"outliers: {measured['outliers']:,}")
        said.append(f"near-duplicate pairs: {measured['near_duplicates']:,} ({of_pairs})")
    return "; ".join(said) or "nothing could be looked for"


if __name__ == "__main__":
    main(run)
