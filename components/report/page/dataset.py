"""Describes the images from metrics/data.json: what there is, and what is wrong with it."""

from collections.abc import Mapping, Sequence
from typing import Any

from components.report.words import count, fit

CHANNELS = 20  # whose mean and deviation are shown
SHOWN = 20  # faulty files of each kind that are named

Metrics = Mapping[str, Any]


def describe_images(data: Metrics) -> dict[str, Any]:
    """Return the section on the images as the template needs it."""
    return {"overview": list_overview(data), "findings": list_findings(data), "named": list_faulty_files(data)}


def list_overview(data: Metrics) -> list[tuple[str, str]]:
    """List the name and value of each fact about the images."""
    sizes, channels = data["sizes"], data["channels"]
    statistics = "; ".join(f"{name} {list_numbers(channels[name])}" for name in ("mean", "std"))
    return [
        ("images", ", ".join(f"{data[split]:,} {split}" for split in ("train", "test", "unlabelled") if data[split])),
        ("sources", ", ".join(f"{name} ({count:,})" for name, count in data["sources"].items())),
        ("classes", describe_classes(data)),
        *([("labels by hand", describe_given(data))] if data.get("given") else []),
        ("pixels", "; ".join(describe_side(axis, size) for axis, size in sizes.items())),
        ("formats", ", ".join(f"{name} ({count:,})" for name, count in data["formats"].items())),
        ("channels of the images to train on", statistics),
        *([("channels and bits", describe_depths(data["depths"]))] if data["depths"] else []),
        ("in the store", f"{data['bytes'] / 1e6:,.1f} MB"),
    ]


def list_numbers(values: Sequence[float]) -> str:
    """List a number per channel, of the first channels if there are many."""
    more = f" and so on, {len(values):,} in all" if len(values) > CHANNELS else ""
    return ", ".join(f"{value:.3f}" for value in values[:CHANNELS]) + more


def describe_depths(depths: Sequence[Mapping[str, Any]]) -> str:
    """Describe how many channels of how many bits the images have, and how high their values are."""
    kinds = (
        f"{count(depth['channels'], 'channel(s)')} of {depth['bits']} bits"
        + (f", values up to {depth['highest']:,}" if depth["highest"] is not None else "")
        + f" ({depth['images']:,})"
        for depth in depths
    )
    return "; ".join(kinds)


def describe_side(axis: str, size: Mapping[str, int]) -> str:
    """Describe the widths or the heights of the images."""
    if size["min"] == size["max"]:
        return f"{axis} {size['min']:,}"
    return f"{axis} {size['min']:,} to {size['max']:,}, median {size['median']:,}"


def describe_classes(data: Metrics) -> str:
    """Describe how many classes there are, and how uneven their sizes are."""
    if data["classes"] < 2 or data["classes_without_train"] == data["classes"]:
        return f"{data['classes']}"
    ratio, having = f"{data['class_ratio']:.3g}", " of those that have any" if data["classes_without_train"] else ""
    if float(ratio) == 1:
        return f"{data['classes']:,}; the number of train images is the same for each{having}"
    return f"{data['classes']:,}; the largest has {ratio} times the train images of the smallest{having}"


def describe_given(data: Metrics) -> str:
    """Describe how many labels people gave, and what the sources say of these images."""
    parts = {
        "given_new": "where the source has none",
        "given_differing": "in place of another of the source",
        "given_test": "of test images",
    }
    counts = ", ".join(f"{data[key]:,} {where}" for key, where in parts.items() if data.get(key))
    return f"{data['given']:,} that people gave{f': {counts}' if counts else ''}"


def list_findings(data: Metrics) -> list[tuple[str, str, str]]:
    """List what was found wrong: how many images, what is wrong with them, and what that means."""
    descriptions = {
        "unreadable": ("image file(s) that cannot be read", "not stored"),
        "no_images": ("other file(s)", "not stored"),
        "odd": ("odd image(s)", "stored; look at them"),
        "repeated": ("image(s) equal to another, pixel for pixel", "stored, but for those below"),
        "repeated_with_other_labels": ("image(s) under several labels", "one of these labels is wrong"),
        "nearly_repeated": ("image(s) nearly the same as another", "stored"),
        "leaked": ("test image(s) equal to one to train on", "accuracies would be too good"),
        "dropped": ("image(s) to train on, left out for that", "not stored"),
        "merged": ("unlabelled image(s) equal to one of another split", "not stored again"),
        "withheld": ("unlabelled image(s) nearly the same as a test image", "not stored"),
        "nearly_leaked": ("test image(s) nearly the same as one to train on", "stored; accuracies may be too good"),
        "given_left_out": ("label(s) that people gave to images that are left out", "no use, as a copy is there"),
        "given_unknown": ("label(s) that people gave to images that no source has", "no use, unless these come back"),
        "classes_without_train": ("class(es) without an image to train on", "probes cannot learn them"),
        "classes_without_test": ("class(es) without a test image", "nothing is known of them"),
    }
    found = {key: texts for key, texts in descriptions.items() if data.get(key)}
    return [(f"{data[key]:,}", fit(data[key], what), meaning) for key, (what, meaning) in found.items()]


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
