"""Runs commands at the same time in one checkout, in clones on one cache, and in clones of one origin.

Whatever meets, each ends with status 0 and without a trace, or says in a line who was first, and the results are those
of commands that run one after another.
"""

import random
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from pipelines.registry import versions
from pipelines.train import graph
from tests.conftest import Project
from tests.faults import toys
from tests.faults.conftest import Campaign

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")  # DVC's own
PROMOTE = {"artifact": "encoder", "stage": "prod"}


def run_together(moments: random.Random, *pairs: tuple[Project, Sequence[str]]) -> list[str]:
    """Start commands within a second of each other, and return what each has printed; all end with 0."""
    started: list[subprocess.Popen[str]] = []
    for project, command in pairs:
        started.append(toys.start(project, command))
        time.sleep(moments.uniform(0, 1))
    printed = [process.communicate(timeout=toys.LONGEST)[0] for process in started]
    for process, text in zip(started, printed, strict=True):
        assert process.returncode == 0, text
        assert "Traceback" not in text, text
    return printed


def check_toy(project: Project) -> None:
    """Check that a toy is up to date and holds what it would hold after one run."""
    assert [(project.root / name).read_text() for name in ("model", "used")] == [toys.compute_model()] * 2
    assert graph.find_changes(project.root) == {}


def test_two_trains(campaign: Campaign, tmp_path: Path) -> None:
    """The second finds the work done."""
    moments, toy = random.Random(campaign.seed), toys.make_toy(tmp_path / "toy")
    for number in range(campaign.choose(1, 8)):
        project = toys.copy(toy, tmp_path / "mine")
        with campaign.trial(f"two trains {number}"):
            printed = run_together(moments, (project, toys.TRAIN), (project, toys.TRAIN))
            assert sorted(text.count(" ran ") for text in printed) == [0, 2], printed
            check_toy(project)


@pytest.mark.usefixtures("_whole")
def test_two_trains_with_servers(campaign: Campaign, tmp_path: Path) -> None:
    moments, toy = random.Random(campaign.seed), toys.make_toy(tmp_path / "toy")
    for number in range(2):
        project = toys.copy(toy, tmp_path / "mine")
        with campaign.trial(f"two trains with servers {number}"):
            run_together(moments, (project, toys.TRAIN_WITH_SERVER), (project, toys.TRAIN_WITH_SERVER))
            check_toy(project)


@pytest.mark.usefixtures("_whole")
def test_train_beside_dvc(campaign: Campaign, tmp_path: Path) -> None:
    """`dvc push`, `dvc gc`, `dvc status` or a comparison of the user's at the same time is waited for."""
    moments, toy = random.Random(campaign.seed), toys.make_toy(tmp_path / "toy")
    toy.run("dvc", "remote", "add", "--default", "store", str(tmp_path / "store"))
    toys.run(toy, *toys.TRAIN)
    toy.commit("has run")
    for number, beside in enumerate(
        [("dvc", "push"), ("dvc", "gc", "--workspace", "--force"), ("dvc", "checkout"), (*toys.COMPARE, "HEAD")]
    ):
        project = toys.copy(toy, tmp_path / "mine")
        (project.root / "model").unlink()
        with campaign.trial(f"train beside {beside[1]} {number}"):
            waiting = ("dvc", "--wait-for-lock", *beside[1:]) if beside[0] == "dvc" else beside
            train = toys.start(project, toys.TRAIN)
            time.sleep(moments.uniform(0, 3))
            other = toys.start(project, waiting)
            printed, _ = train.communicate(timeout=toys.LONGEST)
            other.communicate(timeout=toys.LONGEST)  # DVC may find a file in use; then it says so
            assert train.returncode == 0, printed
            check_toy(project)


@pytest.mark.usefixtures("_whole")
def test_clones_on_one_cache(campaign: Campaign, tmp_path: Path) -> None:
    moments, toy = random.Random(campaign.seed), toys.make_toy(tmp_path / "toy")
    for number in range(6):
        clones = [toys.copy(toy, tmp_path / name) for name in ("one", "two")]
        for clone in clones:
            clone.run("dvc", "cache", "dir", "--local", str(tmp_path / f"cache{number}"))
        with campaign.trial(f"clones on one cache {number}"):
            run_together(moments, *((clone, toys.TRAIN) for clone in clones))
            for clone in clones:
                check_toy(clone)


@pytest.mark.usefixtures("_whole")
def test_repro_while_retraining(campaign: Campaign, tmp_path: Path) -> None:
    moments, base = random.Random(campaign.seed), toys.make_registered(tmp_path / "base")
    for number in range(2):
        project = toys.copy(base, tmp_path / "mine")
        project.change(learn__rate=2)
        with campaign.trial(f"repro while retraining {number}"):
            run_together(moments, (project, toys.RETRAIN), (project, toys.DVC))
            assert graph.find_changes(project.root) == {}
            check_champion(project, "v0.3.0")


@pytest.mark.usefixtures("_whole")
def test_two_retrains(campaign: Campaign, tmp_path: Path) -> None:
    """In one checkout the second does nothing."""
    moments, base = random.Random(campaign.seed), toys.make_registered(tmp_path / "base")
    for number in range(2):
        project = toys.copy(base, tmp_path / "mine")
        with campaign.trial(f"two retrains {number}"):
            printed = run_together(moments, (project, toys.RETRAIN), (project, toys.RETRAIN))
            assert sum("another retraining is at work" in text for text in printed) == 1
            check_champion(project, "v0.3.0")


@pytest.mark.usefixtures("_whole")
def test_clones_that_race_for_promotion(campaign: Campaign, tmp_path: Path) -> None:
    """One of two clones of an origin is first; in the end both and the origin agree who is in production."""
    moments, base = random.Random(campaign.seed), toys.make_registered(tmp_path / "base")
    base.run("git", "push", "--quiet", "--tags", "origin", "main")
    base.run("dvc", "push")
    for number in range(3):
        first = toys.copy(base, tmp_path / "mine")
        second = toys.copy(base, tmp_path / "yours")
        second.run("git", "remote", "set-url", "origin", str(tmp_path / "mine" / "origin.git"))
        with campaign.trial(f"clones that race for promotion {number}"):
            started = [toys.start(first, toys.RETRAIN)]
            time.sleep(moments.uniform(0, 2))
            started.append(toys.start(second, toys.RETRAIN))
            printed = [process.communicate(timeout=toys.LONGEST)[0] for process in started]
            assert not any("Traceback" in text for text in printed), printed
            for project in (first, second, first):  # the next nights
                toys.run(project, *toys.RETRAIN)
            holders = [versions.list_holders(project.root, "encoder", "prod") for project in (first, second)]
            assert holders[0] == holders[1]
            origin = first.run("git", "ls-remote", "--tags", "origin")
            for project in (first, second):
                assert set(project.run("git", "tag").split()) <= {
                    line.rpartition("/")[2] for line in origin.splitlines()
                }


def check_champion(project: Project, name: str) -> None:
    """Check which version is in production."""
    champion = versions.find_champion(project.root, PROMOTE)
    assert champion is not None
    assert champion.name == name
