"""Progress of a long loop: a bar on a terminal, and elsewhere plain lines with rate and time left, a few a minute."""

import sys
import time

from tqdm import tqdm

SECONDS_BETWEEN_LINES = 5.0


class Progress:
    """Counts `total` units of work, or as many as come (None), `done` of which an earlier run did.

    `say` is what stands beside the count.
    """

    def __init__(self, label: str, total: int | None, unit: str, done: int = 0) -> None:
        self.label, self.total, self.unit = label, total, unit
        self.done, self.before = done, done
        self.started = self.said = time.monotonic()
        self.bar = tqdm(total=total, desc=label, unit=f" {unit}", initial=done) if sys.stderr.isatty() else None

    def advance(self, units: int, say: str = "") -> None:
        """So many more units are done."""
        self.done += units
        if self.bar is not None:
            self.bar.set_postfix_str(say, refresh=False)
            self.bar.update(units)
            if self.total is not None and self.done >= self.total:
                self.bar.close()
            return
        now = time.monotonic()
        if now - self.said < SECONDS_BETWEEN_LINES and self.done != self.total:
            return
        self.said = now
        rate = (self.done - self.before) / max(now - self.started, 1e-9)
        of, left = "", ""
        if self.total is not None:
            of, left = f" of {self.total:,}", f", {(self.total - self.done) / max(rate, 1e-9):.0f} s left"
        count = f"{self.label}: {self.done:,}{of} {self.unit}"
        print(f"{count}, {rate:,.0f} a second{left}{', ' + say if say else ''}", flush=True)
