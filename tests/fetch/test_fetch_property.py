"""Whatever files a folder holds: each is stored or rejected, once, and its split is a matter of its content."""

import os
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from components.fetch import __main__ as fetch
from components.fetch.sources.candidate import escape_name
from components.fetch.sources.names import compose
from components.store.store import TEST, TRAIN
from tests.fetch.fetched import Fetched, folder_source, inspect_in_this_process, photo, section
from tests.store.encoded import encode_image

GOOD = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP")
BAD = ("truncated", "empty", "text", "link to nothing", "link to itself", "link to the folder above")
LINKS = BAD[3:]
ALLOWED: dict[str, Any] = {f"checks__max_{what}": 1.0 for what in ("unreadable_fraction", "leaked_fraction")}
ALLOWED |= {"checks__max_near_leaked_fraction": 1.0, "checks__max_class_ratio": 1e9, "test_fraction": 0.4}


@dataclass(frozen=True)
class File:
    """A file, or a link; several may show the same image."""

    folder: bytes
    name: bytes
    kind: str
    number: int

    @property
    def path(self) -> bytes:
        """The path within the folder."""
        return self.folder + self.name

    @property
    def text(self) -> str:
        """The path as the store spells it."""
        return compose(escape_name(self.path))

    @property
    def good(self) -> bool:
        """Whether it can be stored: what stands in no folder is of no class."""
        return self.kind in GOOD and self.folder != b""


@cache
def content(kind: str, number: int) -> bytes:
    if kind in GOOD:
        return encode_image(photo(number, (9, 7)), kind)
    return {"truncated": encode_image(photo(number), "JPEG")[:150], "empty": b"", "text": b"no image"}[kind]


# With an accent, a line break, and no UTF-8; the names of files are of any bytes.
folders = st.sampled_from([b"", b"cat/", b"dog/", b"dog/old/", "Bär/".encode(), b"new\nline/", b"\xff\xfe/"])
letters = st.sampled_from([bytes([byte]) for byte in range(1, 256) if byte != ord("/")] + [b".", b"\n", b"a"] * 20)
names = st.builds(
    lambda stem, suffix: b"".join(stem) + suffix,
    st.lists(letters, min_size=1, max_size=6),
    st.sampled_from([b"", b".png", b".jpg", b".JPEG", b".gif", b".txt"]),
).filter(lambda name: name not in (b".", b"..") and not name.startswith(b"._"))  # which are left out
files = st.builds(File, folders, names, st.sampled_from(GOOD * 2 + BAD), st.integers(0, 5))
listings = st.lists(files, max_size=16, unique_by=lambda file: file.path.lower())
EVERYTHING = [File(b"cat/", b"%s.png" % kind.encode(), kind, number) for number, kind in enumerate(GOOD + BAD)]
FIRST = File(b"cat/", b"first.one.png", "PNG", 9)  # so that there is an image at all


def create(root: Path, listing: list[File]) -> set[File]:
    """Create the files and return those that the file system took; some allow fewer names."""
    made = set()
    for file in listing:
        path = Path(os.fsdecode(os.fsencode(root) + b"/" + file.path))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if os.path.lexists(path):
                continue
            if file.kind in LINKS:
                targets = ("nothing is here", path.name, "..")
                path.symlink_to(targets[LINKS.index(file.kind)])
            else:
                path.write_bytes(content(file.kind, file.number))
        except (OSError, ValueError):
            continue
        made.add(file)
    return made


@contextmanager
def shuffled_listings(seed: int) -> Iterator[None]:
    """Another order of the entries of a folder, as other file systems have it."""
    scandir = os.scandir

    @contextmanager
    def shuffled(folder: str) -> Iterator[list[Any]]:
        with scandir(folder) as opened:
            entries = list(opened)
        random.Random(seed).shuffle(entries)
        yield entries

    with patch("components.fetch.sources.local.os.scandir", shuffled):
        yield


@contextmanager
def new_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp())
    try:
        yield folder
    finally:
        shutil.rmtree(os.fsencode(folder))


def fetched(folder: Path, **changes: Any) -> Fetched:
    with patch.object(fetch, "inspect_all", inspect_in_this_process):
        return Fetched(folder).run(section([folder_source(folder / "in")], **ALLOWED | changes))


slow = [HealthCheck.too_slow]
quick = settings(deadline=None, database=None, suppress_health_check=slow)


@quick
@example(EVERYTHING)
@given(listings)
def test_every_file_is_stored_or_rejected_none_is_lost_and_none_comes_twice(listing: list[File]) -> None:
    with new_folder() as folder:
        made = create(folder / "in", [FIRST, *listing])
        result = fetched(folder, checks__leaked="keep")
        stored = Counter(result.column("id"))
        rejected = Counter(row["path"] for row in result.read_findings("rejected"))
        assert stored == Counter(f"mine/{file.text}" for file in made if file.good)
        assert rejected == Counter(f"mine/{file.text}" for file in made if not file.good)
        assert result.metrics["rejected"] == rejected.total()
        assert [one["path"] for one in result.metrics["rejected_files"]] == list(rejected)
        assert {row["should_be_image"] for row in result.read_findings("rejected")} <= {"True", "False"}
        for file in made:
            if file.good:
                assert result.images[f"mine/{file.text}"] == content(file.kind, file.number)
                assert result.classes[f"mine/{file.text}"] == file.text.split("/")[0]


@quick
@given(listings, st.integers(0, 2**32))
def test_any_order_of_the_listing_gives_the_same_store(listing: list[File], seed: int) -> None:
    """Also another order in which the files were made; to the last byte."""
    with new_folder() as one, new_folder() as other:
        create(one / "in", [FIRST, *listing])
        create(other / "in", [*reversed(listing), FIRST])
        first = fetched(one)
        with shuffled_listings(seed):
            second = fetched(other)
        assert second.column("id") == first.column("id")
        assert second.splits == first.splits
        for name in ("store/part-00000.parquet", "data.json", "findings/rejected.csv", "findings/repeated.csv"):
            assert (other / name).read_bytes() == (one / name).read_bytes()


@quick
@given(listings, listings)
def test_more_files_never_move_an_image_between_train_and_test(before: list[File], more: list[File]) -> None:
    """One to train on may be left out, when the same image comes to the test split under another format."""
    with new_folder() as folder:
        create(folder / "in", [FIRST, *before])
        first = fetched(folder).splits
        create(folder / "in", more)
        result = fetched(folder)
        second = result.splits
        assert {name: second[name] for name in first if name in second} == {
            name: split for name, split in first.items() if name in second
        }
        left_out = {row["id"] for row in result.read_findings("repeated") if row["kept"] == "False"}
        left_out |= {row["same_as"] for row in result.read_findings("repeated") if row["it_is_kept"] == "False"}
        assert first.keys() - second.keys() <= left_out
        assert {first[name] for name in first.keys() - second.keys()} <= {TRAIN}


def test_processes_give_what_one_process_gives() -> None:
    more = [File(b"dog/", b"%d.png" % number, "PNG", number) for number in range(150)]
    with new_folder() as one, new_folder() as other:
        create(one / "in", [*EVERYTHING, *more])
        create(other / "in", [*EVERYTHING, *more])
        alone = fetched(one)
        Fetched(other).run(section([folder_source(other / "in")], **ALLOWED))
        assert {TRAIN, TEST} == set(alone.column("split"))
        for name in ("store/part-00000.parquet", "data.json", "findings/rejected.csv", "findings/odd.csv"):
            assert (other / name).read_bytes() == (one / name).read_bytes()
