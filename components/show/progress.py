"""The progress of a long loop: a bar on a terminal, elsewhere a few plain lines per minute with rate and time left."""

import sys
import time

from tqdm import tqdm

from components.stage.shown import show_name

SECONDS_BETWEEN_LINES = 5.0


class Progress:
    """Counts `total` units of work, or an unknown number (None), of which an earlier run did `done`, and shows them."""

    def __init__(self, label: str, total: int | None, unit: str, done: int = 0) -> None:
        self.label, self.total, self.unit = show_name(label), total, unit  # it may name a file of others
        self.done, self.before = done, done
        self.started = self.printed = time.monotonic()
        self.bar = tqdm(total=total, desc=self.label, unit=f" {unit}", initial=done) if sys.stderr.isatty() else None

    def advance(self, units: int, remark: str = "") -> None:
        """Count `units` more as done, and show `remark` beside the count."""
        self.done += units
        if self.bar is not None:
            self.bar.set_postfix_str(remark, refresh=False)
            self.bar.update(units)
            if self.total is not None and self.done >= self.total:
                self.bar.close()
            return
        now = time.monotonic()
        if now - self.printed < SECONDS_BETWEEN_LINES and self.done != self.total:
            return
        self.printed = now
        rate = (self.done - self.before) / max(now - self.started, 1e-9)
        total, left = "", ""
        if self.total is not None:
            total, left = f" of {self.total:,}", f", {(self.total - self.done) / max(rate, 1e-9):.0f} s left"
        count = f"{self.label}: {self.done:,}{total} {self.unit}"
        print(f"{count}, {rate:,.0f} a second{left}{', ' + remark if remark else ''}", flush=True)
