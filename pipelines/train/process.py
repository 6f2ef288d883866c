"""One command as a process group of its own: its lines are passed on as they come, and none of it outlives the call.

A stage starts processes (DVC, the trainer, its loader workers); a signal to the first leaves the others running, and a
flow that is killed cannot send any. So the command runs under a guard (guard.py), which ends all of it when the pipe to
it closes.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from pathlib import Path

from pipelines.errors import EndedError, TimeLimitError

GRACE_SECONDS = 5.0  # between asking a process to end and killing it
GUARD_SECONDS = 3.0  # that the guard may take beyond that
GUARD = Path(__file__).with_name("guard.py")


class Processes:
    """The commands of one flow: `run` them in as many threads as you like, `end` them all from another."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self._running: set[subprocess.Popen[str]] = set()
        self._lock = threading.Lock()

    def run(self, command: Sequence[str], *, cwd: Path, minutes: float, say: Callable[[str], None]) -> int:
        """Run to the end and return the exit status. Raises TimeLimitError or EndedError; any exception ends it."""
        with self._lock:
            if self.ended.is_set():
                raise EndedError
            process = _start(command, cwd)
            self._running.add(process)
        late = threading.Event()

        def end_late() -> None:
            late.set()
            _end(process)

        timer = threading.Timer(minutes * 60, end_late)
        timer.start()
        watcher = threading.Thread(target=_end_what_a_guard_leaves, args=[process], daemon=True)
        watcher.start()
        try:
            assert process.stdout is not None
            for line in process.stdout:
                say(line.rstrip())
            process.wait()
        finally:
            timer.cancel()
            _end(process)
            watcher.join()
            with self._lock:
                self._running.discard(process)
        if self.ended.is_set():
            raise EndedError
        if late.is_set():
            raise TimeLimitError(f"ended after its time limit of {minutes:g} minutes")
        return process.returncode

    def end(self) -> None:
        """End all that runs, and let nothing start any more."""
        with self._lock:
            self.ended.set()
            running = list(self._running)
        for process in running:
            _let_go(process)
        for process in running:
            _end(process)


_together: ContextVar[Processes | None] = ContextVar("_together", default=None)


@contextlib.contextmanager
def together() -> Iterator[Processes]:
    """Inside, `run` runs commands that can be ended from another thread; an exception ends them."""
    processes = Processes()
    token = _together.set(processes)
    try:
        yield processes
    except BaseException:
        processes.end()
        raise
    finally:
        _together.reset(token)


def at_hand() -> Processes:
    """Those `together` that the caller is among, or new ones."""
    return _together.get() or Processes()


def run(command: Sequence[str], *, cwd: Path, minutes: float, say: Callable[[str], None]) -> int:
    """One command, by itself or as one of those `together`."""
    return at_hand().run(command, cwd=cwd, minutes=minutes, say=say)


def _start(command: Sequence[str], cwd: Path) -> subprocess.Popen[str]:
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",  # `python` is this one
        "PYTHONUNBUFFERED": "1",
    }
    return subprocess.Popen(
        # -P: the folder of the guard's file must not stand before the standard library
        [sys.executable, "-P", str(GUARD), str(GRACE_SECONDS), *command],
        cwd=cwd,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )


def _let_go(process: subprocess.Popen[str]) -> None:
    """Close the pipe that the guard watches."""
    assert process.stdin is not None
    with contextlib.suppress(OSError):
        process.stdin.close()


def _end(process: subprocess.Popen[str]) -> None:
    """By the guard, and without it where that takes too long."""
    _let_go(process)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(GRACE_SECONDS + GUARD_SECONDS)
    _kill_group(process)


def _end_what_a_guard_leaves(process: subprocess.Popen[str]) -> None:
    """A guard that was itself killed leaves its command, which would keep our end of its output open."""
    process.wait()
    _kill_group(process)


def _kill_group(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS says the latter of a zombie's group
        os.killpg(process.pid, signal.SIGKILL)
