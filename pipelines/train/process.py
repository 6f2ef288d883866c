"""Runs a command as its own process group, passes on its lines as they come, and leaves none of it running.

No line that is passed on holds a password or token: lines go to logs, to Prefect's database and to webhooks.

A stage starts processes (DVC, the trainer, its loader workers); a signal to the first leaves the others running, and a
flow that is killed cannot send any. So the command runs under a guard (guard.py), which ends all of it when the pipe to
the guard closes.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from pathlib import Path

from pipelines.errors import EndedError, Say, TimeLimitError
from pipelines.secrets import mask

GRACE_SECONDS = 5.0  # between asking a process to end and killing it
GUARD_SECONDS = 3.0  # that the guard may take beyond GRACE_SECONDS
GUARD = Path(__file__).with_name("guard.py")


class Processes:
    """The commands of one flow: any number of threads may `run` them, and another thread can `end` them all."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self._running: set[subprocess.Popen[str]] = set()
        self._lock = threading.Lock()

    def run(self, command: Sequence[str], *, cwd: Path, minutes: float, say: Say) -> int:
        """Run a command to its end and return its exit status; an exception in `say` ends the command.

        Raises TimeLimitError or EndedError.
        """
        with self._lock:
            if self.ended.is_set():
                raise EndedError
            process = _start_guard(command, cwd)
            self._running.add(process)
        late = threading.Event()

        def end_late() -> None:
            late.set()
            _end_process(process)

        timer = threading.Timer(minutes * 60, end_late)
        timer.start()
        watcher = threading.Thread(target=_kill_what_guard_leaves, args=[process], daemon=True)
        watcher.start()
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if self.ended.is_set():
                    continue  # what is being ended has no news; DVC may print a trace
                say(mask(line.rstrip()))
            process.wait()
        finally:
            timer.cancel()
            _end_process(process)
            watcher.join()
            with self._lock:
                self._running.discard(process)
        if self.ended.is_set():
            raise EndedError
        if late.is_set():
            raise TimeLimitError(f"ended after its time limit of {minutes:g} minutes")
        return process.returncode

    def list_guards(self) -> list[int]:
        """List the process ids of the guards of the commands that run."""
        with self._lock:
            return [process.pid for process in self._running]

    def end(self) -> None:
        """End all running commands, and let no more start."""
        with self._lock:
            self.ended.set()
            running = list(self._running)
        for process in running:
            _close_pipe(process)
        for process in running:
            _end_process(process)


_shared: ContextVar[Processes | None] = ContextVar("_together", default=None)


@contextlib.contextmanager
def share_processes() -> Iterator[Processes]:
    """Let every `run` in the block share one Processes, which another thread can end; an exception ends it too."""
    processes = Processes()
    token = _shared.set(processes)
    try:
        yield processes
    except BaseException:
        processes.end()
        raise
    finally:
        _shared.reset(token)


def get_processes() -> Processes:
    """Return the shared Processes of the block that the caller is in, or a new one."""
    return _shared.get() or Processes()


def run(command: Sequence[str], *, cwd: Path, minutes: float, say: Say) -> int:
    """Run one command, within the shared Processes if the caller is in a block of `share_processes`."""
    return get_processes().run(command, cwd=cwd, minutes=minutes, say=say)


def _start_guard(command: Sequence[str], cwd: Path) -> subprocess.Popen[str]:
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",  # `python` is this one
        "PYTHONUNBUFFERED": "1",
        "PYTHONUTF8": "1",  # whatever the terminal's encoding: what is printed here comes through the pipe as UTF-8,
        "PYTHONIOENCODING": "utf-8",  # and is escaped where the terminal cannot show it
    }
    return subprocess.Popen(
        # -P: the guard's folder must not come before the standard library on the import path.
        [sys.executable, "-P", str(GUARD), str(GRACE_SECONDS), *command],
        cwd=cwd,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )


def _close_pipe(process: subprocess.Popen[str]) -> None:
    """Close the pipe that the guard watches."""
    assert process.stdin is not None
    with contextlib.suppress(OSError):
        process.stdin.close()


def _end_process(process: subprocess.Popen[str]) -> None:
    """End a command through its guard; kill the process group if the guard takes too long."""
    _close_pipe(process)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(GRACE_SECONDS + GUARD_SECONDS)
    _kill_group(process)


def _kill_what_guard_leaves(process: subprocess.Popen[str]) -> None:
    """Kill what a killed guard leaves: its command would keep our end of its output open."""
    process.wait()
    _kill_group(process)


def _kill_group(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # PermissionError: a zombie's group on macOS
        os.killpg(process.pid, signal.SIGKILL)
