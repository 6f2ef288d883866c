"""Reads what the stage labels found, and shows the worst of it: the picture, the given label and the suggested one.

Each kind says so where there is nothing of it, and why where it was not looked for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.report.page.measured import read_metrics, read_rows
from components.report.words import count
from components.stage.errors import InputError

COLUMNS = [
    *("kind", "id", "split", "label", "suggested", "score", "probability"),
    *("other", "other_split", "other_label", "leak", "by_hash"),
]
LABEL, OUTLIER, NEAR_DUPLICATE = "label", "outlier", "near_duplicate"

Row = Mapping[str, str]


@dataclass(frozen=True)
class Suspects:
    """Holds what was found by one encoder's features."""

    metrics: Mapping[str, Any]  # the counts, or why there are none
    rows: list[Row]

    def select(self, kind: str, most: int) -> list[Row]:
        """Select the first rows of a kind."""
        return [row for row in self.rows if row["kind"] == kind][:most]


def read_suspects(folder: Path, metrics: Path, encoders: Sequence[str]) -> dict[str, Suspects]:
    """Read the table and the numbers of each encoder. Raises InputError if they are not what it writes."""
    return {name: read_encoder(folder / f"{name}.csv", metrics / f"labels-{name}.json", name) for name in encoders}


def read_encoder(path: Path, metrics: Path, encoder: str) -> Suspects:
    """Read the table and the numbers of an encoder."""
    measured = read_metrics(metrics).get(encoder, {})
    header, *rows = read_rows(path, "labels")
    if lacking := [name for name in COLUMNS if name not in header]:
        raise InputError(f"{path}: no column {lacking[0]}; `dvc repro labels` writes it")
    return Suspects(measured, [dict(zip(header, row, strict=True)) for row in rows])


def list_ids(found: Mapping[str, Suspects], most: int) -> list[str]:
    """List the images that are shown."""
    kinds = (LABEL, OUTLIER, NEAR_DUPLICATE)
    rows = [row for suspects in found.values() for kind in kinds for row in suspects.select(kind, most)]
    return [name for row in rows for name in (row["id"], row["other"]) if name]


def describe_suspects(found: Mapping[str, Suspects], pictures: Mapping[str, str], most: int) -> list[dict[str, Any]]:
    """Return each encoder's findings as the template needs them; `pictures` are addresses by id."""
    return [
        {
            "encoder": encoder,
            "skipped": suspects.metrics.get("skipped", ""),
            "labels": describe_labels(suspects, pictures, most),
            "outliers": describe_outliers(suspects, pictures, most),
            "pairs": describe_pairs(suspects, pictures, most),
        }
        for encoder, suspects in found.items()
    ]


def describe_labels(suspects: Suspects, pictures: Mapping[str, str], most: int) -> dict[str, Any] | None:
    """Describe the suspicious labels; None if labels were not judged."""
    metrics = suspects.metrics
    if "suspects" not in metrics:
        return None
    shown = suspects.select(LABEL, most)
    said = f"{metrics['suspects']:,} of {count(metrics['judged'], 'label(s)')}"
    left_out = count(metrics["not_judged"], "labelled image(s)") if metrics["not_judged"] else ""
    images = [
        {
            **describe_image(row, pictures),
            "suggested": row["suggested"],
            "share": describe_share(row["probability"]),
            "given": describe_share(row["score"]),
        }
        for row in shown
    ]
    return {"said": said, "of": metrics["suspects"], "right": metrics["accuracy"], "not_judged": left_out} | {
        "images": images
    }


def describe_outliers(suspects: Suspects, pictures: Mapping[str, str], most: int) -> dict[str, Any] | None:
    """Describe the images that are like no other; None if they were not looked for."""
    if "outliers" not in suspects.metrics:
        return None
    images = [describe_image(row, pictures) | {"score": row["score"][:5]} for row in suspects.select(OUTLIER, most)]
    return {"of": suspects.metrics["outliers"], "images": images}


def describe_pairs(suspects: Suspects, pictures: Mapping[str, str], most: int) -> dict[str, Any] | None:
    """Describe the pairs that are nearly the same; None if they were not looked for."""
    metrics = suspects.metrics
    if "near_duplicates" not in metrics:
        return None
    pairs = [
        {
            "images": [describe_image(row, pictures), describe_image(row, pictures, "other", "other_")],
            "score": row["score"][:6],
            "leak": row["leak"] == "yes",
            "by_hash": row["by_hash"] == "yes",
            "differ": bool(row["label"] and row["other_label"] and row["label"] != row["other_label"]),
        }
        for row in suspects.select(NEAR_DUPLICATE, most)
    ]
    return {"of": metrics["near_duplicates"], "known": metrics["found_by_hash"], "leaks": metrics["leaks"]} | {
        "pairs": pairs
    }


def describe_image(row: Row, pictures: Mapping[str, str], column: str = "id", prefix: str = "") -> dict[str, Any]:
    """Describe one image of a row."""
    label, split = row[f"{prefix}label"], row[f"{prefix}split"]
    return {"id": row[column], "address": pictures[row[column]], "label": label, "split": split}


def describe_share(number: str) -> str:
    """Write a probability in percent."""
    return f"{float(number):.1%}".replace("%", " %")
