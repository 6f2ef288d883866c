"""Stage fetch: the sources that params.yaml names -> data/store, checked and split once and for all stages.

Sources are listed, compared with the snapshot, and read once: each image is decoded whole and goes into a store in the
scratch folder, in a few row groups' memory. Labels and splits are written in a second pass, since only then is known
which classes there are and which images to train on are also in the test split.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from components.fetch import snapshot
from components.fetch.checks.facts import Facts
from components.fetch.checks.findings import write_findings
from components.fetch.checks.inspect import Fault
from components.fetch.checks.inspection import inspect_all
from components.fetch.checks.verdict import judge
from components.fetch.params import Data
from components.fetch.sources.open import Opened, open_sources, read
from components.fetch.sources.places import Places
from components.fetch.splits import split_of
from components.show.progress import Progress
from components.stage import command as stage
from components.stage.errors import InputError, RunError
from components.stage.files import write_json
from components.store.store import SPLITS, UNLABELLED, Row, Store, write_labelled, write_store

NAMED = 3  # files of a kind that the last lines name


def run(params: Data, *, store: Path, metrics: Path, findings: Path, scratch: Path) -> None:
    """Read every source, check what is in it, write the store."""
    places = Places(scratch, params.limits.max_bytes)
    with alone(scratch) as read_into:
        sources = open_sources(params, places)
        snapshot.check(params.snapshot, snapshot.hold(sources), scratch)
        facts = Facts()
        write_store(read_into, look_into(sources, places, params, facts), [])
        verdict = judge(facts, params.checks)
        write_findings(findings, facts, verdict)
        write_json(metrics, verdict.metrics)
        if not facts.ids:
            raise InputError(f"params.yaml: data.sources: no image in them{first_reason(facts)}")
        if verdict.objections:
            raise InputError("\n".join(f"params.yaml: {one}; see {findings}" for one in verdict.objections))
        splits = [SPLITS[number] for number in facts.splits]
        labels, names = facts.labels, facts.class_names
        write_labelled(store, Store(read_into), labels=labels, splits=splits, kept=verdict.kept, class_names=names)
    print(summary(verdict.metrics, facts), flush=True)


@contextmanager
def alone(scratch: Path) -> Iterator[Path]:
    """A folder to read into, which is gone afterwards. Raises RunError where another run has it."""
    scratch.mkdir(parents=True, exist_ok=True)
    folder = scratch / "fetched"
    try:
        with FileLock(scratch / "fetch.lock", timeout=0):
            try:
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)
    except Timeout:
        raise RunError(f"another run of it works in {scratch}; wait until that has ended") from None


def look_into(sources: list[Opened], places: Places, params: Data, facts: Facts) -> Iterator[Row]:
    """What can be stored, as rows without label and split; all that is seen goes into the facts."""
    for source in sources:
        progress = Progress(f"fetch {source.source.name}", source.candidates, "images")
        for candidate, seen in inspect_all(read(source, places), params):
            progress.advance(1)
            if isinstance(seen, Fault):
                facts.reject(candidate, seen)
                continue
            facts.add(candidate, seen, split_of(candidate.split, candidate.label, seen.content, params))
            yield Row(candidate.id, seen.encoded, candidate.path, None, UNLABELLED)


def first_reason(facts: Facts) -> str:
    """Of what was rejected."""
    return f": {one_line(facts.rejected[0].path)}: {facts.rejected[0].reason}" if facts.rejected else ""


def one_line(name: str) -> str:
    """A name as it can be printed, line breaks and all."""
    return name if name.isprintable() else ascii(name)


def summary(metrics: dict[str, Any], facts: Facts) -> str:
    """What there is, in a line; what is wrong with it, in another; and the first of it by name."""
    counts = ", ".join(f"{metrics[split]:,} {split}" for split in SPLITS if metrics[split])
    said = f"{metrics['images']:,} images of {metrics['classes']:,} classes: {counts}"
    wrong = {
        "unreadable": "image files that cannot be stored",
        "no_images": "other files",
        "odd": "odd images",
        "leaked": "test images that are also to train on",
        "dropped": "left out for that",
        "nearly_leaked": "test images nearly the same as one to train on",
    }
    classes = {"classes_without_train": "to train on", "classes_without_test": "to test on"}
    wrong |= {key: f"classes without an image {what}" for key, what in classes.items()}
    found = "; ".join(f"{what}: {metrics[key]:,}" for key, what in wrong.items() if metrics[key])
    rejected = sorted(facts.rejected, key=lambda one: not one.image)[:NAMED]  # a README is of less interest
    named = [f"  {one.source}/{one_line(one.path)}: {one.reason}" for one in rejected]
    named += [f"  {one_line(one['id'])}: {one['reason']}" for one in metrics["odd_images"][:NAMED]]
    mean, deviation = metrics["channels"]["mean"], metrics["channels"]["std"]
    middle = " x ".join(str(axis["median"]) for axis in metrics["sizes"].values())
    shape = f"for pretrain.images: mean: {mean}, std: {deviation}; the median image has {middle} pixels"
    return "\n".join([said, shape, *([found] if found else []), *named])


if __name__ == "__main__":
    stage.main(run)
