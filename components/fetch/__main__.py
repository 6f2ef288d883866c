"""The stage fetch reads the sources of params.yaml into data/store, checked and split once and for all stages.

Sources are listed, compared with the snapshot, and read once: each image is decoded whole and goes into a store in the
scratch folder, which takes the memory of a few row groups. Labels and splits are written in a second pass, because only
then is it known which classes there are and which training images are also in the test split.
"""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from components.fetch import snapshot
from components.fetch.checks.facts import Facts, RejectedFile
from components.fetch.checks.findings import write_findings
from components.fetch.checks.inspect import Fault
from components.fetch.checks.inspection import inspect_all
from components.fetch.checks.pairs import excuse_photos
from components.fetch.checks.verdict import Verdict, reach_verdict
from components.fetch.params import Data
from components.fetch.sources.labels import MISSING
from components.fetch.sources.open import ListedSource, open_sources, read_candidates
from components.fetch.sources.places import Places
from components.fetch.splits import choose_split
from components.show.progress import Progress
from components.stage.command import main
from components.stage.errors import InputError, RunError
from components.stage.files import write_json
from components.store.store import SPLITS, TEST, TRAIN, UNLABELLED, Row, Store, write_labelled, write_store

NAMED_FILES = 3  # how many files of each kind the last lines name


def run(params: Data, *, store: Path, metrics: Path, findings: Path, scratch: Path) -> None:
    """Read every source, check its images, and write the store."""
    places = Places(scratch, params.limits.max_bytes)
    with lock_scratch(scratch) as read_into:
        sources = open_sources(params, places)
        snapshot.check_snapshot(params.snapshot, snapshot.take_inventory(sources), scratch)
        facts = Facts()
        write_store(read_into, inspect_sources(sources, places, params, facts), [])
        excuse_photos(facts)
        verdict = reach_verdict(facts, params.checks)
        verdict.metrics["left_out"] = len(places.left_out)
        write_findings(findings, facts, verdict)
        write_json(metrics, verdict.metrics)
        if not facts.ids:
            raise InputError(
                f"params.yaml: data.sources: no image in them: {describe_emptiness(sources, facts, places)}"
            )
        if verdict.objections:
            objections = (f"params.yaml: {text}{find_example(text, facts, verdict)}" for text in verdict.objections)
            raise InputError("\n".join(f"{objection}; see {findings}" for objection in objections))
        splits = [SPLITS[number] for number in facts.splits]
        labels, names = facts.labels, facts.class_names
        write_labelled(store, Store(read_into), labels=labels, splits=splits, kept=verdict.kept, class_names=names)
    print(format_summary(verdict.metrics, facts, places.left_out), flush=True)


@contextmanager
def lock_scratch(scratch: Path) -> Iterator[Path]:
    """Yield a folder to read into, which is removed afterwards. Raises RunError if another run uses it."""
    scratch.mkdir(parents=True, exist_ok=True)
    folder = scratch / "fetched"
    try:
        with FileLock(scratch / "fetch.lock", timeout=0):
            try:
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)
    except Timeout:
        raise RunError(f"another run of this stage works in {scratch}; wait until it has ended") from None


def inspect_sources(sources: list[ListedSource], places: Places, params: Data, facts: Facts) -> Iterator[Row]:
    """Yield the images that can be stored, as rows without label and split; add every outcome to the facts."""
    for source in sources:
        progress = Progress(f"fetch {source.source.name}", source.candidates, "images")
        for candidate, outcome in inspect_all(read_candidates(source, places), params):
            progress.advance(1)
            if isinstance(outcome, Fault):
                facts.reject(candidate, outcome)
                continue
            facts.add(candidate, outcome, choose_split(candidate.split, candidate.label, outcome.content, params))
            yield Row(candidate.id, outcome.encoded, candidate.path, None, UNLABELLED)


