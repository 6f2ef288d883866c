"""Decide what is odd, repeated or leaked among the images that were read, and what stops the run. N images."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from components.fetch.checks.depths import list_depths, summarise_channels
from components.fetch.checks.duplicates import NearCopies
from components.fetch.checks.facts import Facts
from components.fetch.checks.sides import Sides, find_sides
from components.fetch.params import Checks
from components.stage.shown import show_name
from components.store.store import SPLITS, TEST, TRAIN

RARE = 0.01  # a format that fewer of the images have is odd
DARK, BLACK = 4, 16  # an image without a value of this part of the highest that can be is dark, or nearly black
LISTED = 1000  # files and images that metrics/data.json names at most; the findings name all


@dataclass(frozen=True)
class Verdict:
    """The decision of the checks about the images."""

    sides: Sides
    near: NearCopies
    odd: list[tuple[str, str]]  # id and reason of images that can be read but are hardly intended
    metrics: dict[str, Any]
    objections: list[str]  # what stops the run: each key and what is wrong


def reach_verdict(facts: Facts, checks: Checks) -> Verdict:
    """Run all checks on the facts."""
    sides, near = find_sides(facts, checks)
    kept, repeated = sides.kept, near.copies.find_repeated(~sides.merged)
    test_count = int((facts.split_numbers == SPLITS.index(TEST)).sum())
    others = int((facts.pool & ~sides.merged).sum())
    images = summarise_images(facts, kept)
    odd = list(find_odd(facts, images["channels"].get("range")))
    unreadable = sum(rejected.image for rejected in facts.rejected)
    metrics: dict[str, Any] = {
        **images,
        "rejected": len(facts.rejected),
        "unreadable": unreadable,
        "unreadable_fraction": compute_fraction(unreadable, len(kept) + unreadable),
        "no_images": len(facts.rejected) - unreadable,
        "odd": len({name for name, _ in odd}),
        "merged": int(sides.merged.sum()),
        "repeated": int(repeated.sum()),
        "repeated_with_other_labels": count_conflicts(near.copies.group, facts.labels),
        "nearly_repeated": int((near.find_near(~sides.merged) & ~sides.merged).sum()),
        "leaked": int(sides.leaked.sum()),
        "leaked_fraction": compute_fraction(int(sides.leaked.sum()), test_count),
        "nearly_leaked": int(sides.near_leaked.sum()),
        "nearly_leaked_fraction": compute_fraction(int(sides.near_leaked.sum()), test_count),
        "dropped": int(sides.dropped.sum()),
        "withheld": int(sides.withheld.sum()),
        "withheld_fraction": compute_fraction(int(sides.withheld.sum()), others),
        "rejected_files": [
            {"path": f"{file.source}/{file.path}", "reason": file.reason} for file in facts.rejected[:LISTED]
        ],
        "odd_images": [{"id": name, "reason": reason} for name, reason in odd[:LISTED]],
        "leaked_images": [facts.ids[row] for row in np.flatnonzero(sides.leaked)[:LISTED]],
    }
    return Verdict(sides, near, odd, metrics, list_objections(metrics, checks, facts.added_classes))


def find_odd(facts: Facts, range_: list[int] | None) -> Iterator[tuple[str, str]]:
    """Yield images that can be read but are hardly intended: each id and why; `range_` is that of all images."""
    counts = np.bincount(np.asarray(facts.formats, dtype=np.int64), minlength=len(facts.format_names))
    rare = np.flatnonzero(counts < RARE * counts.sum())
    usual = facts.format_names[int(counts.argmax())] if len(counts) else ""
    for row in np.flatnonzero(np.isin(np.asarray(facts.formats), rare)).tolist():
        yield facts.ids[row], f"a {facts.format_names[facts.formats[row]]} where nearly all are {usual}"
    for row, full in facts.full.items():
        limit = range_[1] if range_ else 2**full.bits - 1
        if full.bits > 8 and 0 < full.highest < (limit + 1) // DARK:
            yield facts.ids[row], describe_dark(full.highest, limit, ranged=range_ is not None)
    for row in facts.flat:
        yield facts.ids[row], "one colour all over"
    for row in facts.misnamed:
        yield facts.ids[row], f"has another suffix than a {facts.format_names[facts.formats[row]]} has"


def describe_dark(highest: int, limit: int, *, ranged: bool) -> str:
    """Describe an image that is far from white."""
    shown = "nearly black" if highest < (limit + 1) // BLACK else "dark"
    if ranged:
        return f"{shown}: values no higher than {highest:,}, where a training on all images takes them up to {limit:,}"
    return f"{shown} in 8 bits: values no higher than {highest:,} of {limit:,}; pretrain.images.range keeps them"


def summarise_images(facts: Facts, kept: np.ndarray) -> dict[str, Any]:
    """Return the number of kept images, their classes and sizes, and the statistics of their channels."""
    splits = facts.split_numbers
    sizes = {"width": np.asarray(facts.widths)[kept], "height": np.asarray(facts.heights)[kept]}
    by_class = count_classes(facts, kept)
    return {
        "images": int(kept.sum()),
        "classes": len(facts.class_names),
        "bytes": int(np.asarray(facts.stored_bytes, dtype=np.int64)[kept].sum()),
        **{split: int((kept & (splits == number)).sum()) for number, split in enumerate(SPLITS)},
        "sources": dict(Counter(facts.ids[row].split("/", 1)[0] for row in np.flatnonzero(kept))),
        "by_class": by_class,
        "class_ratio": compute_ratio(by_class),
        "classes_without_train": sum(not row[TRAIN] for row in by_class),
        "classes_without_test": sum(not row[TEST] for row in by_class),
        "formats": dict(Counter(facts.format_names[facts.formats[row]] for row in np.flatnonzero(kept)).most_common()),
        "sizes": {name: compute_quantiles(values) for name, values in sizes.items()},
        "channels": summarise_channels(facts, kept, kept & (splits != SPLITS.index(TEST))),
        "depths": list_depths(facts, kept),
    }


def count_classes(facts: Facts, kept: np.ndarray) -> list[dict[str, Any]]:
    """Count the images per class and split; in a list, since DVC would make a column per number of a mapping."""
    splits, labels, names = facts.split_numbers, facts.labels, facts.class_names
    counts = np.zeros((len(names), len(SPLITS)), dtype=np.int64)
    np.add.at(counts, (labels[kept & (labels >= 0)], splits[kept & (labels >= 0)]), 1)
    return [
        {"class": name, **dict(zip(SPLITS, row, strict=True))} for name, row in zip(names, counts.tolist(), strict=True)
    ]


def compute_quantiles(values: np.ndarray) -> dict[str, int]:
    """Return the smallest, the median and the largest value."""
    if not len(values):
        return {}
    return {"min": int(values.min()), "median": int(np.median(values)), "max": int(values.max())}


def count_conflicts(group: np.ndarray, labels: np.ndarray) -> int:
    """Count the different images that have several labels."""
    labelled_images = np.unique(np.stack([group[labels >= 0], labels[labels >= 0]]), axis=1)
    return int((np.unique(labelled_images[0], return_counts=True)[1] > 1).sum())


def compute_ratio(by_class: list[dict[str, Any]]) -> float:
    """Return how many times the train images of the smallest class, of those that have any, the largest one has."""
    counts = [row[TRAIN] for row in by_class if row[TRAIN]]
    return round(max(counts) / min(counts), 3) if counts else 1.0


def compute_fraction(part: int, whole: int) -> float:
    """Return the fraction to six digits, so that one of three million is more than none; 0 of nothing."""
    return float(f"{part / whole:.6g}") if whole else 0.0


def list_objections(metrics: dict[str, Any], checks: Checks, added: list[str]) -> list[str]:
    """Return a line per limit of params.yaml that is exceeded, with its key.

    The classes that people have added, which begin with one image, may be as small as they are.
    """
    rows = [row for row in metrics["by_class"] if row[TRAIN] and row["class"] not in added]
    counts = [(row[TRAIN], show_name(row["class"])) for row in rows]
    ratio = "{1} has {0:,} images to train on, {3} {2:,}".format(*max(counts), *min(counts)) if counts else ""
    values = metrics | {"class_ratio": compute_ratio(rows)}
    measured = {
        "max_unreadable_fraction": (
            "unreadable_fraction",
            f"image files that cannot be stored: {metrics['unreadable']:,}",
        ),
        "max_leaked_fraction": ("leaked_fraction", f"test images that are also to train on: {metrics['leaked']:,}"),
        "max_near_leaked_fraction": (
            "nearly_leaked_fraction",
            f"test images nearly the same as one to train on: {metrics['nearly_leaked']:,}",
        ),
        "max_withheld_fraction": (
            "withheld_fraction",
            f"unlabelled images left out as nearly the same as a test image: {metrics['withheld']:,}",
        ),
        "max_class_ratio": ("class_ratio", ratio),
    }
    return [
        f"data.checks.{key}: {values[name]:g} is more than {getattr(checks, key):g} ({detail})"
        for key, (name, detail) in measured.items()
        if values[name] > getattr(checks, key)
    ]
