"""`python -m pipelines.retrain --serve`: a retraining whenever the schedule or somebody asks for it.

Shutting down does not pause the schedule, whereas Prefect's own default does; so a machine that was off catches up,
once (pipelines/flows/missed.py). At most one retraining runs at a time.
"""

import os
import re
from contextlib import ExitStack
from pathlib import Path

from filelock import FileLock, Timeout

from pipelines.errors import USER_ERROR, BusyError, Say, StageError
from pipelines.flows import environment, server
from pipelines.train import settings

LOCK = Path(".dvc", "tmp", "serve.lock")


def serve(root: Path, cron: str | None, say: Say) -> None:
    """Until it is ended. Raises BusyError where this checkout is served already, and StageError."""
    settings.read(root)
    if unfit := re.findall(r"[/%&><]", root.name):
        said = f"{root}: Prefect takes no deployment with {unfit[0]} in its name: rename the folder"
        raise StageError(said, USER_ERROR)
    (root / LOCK).parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(root / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise BusyError("this checkout is served already; nothing is done") from None
    named = server.reached()
    os.environ[environment.URL] = named or server.URL
    from pipelines.flows import deployment  # here only: Prefect reads the address when it is imported

    with ExitStack() as stack:
        stack.callback(lock.release)
        schedule = deployment.schedule_of(cron)
        if not named:
            stack.enter_context(server.running(root))
        deployment.serve(root, schedule, say)
