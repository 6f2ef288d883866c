"""Waits while another DVC, or another run of the graph, is at work in the same checkout.

DVC holds its lock briefly unless it moves data, and a stage's files while the stage runs. Whatever meets such a lock,
at the start of a command, in the middle or at its end, waits here.
"""

import functools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ParamSpec, TypeVar

from filelock import FileLock, Timeout

from pipelines.errors import LockedError, Say
from pipelines.train.ending import say as say_here

Result = TypeVar("Result")
Arguments = ParamSpec("Arguments")
BUSY_SECONDS = 60.0  # to wait for another DVC's lock
TURN = Path(".dvc", "tmp", "train.lock")
_here = threading.local()  # has `waiting` while the thread is in `wait_while_busy`


def wait_while_busy(call: Callable[[], Result], say: Say) -> Result:
    """Call again while another DVC holds a lock. Raises LockedError after BUSY_SECONDS.

    A call within a call does not wait by itself, so that the outermost says it and counts the seconds.
    """
    if getattr(_here, "waiting", False):
        return call()
    deadline, said, _here.waiting = time.monotonic() + BUSY_SECONDS, False, True
    try:
        while True:
            try:
                return call()
            except LockedError:
                if time.monotonic() > deadline:
                    raise
            if not said:
                say("another DVC is at work here; waiting for it")
                said = True
            time.sleep(1)
    finally:
        _here.waiting = False


def waits(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Make a function wait while another DVC is at work; it says so on standard output."""

    @functools.wraps(function)
    def wait(*arguments: Arguments.args, **named: Arguments.kwargs) -> Result:
        return wait_while_busy(lambda: function(*arguments, **named), say_here)

    return wait


@contextmanager
def take_turn(root: Path, say: Say) -> Iterator[None]:
    """Let one command at a time bring the graph of a checkout up to date: the next one finds the work done."""
    lock = FileLock(root / TURN)
    if (root / ".dvc").is_dir():  # otherwise DVC will say that there is no repository
        (root / TURN).parent.mkdir(exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            say("another pipelines.train is at work here; waiting for it")
            lock.acquire()
    try:
        yield
    finally:
        lock.release()
