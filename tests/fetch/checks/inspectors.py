"""Candidates, and inspectors that dawdle or die; processes import this file to find them, so it imports little."""

import os
import signal
import time
from collections.abc import Iterator

from components.fetch.checks.inspect import Fault, ImageFacts
from components.fetch.sources.candidate import Candidate

FACTS = ImageFacts(b"", b"", b"", 0, b"", 1, 1, "PNG", 0, False, False, False, (), ())


def make_candidates(count: int, size: int = 10) -> Iterator[Candidate]:
    for number in range(count):
        yield Candidate("s", f"{number}", bytes(size), "cat", "train")


def delay_some(candidate: Candidate) -> ImageFacts | Fault:
    time.sleep(0.05 if int(candidate.path) < 64 and int(candidate.path) % 16 == 0 else 0)
    return FACTS._replace(width=int(candidate.path))


def die_on_some(candidate: Candidate) -> ImageFacts | Fault:
    """Crash, run out of memory, or simply exit, on some candidates; also on the very last one."""
    if candidate.path in ("7", "8"):
        os.kill(os.getpid(), signal.SIGSEGV)
    if candidate.path == "130":
        os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
    if candidate.path == "299":
        os._exit(0)
    return FACTS._replace(width=int(candidate.path))


def die_always(candidate: Candidate) -> ImageFacts | Fault:
    os._exit(1)


def report_process(candidate: Candidate) -> ImageFacts | Fault:
    time.sleep(0.002)
    return FACTS._replace(width=os.getpid())


def raise_error(candidate: Candidate) -> ImageFacts | Fault:
    raise ZeroDivisionError(candidate.path)
