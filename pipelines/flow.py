"""The graph as a Prefect flow: one task a stage, in DVC's order.

DVC decides what is cached; Prefect must not (NO_CACHE, nothing persisted). The environment is set before Prefect is
imported, because the server that it starts reads it: a cold start takes longer than Prefect's own limit, and its
telemetry is off.
"""

import logging
import os

os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "90")
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("DO_NOT_TRACK", "1")

from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE

from pipelines import runner
from pipelines.graph import Stage, read_stages


def _without_trace(record: logging.LogRecord) -> bool:
    """A stage that failed has said why; Prefect's trace of our own calls would only bury it."""
    if record.exc_info and isinstance(record.exc_info[1], runner.StageError):
        record.exc_info = None
    return True


for name in ("prefect.flow_runs", "prefect.task_runs"):
    logging.getLogger(name).addFilter(_without_trace)


def _can_help(_task: Any, _run: Any, state: Any) -> bool:
    """Retry a crash; not what the user has to put right."""
    error = state.result(raise_on_failure=False)
    return not (isinstance(error, runner.StageError) and error.status == runner.USER_ERROR)


@task(cache_policy=NO_CACHE, persist_result=False, retry_delay_seconds=5, retry_condition_fn=_can_help)
def run_stage(stage: Stage, root: Path) -> str:
    """Bring one stage up to date; its lines go to Prefect's log."""
    log = get_run_logger()
    outcome = runner.bring_up_to_date(stage, root, log.info)
    log.info("%s: %s", stage.name, outcome)
    return outcome


@flow(name="train", persist_result=False)
def train(root: Path) -> dict[str, str]:
    """Bring every stage up to date: outcome by stage."""
    outcomes = {}
    for stage in read_stages(root):
        named = run_stage.with_options(name=stage.name, task_run_name=stage.name, retries=stage.retries)
        outcomes[stage.name] = named(stage, root)
    return outcomes
