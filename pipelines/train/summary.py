"""What a run ends with: every stage's outcome, the metrics as a table, and where the page is.

The table fits 80 columns: a probe is a line of its own, and the ends of an interval go without their leading 0.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from pipelines.train.graph import Stage

WHOLE = 999.5  # from here on three digits would need an exponent
SKIPPED = "skipped"  # the key under which a probe says why it measured nothing


def show(stages: list[Stage], outcomes: Mapping[str, str], metrics: Mapping[str, Any], root: Path) -> None:
    """Print it on standard output."""
    console = Console()
    console.print()
    console.print(outcome_table(outcomes))
    by_encoder = {Path(file).stem: found for file, found in metrics.items() if is_by_encoder(found)}
    if by_encoder:
        console.print("[bold]Metrics[/bold] (95 % interval)", highlight=False)
        console.print(metrics_table(by_encoder))
        for line in skipped(by_encoder):
            console.print(line, highlight=False, markup=False)
        console.print()
    for stage in stages:
        for output in stage.outputs:
            if output.suffix == ".html":
                console.print(f"Report: {root / output}", soft_wrap=True, highlight=False)


def outcome_table(outcomes: Mapping[str, str]) -> Table:
    """One row a stage."""
    table = Table("stage", "outcome", title="Stages", title_justify="left")
    for name, outcome in outcomes.items():
        table.add_row(name, outcome)
    return table


def is_by_encoder(found: Any) -> bool:
    """Whether a metrics file is {encoder: {metric: value}}."""
    return isinstance(found, dict) and bool(found) and all(isinstance(value, dict) for value in found.values())


def metrics_table(by_probe: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Table:
    """One row a metric, one column an encoder, with 95 % intervals where there are any."""
    encoders = sorted({encoder for found in by_probe.values() for encoder in found})
    table = narrow("", *encoders, gap=2)
    for probe, found in by_probe.items():
        keys = [key for metrics in found.values() for key in metrics if key not in ends(metrics) and key != SKIPPED]
        if keys:
            table.add_row(f"[bold]{probe}[/bold]")
        for key in dict.fromkeys(keys):
            table.add_row(f"  {label(key)}", *(cell(found.get(encoder, {}), key) for encoder in encoders))
    return table


def narrow(*headers: str, gap: int) -> Table:
    """A table without rules, `gap` spaces between its columns; on a narrow terminal a cell goes on below."""
    table = Table(box=None, padding=(0, gap, 0, 0), pad_edge=False)
    for header in headers:
        table.add_column(header, overflow="fold")
    return table


def skipped(by_probe: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> list[str]:
    """A line for every reason for which a probe measured nothing, with the encoders where it is not all of them."""
    lines = []
    for probe, found in by_probe.items():
        reasons = [metrics[SKIPPED] for metrics in found.values() if SKIPPED in metrics]
        for reason in dict.fromkeys(reasons):
            encoders = [encoder for encoder, metrics in found.items() if metrics.get(SKIPPED) == reason]
            of = "" if len(encoders) == len(found) else f" of {', '.join(encoders)}"
            lines.append(f"{probe}{of} skipped: {reason}")
    return lines


def ends(metrics: Mapping[str, Any]) -> set[str]:
    """The keys that are the ends of another's interval."""
    return {f"{key}_{end}" for key in metrics for end in ("low", "high")}


def label(metric: str) -> str:
    """A metric's name in words."""
    return metric.replace("_", " ")


def cell(metrics: Mapping[str, Any], key: str) -> str:
    """A value and its interval."""
    if key not in metrics:
        return "–"
    if f"{key}_low" not in metrics:
        return number(metrics[key])
    return f"{metrics[key]:.3f} {end(metrics[f'{key}_low'])}-{end(metrics[f'{key}_high'])}"


def end(value: float) -> str:
    """Three decimals of a fraction in four characters: .982, and 1.00."""
    text = f"{value:.3f}"
    return number(value) if not 0 <= value <= 1 else text[1:] if text.startswith("0") else text[:4]


def number(value: float) -> str:
    """Three significant digits, so that 0.00001 is not shown as nothing; whole numbers and large ones in full."""
    return f"{value:,.0f}" if isinstance(value, int) or abs(value) >= WHOLE else f"{value:.3g}"
