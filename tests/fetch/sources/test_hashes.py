"""Hashes of files are kept, so that no unchanged file is read twice, and computed anew for changed files."""

import hashlib
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from components.fetch.sources import local
from components.fetch.sources.places import Places
from components.stage.errors import RunError
from tests.fetch.conftest import fill, rewrite


def test_a_second_look_reads_no_file_and_a_third_only_what_changed(
    folder: Path, places: Places, hashed: list[str]
) -> None:
    fill(folder, "a.png", "b.png", "c.png")
    listed = places.list_folder(str(folder))
    assert len(hashed) == 3
    hashed.clear()
    assert places.list_folder(str(folder)) == listed
    assert not hashed
    before = (folder / "b.png").stat()
    rewrite(folder / "b.png", b"<B.png>")
    os.utime(folder / "b.png", ns=(before.st_atime_ns, before.st_mtime_ns))
    changed = places.list_folder(str(folder))
    assert hashed == [str(folder / "b.png")], "changed under the same size and time"
    assert [file.version for file in changed] == [
        listed[0].version,
        hashlib.sha256(b"<B.png>").hexdigest(),
        listed[2].version,
    ]


def test_what_was_hashed_before_an_interrupt_is_not_hashed_again(
    folder: Path, places: Places, hashed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(folder, *"abcdef")
    hash_file = local._hash_file

    def interrupt(where: str) -> Any:
        if where.endswith("e"):
            raise KeyboardInterrupt
        return hash_file(where)

    monkeypatch.setattr(local, "PORTION", 2)
    monkeypatch.setattr(local, "_hash_file", interrupt)
    with pytest.raises(KeyboardInterrupt):
        places.list_folder(str(folder))
    monkeypatch.setattr(local, "_hash_file", hash_file)
    hashed.clear()
    places.list_folder(str(folder))
    assert sorted(Path(where).name for where in hashed) == ["e", "f"]


def test_kept_hashes_that_are_damaged_are_named(folder: Path, places: Places) -> None:
    fill(folder, "a.png")
    places.hashes.parent.mkdir()
    places.hashes.write_bytes(b"no data base" * 1000)
    with pytest.raises(RunError, match=r"hashes\.sqlite: file is not a database; remove it"):
        places.list_folder(str(folder))


def test_nobody_is_locked_out_of_the_kept_hashes_afterwards(folder: Path, places: Places) -> None:
    fill(folder, "a.png")
    places.list_folder(str(folder))
    with closing(sqlite3.connect(places.hashes, timeout=0)) as database:
        database.execute("DELETE FROM hashes")
        database.commit()
