"""Runs a Prefect server under a guard, on SQLite in Prefect's own folder.

So the server ends with the process that has started it, however that ends, and what it has recorded stays for the next
server. A Ctrl-C in the terminal does not reach it: a flow that is ending still has to tell it so.
"""

import atexit
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import closing, suppress
from logging.handlers import RotatingFileHandler
from pathlib import Path

import psutil

from pipelines.errors import OTHER_ERROR, USER_ERROR, EndedError, Say, StageError
from pipelines.flows import api, environment
from pipelines.train.process import Processes
from pipelines.train.runner import LAST_LINES

LOG = Path(".dvc", "tmp", "prefect-server.log")
LOG_BYTES = 4_000_000  # then it begins anew, and the one before stays beside it as LOG.1
GONE_SECONDS = 8.0  # a server that was just ended may hold its port this long
START_SECONDS = 900.0  # a server that is still at work is waited for: a busy machine may need minutes
IDLE_SECONDS = 60.0  # a server that does nothing for so long is not waited for
TOLD_SECONDS = 30.0  # between two lines that say that it is still starting
EVER = 60.0 * 24 * 365 * 50  # minutes


class Server:
    """A server that was started; it is of use when `wait` is over."""

    def __init__(self, root: Path, arguments: list[str], advice: str) -> None:
        """`advice`: what else would help if it does not start."""
        self.root, self.advice = root, advice
        self.command = self.make_command(arguments)
        self.processes, self.last_lines = Processes(), deque[str](maxlen=LAST_LINES)
        self.port, self.is_ready = "", False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def make_command(self, arguments: list[str]) -> list[str]:
        """Return the command that starts it."""
        return [sys.executable, "-m", "pipelines.flows.api", *arguments]

    @property
    def url(self) -> str:
        """The address of its API."""
        return make_url(self.port)

    def wait(self, say: Say) -> None:
        """Wait until it is ready. Raises StageError if it has ended, or does nothing any more."""
        self._wait_for(lambda: self.is_ready, say)

    def wait_for_port(self, say: Say) -> None:
        """Wait until its address is known, which takes a moment. Raises StageError as `wait` does."""
        self._wait_for(lambda: bool(self.port), say)

    def end(self) -> None:
        """End it."""
        self.processes.end()
        self.thread.join()

    def end_at_exit(self) -> None:
        """End it; who presses Ctrl-C meanwhile waits no longer, and its guard ends it."""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        self.end()

    def _run(self) -> None:
        try:
            (self.root / LOG).parent.mkdir(parents=True, exist_ok=True)
            log = RotatingFileHandler(self.root / LOG, maxBytes=LOG_BYTES, backupCount=1, encoding="utf-8")
            with suppress(EndedError), closing(log):

                def say(line: str) -> None:
                    if line.startswith(api.AT_PORT):
                        self.port = line.removeprefix(api.AT_PORT)
                    elif line == api.READY:
                        self.is_ready = True
                    elif line:
                        self.last_lines.append(line)
                        log.emit(logging.makeLogRecord({"msg": line}))

                self.processes.run(self.command, cwd=self.root, minutes=EVER, say=say)
        except OSError as error:  # a full disk, for example
            self.last_lines.append(str(error))

    def _wait_for(self, condition: Callable[[], bool], say: Say) -> None:
        began = told = active = time.monotonic()
        seconds_worked = 0.0
        while not condition():
            if not self.thread.is_alive():
                raise self._explain("has ended")
            time.sleep(0.05)
            now = time.monotonic()
            if now - active < 1:
                continue
            if (worked := measure_work(self.processes.list_guards())) != seconds_worked:
                seconds_worked, active = worked, now
            if now - active > IDLE_SECONDS or now - began > START_SECONDS:
                raise self._explain(f"is not ready after {now - began:.0f} s")
            if now - told > TOLD_SECONDS:
                told = now
                say(f"Prefect's server is still starting, after {now - began:.0f} s")

    def _explain(self, problem: str) -> StageError:
        reason = f": {self.last_lines[-1]}" if self.last_lines else ""
        way = f"see {LOG}{self.advice and f', {self.advice}'}"
        return StageError(f"Prefect's server does not start, it {problem}{reason}; {way}", OTHER_ERROR)


def start_server(root: Path, password: str, arguments: list[str], say: Say, advice: str = "") -> Server:
    """Start a server, and name it in the environment, where Prefect finds it, here and in what is started here.

    So call this before Prefect is imported. The server is ended after all that Prefect does at this process's exit,
    such as sending the last lines of the log.
    """
    os.environ[environment.AUTH] = password
    server = Server(root, arguments, advice)
    atexit.register(server.end_at_exit)
    server.wait_for_port(say)
    os.environ[environment.URL] = server.url
    return server


def make_url(port: int | str) -> str:
    """Return the address of the API of a server at this port."""
    return f"http://{api.HOST}:{port}/api"


def measure_work(guards: list[int]) -> float:
    """Measure for how many seconds the processes below these have used a processor."""
    seconds = 0.0
    for guard in guards:
        with suppress(psutil.Error):
            for process in psutil.Process(guard).children(recursive=True):
                with suppress(psutil.Error):
                    times = process.cpu_times()
                    seconds += times.user + times.system
    return seconds


def read_port() -> int:
    """Return the port of a server that stays: Prefect's default, or what the user has set. Raises StageError."""
    stated = os.environ.get("PREFECT_SERVER_API_PORT", "4200")
    if not (stated.isascii() and stated.isdigit() and 0 < int(stated) < 65536):
        raise StageError(f"PREFECT_SERVER_API_PORT: a number from 1 to 65535, not {stated}", USER_ERROR)
    return int(stated)


def wait_for_free_port(port: int) -> None:
    """Wait until the port is free: a server that was just ended takes some seconds. Raises StageError."""
    deadline = time.monotonic() + GONE_SECONDS
    while True:
        try:
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((api.HOST, port))
            return
        except PermissionError:
            problem = f"PREFECT_SERVER_API_PORT: port {port} is not for this user, name one from 1024 on"
            raise StageError(problem, USER_ERROR) from None
        except OSError:
            if time.monotonic() > deadline:
                named = f"`export {environment.URL}={make_url(port)}`"
                raise StageError(
                    f"port {port} is taken: if by a server of Prefect's, {named} to use it; "
                    "or name another port in PREFECT_SERVER_API_PORT",
                    USER_ERROR,
                ) from None
            time.sleep(0.5)
