"""A real Prefect server that the test starts: what the flow leaves there, what it retries, and cancelling."""

from pathlib import Path

import httpx
import pytest

from pipelines.flows import artifacts
from tests.pipelines import tiny
from tests.pipelines.conftest import Server

pytestmark = pytest.mark.slow

STAGES = """
stages:
  counts:
    desc: Count to three
    cmd: >-
      echo 'counts: 1 of 2 images, 5 a second, 1 s left, epoch 1 of 2, loss 0.25' && echo 1 > counts
    outs: [counts]
    meta: {retries: 0, minutes: 1, tags: [gpu]}
  crashes_once:
    cmd: echo try >> tries-crash && test $(wc -l < tries-crash) -eq 2 && echo 1 > crashes_once
    outs: [crashes_once]
    meta: {retries: 1, minutes: 1, tags: []}
  wrong:
    cmd: >-
      echo try >> tries-wrong && echo 'params.yaml: wrong.key: 1 is too much' && exit 2
    deps: [counts]
    outs: [wrong]
    meta: {retries: 3, minutes: 1, tags: []}
  late:
    cmd: cp wrong late
    deps: [wrong]
    outs: [late]
    meta: {retries: 0, minutes: 1, tags: []}
  page:
    cmd: echo hello > page.html
    deps: [crashes_once]
    outs: [page.html]
    meta: {retries: 0, minutes: 1, tags: []}
"""


def test_what_a_flow_leaves_in_prefect(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", server.url)
    project = tiny.make_project(tmp_path, STAGES)
    project.commit("not run yet")
    said = project.run("python", "-m", "pipelines.train", status=2)
    assert "wrong: failed, see its output above" in said
    assert "params.yaml: wrong.key: 1 is too much" in said, "what only the stage can know"
    assert "Traceback" not in said
    tasks = {one["name"]: one for one in server.ask("task_runs/filter")}
    states = {name: one["state"]["type"] for name, one in tasks.items()}
    assert states == {
        "counts": "COMPLETED",
        "crashes_once": "COMPLETED",
        "page": "COMPLETED",
        "wrong": "FAILED",
        "late": "PENDING",
    }
    assert "gpu" in tasks["counts"]["tags"]
    assert (project.root / "tries-crash").read_text().count("try") == 2, "a crash is tried again"
    assert (project.root / "tries-wrong").read_text().count("try") == 1, "what the user has to put right is not"
    left = {one["key"]: one for one in server.ask("artifacts/filter")}
    assert left["progress-counts"]["data"] == 50
    assert "| loss | 0.25 |" in left["progress-counts"]["description"]
    assert '"wrong<br/>failed"' in left["graph"]["data"]
    assert '"late<br/>not started"' in left["graph"]["data"]
    assert "Parameters" in left["changes"]["data"]
    assert (project.root / "page.html").as_uri() in left["page-page"]["data"]


@pytest.mark.parametrize("state", ["CANCELLING", "CANCELLED"])
def test_cancelling_in_prefect_ends_the_training(
    server: Server, tmp_path: Path, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", server.url)
    project = tiny.make_project(tmp_path, tiny.TRAINING)
    checkpoint = project.root / "scratch"
    with tiny.start_train(project) as flow:
        tiny.wait_for(lambda: checkpoint.exists() and checkpoint.read_text() not in ("", "0"))
        processes = tiny.list_descendants(flow)
        run = server.read_last_flow_run()
        server.ask(f"flow_runs/{run['id']}/set_state", state={"type": state}, force=True)
        assert tiny.list_survivors(processes, 10) == []
        assert flow.wait(20) == 130
    assert httpx.get(f"{server.url}/flow_runs/{run['id']}").json()["state"]["type"] == "CANCELLED"
    project.run("dvc", "status")  # no lock is left


@pytest.mark.parametrize(
    ("stage", "key"), [("evaluate@knn", "progress-evaluate-knn"), ("My_Stage", "progress-my-stage")]
)
def test_a_stages_name_becomes_a_key_that_prefect_takes(stage: str, key: str) -> None:
    assert artifacts.make_key("progress", stage) == key
