"""What a run ends with: every stage's outcome, the metrics as a table, and where the page is."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from pipelines.graph import Stage


def show(stages: list[Stage], outcomes: Mapping[str, str], metrics: Mapping[str, Any], root: Path) -> None:
    """Print it on standard output."""
    console = Console()
    console.print()
    console.print(outcome_table(outcomes))
    by_encoder = {Path(file).stem: found for file, found in metrics.items() if is_by_encoder(found)}
    if by_encoder:
        console.print(metrics_table(by_encoder))
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


def metrics_table(by_probe: Mapping[str, Mapping[str, Mapping[str, float]]]) -> Table:
    """One row a probe and metric, one column an encoder, with 95 % intervals where there are any."""
    encoders = sorted({encoder for found in by_probe.values() for encoder in found})
    table = Table("probe", "metric", *encoders, title="Metrics (95 % interval)", title_justify="left")
    for probe, found in by_probe.items():
        keys = [key for metrics in found.values() for key in metrics if not key.endswith(("_low", "_high"))]
        for key in dict.fromkeys(keys):
            table.add_row(probe, key.replace("_", " "), *(cell(found.get(encoder, {}), key) for encoder in encoders))
        table.add_section()
    return table


def cell(metrics: Mapping[str, float], key: str) -> str:
    """A value and its interval."""
    if key not in metrics:
        return "–"
    if f"{key}_low" not in metrics:
        return f"{metrics[key]:.3f}"
    return f"{metrics[key]:.3f} ({metrics[f'{key}_low']:.3f}–{metrics[f'{key}_high']:.3f})"
