"""Describes the images from metrics/data.json: what there is, and what is wrong with it."""

from collections.abc import Mapping
from typing import Any

SHOWN = 20  # faulty files of each kind that are named

Metrics = Mapping[str, Any]


def describe_images(data: Metrics) -> dict[str, Any]:
    """Return the section on the images as the template needs it."""
    return {"overview": list_overview(data), "findings": list_findings(data), "named": list_faulty_files(data)}


def list_overview(data: Metrics) -> list[tuple[str, str]]:
    """List the name and value of each fact about the images."""
    sizes, channels = data["sizes"], data["channels"]
    sides = "; ".join(
        f"{axis} {size['min']:,} to {size['max']:,}, median {size['median']:,}" for axis, size in sizes.items()
    )
    per_channel = ("mean", "std")
    statistics = "; ".join(f"{name} {', '.join(f'{value:.3f}' for value in channels[name])}" for name in per_channel)
    return [
        ("images", ", ".join(f"{data[split]:,} {split}" for split in ("train", "test", "unlabelled") if data[split])),
        ("sources", ", ".join(f"{name} ({count:,})" for name, count in data["sources"].items())),
        ("classes", describe_classes(data)),
        ("pixels", sides),
        ("formats", ", ".join(f"{name} ({count:,})" for name, count in data["formats"].items())),
        ("channels of the images to train on", statistics),
        ("in the store", f"{data['bytes'] / 1e6:,.1f} MB"),
    ]


def describe_classes(data: Metrics) -> str:
    """Describe how many classes there are, and how uneven their sizes are."""
    if data["classes"] < 2:
        return f"{data['classes']}"
    return f"{data['classes']:,}; the largest has {data['class_ratio']:.3g} times the images of the smallest"


def list_findings(data: Metrics) -> list[tuple[str, str, str]]:
    """List what was found wrong: how many images, what is wrong with them, and what that means."""
    descriptions = {
        "unreadable": ("image files that cannot be read", "not stored"),
        "no_images": ("other files", "not stored"),
        "odd": ("odd images", "stored; look at them"),
        "merged": ("unlabelled copies of labelled images", "not stored: each is one image with a label"),
        "withheld": ("unlabelled images nearly the same as a test image", "not stored, so not trained on"),
        "repeated": ("images that repeat another pixel for pixel", "stored, but for those below"),
        "repeated_with_other_labels": ("images that come under several labels", "one of these labels is wrong"),
        "nearly_repeated": ("images nearly the same as another", "stored"),
        "leaked": ("test images that also stand among those to train on", "accuracies would be too good"),
        "dropped": ("images to train on that were left out for that", "not stored"),
        "nearly_leaked": ("test images nearly the same as one to train on", "stored; accuracies may be too good"),
        "classes_without_train": ("classes without an image to train on", "probes cannot learn them"),
        "classes_without_test": ("classes without a test image", "nothing is known of them"),
    }
    return [(f"{data[key]:,}", what, meaning) for key, (what, meaning) in descriptions.items() if data[key]]


def list_faulty_files(data: Metrics) -> list[tuple[str, str]]:
    """List the name and fault of the first files and images of each kind of fault, and how many more there are."""
    rejected = [(row["path"], row["reason"]) for row in data["rejected_files"]]
    odd = [(row["id"], row["reason"]) for row in data["odd_images"]]
    leaked = [(name, "also stands among those to train on") for name in data["leaked_images"]]
    entries: list[tuple[str, str]] = []
    for name, faulty in (("rejected", rejected), ("odd", odd), ("leaked", leaked)):
        entries += faulty[:SHOWN]
        left = data[name] - len(faulty[:SHOWN])  # by the count, since metrics/data.json lists only the first files
        entries += [(f"and {left:,} more", f"{name}.csv among the findings has them all")] * (left > 0)
    return entries
