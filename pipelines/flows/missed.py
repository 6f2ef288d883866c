"""A machine that was off catches up once: of the scheduled runs that are due by now, the first does the work of all.

Prefect starts every run that is late, one after another: after a week without power, seven.
"""

from datetime import UTC, datetime
from uuid import UUID

import httpx
from prefect import State, runtime
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled

from pipelines.errors import Say
from pipelines.flows import runs


def cover(say: Say) -> None:
    """Call off the other runs of this deployment's schedule that are due; a run that somebody asked for stays."""
    if not runtime.deployment.id:
        return
    try:
        _cover(str(runtime.deployment.id), say)
    except (httpx.HTTPError, ObjectNotFound) as error:  # then they run, and find nothing new
        say(f"missed runs cannot be called off: {' '.join(str(error).split())}")


def _cover(deployment: str, say: Say) -> None:
    with get_client(sync_client=True) as client:
        for run in runs.of_deployment(client, UUID(deployment), [StateType.SCHEDULED], due=datetime.now(UTC)):
            if run.auto_scheduled and str(run.id) != str(runtime.flow_run.id):
                covered: State[None] = Cancelled(message=f"the run {runtime.flow_run.name} does its work")
                client.set_flow_run_state(run.id, covered, force=True)
                say(f"the missed run of {run.expected_start_time:%Y-%m-%d %H:%M} UTC is done by this one")
