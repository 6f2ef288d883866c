"""The graph as a Prefect flow: one task a stage, each after the tasks of those it needs, several at once.

DVC decides what is cached; Prefect must not (NO_CACHE, nothing persisted). Cancelling, from wherever, ends the
processes in the flow's body: in a task it would come too late (Prefect issue 17482).
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

from pipelines.errors import CANCELLED, Say, StageError
from pipelines.flows import artifacts, cancelling
from pipelines.train import settings
from pipelines.train.graph import Stage
from pipelines.train.work import Work


def _without_trace(record: logging.LogRecord) -> bool:
    """A stage that failed has said why; Prefect's trace of our own calls would only bury it."""
    if record.exc_info and isinstance(record.exc_info[1], StageError):
        record.exc_info = None
    return True


for name in ("prefect.flow_runs", "prefect.task_runs"):
    logging.getLogger(name).addFilter(_without_trace)


def run_graph(root: Path, _: Say) -> dict[str, str]:
    """Bring every stage of a checkout up to date: outcome by stage. Raises StageError, where somebody cancelled it too.

    All of params.yaml is checked before the first second of work. What the stages say goes to Prefect's log.
    """
    own = settings.read(root)["flow"]
    runner: Any = ThreadPoolTaskRunner(max_workers=own["at_once"])
    try:
        return cast(dict[str, str], train.with_options(task_runner=runner)(root, own["retry_seconds"]))
    except CancelledRun:
        raise StageError("cancelled", CANCELLED) from None


def _may_pass(_task: Any, _run: Any, state: State[Any]) -> bool:
    """Retry a crash; not what the user did, or has to put right."""
    error = state.result(raise_on_failure=False)
    return not isinstance(error, StageError) or error.may_pass


@task(cache_policy=NO_CACHE, persist_result=False, retry_condition_fn=_may_pass)
def run_stage(stage: Stage, work: Work) -> str:
    """Bring one stage up to date; its lines go to Prefect's log, and its progress to an artifact."""
    log = get_run_logger()
    shown = artifacts.LiveProgress(stage.name)

    def say(line: str) -> None:
        log.info("%s", line)
        shown.see(line)

    outcome = work.bring(stage, say)
    log.info("%s: %s", stage.name, outcome)
    return outcome


@flow(name="train", persist_result=False)
def train(root: Path, retry_seconds: float) -> dict[str, str] | State[Any]:
    """Bring every stage up to date: outcome by stage."""
    work = Work.of(root)
    try:
        with cancelling.watched(work.processes) as cancelled:
            run_stages(work, retry_seconds)
    except BaseException:
        work.processes.end()
        raise
    artifacts.publish(work)
    if cancelled.is_set():
        return Cancelled(message="cancelled; finished stages are kept")
    work.check()
    return work.outcomes


def run_stages(work: Work, retry_seconds: float) -> None:
    """All tasks, to the end of each. What failed stands in `work.errors`; what needed it was not started."""
    futures: dict[str, PrefectFuture[str]] = {}
    for stage in work.stages:
        named = run_stage.with_options(
            name=stage.name,
            task_run_name=stage.name,
            description=stage.description,
            tags=set(stage.tags),
            retries=stage.retries,
            retry_delay_seconds=retry_seconds,
        )
        needs = [futures[need] for need in stage.needs]
        futures[stage.name] = named.submit(stage, work, wait_for=needs, return_state=False)
    for stage_name, future in futures.items():
        future.wait()
        if future.state.is_failed() or future.state.is_crashed():
            work.errors[stage_name] = future.state.result(raise_on_failure=False)
