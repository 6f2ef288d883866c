"""The record of benchmarks.article as a table in Markdown, and as a figure in SVG."""

import html
import math
import statistics
from typing import Any, NamedTuple

from benchmarks.records import deviation

ACCURACIES = {  # column -> probe and metric
    "kNN": ("knn", "accuracy"),
    "linear": ("linear", "accuracy"),
    "2 labels a class": ("logistic", "accuracy_2_per_class"),
}
HEALTH = {"z-std": ("z_std", ".4f"), "RankMe": ("rank_me", ".1f")}
LEFT, TOP, ROW = 250, 46, 26  # pixels
PANEL, GAP = 180, 40
COLOUR = "#2b6cb0"


class Score(NamedTuple):
    """Over the seeds, in 0..1."""

    mean: float
    spread: float | None  # deviation over the seeds
    low: float  # mean over the seeds of the ends of the 95 % intervals over test images
    high: float


def score(runs: dict[str, Any], probe: str, metric: str) -> Score:
    """Of one encoder's runs by seed."""
    means, lows, highs = ([run[probe][f"{metric}{end}"] for run in runs.values()] for end in ("", "_low", "_high"))
    return Score(statistics.fmean(means), deviation(means), statistics.fmean(lows), statistics.fmean(highs))


def make_table(record: dict[str, Any]) -> str:
    """A row an encoder: accuracies in %, with the deviation over the seeds and the interval over test images."""
    head = ["", *(f"{name}, %" for name in ACCURACIES), *HEALTH, "stopped by collapse"]
    lines = [" | ".join(head).strip(), " | ".join(["---"] * len(head))]
    for name, runs in record["runs"].items():
        cells = [name, *(spelt(score(runs, *place)) for place in ACCURACIES.values())]
        for metric, form in HEALTH.values():
            cells.append(format(statistics.fmean(run["health"][metric] for run in runs.values()), form))
        cells.append(stops(runs))
        lines.append(" | ".join(cells))
    return "".join(f"| {line} |\n" for line in lines)


def spelt(found: Score) -> str:
    """Such as `98.1 ± 0.2 (96.4–99.0)`; one seed has no ±."""
    spread = "" if found.spread is None else f" ± {100 * found.spread:.1f}"
    return f"{100 * found.mean:.1f}{spread} ({100 * found.low:.1f}–{100 * found.high:.1f})"


def stops(runs: dict[str, Any]) -> str:
    """How many seeds; nothing is said of what was not trained."""
    said = [run["stopped"] for run in runs.values() if "stopped" in run]
    return f"{sum(map(bool, said))} of {len(said)}" if said else ""


def draw_figure(record: dict[str, Any]) -> str:
    """A panel an accuracy, a row an encoder: the mean, and a bar for the interval; from the tens below all to 100 %."""
    rows = {name: [score(runs, *place) for place in ACCURACIES.values()] for name, runs in record["runs"].items()}
    first = math.floor(10 * min(found.low for scores in rows.values() for found in scores)) / 10
    width, height = LEFT + len(ACCURACIES) * (PANEL + GAP), TOP + len(rows) * ROW + 10
    parts = [text(LEFT - 16, TOP + (row + 0.5) * ROW + 4, name, "end") for row, name in enumerate(rows)]
    for number, title in enumerate(ACCURACIES):
        left = LEFT + number * (PANEL + GAP)
        parts.append(text(left + PANEL / 2, 16, f"{title}, %", "middle", "font-weight='bold'"))
        parts += [axis(left, first, share, height) for share in (first, (first + 1) / 2, 1.0)]
        parts += [
            mark(left, first, TOP + (row + 0.5) * ROW, scores[number]) for row, scores in enumerate(rows.values())
        ]
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}' width='{width}' height='{height}' "
        f"font-family='sans-serif' font-size='12'>\n<rect width='100%' height='100%' fill='white'/>\n"
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def along(left: float, first: float, share: float) -> float:
    """Where in the panel a share of 1 stands, `first` being at its left."""
    return left + (share - first) / (1 - first) * PANEL


def text(x: float, y: float, words: str, anchor: str, more: str = "") -> str:
    """Words at a place."""
    return f"<text x='{x:g}' y='{y:g}' text-anchor='{anchor}' {more}>{html.escape(words)}</text>"


def axis(left: float, first: float, share: float, height: float) -> str:
    """A line down the panel, and its figure."""
    x = along(left, first, share)
    line = f"<line x1='{x:g}' x2='{x:g}' y1='{TOP - 6}' y2='{height - 6:g}' stroke='#ddd'/>"
    return line + text(x, TOP - 12, f"{100 * share:g}", "middle", "fill='#666'")


def mark(left: float, first: float, y: float, found: Score) -> str:
    """A dot on its interval."""
    x, low, high = (along(left, first, share) for share in (found.mean, found.low, found.high))
    ends = f"x1='{low:.1f}' x2='{high:.1f}' y1='{y:g}' y2='{y:g}'"
    line = f"<line {ends} stroke='{COLOUR}' stroke-width='6' opacity='0.35'/>"
    return line + f"<circle cx='{x:.1f}' cy='{y:g}' r='3' fill='{COLOUR}'/>"
