"""What a user reads at the end of the stage fetch: what is stored, what is wrong with it, and why a run stops.

The first files of each kind are named; the findings and metrics/data.json have them all.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unicodedata import category, normalize

import numpy as np

from components.fetch.checks.depths import describe_depths
from components.fetch.checks.facts import Facts, RejectedFile
from components.fetch.checks.verdict import Verdict
from components.fetch.sources.labels import MISSING
from components.fetch.sources.open import ListedSource
from components.fetch.sources.places import Places
from components.stage.shown import escape, show_name
from components.store.store import SPLITS, TEST, TRAIN

NAMED_FILES = 3  # how many files of each kind the last lines name


def describe_emptiness(sources: list[ListedSource], facts: Facts, places: Places) -> str:
    """Return what was found where an image was looked for, and why the first file is none."""
    looked = [f"{source.source.name} ({getattr(source.source, 'url', 'published')})" for source in sources]
    count = f"none of {len(facts.rejected):,} files or rows" if facts.rejected else "nothing"
    left_out = f"; left out: {escape(min(places.left_out))}" if places.left_out else ""
    return f"{count} in {', '.join(looked)}{left_out}{format_first(facts.rejected)}"


def find_example(objection: str, facts: Facts, verdict: Verdict) -> str:
    """Return the first file of those that an objection counts, and why; an empty text if it counts no files."""
    key, sides = objection.partition(":")[0].rpartition(".")[2], verdict.sides
    if key == "max_unreadable_fraction":
        return format_first([file for file in facts.rejected if file.image])
    counted = {
        "max_leaked_fraction": sides.leaked,
        "max_near_leaked_fraction": sides.near_leaked,
        "max_withheld_fraction": sides.withheld,
    }
    rows = np.flatnonzero(counted.get(key, False))
    return f"; the first: {escape(facts.ids[rows[0]])}" if len(rows) else ""


def format_first(rejected: list[RejectedFile]) -> str:
    """Return which of these files is the first, an image if there is any, and why it is rejected; or an empty text."""
    first = min(rejected, key=lambda file: not file.image, default=None)
    return f"; the first: {format_rejected(first)}" if first else ""


def format_rejected(file: RejectedFile) -> str:
    """Return the name of a file and why it is rejected."""
    return escape(f"{file.source}/{file.path}: {file.reason}")


def format_summary(metrics: dict[str, Any], facts: Facts, left_out: set[str], written: Path) -> str:
    """Return lines with the counts of the store, the counts of what is wrong with it, and the first such files.

    `written` is the file of these metrics, which the presets read.
    """
    counts = ", ".join(f"{metrics[split]:,} {split}" for split in SPLITS if metrics[split])
    total = f"{metrics['images']:,} images of {metrics['classes']:,} classes: {counts}"
    descriptions = {
        "given": "labels that people gave",
        "given_differing": "of them unlike the source's",
        "unreadable": "image files that cannot be stored",
        "no_images": "other files",
        "odd": "odd images",
        "not_reencoded": "images larger than data.reencode.max_side, kept for their bits and channels",
        "repeated_with_other_labels": "images that have several labels",
        "merged": "unlabelled copies of labelled images, left out",
        "withheld": "unlabelled images nearly the same as a test image, left out",
        "repeated": "images that equal another",
        "leaked": "test images that are also to train on",
        "dropped": "left out for that",
        "nearly_leaked": "test images nearly the same as one to train on",
    }
    classes = {"classes_without_train": "to train on", "classes_without_test": "to test on"}
    descriptions |= {key: f"classes without an image {what}" for key, what in classes.items()}
    problems = "; ".join(f"{what}: {metrics[key]:,}" for key, what in descriptions.items() if metrics[key])
    rejected = sorted(facts.rejected, key=lambda file: not file.image)  # other files, such as a README, come last
    examples = [f"  {format_rejected(file)}" for file in rejected[:NAMED_FILES]]
    examples += [f"  {escape(image['id'])}: {image['reason']}" for image in metrics["odd_images"][:NAMED_FILES]]
    mean, deviation = metrics["channels"]["mean"], metrics["channels"]["std"]
    middle = " x ".join(str(axis["median"]) for axis in metrics["sizes"].values())
    ranged = f"range: {metrics['channels']['range']}, " if "range" in metrics["channels"] else ""
    shape = f"for pretrain.images: {ranged}mean: {mean}, std: {deviation}; the median image has {middle} pixels"
    shape += f"; `python -m presets NAME --from {written}` sets them"
    ignored = [f"left out on purpose: {len(left_out):,}, as {escape(min(left_out))}"] if left_out else []
    return "\n".join(
        [
            *warn_of_classes(metrics),
            *describe_depths(metrics),
            *ignored,
            total,
            shape,
            *([problems] if problems else []),
            *examples,
        ]
    )


def warn_of_classes(metrics: dict[str, Any]) -> Iterator[str]:
    """Yield a line for each class that may stand for no label, is not in UTF-8, or is the only class."""
    if metrics["classes"] == 1:
        alone = f"there is only one class, '{show_name(metrics['by_class'][0]['class'])}'"
        yield f"warning: {alone}; if it is a folder of all images, name the folder of the classes, or say layout: flat"
    alike = list_alike([row["class"] for row in metrics["by_class"]])
    if alike:
        first, second = map(ascii_if_odd, alike[0])
        count = f"{len(alike):,} classes look like another" if len(alike) > 1 else "two classes look alike"
        yield f"warning: {count}: {first} and {second}; if they are one, spell them alike"
    for row in metrics["by_class"]:
        name, shown, count = row["class"], show_name(row["class"]), row[TRAIN] + row[TEST]
        if name.lower() in (*MISSING, "-1"):
            yield f"warning: {count:,} images are of a class called '{shown}'; if that means no label, leave it empty"
        elif re.search(r"(?<!\\)(\\\\)*\\x[0-9a-f]{2}", name):
            yield f"warning: a class is called '{shown}', since its name is not in UTF-8; write it in UTF-8"


def list_alike(names: list[str]) -> list[tuple[str, str]]:
    """Pair each name with an earlier one, if only case, spaces, width, invisible signs or .0 at the end differ."""
    first: dict[str, str] = {}
    pairs = ((first.setdefault(fold(name), name), name) for name in names)
    return [pair for pair in pairs if pair[0] != pair[1]]


def fold(name: str) -> str:
    """Return what is the same for names that a reader takes for one."""
    shown = "".join(sign for sign in normalize("NFKC", name) if category(sign) not in ("Cf", "Cc"))
    return re.sub(r"(?<=\d)\.0+$", "", " ".join(shown.casefold().split()))


def ascii_if_odd(name: str) -> str:
    """Return a quoted name, escaped unless its signs are ASCII or letters, so that nobody sees two of the same."""
    return ascii(name) if any(normalize("NFKC", sign) != sign for sign in name) else repr(name)
