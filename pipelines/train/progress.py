"""Parses a line of progress that components/show/progress.py prints.

pretrain: 12,345 of 107,920 images, 5,000 a second, 19 s left, epoch 10 of 80, loss 0.1234
"""

import re
from dataclasses import dataclass

LINE = re.compile(
    r"(?P<label>\w[^:]*): (?P<done>[\d,]+)(?: of (?P<total>[\d,]+))? (?P<unit>[^,]+), (?P<rate>[\d,]+) a second"
    r"(?:, (?P<left>\d+) s left)?(?:, (?P<remark>.*))?"
)


@dataclass(frozen=True)
class Progress:
    """How far a loop is."""

    label: str
    done: int
    total: int | None  # None: not known
    unit: str
    rate: int  # units per second
    left: int | None  # seconds
    remark: str  # further names and values, separated by commas

    @property
    def percent(self) -> float | None:
        """The percentage that is done; None if the total is not known."""
        return None if self.total is None else 100 * self.done / max(self.total, 1)

    @property
    def table(self) -> str:
        """A Markdown table: first the remark's names and values, then images per second and the time left."""
        total = "" if self.total is None else f" of {self.total:,}"
        rows = [part.partition(" ")[::2] for part in self.remark.split(", ") if part]
        rows += [("done", f"{self.done:,}{total} {self.unit}"), ("rate", f"{self.rate:,} {self.unit}/s")]
        if self.left is not None:
            rows.append(("time left", format_time_left(self.left)))
        return "\n".join([f"| {self.label} | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows)])


def format_time_left(seconds: int) -> str:
    """Format seconds as 19 s, 12 min 05 s or 3 h 07 min."""
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60:02d} s"
    return f"{seconds // 3600} h {seconds // 60 % 60:02d} min"


def parse_progress(line: str) -> Progress | None:
    """Parse a line of progress; None for any other line."""
    match = LINE.fullmatch(line)
    if match is None:
        return None

    def parse_number(name: str) -> int | None:
        return None if match[name] is None else int(match[name].replace(",", ""))

    done, rate = parse_number("done"), parse_number("rate")
    assert done is not None
    assert rate is not None
    return Progress(
        match["label"], done, parse_number("total"), match["unit"], rate, parse_number("left"), match["remark"] or ""
    )
