"""Lets SIGINT and SIGTERM end a command, whatever becomes of the exception that a signal raises.

Python raises that exception wherever the main thread is. In a weakref callback, in `__del__` and in the garbage
collector it is printed and forgotten (docs.python.org/3/library/signal.html, "Note on Signal Handlers and Exceptions"),
and a library may catch it. So a thread looks on: while no exception is ending the main thread, it sends the signal
again. A second signal of the user's ends the process at once: what runs under a guard (train/guard.py) ends with it.

Import this module before those that take a second: until `heed_signals`, Ctrl-C ends a command without a trace.
"""

import os
import select
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from pipelines.errors import TERMINATED

HEEDED = (signal.SIGINT, signal.SIGTERM)
AGAIN_SECONDS = 1.0  # `timeout` sends a signal to a process and at once to its group: that is no second signal
LOOK_SECONDS = 0.2  # between two looks at the main thread
LOST_SECONDS = 5.0  # without an exception that ends the main thread, until the signal is sent again

_main = getattr(sys.modules["__main__"], "__spec__", None)
if _main and _main.name.startswith("pipelines.") and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Watch:
    """Knows which signals have come, and sees to it that the main thread ends."""

    def __init__(self, pipe: int) -> None:
        self.pipe = pipe  # Python writes each signal's number into its other end, whoever handles the signal
        self.first: float | None = None  # when the first signal was handled here
        self.sent_again = False
        self.lost = False

    def handle(self, number: int, _frame: FrameType | None) -> None:
        """Raise the exception of a signal, or end the process if the user is impatient."""
        if self.sent_again:
            self.sent_again = False
        elif self.first is not None:
            if time.monotonic() - self.first > AGAIN_SECONDS:
                os._exit(128 + number)
            return
        self.first = self.first or time.monotonic()
        raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(TERMINATED)

    def see_unraisable(self, unraisable: "sys.UnraisableHookArgs") -> None:
        """Note that an exception has been lost, instead of printing it with a trace."""
        if isinstance(unraisable.exc_value, KeyboardInterrupt | SystemExit):
            self.lost = True
        else:
            sys.__unraisablehook__(unraisable)

    def look_on(self) -> None:
        """Send a signal again while the main thread does not end; return when the pipe is closed."""
        came, alive = 0, 0.0
        while True:
            if select.select([self.pipe], [], [], LOOK_SECONDS if came else None)[0]:
                if not (numbers := os.read(self.pipe, 64)):
                    return
                came = next((number for number in numbers if number in HEEDED), came)
            if not came:
                continue
            if is_ending() and not self.lost:
                alive = time.monotonic()
            elif self.lost or time.monotonic() - (alive := alive or time.monotonic()) > LOST_SECONDS:
                self.lost, alive, self.sent_again = False, time.monotonic(), True
                signal.pthread_kill(threading.main_thread().ident or 0, came)


def is_ending() -> bool:
    """Whether an exception that is no error, such as KeyboardInterrupt, is on its way through the main thread."""
    # Python 3.11 gives the three parts of an exception, later ones the exception.
    current: object = sys._current_exceptions().get(threading.main_thread().ident or 0)
    error = current[1] if isinstance(current, tuple) else current
    while isinstance(error, BaseException):
        if not isinstance(error, Exception | GeneratorExit):
            return True
        error = error.__context__
    return False


@contextmanager
def heed_signals() -> Iterator[None]:
    """Let SIGINT raise KeyboardInterrupt in the block, and SIGTERM SystemExit, and let neither be lost.

    SIGINT stays ignored where it is, as in the background jobs of a script.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    watch = Watch(reading)
    handled = [number for number in HEEDED if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, watch.handle) for number in handled}
    hook_before, sys.unraisablehook = sys.unraisablehook, watch.see_unraisable
    woken_before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    thread = threading.Thread(target=watch.look_on, daemon=True)
    thread.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(woken_before)
        os.close(writing)
        thread.join()
        os.close(reading)
        sys.unraisablehook = hook_before
        for number, handler in before.items():
            signal.signal(number, handler)
