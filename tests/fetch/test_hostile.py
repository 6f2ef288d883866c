"""Two hundred hostile files: the stage ends, and each file is listed or, if it can be read after all, stored."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from components.fetch.sources.candidate import escape_name
from tests.conftest import ROOT, set_params
from tests.fetch import hostile
from tests.fetch.fetched import Fetched, folder_source, photo, save
from tests.store.encoded import encode_image

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
GOOD = 5


@dataclass(frozen=True)
class Run:
    """A run of the stage in a process of its own."""

    fetched: Fetched
    status: int
    out: str
    err: str


@dataclass(frozen=True)
class Place:
    """A folder of hostile files, and an archive of hostile members."""

    root: Path
    hostile: set[str]  # names as text
    members: dict[str, str]  # what becomes of each member of the archive

    def run(self, **changes: Any) -> Run:
        """Run the stage on both, with these changes of `data.checks`."""
        params = Path(shutil.copy(ROOT / "params.yaml", self.root / "params.yaml"))
        archive = {"kind": "archive", "name": "tar", "url": str(self.root / "a.tar.gz"), "layout": "flat"}
        archive["sha256"] = hashlib.sha256((self.root / "a.tar.gz").read_bytes()).hexdigest()
        settings = {"data.sources": [folder_source(self.root / "in", "flat", "in"), archive]}
        set_params(params, settings | {f"data.checks.{key}": value for key, value in changes.items()})
        fetched = Fetched(self.root / "out")
        command = [
            sys.executable,
            "-m",
            "components.fetch",
            "--params",
            str(params),
            "--metrics",
            str(fetched.folder / "data.json"),
        ]
        command += [
            word
            for name in ("labels", "store", "findings", "scratch")
            for word in (f"--{name}", str(fetched.folder / name))
        ]
        process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
        return Run(fetched, process.returncode, process.stdout, process.stderr)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    root = tmp_path_factory.mktemp("hostile")
    for number in range(GOOD):
        save(photo(50 + number), root / f"in/good {number}.png")
    save(photo(99), root / "secret.png")
    names = hostile.write_files(root / "in")
    members = hostile.write_archive(root / "a.tar.gz", encode_image(photo(77), "PNG"))
    return Place(root, {escape_name(name) for name in names}, members)


@pytest.fixture(scope="module")
def run(place: Place) -> Run:
    return place.run(max_unreadable_fraction=1.0)


def test_there_are_two_hundred_of_them(place: Place) -> None:
    assert len(place.hostile) >= 200


def test_the_run_ends_well_and_says_nothing_on_stderr(run: Run) -> None:
    assert (run.status, run.err) == (0, "")
    assert "Traceback" not in run.out


def test_every_one_is_listed_or_stored_none_is_lost_and_none_comes_twice(place: Place, run: Run) -> None:
    stored, rejected = run.fetched.column("id"), [row["path"] for row in run.fetched.read_findings("rejected")]
    everything = {f"in/{name}" for name in place.hostile} | {f"in/good {number}.png" for number in range(GOOD)}
    everything |= {f"tar/{name}" for name in place.members}
    assert Counter([*stored, *rejected]) == Counter(everything)
    assert [file["path"] for file in run.fetched.metrics["rejected_files"]] == rejected
    assert run.fetched.metrics["rejected"] == len(rejected) >= 150
    assert {f"in/good {number}.png" for number in range(GOOD)} <= set(stored)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("claimed.png", "a decompression bomb: 60000 x 60000 pixels"),
        ("real.png", "a decompression bomb: 12000 x 12000 pixels"),
        ("claimed.jpg", "a decompression bomb: 65535 x 65535 pixels"),
        ("screen.gif", "a decompression bomb: 65535 x 65535 pixels"),
        ("claimed.tif", "a decompression bomb: 2147483648 x 2147483647 pixels"),
        ("empty.png", "empty: no byte in it"),
        ("vector.png", "no image of a format that is read"),
        ("printed.png", "no image of a format that is read"),
        ("nothing.png", "a link to nothing"),
        ("itself.png", "a link that leads to itself"),
        ("there.png", "a link that leads to itself"),
        ("above", "a link back into the folder"),
        ("endless.png", "not a file but a device"),
        ("pipe.jpg", "not a file but a device"),
        ("cut 0.6 baseline.jpg", "broken: image file is truncated"),
        ("cut 0.6 rgb.png", "broken: image file is truncated"),
        (r"caf\xe9.png", "no image of a format that is read"),
        ("new\nline.png", "no image of a format that is read"),
    ],
)
def test_a_reason_says_what_is_wrong(name: str, reason: str, run: Run) -> None:
    [rejection] = [row["reason"] for row in run.fetched.read_findings("rejected") if row["path"] == f"in/{name}"]
    assert rejection.startswith(reason)


def test_members_of_an_archive_are_rejected_where_they_would_lead_elsewhere(place: Place, run: Run) -> None:
    reasons = {row["path"]: row["reason"] for row in run.fetched.read_findings("rejected")}
    for name, becomes in place.members.items():
        assert becomes in reasons.get(f"tar/{name}", "stored"), name
    assert not list(place.root.rglob("out.png"))
    assert not Path("/tmp/out.png").exists()
    assert {path.name for path in place.root.iterdir()} == {"in", "out", "secret.png", "a.tar.gz", "params.yaml"}


def test_reasons_are_single_lines_that_are_the_same_in_every_run(place: Place, run: Run) -> None:
    before = {name: (run.fetched.folder / name).read_bytes() for name in ("data.json", "findings/rejected.csv")}
    assert not any("\n" in row["reason"] or "0x" in row["reason"] for row in run.fetched.read_findings("rejected"))
    place.run(max_unreadable_fraction=1.0)
    assert before == {name: (run.fetched.folder / name).read_bytes() for name in before}


def test_the_policy_stops_the_run_with_one_line(place: Place, run: Run) -> None:
    """The store from the run before stays as it was."""
    before = [shard.read_bytes() for shard in run.fetched.store.shards]
    stopped = place.run(max_unreadable_fraction=0.01)
    assert stopped.status == 2
    [line] = stopped.err.splitlines()
    assert line.startswith("params.yaml: data.checks.max_unreadable_fraction: ")
    assert " is more than 0.01" in line
    assert f"{run.fetched.folder}/findings" in line
    assert [shard.read_bytes() for shard in run.fetched.store.shards] == before
    assert json.loads((run.fetched.folder / "data.json").read_text())["unreadable_fraction"] > 0.01
