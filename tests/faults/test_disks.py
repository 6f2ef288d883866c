"""Whatever a disk does to a stage ends in one line, leaves no half of a file, and is made good by running it again.

Disks are pretended to fail at each write, new file, rename and new folder, and files are limited in size by the
system, which native code meets, too; with root, small disks are really filled or made read-only.
"""

import errno
import json
import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.conftest import Campaign
from tests.faults.disks import (
    CODES,
    RANDOM,
    FailingDisk,
    Inputs,
    Job,
    can_mount,
    limit_files,
    mount_disk,
    read_outputs,
    remount,
)

SHARES = {"fetch": 1.0, "embed": 1.0, "evaluate": 1.0, "report": 0.4, "pretrain": 0.6}  # of the trials: some are slow


BLOCK = 4096  # bytes: the smallest piece of a disk
QUICK = ("fetch", "embed")  # the stages of `make test`


class Bench:
    """Every stage with what an undisturbed run writes: with its settings, and with others, as a run before it did."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.tried = folder, 0
        self.jobs = {job.name: job for job in Inputs(folder / "inputs").list_jobs()}
        self.right: dict[str, dict[str, bytes]] = {}
        self.writes: dict[str, int] = {}

    def count(self, job: Job) -> None:
        """Run the stage undisturbed, once for all trials, and count its writes."""
        disk = FailingDisk(self.copy(job.name, self.folder / "counted" / job.name))
        with disk.inserted():
            assert job.start(Path(disk.folder)) == (0, "")
        self.right[job.name], self.writes[job.name] = read_outputs(Path(disk.folder)), disk.count

    def copy(self, name: str, to: Path) -> Path:
        """Copy what the run before has left."""
        before = self.folder / "before" / name
        if not before.exists():
            assert self.jobs[name].start(before, other=True) == (0, "")
        shutil.copytree(before, to, dirs_exist_ok=True)
        return to

    def begin(self, name: str, folder: Path | None = None) -> Path:
        """Make the folder of a trial."""
        self.tried += 1
        return self.copy(name, folder or self.folder / f"trial-{self.tried}")

    def list_before(self, name: str) -> list[Path]:
        """List the files and folders that a run leaves to the next."""
        return list((self.folder / "before" / name).rglob("*"))

    def check(self, name: str, folder: Path, ended: tuple[int, str]) -> None:
        """Check what a run on a bad disk has said and left."""
        status, said = ended
        assert "Traceback" not in said, said
        now, right, before = read_outputs(folder), self.right[name], read_outputs(self.folder / "before" / name)
        if status == 0:
            assert now.keys() == right.keys(), "what failed could be done without"
            assert not [path for path in now if now[path] != right[path] and path not in RANDOM]
            return
        assert status in (1, 2), "2 where nothing can be written before the work"
        assert len(said.splitlines()) == 1, said
        assert said.endswith("\n")
        assert len(said) < 600
        assert str(folder) in said, f"the file is not named: {said}"
        assert "too little room" in said or any(os.strerror(code) in said for code in CODES), said
        assert "run it again" in said or "name a f" in said
        for path, content in now.items():
            known = (right.get(path), before.get(path))
            assert content in known or (path in RANDOM and json.loads(content)), f"{path} is half written"
        if name == "fetch":
            stores = [{p: c for p, c in of.items() if p.startswith("store/")} for of in (now, right, before)]
            assert stores[0] in (*stores[1:], {})

    def check_again(self, name: str, folder: Path) -> None:
        """Check that the stage, run again on a sound disk, writes what it should."""
        assert self.jobs[name].start(folder) == (0, "")
        now, right = read_outputs(folder), self.right[name]
        assert now.keys() == right.keys()
        assert not [path for path in now if now[path] != right[path] and path not in RANDOM]
        shutil.rmtree(folder, ignore_errors=True)

    def share(self, campaign: Campaign, quick: int, whole: int) -> Iterator[tuple[Job, random.Random]]:
        """Yield the stages, as often as their trials are affordable, each with a source of chance."""
        for name, job in self.jobs.items():
            count = round(whole * SHARES[name]) if campaign.whole else quick * (name in QUICK)
            if count and name not in self.right:
                self.count(job)
            for number in range(count):
                yield job, random.Random(f"{campaign.seed} {name} {number}")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("disks"))


def test_each_write_fails(bench: Bench, campaign: Campaign) -> None:
    for job, chance in bench.share(campaign, quick=1, whole=28):
        code, nth = chance.choice(CODES), chance.randint(1, bench.writes[job.name])
        with campaign.trial(f"{job.name}: write {nth} of {bench.writes[job.name]}: {errno.errorcode[code]}"):
            folder = bench.begin(job.name)
            with FailingDisk(folder, code, nth).inserted():
                ended = job.start(folder)
            bench.check(job.name, folder, ended)
            bench.check_again(job.name, folder)


def test_files_are_limited_in_size(bench: Bench, campaign: Campaign) -> None:
    for job, chance in bench.share(campaign, quick=1, whole=10):
        largest = max(map(len, bench.right[job.name].values()))
        size = chance.choice((0, 1, 4095, chance.randrange(largest), chance.randrange(largest)))
        with campaign.trial(f"{job.name}: files of {size} bytes at most"):
            folder = bench.begin(job.name)
            with limit_files(size):
                ended = job.start(folder)
            bench.check(job.name, folder, ended)
            bench.check_again(job.name, folder)


@pytest.mark.skipif(not can_mount(), reason="small disks are mounted, which takes Linux and its root")
def test_small_disks_are_filled_or_read_only(bench: Bench, campaign: Campaign) -> None:
    for job, chance in bench.share(campaign, quick=1, whole=10):
        options = chance.choice((limit_room, limit_files_held, open_for_reading))(bench, job, chance)
        with campaign.trial(f"{job.name}: {options}"):
            folder = bench.folder / f"disk-{bench.tried}"
            with mount_disk(folder, options.removesuffix(",ro")):
                bench.begin(job.name, folder)
                if options.endswith(",ro"):
                    remount(folder, options)
                ended = job.start(folder)
                bench.check(job.name, folder, ended)
                remount(folder, "rw,size=64m,nr_inodes=10000")
                bench.check_again(job.name, folder)


def limit_room(bench: Bench, job: Job, chance: random.Random) -> str:
    """Return the options of a disk that holds the files of before, and perhaps a part of the new ones."""
    held = sum(-(-path.stat().st_size // BLOCK) for path in bench.list_before(job.name))
    new = sum(-(-len(content) // BLOCK) for content in bench.right[job.name].values())
    return f"size={(held + chance.randrange(new + 2)) * BLOCK}"


def limit_files_held(bench: Bench, job: Job, chance: random.Random) -> str:
    """Return the options of a disk that may hold a few files and folders more than those of before."""
    return f"size=64m,nr_inodes={len(bench.list_before(job.name)) + 1 + chance.randrange(8)}"


def open_for_reading(bench: Bench, job: Job, chance: random.Random) -> str:
    """Return the options of a disk that turns read-only."""
    return "size=64m,ro"
