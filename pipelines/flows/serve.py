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
from pipelines.flows import environment, named, password, server
from pipelines.train import settings

LOCK = Path(".dvc", "tmp", "serve.lock")


def serve_checkout(root: Path, cron: str | None, say: Say) -> None:
    """Serve until a signal ends it. Raises StageError, or BusyError if another process serves this checkout."""
    settings.read_settings(root)
    if forbidden := re.findall(r"[/%&><]", root.name):
        message = f"{root}: Prefect takes no deployment with {forbidden[0]} in its name: rename the folder"
        raise StageError(message, USER_ERROR)
    (root / LOCK).parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(root / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise BusyError("this checkout is served already; nothing is done") from None
    named.check_proxies()
    with ExitStack() as stack:
        stack.callback(lock.release)
        url = named.find_server()
        if not url:
            port, secret = server.read_port(), password.choose_password()
            environment.read_origins()
            server.wait_for_free_port(port)
            os.environ[environment.URL] = server.make_url(port)
            os.environ[environment.AUTH] = secret
        from pipelines.flows import deployment  # here only: Prefect reads the address when it is imported

        schedule, own = deployment.parse_schedule(cron), None
        if not url:
            path = password.write_password(secret, environment.find_home() / f"server-{port}.password")
            own = deployment.OwnServer(server.start_server(root, secret, [str(port)], say), path)
            own.server.wait(say)
        deployment.serve_deployment(root, schedule, say, own)
