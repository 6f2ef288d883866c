"""A checkout that is served, for tests: the command, its processes, and what Prefect's server says of its runs."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import psutil

from tests.conftest import ROOT, Project
from tests.pipelines.conftest import Server


def link_pipelines(project: Project) -> None:
    """Link the flows into a project that is not a copy of the tree; Git does not see them."""
    (project.root / "pipelines").symlink_to(ROOT / "pipelines")
    with (project.root / ".git" / "info" / "exclude").open("a") as file:
        file.write("/pipelines\n")


@contextmanager
def serve_checkout(project: Project, *arguments: str, **environment: str) -> Iterator[psutil.Process]:
    """Run `python -m pipelines.retrain --serve` in the background, and end it with the block if it still runs then."""
    log = project.root.parent / "served.log"
    with log.open("a") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "pipelines.retrain", "--serve", *arguments],
            cwd=project.root,
            env=project.environment | environment,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    try:
        yield psutil.Process(process.pid)
    except BaseException:
        print(log.read_text())
        raise
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def read_deployments(server: Server, project: Project) -> list[dict[str, Any]]:
    """Return the deployments of this checkout; the server may know those of other tests too."""
    found = server.ask("deployments/filter", sort="CREATED_DESC")
    return [one for one in found if str(project.root) in f"{one['description']} {one['pull_steps']}"]


def read_runs(server: Server, project: Project, *states: str) -> list[dict[str, Any]]:
    """Return the runs of the checkout's deployment in these states, in the order in which they were to begin."""
    chosen = {"state": {"type": {"any_": list(states)}}}
    theirs = [one["id"] for one in read_deployments(server, project)]
    found = server.ask("flow_runs/filter", flow_runs=chosen, sort="EXPECTED_START_TIME_ASC")
    return [run for run in found if run["deployment_id"] in theirs]


def list_processes_of_run(serving: psutil.Process) -> list[psutil.Process]:
    """Return the flow's process, which Prefect spawned, and all below it."""
    flow = next(one for one in serving.children() if "multiprocessing.spawn" in " ".join(one.cmdline()))
    return [flow, *flow.children(recursive=True)]


def read_state(server: Server, run: str) -> str:
    """Return the name of the state that a flow run is in."""
    name: str = httpx.get(f"{server.url}/flow_runs/{run}").json()["state_name"]
    return name
