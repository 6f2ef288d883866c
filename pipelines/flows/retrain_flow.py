"""A retraining as a Prefect flow: the stages are its sub-flow `train`, the decision is its state and an artifact.

However it ends, that is reported once (pipelines/notify.py): by the flow itself, or if the flow was killed, by the
hooks, which the runner or the worker calls.
"""

import functools
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipelines.flows import environment  # noqa: F401

# isort: split
from prefect import State, flow, get_run_logger, runtime
from prefect.artifacts import create_markdown_artifact
from prefect.states import Cancelled, Completed

from pipelines import notify
from pipelines.errors import CANCELLED, BusyError, EndedError, StageError
from pipelines.flows import artifacts, cancelling, decision_page, missed
from pipelines.flows.flow import run_graph
from pipelines.notify import Event
from pipelines.retrain import drift, retraining
from pipelines.retrain.retraining import Retraining, Tools
from pipelines.train import process

SKIPPED = "Skipped"


def run_retraining() -> Retraining:
    """Run the flow now, in this process's folder. Raises BusyError, StageError or GraphError."""
    state: State[Any] = retrain(return_state=True)
    if state.is_cancelled():
        raise StageError("cancelled", CANCELLED)
    if state.name == SKIPPED:
        raise BusyError(state.message)
    result: Retraining = state.result()
    return result


def _make_hook(kind: str) -> Callable[..., None]:
    """Make a hook that reports the end of a flow run as an event of this kind."""

    def tell(flow: Any, flow_run: Any, state: State[Any]) -> None:
        text, attempt = state.message or state.name or "", flow_run.run_count
        notify.tell(Path.cwd(), Event(kind, retraining.NAME, text, run=str(flow_run.id), attempt=attempt), print)

    tell.__name__ = f"tell_that_it_{kind}"  # Prefect's log names it
    return tell


@flow(
    name=retraining.NAME,
    persist_result=False,
    on_crashed=[_make_hook(notify.CRASHED)],
    on_cancellation=[_make_hook(notify.CANCELLED)],
)
def retrain() -> State[Any]:
    """Look for new data, train on it, and promote what is better, in the checkout in which the process runs.

    It has no parameters: whoever may ask for a run has no say in where it works, which is whose code runs.
    """
    log = get_run_logger()

    def say(line: str) -> None:
        log.info("%s", line)

    if runtime.deployment.id and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C also reaches the serving process, which sends SIGTERM
    measure, cover = functools.partial(drift.measure_drift, say=say), functools.partial(missed.cancel_missed_runs, say)
    tools = Tools(say, run_graph, measure, cover)
    with process.share_processes() as processes, cancelling.watch_cancellation(processes) as cancelled:
        try:
            result = retraining.retrain(Path.cwd(), tools, str(runtime.flow_run.id), runtime.flow_run.run_count or 1)
        except BusyError as error:
            return Completed(name=SKIPPED, message=str(error))
        except (StageError, EndedError) as error:
            if cancelled.is_set() or (isinstance(error, StageError) and error.status == CANCELLED):
                return Cancelled(message="cancelled; the next run goes on from the last checkpoint")
            raise
    with artifacts.log_failures():
        create_markdown_artifact(decision_page.draw_decision(result), "decision", "What the retraining came to")
    for line in result.lines:
        say(line)
    return Completed(name=result.decision.outcome.capitalize(), message=result.text or None, data=result)
