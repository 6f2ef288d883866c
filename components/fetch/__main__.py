"""The stage fetch reads the sources of params.yaml into data/store, checked and split once and for all stages.

Sources are listed, compared with the snapshot, and read once: each image is decoded whole and goes into a store in the
scratch folder, which takes the memory of a few row groups. Labels and splits are written in a second pass, because only
then is it known which classes there are and which training images are also in the test split.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from components.fetch import snapshot
from components.fetch.checks.facts import Facts
from components.fetch.checks.findings import write_findings
from components.fetch.checks.inspect import Fault
from components.fetch.checks.inspection import inspect_all
from components.fetch.checks.pairs import excuse_photos
from components.fetch.checks.verdict import Verdict, reach_verdict
from components.fetch.given import GivenLabels
from components.fetch.kinds import PHOTO_SUFFIXES, SUFFIXES
from components.fetch.params import Data, Folder, Manifest
from components.fetch.sources.open import ListedSource, open_sources, read_candidates
from components.fetch.sources.places import Places
from components.fetch.splits import choose_split
from components.fetch.summary import describe_emptiness, find_example, format_summary
from components.fetch.taken import describe_taken, take_in, warn_of_given, write_taken
from components.show.progress import Progress
from components.stage.command import main
from components.stage.disk import check_file, check_folder, check_room, name_faults
from components.stage.errors import InputError, RunError
from components.stage.files import write_json
from components.store.store import SPLITS, UNLABELLED, Row, Store, write_labelled, write_store

STORED = SUFFIXES - {*PHOTO_SUFFIXES}  # of files that can become images of the store


def run(params: Data, *, labels: Path, store: Path, metrics: Path, findings: Path, scratch: Path) -> None:
    """Read every source and the labels that people gave, check the images, and write the store."""
    given = GivenLabels(labels)
    given.read()  # refuses before the work what cannot be understood
    for folder in (store, findings, scratch):
        check_folder(folder)
    check_file(metrics)
    places = Places(scratch, params.limits.max_bytes)
    with lock_scratch(scratch) as read_into:
        sources = open_sources(params, places)
        snapshot.check_snapshot(params.snapshot, snapshot.take_inventory(sources), scratch)
        check_disk(sources, params, places, store)
        facts = Facts()
        write_store(read_into, inspect_sources(sources, places, params, facts), [])
        excuse_photos(facts)
        known = given.read()  # with those that were given meanwhile
        facts, taken = take_in(facts, known)
        verdict = reach_verdict(facts, params.checks)
        write_findings(findings, facts, verdict)
        write_taken(findings / "given.csv", taken, facts, verdict.sides.kept)
        described = verdict.metrics | {
            **describe_taken(taken, facts, verdict.sides.kept),
            "left_out": len(places.left_out),
            "not_reencoded": facts.count_full_above(params.reencode.max_side if params.reencode else None),
        }
        write_json(metrics, described)
        if not facts.ids:
            emptiness = describe_emptiness(sources, facts, places)
            raise InputError(f"params.yaml: data.sources: no image in them: {emptiness}")
        check_verdict(verdict, facts, findings)
        splits = [SPLITS[number] for number in facts.splits]
        kept, names = verdict.sides.kept, facts.class_names
        write_labelled(store, Store(read_into), labels=facts.labels, splits=splits, kept=kept, class_names=names)
    said = [*given.describe_others(), *given.describe_cut(), *warn_of_given(taken, facts, kept, given.file)]
    if given.read() != known:  # DVC notes the file as it is when this ends, and would see no change
        said.append(f"warning: {given.file}: has changed in the last seconds; `dvc repro --force fetch` takes that in")
    print("\n".join([*said, format_summary(described, facts, places.left_out, metrics)]), flush=True)


def check_verdict(verdict: Verdict, facts: Facts, findings: Path) -> None:
    """Check that no limit of the checks is exceeded. Raises InputError with a line for each that is."""
    if verdict.objections:
        objections = (f"params.yaml: {text}{find_example(text, facts, verdict)}" for text in verdict.objections)
        raise InputError("\n".join(f"{objection}; see {findings}" for objection in objections))


@contextmanager
def lock_scratch(scratch: Path) -> Iterator[Path]:
    """Yield a folder to read into, which is removed afterwards. Raises RunError if another run uses it."""
    with name_faults(scratch):
        scratch.mkdir(parents=True, exist_ok=True)
    folder = scratch / "fetched"
    try:
        with FileLock(scratch / "fetch.lock", timeout=0):
            shutil.rmtree(folder, ignore_errors=True)  # of a run that was killed; its room is needed again
            try:
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)
    except Timeout:
        raise RunError(f"another run of this stage works in {scratch}; wait until it has ended") from None


def check_disk(sources: list[ListedSource], params: Data, places: Places, store: Path) -> None:
    """Check that there is room for what is downloaded, and for images that are stored as they are, which lie in the
    scratch folder, too, until they are in the store."""
    needed, stored = [], 0
    for source in sources:
        files, is_of_images = [file for file in source.files if file.fault is None], is_image_source(source)
        if is_of_images:
            files = [file for file in files if not places.find_size_fault(file.size)]
            files = list({file.path: file for file in files}.values())  # a list may name a file twice
        needed += files
        if is_of_images and params.reencode is None:
            stored += sum(file.size for file in files if Path(file.path).suffix.lower() in STORED)
    check_room({places.scratch: places.measure_downloads(needed) + stored, store: stored}, "the images of data.sources")


def is_image_source(source: ListedSource) -> bool:
    """Whether each file of the source is one image, so that `data.limits` hold for its size, and no archive."""
    return isinstance(source.source, Folder | Manifest)


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


if __name__ == "__main__":
    main(run)
