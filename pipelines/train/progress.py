"""A line of progress, as components/show/progress.py prints it, read back.

pretrain: 12,345 of 107,920 images, 5,000 a second, 19 s left, epoch 10 of 80, loss 0.1234
"""

import re
from dataclasses import dataclass

LINE = re.compile(
    r"(?P<label>\w[^:]*): (?P<done>[\d,]+)(?: of (?P<total>[\d,]+))? (?P<unit>[^,]+), (?P<rate>[\d,]+) a second"
    r"(?:, (?P<left>\d+) s left)?(?:, (?P<say>.*))?"
)


@dataclass(frozen=True)
class Progress:
    """How far a loop is."""

    label: str
    done: int
    total: int | None  # None: nobody knows
    unit: str
    rate: int  # units a second
    left: int | None  # seconds
    say: str  # what else is worth knowing: name and value, with commas between them

    @property
    def percent(self) -> float | None:
        """Of the whole; None where that is not known."""
        return None if self.total is None else 100 * self.done / max(self.total, 1)

    @property
    def table(self) -> str:
        """As Markdown: what else was said first, then images a second and the time left."""
        of = "" if self.total is None else f" of {self.total:,}"
        rows = [one.partition(" ")[::2] for one in self.say.split(", ") if one]
        rows += [("done", f"{self.done:,}{of} {self.unit}"), ("rate", f"{self.rate:,} {self.unit}/s")]
        if self.left is not None:
            rows.append(("time left", clock(self.left)))
        return "\n".join([f"| {self.label} | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows)])


def clock(seconds: int) -> str:
    """19 s, 12 min 05 s, 3 h 07 min."""
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60:02d} s"
    return f"{seconds // 3600} h {seconds // 60 % 60:02d} min"


def parse(line: str) -> Progress | None:
    """None for a line that says something else."""
    found = LINE.fullmatch(line)
    if found is None:
        return None

    def number(name: str) -> int | None:
        return None if found[name] is None else int(found[name].replace(",", ""))

    done, rate = number("done"), number("rate")
    assert done is not None
    assert rate is not None
    return Progress(found["label"], done, number("total"), found["unit"], rate, number("left"), found["say"] or "")
