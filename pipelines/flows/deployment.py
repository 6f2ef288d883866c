"""Serves the retraining as a Prefect deployment from this process, and cleans up what an earlier process left."""

import asyncio
import multiprocessing
import os
import shlex
import signal
import threading
import zoneinfo
from pathlib import Path
from typing import Any, NamedTuple

from pipelines.flows import environment

# isort: split
import tzlocal
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import ObjectNotFound
from prefect.runner import Runner
from prefect.schedules import Cron, Schedule
from prefect.states import Crashed
from prefect.types.entrypoint import EntrypointType

from pipelines import notify
from pipelines.errors import OTHER_ERROR, USER_ERROR, Say, StageError
from pipelines.flows import retrain_flow, runs
from pipelines.flows.cancelling import GOODBYE_SECONDS
from pipelines.flows.server import LOG, Server
from pipelines.notify import Event
from pipelines.retrain import retraining

KILLED = "the process that served it was killed"
CHECKOUT = "Works in "
NO_PARAMETERS = {"title": "Parameters", "type": "object", "properties": {}, "additionalProperties": False}
UNFINISHED = [StateType.RUNNING, StateType.PENDING, StateType.CANCELLING]


def parse_schedule(cron: str | None) -> Schedule | None:
    """Parse a cron line in this machine's time zone; None without one. Raises StageError."""
    if cron is None:
        return None
    try:
        return Cron(cron, timezone=read_time_zone())
    except ValueError:
        raise StageError(
            f'--cron: five fields, such as "0 3 * * *" for 3 in the morning, not "{cron}"', USER_ERROR
        ) from None


def read_time_zone() -> str:
    """Return the name of this machine's time zone, or of that which TZ names. Raises StageError.

    TZ may hold a name, a file, either of them after a colon, or a rule such as CET-1CEST,M3.5.0,M10.5.0/3 (POSIX.1,
    8.3); a rule has no name, and Prefect takes nothing else.
    """
    stated = os.environ.get("TZ")
    if stated == "":
        return "UTC"
    try:
        name = _find_zone(stated.removeprefix(":")) if stated else tzlocal.get_localzone_name()
    except (LookupError, ValueError, OSError):
        name = None
    if not name:
        problem = f"TZ={stated} names no time zone" if stated else "this machine's time zone has no name"
        raise StageError(f"{problem}: set TZ to a name such as Europe/Zurich, for the schedule", USER_ERROR)
    return name


def _find_zone(text: str) -> str | None:
    """Return the name of the zone in a name or a file of zones; None if there is none."""
    path = Path(text)
    if path.is_absolute():
        text = str(path.resolve()).partition("/zoneinfo/")[2]
    return zoneinfo.ZoneInfo(text).key if text else None


class OwnServer(NamedTuple):
    """A server that this process has started, and the file with its password."""

    server: Server
    password: Path


def serve_deployment(root: Path, schedule: Schedule | None, say: Say, own: OwnServer | None = None) -> None:
    """Serve until a signal ends it. Raises StageError if the server knows another checkout of this name.

    The flow has no parameters, so that nobody who reaches the server can have it work in another folder than this one.
    """
    name = root.name
    with get_client(sync_client=True) as client:
        try:
            deployment = client.read_deployment_by_name(f"{retraining.NAME}/{name}")
        except ObjectNotFound:
            pass
        else:
            crash_unfinished_runs(client, deployment, root, say)
    when = f"{schedule.cron} ({schedule.timezone})" if schedule else "only when asked for"
    for line in (f"retraining in {root}: {when}", *list_addresses(name, own)):
        say(line)
    runner = StoppableRunner(name, pause_on_shutdown=False, limit=1)
    for number in (signal.SIGINT, signal.SIGTERM):  # from now on no exception may interrupt Prefect's code
        signal.signal(number, runner.handle_sigterm)
    if own:
        threading.Thread(target=runner.end_with, args=[own.server, say], daemon=True).start()
    added = runner.add_flow(
        retrain_flow.retrain,
        name=name,
        schedule=schedule,
        description=describe_checkout(root),
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    with get_client(sync_client=True) as client:  # Prefect's own schema takes parameters that the flow does not have
        schema = {"parameter_openapi_schema": NO_PARAMETERS}
        client.request("PATCH", "/deployments/{id}", path_params={"id": added}, json=schema)
    asyncio.run(runner.start())


def list_addresses(name: str, own: OwnServer | None) -> list[str]:
    """List where to look, and the command that retrains now, which works as it stands for the user who serves."""
    api = os.environ[environment.URL]
    variables = f"{environment.URL}={api}"
    lines = [f"to look on: {api.removesuffix('/api')}"]
    if own:
        lines.append(f"the page asks for the password in {own.password}")
        variables += f' {environment.AUTH}="$(cat {shlex.quote(str(own.password))})"'
    command = f"prefect deployment run {shlex.quote(f'{retraining.NAME}/{name}')}"
    return [*lines, f"to retrain now: {variables} {command}"]


def describe_checkout(root: Path) -> str:
    """Return the description of a checkout's deployment, by which the checkout is known again."""
    return f"{CHECKOUT}{root}"


class StoppableRunner(Runner):
    """Ends on a signal. Prefect's own runner raises inside its event loop, where the exception may be swallowed."""

    ending = threading.Event()

    def handle_sigterm(self, *_: Any) -> None:
        """End the flow's process, which tells Prefect, and then this process; the server ends with it (server.py)."""
        if not self.ending.is_set():
            self.ending.set()
            threading.Thread(target=self.end, daemon=True).start()

    def end_with(self, server: Server, say: Say) -> None:
        """End when the server has ended by itself: no night would begin any more, and systemd starts both again."""
        server.thread.join()
        if not self.ending.is_set():
            self.ending.set()
            say(f"Prefect's server has ended; see {LOG}")
            self.end(OTHER_ERROR)

    def end(self, status: int = 0) -> None:
        """End the flow's process, which Prefect starts by `multiprocessing`, and this one."""
        flows = multiprocessing.active_children()
        for flow in flows:
            flow.terminate()
        for flow in flows:  # one at most
            flow.join(GOODBYE_SECONDS)
            flow.kill()
        os._exit(status)


def crash_unfinished_runs(client: SyncPrefectClient, deployment: DeploymentResponse, root: Path, say: Say) -> None:
    """Mark as crashed what an earlier process left running: only this process serves the checkout now."""
    name = f"{retraining.NAME}/{deployment.name}"
    described = deployment.description or ""
    if described.startswith(CHECKOUT) and described != describe_checkout(root):
        raise StageError(
            f"Prefect's server knows {described.removeprefix(CHECKOUT)} as {name}: give the folder another name, or "
            f"`prefect deployment delete {name}`",
            USER_ERROR,
        )
    for run in runs.read_runs(client, deployment.id, UNFINISHED):
        client.set_flow_run_state(run.id, Crashed(message=KILLED), force=True)
        event = Event(notify.CRASHED, retraining.NAME, KILLED, run=str(run.id), attempt=run.run_count)
        notify.tell(root, event, say)
