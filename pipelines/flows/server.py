"""Runs a Prefect server under a guard while a checkout is served, on SQLite in Prefect's own folder.

So the server ends with the process that serves, however that ends, and what it has recorded stays for the next server.
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

HOST, PORT = "127.0.0.1", os.environ.get("PREFECT_SERVER_API_PORT", "4200")  # Prefect's defaults
URL = f"http://{HOST}:{PORT}/api"
LOG = Path(".dvc", "tmp", "prefect-server.log")
GONE_SECONDS = 8.0  # a server that was just ended may hold its port this long
START_SECONDS = 180.0  # enough to create the database on a busy machine
EVER = 60.0 * 24 * 365 * 50  # minutes


@contextmanager
def run_server(root: Path) -> Iterator[None]:
    """Run the server during the block, which begins when the server is ready. Raises StageError."""
    wait_for_port()
    processes, last_lines = Processes(), deque[str](maxlen=LAST_LINES)
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", HOST, "--port", PORT]

    def run() -> None:
        with suppress(EndedError), (root / LOG).open("a", buffering=1) as log:

            def say(line: str) -> None:
                last_lines.append(line)
                log.write(f"{line}\n")

            processes.run(command, cwd=root, minutes=EVER, say=say)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        deadline = time.monotonic() + START_SECONDS
        while not is_ready(URL):
            if not thread.is_alive() or time.monotonic() > deadline:
                raise StageError("\n".join([*last_lines, f"Prefect's server does not start at {URL}"]), 1)
            time.sleep(0.5)
        yield
    finally:
        processes.end()
        thread.join()


def wait_for_port() -> None:
    """Wait until the port is free: a server that was just ended takes some seconds. Raises StageError."""
    deadline = time.monotonic() + GONE_SECONDS
    while True:
        try:
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((HOST, int(PORT)))
            return
        except ValueError:
            raise StageError(f"PREFECT_SERVER_API_PORT: a number, not {PORT}", USER_ERROR) from None
        except OSError:
            if time.monotonic() > deadline:
                raise StageError(
                    f"port {PORT} is taken: if by a server of Prefect's, `export {environment.URL}={URL}` to use it; "
                    "or name another port in PREFECT_SERVER_API_PORT",
                    USER_ERROR,
                ) from None
            time.sleep(0.5)


def is_ready(url: str) -> bool:
    """Whether a Prefect server is ready at this address."""
    try:
        return httpx.get(f"{url}/health", timeout=5).is_success
    except httpx.HTTPError:
        return False


def find_server() -> str | None:
    """Return the address of the server that the user has named, or None. Raises StageError if nobody answers there."""
    if (url := environment.read_api_url()) is None:
        return None
    try:
        httpx.get(f"{url}/health", timeout=30)  # any answer will do: a server with a password refuses this one
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        reason = " ".join(str(error).split())
        raise StageError(f"{environment.URL}: no server of Prefect's answers at {url}: {reason}", 1) from None
    return url
