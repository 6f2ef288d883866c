"""Runs the graph without Prefect: in threads, at most `flow.at_once` stages at a time, with the same retries."""

import threading
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

from pipelines.errors import Say, StageError
from pipelines.train import settings
from pipelines.train.graph import Stage
from pipelines.train.work import Work


def run_graph(root: Path, say: Say) -> dict[str, str]:
    """Bring every stage of a checkout up to date; return the outcome by stage. Raises StageError or GraphError.

    All of params.yaml is checked before the first second of work.
    """
    flow = settings.read_settings(root)["flow"]
    work = Work.from_checkout(root)
    train(work, say, at_once=flow["at_once"], retry_seconds=flow["retry_seconds"])
    work.check_outcomes()
    return work.outcomes


def train(work: Work, say: Say, *, at_once: int, retry_seconds: float) -> None:
    """Bring every stage up to date. A failed stage stops those that need it and no others; see `work.errors`."""
    waiting = list(work.stages)
    running: dict[Future[str], Stage] = {}
    saying = threading.Lock()

    def attempt(stage: Stage) -> str:
        def pass_on(line: str) -> None:
            with saying:
                say(f"{stage.name} | {line}" if len(running) > 1 else line)

        return update_with_retries(work, stage, pass_on, retry_seconds)

    with ThreadPoolExecutor(at_once) as pool:
        try:
            while True:
                ready = [stage for stage in waiting if work.can_start(stage)]
                for stage in ready[: at_once - len(running)]:
                    waiting.remove(stage)
                    running[pool.submit(attempt, stage)] = stage
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    stage, error = running[future], future.exception()
                    if error is not None:
                        work.errors[stage.name] = error
                    with saying:
                        say(f"{stage.name}: {work.outcomes[stage.name]}")
                    del running[future]
        except BaseException:
            work.processes.end()
            raise


def update_with_retries(work: Work, stage: Stage, say: Say, retry_seconds: float) -> str:
    """Bring one stage up to date; retry it after a crash, as often as its `meta` allows."""
    for retries_left in range(stage.retries, -1, -1):
        try:
            return work.update_stage(stage, say)
        except StageError as error:
            if not retries_left or not error.is_retryable:
                raise
            say(f"{error}; trying again in {retry_seconds:g} s")
            work.processes.ended.wait(retry_seconds)
    raise AssertionError("the last attempt returns or raises")
