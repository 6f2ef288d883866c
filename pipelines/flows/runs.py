"""The runs of a deployment, as Prefect's server has them."""

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


def of_deployment(
    client: SyncPrefectClient, deployment: UUID, states: Sequence[StateType], *, due: datetime | None = None
) -> list[FlowRun]:
    """Those in these states; with `due`, those that were to begin by then."""
    chosen = FlowRunFilter(
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(states))),
        next_scheduled_start_time=due and FlowRunFilterNextScheduledStartTime(before_=due),
    )
    of_this = DeploymentFilter(id=DeploymentFilterId(any_=[deployment]))
    return client.read_flow_runs(flow_run_filter=chosen, deployment_filter=of_this)