def describe_emptiness(sources: list[ListedSource], facts: Facts, places: Places) -> str:
    """Return what was found where an image was looked for, and why the first file is none."""
    looked = [f"{source.source.name} ({getattr(source.source, 'url', 'published')})" for source in sources]
    count = f"none of {len(facts.rejected):,} files or rows" if facts.rejected else "nothing"
    left_out = f"; left out: {escape_unprintable(min(places.left_out))}" if places.left_out else ""
    return f"{count} in {', '.join(looked)}{left_out}{format_first(facts.rejected)}"


def find_example(objection: str, facts: Facts, verdict: Verdict) -> str:
    """Return the first file of those that an objection counts, and why; an empty text if it counts no files."""
    if "max_unreadable_fraction" in objection:
        return format_first([file for file in facts.rejected if file.image])
    leaked = verdict.metrics["leaked_images"]
    return f"; the first: {escape_unprintable(leaked[0])}" if "max_leaked_fraction" in objection and leaked else ""


def format_first(rejected: list[RejectedFile]) -> str:
    """Return which of these files is the first, an image if there is any, and why it is rejected; or an empty text."""
    first = min(rejected, key=lambda file: not file.image, default=None)
    return f"; the first: {format_rejected(first)}" if first else ""


def format_rejected(file: RejectedFile) -> str:
    """Return the name of a file and why it is rejected."""
    return f"{escape_unprintable(f'{file.source}/{file.path}')}: {file.reason}"


def escape_unprintable(name: str) -> str:
    """Return a name as it can be printed: as it is, or escaped if it has line breaks and the like."""
    return name if name.isprintable() else ascii(name)


def format_summary(metrics: dict[str, Any], facts: Facts, left_out: set[str]) -> str:
    """Return lines with the counts of the store, the counts of what is wrong with it, and the first such files."""
    counts = ", ".join(f"{metrics[split]:,} {split}" for split in SPLITS if metrics[split])
    total = f"{metrics['images']:,} images of {metrics['classes']:,} classes: {counts}"
    descriptions = {
        "unreadable": "image files that cannot be stored",
        "no_images": "other files",
        "odd": "odd images",
        "leaked": "test images that are also to train on",
        "dropped": "left out for that",
        "nearly_leaked": "test images nearly the same as one to train on",
    }
    classes = {"classes_without_train": "to train on", "classes_without_test": "to test on"}
    descriptions |= {key: f"classes without an image {what}" for key, what in classes.items()}
    problems = "; ".join(f"{what}: {metrics[key]:,}" for key, what in descriptions.items() if metrics[key])
    rejected = sorted(facts.rejected, key=lambda file: not file.image)  # other files, such as a README, come last
    examples = [f"  {format_rejected(file)}" for file in rejected[:NAMED_FILES]]
    examples += [
        f"  {escape_unprintable(image['id'])}: {image['reason']}" for image in metrics["odd_images"][:NAMED_FILES]
    ]
    mean, deviation = metrics["channels"]["mean"], metrics["channels"]["std"]
    middle = " x ".join(str(axis["median"]) for axis in metrics["sizes"].values())
    shape = f"for pretrain.images: mean: {mean}, std: {deviation}; the median image has {middle} pixels"
    ignored = [f"left out on purpose: {len(left_out):,}, as {escape_unprintable(min(left_out))}"] if left_out else []
    return "\n".join([*warn_of_classes(metrics), *ignored, total, shape, *([problems] if problems else []), *examples])


def warn_of_classes(metrics: dict[str, Any]) -> Iterator[str]:
    """Yield a line for each class that may stand for no label, is not in UTF-8, or is the only class."""
    if metrics["classes"] == 1:
        alone = f"there is only one class, '{metrics['by_class'][0]['class']}'"
        yield f"warning: {alone}; if it is a folder of all images, name the folder of the classes, or say layout: flat"
    for row in metrics["by_class"]:
        name, count = row["class"], row[TRAIN] + row[TEST]
        if name.lower() in (*MISSING, "-1"):
            yield f"warning: {count:,} images are of a class called '{name}'; if that means no label, leave it empty"
        elif re.search(r"(?<!\\)(\\\\)*\\x[0-9a-f]{2}", name):
            yield f"warning: a class is called '{name}', since its name is not in UTF-8; write it in UTF-8"


if __name__ == "__main__":
    main(run)
