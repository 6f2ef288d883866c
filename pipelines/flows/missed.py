"""Lets a machine that was off catch up once: the first of the scheduled runs that are due does the work of all.

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


def cancel_missed_runs(say: Say) -> None:
    """Cancel the other due runs of this deployment's schedule; a run that somebody asked for stays."""
    if not runtime.deployment.id:
        return
    try:
        _cancel_due_runs(str(runtime.deployment.id), say)
    except (httpx.HTTPError, ObjectNotFound) as error:  # then the missed runs start, and find nothing new
        say(f"missed runs cannot be called off: {' '.join(str(error).split())}")


def _cancel_due_runs(deployment: str, say: Say) -> None:
    with get_client(sync_client=True) as client:
        for run in runs.read_runs(client, UUID(deployment), [StateType.SCHEDULED], due=datetime.now(UTC)):
            if run.auto_scheduled and str(run.id) != str(runtime.flow_run.id):
                cancelled: State[None] = Cancelled(message=f"the run {runtime.flow_run.name} does its work")
                client.set_flow_run_state(run.id, cancelled, force=True)
                say(f"the missed run of {run.expected_start_time:%Y-%m-%d %H:%M} UTC is done by this one")
