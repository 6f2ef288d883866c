"""The page's section on the images: what there is, and what is wrong with it, from metrics/data.json."""

from collections.abc import Mapping
from typing import Any

SHOWN = 20  # files that are named

Metrics = Mapping[str, Any]


def section(data: Metrics) -> dict[str, Any]:
    """All of it, for the template."""
    return {"overview": overview(data), "findings": findings(data), "named": named(data)}


def overview(data: Metrics) -> list[tuple[str, str]]:
    """What there is: name and value."""
    sizes, channels = data["sizes"], data["channels"]
    sides = "; ".join(
        f"{axis} {one['min']:,} to {one['max']:,}, median {one['median']:,}" for axis, one in sizes.items()
    )
    per_channel = ("mean", "std")
    statistics = "; ".join(f"{name} {', '.join(f'{one:.3f}' for one in channels[name])}" for name in per_channel)
    return [
        ("images", ", ".join(f"{data[split]:,} {split}" for split in ("train", "test", "unlabelled") if data[split])),
        ("sources", ", ".join(f"{name} ({count:,})" for name, count in data["sources"].items())),
        ("classes", classes(data)),
        ("pixels", sides),
        ("formats", ", ".join(f"{name} ({count:,})" for name, count in data["formats"].items())),
        ("channels of the images to train on", statistics),
        ("in the store", f"{data['bytes'] / 1e6:,.1f} MB"),
    ]


def classes(data: Metrics) -> str:
    """How many, and how uneven they are."""
    if data["classes"] < 2:
        return f"{data['classes']}"
    return f"{data['classes']:,}; the largest has {data['class_ratio']:.3g} times the images of the smallest"


def findings(data: Metrics) -> list[tuple[str, str, str]]:
    """What is wrong: how many, what, and what it means; only what was found."""
    said = {
        "unreadable": ("image files that cannot be read", "not stored"),
        "no_images": ("other files", "not stored"),
        "odd": ("odd images", "stored; look at them"),
        "repeated": ("images that repeat another pixel for pixel", "stored, but for those below"),
        "repeated_with_other_labels": ("images that come under several labels", "one of these labels is wrong"),
        "nearly_repeated": ("images nearly the same as another", "stored"),
        "leaked": ("test images that also stand among those to train on", "accuracies would be too good"),
        "dropped": ("images to train on that were left out for that", "not stored"),
        "nearly_leaked": ("test images nearly the same as one to train on", "stored; accuracies may be too good"),
        "classes_without_train": ("classes without an image to train on", "probes cannot learn them"),
        "classes_without_test": ("classes without a test image", "nothing is known of them"),
    }
    return [(f"{data[key]:,}", what, meaning) for key, (what, meaning) in said.items() if data[key]]


def named(data: Metrics) -> list[tuple[str, str]]:
    """The first files and images that something is wrong with: name and reason; of what is cut, how many more."""
    rejected = [(one["path"], one["reason"]) for one in data["rejected_files"]]
    odd = [(one["id"], one["reason"]) for one in data["odd_images"]]
    leaked = [(name, "also stands among those to train on") for name in data["leaked_images"]]
    entries: list[tuple[str, str]] = []
    for name, kind in (("rejected", rejected), ("odd", odd), ("leaked", leaked)):
        entries += kind[:SHOWN]
        left = data[name] - len(kind[:SHOWN])  # by the count: metrics/data.json itself lists only the first
        entries += [(f"and {left:,} more", f"{name}.csv among the findings has them all")] * (left > 0)
    return entries
