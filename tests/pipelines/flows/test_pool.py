"""prefect.yaml as its page has it: a work pool, a deployment, a worker, on a small project with a real server."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT, Project
from tests.pipelines import tiny
from tests.pipelines.conftest import Server
from tests.pipelines.flows import served
from tests.pipelines.retrain import nights

pytestmark = pytest.mark.slow


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = nights.make_project(tmp_path)
    served.link_pipelines(project)
    shutil.copy(ROOT / "prefect.yaml", project.root / "prefect.yaml")
    return project


def test_a_worker_retrains_in_the_checkout_that_was_deployed(
    project: Project, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", server.url)
    monkeypatch.setenv("PWD", str(project.root))  # as a shell has it that was led there by `cd`
    project.run("prefect", "work-pool", "create", "byol", "--type", "process")
    project.run("prefect", "--no-prompt", "deploy", "--all")
    asked = project.run("prefect", "deployment", "run", "retrain/pool")
    with (tmp_path / "worker.log").open("w") as log:
        command = ["prefect", "worker", "start", "--pool", "byol", "--limit", "1"]
        worker = subprocess.Popen(command, cwd=tmp_path, env=project.environment, stdout=log, stderr=log)
    try:
        tiny.wait_for(lambda: bool(served.read_runs(server, project, "COMPLETED", "FAILED")), 180)
    finally:
        tiny.kill_tree(worker)  # Prefect's own end on SIGTERM hangs now and then
    done = served.read_runs(server, project, "COMPLETED", "FAILED")[0]
    assert done["name"] in asked
    assert done["state_name"] == "Promoted", (tmp_path / "worker.log").read_text()
    assert "encoder@v0.1.0" in project.run("git", "tag")
