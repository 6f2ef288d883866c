"""Asks Prefect's server regularly whether somebody has cancelled the flow run.

Otherwise a flow that no worker serves never learns of a cancellation, and a served flow is only sent a signal, after a
while and not in every case (Prefect issue 17482). A flow whose runner or worker was killed ends too, because nobody is
left who could cancel it.
"""

import contextvars
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from uuid import UUID

import httpx
from prefect import runtime
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType
from prefect.exceptions import ObjectNotFound

from pipelines.errors import TERMINATED
from pipelines.train.process import Processes

SECONDS = 2.0  # between two requests; a cancelled run has to end within 10 s
GOODBYE_SECONDS = 6.0  # for ending the processes and telling Prefect, whose server may be dead too


@contextmanager
def watch_cancellation(processes: Processes) -> Iterator[threading.Event]:
    """End the processes, and set the yielded event, when the flow run or the run that it is part of is cancelled."""
    runs = {UUID(str(run_id)) for run_id in (runtime.flow_run.id, runtime.flow_run.root_flow_run_id) if run_id}
    cancelled, over = threading.Event(), threading.Event()
    outermost = len(runs) < 2  # a sub-flow ends with the flow that it is part of
    served, parent = outermost and bool(runtime.deployment.id), os.getppid()  # has a runner or a worker started this?

    def watch() -> None:
        with get_client(sync_client=True) as client:
            while not over.wait(SECONDS):
                if served and os.getppid() != parent:
                    threading.Timer(GOODBYE_SECONDS, os._exit, [TERMINATED]).start()
                    os.kill(os.getpid(), signal.SIGTERM)
                    return
                with suppress(httpx.HTTPError, ObjectNotFound):  # training goes on while the server is away
                    states = [client.read_flow_run(run).state for run in runs]
                    if any(state and state.type in (StateType.CANCELLING, StateType.CANCELLED) for state in states):
                        cancelled.set()
                        processes.end()
                        return

    watcher = threading.Thread(target=contextvars.copy_context().run, args=[watch], daemon=True)
    watcher.start()
    try:
        yield cancelled
    finally:
        over.set()
        watcher.join()
