"""Reads the runs of a deployment from Prefect's server."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterNextScheduledStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType


def read_runs(
    client: SyncPrefectClient, deployment: UUID, states: Sequence[StateType], *, due: datetime | None = None
) -> list[FlowRun]:
    """Read the deployment's runs in these states; with `due`, only those that were to begin by then."""
    run_filter = FlowRunFilter(
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(states))),
        next_scheduled_start_time=due and FlowRunFilterNextScheduledStartTime(before_=due),
    )
    deployment_filter = DeploymentFilter(id=DeploymentFilterId(any_=[deployment]))
    return client.read_flow_runs(flow_run_filter=run_filter, deployment_filter=deployment_filter)
