"""Tests that do what a user does with the flows: in real processes, in a clone with shrunken parameters."""

import json
import re
from pathlib import Path

import pytest

from pipelines.train import graph
from tests.conftest import Project
from tests.pipelines.tiny import list_descendants, list_survivors, start_train, wait_for

pytestmark = pytest.mark.slow

WEIGHTS = "models/encoder/encoder.safetensors"


def test_a_slip_stops_the_run_and_loses_nothing(project: Project) -> None:
    before = (project.root / WEIGHTS).read_bytes()
    project.change(pretrain__tau_base=2)
    output = project.run("python", "-m", "pipelines.train", "--no-server", status=2)
    assert "params.yaml: pretrain.tau_base: Input should be less than or equal to 1, not 2" in output
    assert "Traceback" not in output
    assert (project.root / WEIGHTS).read_bytes() == before


def test_the_flow_without_a_server_finds_everything_up_to_date(project: Project) -> None:
    output = project.run("python", "-m", "pipelines.train", "--no-server")
    outcomes = re.findall(r"^│ (\S+)\s+│ (ran|up to date)\s+│$", output, re.MULTILINE)
    assert {name for name, _ in outcomes} == {stage.name for stage in graph.read_stages(project.root)}
    assert {outcome for _, outcome in outcomes} == {"up to date"}


def test_a_flow_runs_what_is_stale_and_ends_with_the_numbers(project: Project) -> None:
    """The flow starts a Prefect server for the time of the run."""
    project.change(evaluate__logistic__few_label_c=0.5)
    output = project.run("python", "-m", "pipelines.train")
    outcomes = dict(re.findall(r"^│ (\S+)\s+│ (ran|up to date)\s+│$", output, re.MULTILINE))
    assert {name for name, outcome in outcomes.items() if outcome == "ran"} == {"evaluate@logistic", "report"}
    assert outcomes["pretrain"] == "up to date"
    assert re.search(r"^logistic\s+accuracy\s+0\.\d{3} \.\d{3}-\.\d{3}", output, re.MULTILINE), "the metrics as a table"
    assert f"Report: {project.root / 'reports/index.html'}" in output
    assert "evaluate logistic:" in output, "the stage's own lines are passed on"
    for unwanted in ("Traceback", "database is locked", "Warning"):
        assert unwanted not in output


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks processes up in /proc")
def test_a_killed_flow_leaves_no_training_behind_and_the_next_goes_on(project: Project) -> None:
    project.change(pretrain__epochs=12, pretrain__checkpoint_seconds=0)
    with start_train(project, "--no-server") as flow:
        wait_for(lambda: any((project.root / "scratch").glob("*/state.pt")), 120)
        processes = list_descendants(flow)
        flow.kill()
        assert list_survivors(processes, 10) == []
    assert "deleted" in project.run("dvc", "status"), "no lock is left"
    output = project.run("dvc", "repro", "--single-item", "pretrain")
    assert re.search(r"pretrain: going on after step [1-9]", output)


def test_the_real_graph_is_retrained_in_a_worktree_and_its_first_encoder_promoted(project: Project) -> None:
    """Its stages find their outputs in the cache: what is new is the pin of the images."""
    project.change(promote__floor=0.3)  # so much an encoder of two epochs has learnt
    project.commit("a lower floor")
    output = project.run("python", "-m", "pipelines.retrain")
    assert output.splitlines()[-1] == "promoted"
    assert "encoder@v0.1.0" in project.run("git", "tag")
    decision = json.loads(project.run("git", "show", "encoder@v0.1.0:metrics/decision.json"))
    assert (decision["outcome"], decision["version"]) == ("promoted", "v0.1.0")
    assert project.run("git", "status", "--porcelain") == "", "the checkout is as it was"
    project.run("dvc", "get", ".", "models/classifier", "--rev", "encoder@v0.1.0", "--out", "got")
    assert {path.name for path in (project.root / "got").iterdir()} >= {"classifier.onnx", "config.json"}
