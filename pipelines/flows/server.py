"""Runs a Prefect server under a guard while a checkout is served, on SQLite in Prefect's own folder.

So the server ends with the process that serves, however that ends, and what it has recorded stays for the next server.
"""

import logging
import os
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from logging.handlers import RotatingFileHandler
from pathlib import Path

import httpx

from pipelines.errors import OTHER_ERROR, USER_ERROR, EndedError, StageError
from pipelines.flows import environment
from pipelines.train.process import Processes
from pipelines.train.runner import LAST_LINES

HOST, PORT = "127.0.0.1", os.environ.get("PREFECT_SERVER_API_PORT", "4200")  # Prefect's defaults
URL = f"http://{HOST}:{PORT}/api"
LOG = Path(".dvc", "tmp", "prefect-server.log")
LOG_BYTES = 4_000_000  # then it begins anew, and the one before stays beside it as LOG.1
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
        log = RotatingFileHandler(root / LOG, maxBytes=LOG_BYTES, backupCount=1, encoding="utf-8")
        with suppress(EndedError), closing(log):

            def say(line: str) -> None:
                last_lines.append(line)
                log.emit(logging.makeLogRecord({"msg": line}))

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


def find_server(status: int = OTHER_ERROR, advice: str = "") -> str | None:
    """Return the address of the server that the user has named, or None.

    Raises StageError with `status` if no server answers there; `advice` is what else would help.
    """
    if (url := environment.read_api_url()) is None:
        return None
    check_proxies(advice)
    if reason := _find_fault(url):
        way = f"start it, or unset {environment.URL}{advice and f', {advice}'}"
        origin = environment.describe_origin()
        raise StageError(f"{origin}: no server of Prefect's answers at {url}: {reason}; {way}", status)
    return url


def _find_fault(url: str) -> str | None:
    """Return why the address is not that of a server that works, or None."""
    try:
        answer = httpx.get(f"{url}/health", timeout=30)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return " ".join(str(error).split()) or type(error).__name__
    if answer.status_code >= 500:  # a proxy says so of a server that is down
        return f"{answer.status_code} {answer.reason_phrase}"
    if "html" in answer.headers.get("content-type", ""):
        return "a page for people answers; the address of the API ends in /api"
    return None  # a server with a password refuses this call, and that will do


def check_prefect(status: int, advice: str) -> None:
    """Check that a flow can reach a server, its own or the one that the user has named. Raises StageError."""
    check_proxies(advice)
    find_server(status, advice)


def check_proxies(advice: str = "") -> None:
    """Check that Prefect's client takes the proxies of the environment. Raises StageError."""
    try:
        httpx.Client().close()
    except (ImportError, ValueError, httpx.InvalidURL) as error:  # ImportError: a SOCKS proxy needs another package
        names = [name for name in sorted(os.environ) if name.lower().endswith("_proxy")]
        reason = " ".join(str(error).split())
        hint = f"; correct or unset it{advice and f', {advice}'}"
        raise StageError(f"{', '.join(names)}: of no use to Prefect's client: {reason}{hint}", USER_ERROR) from None
