"""The record of a part: each measurement is limited in time, cannot harm the next, and is written when it is done."""

import re
import signal
import time
from collections.abc import Callable
from typing import Any

import torch

from benchmarks.records import replace_record
from benchmarks.slot.given import Slot

Numbers = dict[str, Any]
OURS = ("benchmarks", "components", "presets")
FOLDERS = re.compile(r"/(?:[^\s/:'\"]+/)+")  # of an absolute path


class NotMeasuredError(Exception):
    """A measurement is impossible here, for a reason in one line."""


class TimeIsUpError(BaseException):
    """A measurement has taken all of its time. No handler of usual errors may take it for one of them."""


class PartRecord:
    """The measurements of one part by their names."""

    def __init__(self, slot: Slot, part: str) -> None:
        self.slot, self.part, self.began = slot, part, time.monotonic()
        self.measurements: dict[str, Numbers] = {}

    def measure(self, name: str, work: Callable[[], Numbers], *, limit: float) -> Numbers:
        """Do the work within so many seconds; write and return its numbers, or the reason why there are none."""
        seconds = min(limit, self.slot.seconds_left)
        numbers = run_limited(work, seconds) if seconds > 1 else {"not_measured": "the slot's time is spent"}
        self.note(name, numbers)
        return numbers

    def note(self, name: str, numbers: Numbers) -> None:
        """Write the numbers of a measurement and print them in a line."""
        self.measurements[name] = numbers
        print(
            f"[{self.slot.seconds - self.slot.seconds_left:6.1f} s] {self.part}: {name}: {spell(numbers)}", flush=True
        )
        facts = {"slot": self.part, "tiny": self.slot.tiny, "seconds": time.monotonic() - self.began}
        path = self.slot.locate_record(self.part)
        replace_record(path, {**facts, "measurements": self.measurements}, "torch", "torchvision")

    @property
    def failed(self) -> bool:
        """Whether a measurement has failed."""
        return any("failed" in numbers for numbers in self.measurements.values())


def run_limited(work: Callable[[], Numbers], seconds: float) -> Numbers:
    """Return the numbers of the work, or why there are none."""

    def end(*_: object) -> None:
        raise TimeIsUpError

    signal.signal(signal.SIGALRM, end)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            return work()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            torch.compiler.reset()
    except TimeIsUpError:
        return {"not_measured": f"it was not done after {seconds:.0f} s"}
    except Exception as error:
        return explain_error(error)


def explain_error(error: Exception) -> Numbers:
    """Return what an error says of a measurement: it is impossible here, or it failed."""
    if isinstance(error, NotMeasuredError):
        return {"not_measured": str(error)}
    if isinstance(error, ModuleNotFoundError) and error.name and error.name.split(".")[0] not in OURS:
        return {"not_measured": f"{error.name} is missing"}
    return {"failed": spell_error(error)}


def spell_error(error: Exception) -> str:
    """Return the type of an error and the first line of its message, without the folders of the machine."""
    line = (str(error).splitlines() or [""])[0]
    return f"{type(error).__name__}: {FOLDERS.sub('', line)}"


def spell(numbers: Numbers) -> str:
    """Return the numbers in a line, without tables within them."""
    return ", ".join(
        f"{name} {spell_value(value)}" for name, value in numbers.items() if not isinstance(value, dict | list)
    )


def spell_value(value: Any) -> str:
    """Return a number with as many digits as are worth reading, and anything else as it is."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
