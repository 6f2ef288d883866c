"""A server of Prefect's for as long as a checkout is served, on SQLite in Prefect's own folder, under a guard.

So it ends with the process that serves, however that ends, and what it has recorded stays for the next one.
"""

import os
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from pipelines.errors import USER_ERROR, EndedError, StageError
from pipelines.flows import environment
from pipelines.train.process import Processes
from pipelines.train.runner import LAST_LINES

HOST, PORT = "127.0.0.1", os.environ.get("PREFECT_SERVER_API_PORT", "4200")  # as Prefect has it
URL = f"http://{HOST}:{PORT}/api"
LOG = Path(".dvc", "tmp", "prefect-server.log")
GONE_SECONDS = 8.0
START_SECONDS = 180.0  # of one that makes its database on a busy machine
EVER = 60.0 * 24 * 365 * 50  # minutes


@contextmanager
def running(root: Path) -> Iterator[None]:
    """Inside, it answers. Raises StageError."""
    wait_for_port()
    processes, said = Processes(), deque[str](maxlen=LAST_LINES)
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", HOST, "--port", PORT]

    def run() -> None:
        with suppress(EndedError), (root / LOG).open("a", buffering=1) as log:

            def say(line: str) -> None:
                said.append(line)
                log.write(f"{line}\n")

            processes.run(command, cwd=root, minutes=EVER, say=say)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        until = time.monotonic() + START_SECONDS
        while not answers(URL):
            if not thread.is_alive() or time.monotonic() > until:
                raise StageError("\n".join([*said, f"Prefect's server does not start at {URL}"]), 1)
            time.sleep(0.5)
        yield
    finally:
        processes.end()
        thread.join()


def wait_for_port() -> None:
    """Until nobody listens there: a server that was just ended takes some seconds. Raises StageError."""
    until = time.monotonic() + GONE_SECONDS
    while True:
        try:
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((HOST, int(PORT)))
            return
        except ValueError:
            raise StageError(f"PREFECT_SERVER_API_PORT: a number, not {PORT}", USER_ERROR) from None
        except OSError:
            if time.monotonic() > until:
                raise StageError(
                    f"port {PORT} is taken: if by a server of Prefect's, `export {environment.URL}={URL}` to use it; "
                    "or name another port in PREFECT_SERVER_API_PORT",
                    USER_ERROR,
                ) from None
            time.sleep(0.5)


def answers(url: str) -> bool:
    """Whether a server of Prefect's there is ready."""
    try:
        return httpx.get(f"{url}/health", timeout=5).is_success
    except httpx.HTTPError:
        return False


def reached() -> str | None:
    """The address of the server that the user has named; None without one. Raises StageError where nobody answers."""
    if (url := environment.api_url()) is None:
        return None
    try:
        httpx.get(f"{url}/health", timeout=30)  # any answer will do: a server with a password refuses this one
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        why = " ".join(str(error).split())
        raise StageError(f"{environment.URL}: no server of Prefect's answers at {url}: {why}", 1) from None
    return url
