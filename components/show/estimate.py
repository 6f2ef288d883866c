"""Says near the beginning of a long run how long the whole of it will take, on a terminal and in a log alike.

The first estimate comes from the first seconds. Some of these may be unlike the rest (what is compiled, recorded, or
only queued for a device), so it is looked at again after a minute, and corrected if it was far off.
"""

import sys
import time

from tqdm import tqdm

SOON, LATER = 5.0, 60.0  # seconds from the first unit that counts to the estimate, and to the second look at it
WORTH_SAYING = 60.0  # a shorter run is over before its estimate would be of use
FAR_OFF = 1.5  # times as long, or as short


class Estimate:
    """Estimates how long it takes from here to `total` units, of which an earlier run did `done`."""

    def __init__(self, label: str, text: str, total: int, unit: str, *, done: int, ignored: int) -> None:
        """`text` says what takes so long; the time of the first `ignored` units tells nothing of the others."""
        self.label, self.text, self.total, self.unit = label, text, total, unit
        self.begun = time.monotonic()
        self.counts_from = done + ignored
        self.window = (done, self.begun) if not ignored else None  # units done and the time, where the rate counts from
        self.guess: float | None = None
        self.settled = False

    def advance(self, done: int) -> None:
        """Look at the clock after some units more, and say what there is to say."""
        if self.settled:
            return
        now = time.monotonic()
        if self.window is None:
            self.window = (done, now) if done >= self.counts_from else None
            return
        first, since = self.window
        if now - since < (SOON if self.guess is None else LATER):
            return
        rate = (done - first) / (now - since)
        seconds = now - self.begun + (self.total - done) / rate
        if self.guess is None:
            self.guess, self.window = seconds, (done, now)
            if seconds >= WORTH_SAYING:
                self.say("", seconds, rate)
            return
        self.settled = True
        off = max(seconds / self.guess, self.guess / seconds)
        if off > FAR_OFF and max(seconds, self.guess) >= WORTH_SAYING:
            self.say("rather " if self.guess >= WORTH_SAYING else "", seconds, rate)

    def say(self, word: str, seconds: float, rate: float) -> None:
        """Print the estimate, above the bar where there is one."""
        shown = f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"
        tqdm.write(f"{self.label}: {word}about {format_time(seconds)} for {self.text} ({shown} {self.unit}/s)")
        sys.stdout.flush()


def format_time(seconds: float) -> str:
    """Write a length of time in at most two units, 3 h 20 min, with seconds only below ten minutes."""
    minutes = round(seconds / 60)
    if seconds < 600:
        return f"{round(seconds) // 60} min {round(seconds) % 60} s"
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 24 else f"{hours // 24} d {hours % 24} h"
