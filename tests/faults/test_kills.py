"""Kills any process of any command at any moment: nothing lives on, and the next run ends in the same bits.

The moments are spread over the time that the command took alone. SIGTERM and SIGINT to the command itself must end it
without a trace. benchmarks/kills.py kills the real pretraining.
"""

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from pipelines.registry import versions
from pipelines.train import graph
from tests.conftest import Project
from tests.faults import toys
from tests.faults.conftest import Campaign

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")  # DVC's own


def check_end(ended: toys.Ended) -> None:
    """Check that a signal to the command itself, once it has begun, is no trace."""
    if ended.itself and ended.after > 2:
        assert "Traceback" not in ended.printed, ended.printed
        assert "Exception ignored" not in ended.printed, ended.printed


def kill_graph(campaign: Campaign, folder: Path, command: Sequence[str], trials: int) -> None:
    """Kill a run of the graph, and run it again."""
    moments = random.Random(f"{campaign.seed} {command[-1]}")
    toy = toys.make_toy(folder / "toy")
    seconds = toys.measure_seconds(toys.copy(toy, folder / "undisturbed"), command) if campaign.whole else 3.0
    for number in range(trials):
        project = toys.copy(toy, folder / "killed")
        with campaign.trial(f"{command[-1]} {number}"):
            ended = toys.strike(project, command, moments, seconds)
            if command != toys.DVC:
                check_end(ended)
            # DVC itself repairs neither its list of files in use nor dvc.lock, if it was killed while it wrote them.
            written = [path for name in (".dvc/tmp/rwlock", "dvc.lock") if (path := project.root / name).exists()]
            half = any(not path.read_text().endswith(("}", "\n")) for path in written)
            toys.run(project, *(toys.TRAIN if half or number % 4 == 3 else toys.DVC))
            assert [(project.root / name).read_text() for name in ("model", "used")] == [toys.compute_model()] * 2
            assert graph.find_changes(project.root) == {}
            assert not list(project.root.glob(".git/**/*.lock"))


def test_train(campaign: Campaign, tmp_path: Path) -> None:
    kill_graph(campaign, tmp_path, toys.TRAIN, campaign.choose(1, 26))


@pytest.mark.usefixtures("_whole")
def test_repro(campaign: Campaign, tmp_path: Path) -> None:
    kill_graph(campaign, tmp_path, toys.DVC, 50)


@pytest.mark.usefixtures("_whole")
def test_train_with_server(campaign: Campaign, tmp_path: Path) -> None:
    kill_graph(campaign, tmp_path, toys.TRAIN_WITH_SERVER, 6)


@pytest.mark.usefixtures("_whole")
def test_registry_compare_and_retrain(campaign: Campaign, tmp_path: Path) -> None:
    """Kills what reads and writes versions: the next run of the same command does what the first would have done."""
    moments = random.Random(campaign.seed)
    base = toys.make_registered(tmp_path / "base")
    promote = {"artifact": "encoder", "stage": "prod"}
    for command, trials, champion in [
        ((*toys.REGISTRY, "promote", "v0.2.0"), 5, "v0.2.0"),
        ((*toys.REGISTRY, "register", "HEAD^^"), 4, "v0.1.0"),
        ((*toys.COMPARE, "HEAD^", "HEAD"), 4, "v0.1.0"),
        (toys.RETRAIN, 5, "v0.3.0"),
    ]:
        undisturbed = toys.copy(base, tmp_path / "undisturbed")
        seconds = toys.measure_seconds(undisturbed, command)
        assert (found := versions.find_champion(undisturbed.root, promote))
        assert found.name == champion
        for number in range(trials):
            project = toys.copy(base, tmp_path / "killed")
            with campaign.trial(f"{' '.join(command[2:4])} {number}"):
                check_end(toys.strike(project, command, moments, seconds))
                # What was done before the signal came cannot be done again: a commit is registered once.
                done = "register" in command and len(versions.list_versions(project.root, "encoder")) == 3
                toys.run(project, *command, status=2 if done else 0)
                found = versions.find_champion(project.root, promote)
                assert found is not None
                assert found.name == champion
                known = versions.list_versions(project.root, "encoder")
                assert len(known) <= len(versions.list_versions(undisturbed.root, "encoder")) + ("register" in command)
                assert graph.find_changes(project.root) == graph.find_changes(undisturbed.root)
                assert not list(project.root.glob(".git/**/*.lock"))
                assert not list((project.root / ".dvc/tmp").glob("retrain/*"))


@pytest.mark.usefixtures("_whole")
def test_real_stages(campaign: Campaign, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    moments = random.Random(campaign.seed)
    project: Project = request.getfixturevalue("project")
    project.change(pretrain__seed=7)
    undisturbed = toys.copy(project, tmp_path / "undisturbed")
    seconds = toys.measure_seconds(undisturbed, toys.DVC)
    names = (
        "models/encoder/encoder.safetensors",
        "models/encoder/encoder.onnx",
        "metrics/knn.json",
        "reports/index.html",
    )
    bits = toys.hash_files(undisturbed.root, names[:3])
    for number in range(4):
        killed = toys.copy(project, tmp_path / "killed")
        with campaign.trial(f"real stages {number}"):
            command = toys.DVC if number % 2 else toys.TRAIN
            toys.strike(killed, command, moments, seconds)
            toys.run(killed, *command)
            assert toys.hash_files(killed.root, names[:3]) == bits
            assert (killed.root / names[3]).exists()
