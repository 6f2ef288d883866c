"""The graph as a Prefect flow: one task per stage, each after the tasks of those it needs, several at once.

DVC decides what is cached; Prefect must not (NO_CACHE, nothing persisted). A cancellation ends the processes from the
flow's body: from a task it would come too late (Prefect issue 17482).
"""

import logging
from pathlib import Path
from typing import Any, cast

from pipelines.flows import environment  # noqa: F401

# isort: split

from prefect import State, flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.exceptions import CancelledRun
from prefect.futures import PrefectFuture
from prefect.states import Cancelled
from prefect.task_runners import ThreadPoolTaskRunner

from pipelines import signals
from pipelines.errors import CANCELLED, GraphError, Say, StageError
from pipelines.flows import artifacts, cancelling
from pipelines.train import settings
from pipelines.train.graph import Stage
from pipelines.train.work import Work


def _drop_noise(record: logging.LogRecord) -> bool:
    """Drop the traceback of an error that says why in a line, as a stage's or DVC's: our own calls would bury that.

    Where a signal ends the run, what Prefect says of each stage that comes to no end would bury the one line that does.
    """
    if record.exc_info and isinstance(record.exc_info[1], StageError | GraphError):
        record.exc_info = None
    return not signals.is_ending()


for name in ("prefect.flow_runs", "prefect.task_runs"):
    logging.getLogger(name).addFilter(_drop_noise)


def run_graph(root: Path, _: Say) -> dict[str, str]:
    """Bring every stage of a checkout up to date; return the outcome by stage. Raises StageError, also if cancelled.

    All of params.yaml is checked before the first second of work. What the stages say goes to Prefect's log.
    """
    return run_with(settings.read_settings(root)["flow"], root)


def run_with(flow_settings: dict[str, Any], root: Path) -> dict[str, str]:
    """Bring every stage up to date with these settings, a section of params.yaml; as `run_graph`."""
    runner: Any = ThreadPoolTaskRunner(max_workers=flow_settings["at_once"])
    try:
        return cast(dict[str, str], train.with_options(task_runner=runner)(root, flow_settings["retry_seconds"]))
    except CancelledRun:
        raise StageError("cancelled", CANCELLED) from None


def _is_retryable(_task: Any, _run: Any, state: State[Any]) -> bool:
    """Whether to retry: after a crash, not after what the user did or has to correct."""
    error = state.result(raise_on_failure=False)
    return not isinstance(error, StageError) or error.is_retryable


@task(cache_policy=NO_CACHE, persist_result=False, retry_condition_fn=_is_retryable)
def run_stage(stage: Stage, work: Work) -> str:
    """Bring one stage up to date; its lines go to Prefect's log, and its progress to an artifact."""
    log = get_run_logger()
    progress = artifacts.LiveProgress(stage.name)

    def say(line: str) -> None:
        log.info("%s", line)
        progress.show_line(line)

    outcome = work.update_stage(stage, say)
    log.info("%s: %s", stage.name, outcome)
    return outcome


@flow(name="train", persist_result=False)
def train(root: Path, retry_seconds: float) -> dict[str, str] | State[Any]:
    """Bring every stage up to date; return the outcome by stage."""
    work = Work.from_checkout(root)
    try:
        with cancelling.watch_cancellation(work.processes) as cancelled:
            run_stages(work, retry_seconds)
    except BaseException:
        work.processes.end()
        raise
    artifacts.publish_artifacts(work)
    if cancelled.is_set():
        return Cancelled(message="cancelled; finished stages are kept")
    work.check_outcomes()
    return work.outcomes


def run_stages(work: Work, retry_seconds: float) -> None:
    """Run all tasks to their ends. Errors go to `work.errors`; stages that needed a failed stage are not started."""
    futures: dict[str, PrefectFuture[str]] = {}
    for stage in work.stages:
        stage_task = run_stage.with_options(
            name=stage.name,
            task_run_name=stage.name,
            description=stage.description,
            tags=set(stage.tags),
            retries=stage.retries,
            retry_delay_seconds=retry_seconds,
        )
        needs = [futures[need] for need in stage.needs]
        futures[stage.name] = stage_task.submit(stage, work, wait_for=needs, return_state=False)
    for stage_name, future in futures.items():
        future.wait()
        if future.state.is_failed() or future.state.is_crashed():
            work.errors[stage_name] = future.state.result(raise_on_failure=False)
