"""Whether somebody has cancelled the flow run, asked of Prefect's server now and then.

A flow that is not served by a worker hears nothing of it otherwise, and one that is served is only sent a signal, after
a while and not in every case (Prefect issue 17482). One whose runner or worker was killed has nobody left who could
cancel it: it ends, too.
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

SECONDS = 2.0  # between two questions; a cancelled run has to be over within ten
GOODBYE_SECONDS = 6.0  # to end the processes and to tell Prefect, whose server may have died too


@contextmanager
def watched(processes: Processes) -> Iterator[threading.Event]:
    """Inside, the processes end as soon as the flow run, or the one that it is part of, is cancelled; and then set."""
    runs = {UUID(str(one)) for one in (runtime.flow_run.id, runtime.flow_run.root_flow_run_id) if one}
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
                with suppress(httpx.HTTPError, ObjectNotFound):  # a server that is gone for a while ends no training
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
