"""Tests of a small project that is served: what a kill leaves, catching up, cancelling, schedules that stay active."""

import json
import signal
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from pipelines.retrain import __main__ as retrain
from tests.conftest import Project
from tests.pipelines import tiny
from tests.pipelines.conftest import Server, find_free_port
from tests.pipelines.flows import served
from tests.pipelines.retrain import nights

pytestmark = pytest.mark.slow

EVERY_THREE_SECONDS = ("--cron", "* * * * * */3")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = nights.make_project(tmp_path)
    served.link_pipelines(project)
    (project.root / "scratch").mkdir()
    return project


def test_a_killed_server_leaves_nothing_and_the_next_one_catches_up_once(project: Project) -> None:
    port = find_free_port()
    home = Path(project.environment["PREFECT_HOME"])
    server = Server(f"http://127.0.0.1:{port}/api", home / f"server-{port}.password")
    slow, started = project.root / "scratch" / "slow", project.root / "scratch" / "started"
    slow.touch()
    with served.serve_checkout(project, *EVERY_THREE_SECONDS, PREFECT_SERVER_API_PORT=str(port)) as first:
        tiny.wait_for(started.exists, 180)
        said = project.run("python", "-m", "pipelines.retrain", "--serve", status=1)
        assert said == "this checkout is served already; nothing is done\n"
        time.sleep(7)  # two more are due, and wait
        processes = first.children(recursive=True)
        assert any("work.py learn" in " ".join(one.cmdline()) for one in processes)
        first.kill()
        assert tiny.list_survivors(processes, 10) == []
    slow.unlink()
    restarted = datetime.now(UTC)
    with served.serve_checkout(project, *EVERY_THREE_SECONDS, PREFECT_SERVER_API_PORT=str(port)) as second:
        tiny.wait_for(lambda: answers_completed(server, project), 180)
        killed = served.read_runs(server, project, "CRASHED")[0]
        done = served.read_runs(server, project, "COMPLETED")[0]
        assert done["state_name"] == "Promoted"
        missed = [
            run["state"]["message"] for run in served.read_runs(server, project, "CANCELLED") if due(run) < restarted
        ]
        caught_up = [message for message in missed if killed["name"] not in message]
        assert len(caught_up) >= 2
        assert set(caught_up) == {f"the run {done['name']} does its work"}
        processes = [second, *second.children(recursive=True)]
        second.send_signal(signal.SIGINT)
        assert tiny.list_survivors(processes, 10) == []
    told = [json.loads(line)["event"] for line in (project.root / "scratch" / "told.jsonl").read_text().splitlines()]
    assert told in (["cancelled", "promoted"], ["crashed", "promoted"]), "the killed one had a moment, or its successor"


def due(run: dict[str, Any]) -> datetime:
    """Return when a flow run was to begin."""
    return datetime.fromisoformat(run["expected_start_time"])


def answers_completed(server: Server, project: Project) -> bool:
    """Whether the server answers and knows a run of the checkout that is over."""
    try:
        return bool(served.read_runs(server, project, "COMPLETED"))
    except Exception:
        return False


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["--serve", "--cron", "at three"],
            '--cron: five fields, such as "0 3 * * *" for 3 in the morning, not "at three"',
        ),
        (["--cron", "0 3 * * *"], "--cron: only together with --serve"),
    ],
)
def test_what_cannot_be_served_is_refused_in_a_line(
    project: Project,
    arguments: list[str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(project.root)
    monkeypatch.setenv("PREFECT_API_URL", "")  # which serving sets
    monkeypatch.setattr("sys.argv", ["retrain", *arguments])
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    try:
        status: object = retrain.main()
    except SystemExit as ended:  # as argparse ends
        status = ended.code
    assert status == 2
    assert said in capsys.readouterr().err


def test_a_scheduled_run_is_cancelled_and_one_asked_for_by_hand_promotes(project: Project, server: Server) -> None:
    project = Project(project.root.rename(project.root.with_name("cancelled")))  # its name is the deployment's
    slow, started = project.root / "scratch" / "slow", project.root / "scratch" / "started"
    slow.touch()
    with served.serve_checkout(project, *EVERY_THREE_SECONDS, PREFECT_API_URL=server.url) as serving:
        tiny.wait_for(started.exists, 180)
        this = served.read_deployments(server, project)[0]
        httpx.post(f"{server.url}/deployments/{this['id']}/pause_deployment").raise_for_status()
        elsewhere = {"parameters": {"root": str(project.root.parent)}}
        refused = httpx.post(f"{server.url}/deployments/{this['id']}/create_flow_run", json=elsewhere)
        assert refused.status_code == 409, "it would run that folder's code"
        run = served.read_runs(server, project, "RUNNING")[0]
        assert run["auto_scheduled"]
        processes = served.list_processes_of_run(serving)
        assert any("work.py learn" in " ".join(one.cmdline()) for one in processes)
        server.ask(f"flow_runs/{run['id']}/set_state", state={"type": "CANCELLING"})
        assert tiny.list_survivors(processes, 10) == []
        tiny.wait_for(lambda: served.read_state(server, run["id"]) == "Cancelled")
        assert served.read_runs(server, project, "COMPLETED") == []
        slow.unlink()
        by_hand = server.ask(f"deployments/{this['id']}/create_flow_run")
        tiny.wait_for(lambda: served.read_state(server, by_hand["id"]) in ("Promoted", "Failed", "Rejected"), 120)
        assert served.read_state(server, by_hand["id"]) == "Promoted"
    since = {"timestamp": {"after_": by_hand["created"]}}
    logs = [log["message"] for log in server.ask("logs/filter", logs=since, sort="TIMESTAMP_ASC", limit=200)]
    assert any("learn: going on after step" in line for line in logs), "what the cancelled one had learnt is kept"
    its = {"key": {"any_": ["decision"]}, "flow_run_id": {"any_": [by_hand["id"]]}}
    decision = server.ask("artifacts/filter", artifacts=its)[0]
    assert decision["data"].startswith("# Promoted\n\nversion: `v0.1.0`")
    assert "encoder@v0.1.0" in project.run("git", "tag")


def test_shutting_down_pauses_no_schedule_and_another_checkout_of_the_same_name_is_not_mistaken_for_it(
    project: Project, server: Server, tmp_path: Path
) -> None:
    url = {"PREFECT_API_URL": server.url}
    with served.serve_checkout(project, "--cron", "0 3 * * *", **url):
        tiny.wait_for(lambda: bool(served.read_deployments(server, project)), 60)
    ended = served.read_deployments(server, project)[0]
    assert (ended["paused"], ended["schedules"][0]["active"]) == (False, True)
    other = Project(tmp_path / "elsewhere" / project.root.name)
    (tmp_path / "elsewhere").mkdir()
    project.root.rename(other.root)
    with served.serve_checkout(other, **url) as process:
        assert psutil.wait_procs([process], timeout=60)[1] == []
    assert "knows" in (tmp_path / "elsewhere" / "served.log").read_text()
