"""The retraining as a deployment of Prefect's, served by this process: its schedule, and what an earlier one left."""

import asyncio
import multiprocessing
import os
import signal
import threading
from pathlib import Path
from typing import Any

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
from pipelines.errors import USER_ERROR, Say, StageError
from pipelines.flows import retrain_flow, runs
from pipelines.flows.cancelling import GOODBYE_SECONDS
from pipelines.notify import Event
from pipelines.retrain import retraining

KILLED = "the process that served it was killed"
UNFINISHED = [StateType.RUNNING, StateType.PENDING, StateType.CANCELLING]


def schedule_of(cron: str | None) -> Schedule | None:
    """In this machine's time zone. Raises StageError."""
    if cron is None:
        return None
    try:
        return Cron(cron, timezone=time_zone())
    except ValueError:
        raise StageError(
            f'--cron: five fields, such as "0 3 * * *" for 3 in the morning, not "{cron}"', USER_ERROR
        ) from None


def time_zone() -> str:
    """Of this machine, by its name. Raises StageError."""
    try:
        name = tzlocal.get_localzone_name()
    except LookupError:
        name = None
    if not name:
        raise StageError("this machine's time zone has no name: set TZ, to Europe/Zurich for one", USER_ERROR)
    return name


def serve(root: Path, schedule: Schedule | None, say: Say) -> None:
    """Until it is ended. Raises StageError where the server knows another checkout of this name."""
    name = root.name
    with get_client(sync_client=True) as client:
        try:
            known = client.read_deployment_by_name(f"{retraining.NAME}/{name}")
        except ObjectNotFound:
            pass
        else:
            clean(client, known, root, say)
    api = os.environ[environment.URL]
    when = f"{schedule.cron} ({schedule.timezone})" if schedule else "only when asked for"
    say(f"retraining in {root}: {when}")
    say(f"to look on: {api.removesuffix('/api')}")
    say(f"to retrain now: {environment.URL}={api} prefect deployment run '{retraining.NAME}/{name}'")
    runner = Served(name, pause_on_shutdown=False, limit=1)
    for number in (signal.SIGINT, signal.SIGTERM):  # from now on: Prefect's code is not to be left by an exception
        signal.signal(number, runner.handle_sigterm)
    runner.add_flow(
        retrain_flow.retrain,
        name=name,
        schedule=schedule,
        parameters={"root": str(root)},
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    asyncio.run(runner.start())


class Served(Runner):
    """Ends on a signal. Prefect's own raises in the midst of whatever its event loop is at, which may swallow that."""

    ending = threading.Event()

    def handle_sigterm(self, *_: Any) -> None:
        """End the flow's process, which tells Prefect of it, and this one; the server goes with it (server.py)."""
        if not self.ending.is_set():
            self.ending.set()
            threading.Thread(target=self.end, daemon=True).start()

    def end(self) -> None:
        """Prefect spawns the flow's process by `multiprocessing`, whose other processes end by themselves."""
        flows = multiprocessing.active_children()
        for flow in flows:
            flow.terminate()
        for flow in flows:  # one at most
            flow.join(GOODBYE_SECONDS)
            flow.kill()
        os._exit(0)


def clean(client: SyncPrefectClient, known: DeploymentResponse, root: Path, say: Say) -> None:
    """What an earlier process left running here runs no more: nobody but this one serves the checkout now."""
    name = f"{retraining.NAME}/{known.name}"
    if (theirs := known.parameters.get("root")) != str(root):
        raise StageError(
            f"Prefect's server knows {theirs} as {name}: give the folder another name, or "
            f"`prefect deployment delete {name}`",
            USER_ERROR,
        )
    for run in runs.of_deployment(client, known.id, UNFINISHED):
        client.set_flow_run_state(run.id, Crashed(message=KILLED), force=True)
        killed = Event(notify.CRASHED, retraining.NAME, KILLED, run=str(run.id), attempt=run.run_count)
        notify.tell(root, killed, say)
