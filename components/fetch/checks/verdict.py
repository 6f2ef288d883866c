"""What was read and rejected, whether test images stand in train, and what of it stops the run. N images."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from components.fetch.checks.duplicates import Copies, find_copies
from components.fetch.checks.facts import Facts
from components.fetch.params import Checks
from components.store.store import SPLITS, TEST, TRAIN

RARE = 0.01  # of the images: a format that fewer have is odd
LISTED = 1000  # files and images that metrics/data.json names; the findings name all


@dataclass(frozen=True)
class Verdict:
    """What becomes of the images."""

    kept: np.ndarray  # (N,) bool
    copies: Copies
    odd: list[tuple[str, str]]  # images that can be read and hardly be meant: id, and why
    leaked: np.ndarray  # (N,) bool: for testing, and the same as an image to train on
    near_leaked: np.ndarray  # (N,) bool: for testing, and nearly the same as an image to train on that is kept
    metrics: dict[str, Any]
    objections: list[str]  # what stops the run, each as key and what is wrong


def judge(facts: Facts, checks: Checks) -> Verdict:
    """All checks at once."""
    copies = find_copies(facts.pixels, np.asarray(facts.looks, dtype=np.uint64), checks.near_duplicate_bits)
    test = facts.split_numbers == SPLITS.index(TEST)
    trained = ~test
    leaked = test & copies.same_in(trained)
    kept = ~(trained & copies.same_in(test)) if checks.leaked == "drop" else np.full(len(test), True)
    near_leaked = test & copies.near_in(trained & kept)
    tests = max(int(test.sum()), 1)
    odd = list(find_odd(facts))
    unreadable = sum(rejected.image for rejected in facts.rejected)
    metrics: dict[str, Any] = {
        **describe(facts, kept),
        "rejected": len(facts.rejected),
        "unreadable": unreadable,
        "unreadable_fraction": fraction(unreadable, len(kept) + unreadable),
        "no_images": len(facts.rejected) - unreadable,
        "odd": len({name for name, _ in odd}),
        "repeated": int(copies.repeated.sum()),
        "repeated_with_other_labels": conflicts(copies.group, facts.labels),
        "nearly_repeated": int(copies.near_in(np.full(len(kept), True)).sum()),
        "leaked": int(leaked.sum()),
        "leaked_fraction": fraction(int(leaked.sum()), tests),
        "nearly_leaked": int(near_leaked.sum()),
        "nearly_leaked_fraction": fraction(int(near_leaked.sum()), tests),
        "dropped": int((~kept).sum()),
        "rejected_files": [
            {"path": f"{one.source}/{one.path}", "reason": one.reason} for one in facts.rejected[:LISTED]
        ],
        "odd_images": [{"id": name, "reason": reason} for name, reason in odd[:LISTED]],
        "leaked_images": [facts.ids[row] for row in np.flatnonzero(leaked)[:LISTED]],
    }
    return Verdict(kept, copies, odd, leaked, near_leaked, metrics, objections(metrics, checks))


def find_odd(facts: Facts) -> Iterator[tuple[str, str]]:
    """Images that can be read and hardly be meant: each id and why."""
    counts = np.bincount(np.asarray(facts.formats, dtype=np.int64), minlength=len(facts.format_names))
    rare = np.flatnonzero(counts < RARE * counts.sum())
    usual = facts.format_names[int(counts.argmax())] if len(counts) else ""
    for row in np.flatnonzero(np.isin(np.asarray(facts.formats), rare)).tolist():
        yield facts.ids[row], f"a {facts.format_names[facts.formats[row]]} where nearly all are {usual}"
    for row in facts.flat:
        yield facts.ids[row], "one colour all over"
    for row in facts.misnamed:
        yield facts.ids[row], f"has another suffix than a {facts.format_names[facts.formats[row]]} has"


def describe(facts: Facts, kept: np.ndarray) -> dict[str, Any]:
    """How many images there are, of which classes and sizes, and what their channels are like."""
    splits = facts.split_numbers
    sizes = {"width": np.asarray(facts.widths)[kept], "height": np.asarray(facts.heights)[kept]}
    mean, deviation = facts.channels.mean_and_deviation()
    by_class = count_classes(facts, kept)
    trained = [one[TRAIN] for one in by_class if one[TRAIN]]
    return {
        "images": int(kept.sum()),
        "classes": len(facts.class_names),
        "bytes": int(np.asarray(facts.stored_bytes, dtype=np.int64)[kept].sum()),
        **{split: int((kept & (splits == number)).sum()) for number, split in enumerate(SPLITS)},
        "sources": dict(Counter(facts.ids[row].split("/", 1)[0] for row in np.flatnonzero(kept))),
        "by_class": by_class,
        "class_ratio": round(max(trained) / min(trained), 3) if trained else 1.0,
        "classes_without_train": sum(not one[TRAIN] for one in by_class),
        "classes_without_test": sum(not one[TEST] for one in by_class),
        "formats": dict(Counter(facts.format_names[facts.formats[row]] for row in np.flatnonzero(kept)).most_common()),
        "sizes": {name: quantiles(values) for name, values in sizes.items()},
        "channels": {
            "mean": [round(float(one), 4) for one in mean],
            "std": [round(float(one), 4) for one in deviation],
        },
    }


def count_classes(facts: Facts, kept: np.ndarray) -> list[dict[str, Any]]:
    """Images of every class and split, by name; a list, since DVC would make a column of every number in a mapping."""
    splits, labels, names = facts.split_numbers, facts.labels, facts.class_names
    counts = np.zeros((len(names), len(SPLITS)), dtype=np.int64)
    np.add.at(counts, (labels[kept & (labels >= 0)], splits[kept & (labels >= 0)]), 1)
    return [
        {"class": name, **dict(zip(SPLITS, row, strict=True))} for name, row in zip(names, counts.tolist(), strict=True)
    ]


def quantiles(values: np.ndarray) -> dict[str, int]:
    """Smallest, middle and largest."""
    if not len(values):
        return {}
    return {"min": int(values.min()), "median": int(np.median(values)), "max": int(values.max())}


def conflicts(group: np.ndarray, labels: np.ndarray) -> int:
    """How many different images come under several labels."""
    kinds = np.unique(np.stack([group[labels >= 0], labels[labels >= 0]]), axis=1)
    return int((np.unique(kinds[0], return_counts=True)[1] > 1).sum())


def fraction(part: int, whole: int) -> float:
    """Six digits, however small it is, since one of three million is more than none; of nothing, 0."""
    return float(f"{part / whole:.6g}") if whole else 0.0


def objections(metrics: dict[str, Any], checks: Checks) -> list[str]:
    """What is more than params.yaml allows, each by its key, and the findings that list it."""
    counts = [(one[TRAIN], one["class"]) for one in metrics["by_class"] if one[TRAIN]]
    ratio = "{1} has {0:,} images to train on, {3} {2:,}".format(*max(counts), *min(counts)) if counts else ""
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
        "max_class_ratio": ("class_ratio", ratio),
    }
    return [
        f"data.checks.{key}: {metrics[name]:g} is more than {getattr(checks, key):g} ({said})"
        for key, (name, said) in measured.items()
        if metrics[name] > getattr(checks, key)
    ]
