"""The real graph on shrunken images, served by schedule: cancelled in mid-training, asked for by hand, resumed."""

from pathlib import Path

import httpx
import pytest

from tests.conftest import Project, set_params
from tests.pipelines import tiny
from tests.pipelines.conftest import Server
from tests.pipelines.flows import served

SLOW = {"pretrain.epochs": 30, "pretrain.checkpoint_seconds": 0.5, "evaluate.probes": ["logistic"]}


@pytest.fixture
def project(untouched: Project, tmp_path: Path) -> Project:
    copied = untouched.copy(tmp_path).root
    project = Project(copied.rename(tmp_path / "graph"))  # its name is the deployment's
    (tmp_path / "home").mkdir()
    set_params(project.root / "params.yaml", SLOW)
    project.commit("slow enough to be cancelled")
    return project


def test_scheduled_cancelled_asked_for_and_resumed(project: Project, server: Server) -> None:
    with served.serving(project, "--cron", "* * * * * */5", PREFECT_API_URL=server.url) as serving:
        tiny.wait_for(lambda: any((project.root / "scratch").glob("*/state.pt")), 180)
        this = served.deployments(server, project)[0]
        httpx.post(f"{server.url}/deployments/{this['id']}/pause_deployment").raise_for_status()
        run = served.runs(server, project, "RUNNING")[0]
        assert run["auto_scheduled"]
        processes = served.processes_of_run(serving)
        assert any("components.pretrain" in " ".join(one.cmdline()) for one in processes)
        server.ask(f"flow_runs/{run['id']}/set_state", state={"type": "CANCELLING"})
        assert tiny.list_survivors(processes, 10) == []
        tiny.wait_for(lambda: state(server, run["id"]) == "Cancelled")
        assert served.runs(server, project, "COMPLETED") == []

        by_hand = server.ask(f"deployments/{this['id']}/create_flow_run")
        tiny.wait_for(lambda: state(server, by_hand["id"]) in ("Promoted", "Failed", "Rejected"), 240)
        assert state(server, by_hand["id"]) == "Promoted"
    since = {"timestamp": {"after_": by_hand["created"]}}
    logs = [log["message"] for log in server.ask("logs/filter", logs=since, sort="TIMESTAMP_ASC", limit=200)]
    assert any("pretrain: going on after step" in line for line in logs)
    its = {"key": {"any_": ["decision"]}, "flow_run_id": {"any_": [by_hand["id"]]}}
    decision = server.ask("artifacts/filter", artifacts=its)[0]
    assert decision["data"].startswith("# Promoted\n\nversion: `v0.1.0`")
    assert "encoder@v0.1.0" in project.run("git", "tag")


def state(server: Server, run: str) -> str:
    """Its name."""
    name: str = httpx.get(f"{server.url}/flow_runs/{run}").json()["state_name"]
    return name
