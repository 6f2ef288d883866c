"""Prints the end of a run: every stage's outcome, the metrics as a table, and the path of the report.

The table fits 80 columns: each probe has its own line, and the ends of an interval are shown without their leading 0.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipelines.shown import show
from pipelines.train.graph import Stage

WHOLE = 999.5  # from here on three significant digits would need an exponent
WITH_INTERVALS = 3  # encoders, at most, whose intervals 80 columns have room for
SKIPPED = "skipped"  # the key under which a probe says why it measured nothing


def show_summary(stages: list[Stage], outcomes: Mapping[str, str], metrics: Mapping[str, Any], root: Path) -> None:
    """Print outcomes, metrics and the report's path on standard output."""
    console = Console()
    console.print()
    console.print(build_outcome_table(outcomes))
    by_encoder = {Path(file).stem: content for file, content in metrics.items() if is_by_encoder(content)}
    if by_encoder:
        console.print("[bold]Metrics[/bold] (95 % interval)", highlight=False)
        console.print(build_metrics_table(by_encoder))
        for line in list_skipped(by_encoder):
            console.print(show(line), highlight=False, markup=False)
        console.print()
    for stage in stages:
        for output in stage.outputs:
            if output.suffix == ".html":
                console.print(f"Report: {root / output}", soft_wrap=True, highlight=False)


def build_outcome_table(outcomes: Mapping[str, str]) -> Table:
    """Build a table with one row per stage."""
    table = Table("stage", "outcome", title="Stages", title_justify="left")
    for name, outcome in outcomes.items():
        table.add_row(name, outcome)
    return table


def is_by_encoder(content: Any) -> bool:
    """Whether the content of a metrics file is {encoder: {metric: value}}."""
    return isinstance(content, dict) and bool(content) and all(isinstance(value, dict) for value in content.values())


def build_metrics_table(by_probe: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Table:
    """Build a table with one row per metric and one column per encoder, with 95 % intervals where there are any; of
    more than three encoders, for which 80 columns have no room, the first alone has its intervals."""
    encoders = sorted({encoder for by_encoder in by_probe.values() for encoder in by_encoder})
    table = build_narrow_table("", *(escape(show(encoder)) for encoder in encoders), gap=2)
    for probe, by_encoder in by_probe.items():
        keys = [
            key
            for metrics in by_encoder.values()
            for key in metrics
            if key not in list_interval_keys(metrics) and key != SKIPPED
        ]
        if keys:
            table.add_row(f"[bold]{escape(show(probe))}[/bold]")
        for key in dict.fromkeys(keys):
            measured = [by_encoder.get(encoder, {}) for encoder in encoders]
            cells = [
                format_cell(metrics, key, interval=place == 0 or len(encoders) <= WITH_INTERVALS)
                for place, metrics in enumerate(measured)
            ]
            table.add_row(f"  {escape(format_metric_name(key))}", *cells)
    return table


def build_narrow_table(*headers: str, gap: int) -> Table:
    """Build a table without rules, with `gap` spaces between columns; a long cell wraps on a narrow terminal."""
    table = Table(box=None, padding=(0, gap, 0, 0), pad_edge=False)
    for header in headers:
        table.add_column(header, overflow="fold")
    return table


def list_skipped(by_probe: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> list[str]:
    """List a line per reason why a probe measured nothing, with the encoders if it does not hold for all of them."""
    lines = []
    for probe, by_encoder in by_probe.items():
        reasons = [metrics[SKIPPED] for metrics in by_encoder.values() if SKIPPED in metrics]
        for reason in dict.fromkeys(reasons):
            encoders = [encoder for encoder, metrics in by_encoder.items() if metrics.get(SKIPPED) == reason]
            suffix = "" if len(encoders) == len(by_encoder) else f" of {', '.join(encoders)}"
            lines.append(f"{probe}{suffix} skipped: {reason}")
    return lines


def list_interval_keys(metrics: Mapping[str, Any]) -> set[str]:
    """List the keys that the two ends of every metric's interval would have."""
    return {f"{key}_{end}" for key in metrics for end in ("low", "high")}


def format_metric_name(metric: str) -> str:
    """Format a metric's name in words."""
    return show(metric.replace("_", " "))


def format_cell(metrics: Mapping[str, Any], key: str, *, interval: bool) -> str:
    """Format a metric's value, with its interval if asked for, or a dash if the metric is missing."""
    if key not in metrics:
        return "–"
    if f"{key}_low" not in metrics:
        return format_number(metrics[key])
    if not interval:
        return f"{metrics[key]:.3f}"
    low, high = (format_interval_end(metrics[f"{key}_{end}"]) for end in ("low", "high"))
    return f"{metrics[key]:.3f} {low}-{high}"


def format_interval_end(value: float) -> str:
    """Format a fraction in four characters, .982 or 1.00; any other number as `format_number` does."""
    text = f"{value:.3f}"
    return format_number(value) if not 0 <= value <= 1 else text[1:] if text.startswith("0") else text[:4]


def format_number(value: float) -> str:
    """Format three significant digits, so that 0.00001 is not shown as 0; whole and large numbers in full."""
    return f"{value:,.0f}" if isinstance(value, int) or abs(value) >= WHOLE else f"{value:.3g}"
