"""Turns the record of benchmarks.article into a Markdown table and an SVG figure."""

import html
import math
import statistics
from typing import Any, NamedTuple

from benchmarks.records import deviation

ACCURACIES = {  # column -> probe and metric
    "kNN": ("knn", "accuracy"),
    "linear": ("linear", "accuracy"),
    "2 labels per class": ("logistic", "accuracy_2_per_class"),
}
HEALTH = {"z-std": ("z_std", ".4f"), "RankMe": ("rank_me", ".1f")}
LEFT, TOP, ROW = 250, 46, 26  # pixels
PANEL, GAP = 180, 40
COLOUR = "#2b6cb0"


class Score(NamedTuple):
    """An accuracy over the seeds, in 0..1."""

    mean: float
    spread: float | None  # standard deviation over the seeds; None for one seed
    low: float  # the lower end of the 95 % interval over test images, averaged over the seeds
    high: float  # the upper end


def score_runs(runs: dict[str, Any], probe: str, metric: str) -> Score:
    """Combine one metric of an encoder's runs, which are keyed by seed."""
    means, lows, highs = ([run[probe][f"{metric}{end}"] for run in runs.values()] for end in ("", "_low", "_high"))
    return Score(statistics.fmean(means), deviation(means), statistics.fmean(lows), statistics.fmean(highs))


def make_table(record: dict[str, Any]) -> str:
    """Make a table of one row per encoder: accuracies in % with their spread over seeds and interval over images."""
    head = ["", *(f"{name}, %" for name in ACCURACIES), *HEALTH, "stopped by collapse"]
    lines = [" | ".join(head).strip(), " | ".join(["---"] * len(head))]
    for name, runs in record["runs"].items():
        cells = [name, *(format_score(score_runs(runs, *place)) for place in ACCURACIES.values())]
        for metric, form in HEALTH.values():
            cells.append(format(statistics.fmean(run["health"][metric] for run in runs.values()), form))
        cells.append(count_stops(runs))
        lines.append(" | ".join(cells))
    return "".join(f"| {line} |\n" for line in lines)


def format_score(score: Score) -> str:
    """Format a score as `98.1 ± 0.2 (96.4–99.0)`; one seed has no ±."""
    spread = "" if score.spread is None else f" ± {100 * score.spread:.1f}"
    return f"{100 * score.mean:.1f}{spread} ({100 * score.low:.1f}–{100 * score.high:.1f})"


def count_stops(runs: dict[str, Any]) -> str:
    """Say how many of the seeds were stopped by collapse; return an empty text for what was not trained."""
    reasons = [run["stopped"] for run in runs.values() if "stopped" in run]
    return f"{sum(map(bool, reasons))} of {len(reasons)}" if reasons else ""


def draw_figure(record: dict[str, Any]) -> str:
    """Draw a panel per accuracy and a row per encoder: a dot at the mean on a bar for the interval, up to 100 %."""
    rows = {name: [score_runs(runs, *place) for place in ACCURACIES.values()] for name, runs in record["runs"].items()}
    first = math.floor(10 * min(score.low for scores in rows.values() for score in scores)) / 10  # where panels begin
    width, height = LEFT + len(ACCURACIES) * (PANEL + GAP), TOP + len(rows) * ROW + 10
    parts = [draw_text(LEFT - 16, TOP + (row + 0.5) * ROW + 4, name, "end") for row, name in enumerate(rows)]
    for number, title in enumerate(ACCURACIES):
        left = LEFT + number * (PANEL + GAP)
        parts.append(draw_text(left + PANEL / 2, 16, f"{title}, %", "middle", "font-weight='bold'"))
        parts += [draw_axis(left, first, share, height) for share in (first, (first + 1) / 2, 1.0)]
        parts += [
            draw_mark(left, first, TOP + (row + 0.5) * ROW, scores[number]) for row, scores in enumerate(rows.values())
        ]
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}' width='{width}' height='{height}' "
        f"font-family='sans-serif' font-size='12'>\n<rect width='100%' height='100%' fill='white'/>\n"
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def find_x(left: float, first: float, share: float) -> float:
    """Return the x coordinate of a share in a panel that begins with `first` at `left` and ends with 1."""
    return left + (share - first) / (1 - first) * PANEL


def draw_text(x: float, y: float, words: str, anchor: str, attributes: str = "") -> str:
    """Draw words at a place."""
    return f"<text x='{x:g}' y='{y:g}' text-anchor='{anchor}' {attributes}>{html.escape(words)}</text>"


def draw_axis(left: float, first: float, share: float, height: float) -> str:
    """Draw a vertical line through the panel with its percentage above it."""
    x = find_x(left, first, share)
    line = f"<line x1='{x:g}' x2='{x:g}' y1='{TOP - 6}' y2='{height - 6:g}' stroke='#ddd'/>"
    return line + draw_text(x, TOP - 12, f"{100 * share:g}", "middle", "fill='#666'")


def draw_mark(left: float, first: float, y: float, score: Score) -> str:
    """Draw a score as a dot on its interval."""
    x, low, high = (find_x(left, first, share) for share in (score.mean, score.low, score.high))
    ends = f"x1='{low:.1f}' x2='{high:.1f}' y1='{y:g}' y2='{y:g}'"
    line = f"<line {ends} stroke='{COLOUR}' stroke-width='6' opacity='0.35'/>"
    return line + f"<circle cx='{x:.1f}' cy='{y:g}' r='3' fill='{COLOUR}'/>"
