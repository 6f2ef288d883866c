"""Prints a comparison in words and tables, as wide as 80 columns allow."""

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipelines.compare.differences import ProbeComparison, Row, compare_probes, compare_runs
from pipelines.compare.paired import BETTER, LEVEL, WORSE, Paired
from pipelines.compare.revisions import Revision
from pipelines.secrets import mask
from pipelines.shown import show
from pipelines.train.summary import build_narrow_table, format_metric_name, format_number
from pipelines.train.trees import Change

STYLES = {BETTER: "green", WORSE: "red"}
WIDEST = len("accuracy 10 per class")  # so that the columns of all probes' tables line up
COLUMNS = ("95 % interval", "p", "verdict")
NOTHING = "-"  # stands for a number that a run lacks


def show_comparison(console: Console, a: Revision, b: Revision, changes: list[Change]) -> None:
    """Print the parameters, then every probe, then the numbers about the runs."""
    console.print(f"A: {a.name}\nB: {b.name}", markup=False)
    show_params(console, changes)
    comparisons = compare_probes(a, b)
    if not comparisons:
        console.print("\nNo probe has measured anything in either run.")
    for comparison in comparisons:
        show_probe(console, comparison)
    tested = sum(row.paired is not None for comparison in comparisons if not comparison.same for row in comparison.rows)
    if tested:
        chance = f"about {tested * (1 - LEVEL):.1f} of {tested} tested metrics"
        console.print(f"\nBy chance alone {chance} are called better or worse.")
    show_runs(console, compare_runs(a, b))


def show_params(console: Console, changes: list[Change]) -> None:
    """Print every parameter that changed."""
    console.print("\n[bold]Parameters that changed[/bold]" if changes else "\nNo parameter changed.")
    for change in changes:
        console.print(
            f"{show(change.key)}: {format_value(change.old)} -> {format_value(change.new)}",
            markup=False,
            soft_wrap=True,
        )


def format_value(value: Any) -> str:
    """Format a parameter's value; an old commit may hold a password or token, which is hidden."""
    return NOTHING if value is None else show(mask(str(value)))


def show_probe(console: Console, comparison: ProbeComparison) -> None:
    """Print one probe's comparison for one encoder."""
    title = f"\n[bold]{escape(show(comparison.probe))}, {escape(show(comparison.encoder))}[/bold]"
    if comparison.same:
        console.print(f"{title}: the same in both, image by image")
        return
    console.print(title)
    if comparison.rows:
        console.print(build_probe_table(comparison))
    for remark in comparison.remarks:
        console.print(show(remark), markup=False)


def build_probe_table(comparison: ProbeComparison) -> Table:
    """Build a table with one row per metric, as wide as 80 columns allow."""
    table = build_narrow_table("", *comparison.names, *COLUMNS, gap=1)
    for column in table.columns[1:-1]:
        column.justify = "right"
    for row in comparison.rows:
        table.add_row(
            escape(format_metric_name(row.metric).ljust(WIDEST)), *format_row(row), style=STYLES.get(row.verdict)
        )
    return table


def format_row(row: Row) -> list[str]:
    """Format the cells of one metric's row except its name."""
    numbers = format_untested(row.a, row.b) if row.paired is None else format_paired(row, row.paired)
    return [*numbers, row.verdict]


def format_paired(row: Row, paired: Paired) -> list[str]:
    """Format both values, the difference, its interval and p."""
    p = "" if paired.p is None else f"{paired.p:.3f}" if paired.p >= 0.001 else "<.001"
    values = [f"{value:.3f}" for value in (row.a, row.b) if value is not None]
    return [*values, format_signed(paired.difference), f"{format_signed(paired.low)} {format_signed(paired.high)}", p]


def format_signed(fraction: float) -> str:
    """Format a difference with its sign and three decimals; with one digit if it is smaller than that."""
    return f"{fraction:+.3f}" if abs(fraction) >= 0.0005 else f"{fraction:+.1g}" if fraction else "0.000"


def format_untested(a: float | None, b: float | None) -> list[str]:
    """Format both values, and their plain difference if both runs have one."""
    difference = "" if a is None or b is None else format_number(b - a)
    return [*(NOTHING if value is None else format_number(value) for value in (a, b)), difference, "", ""]


def show_runs(console: Console, numbers: list[tuple[str, float | None, float | None]]) -> None:
    """Print the numbers about the runs that changed."""
    if not numbers:
        return
    console.print("\n[bold]Numbers about the runs that changed[/bold]")
    table = build_narrow_table("", "A", "B", gap=2)
    for name, a, b in numbers:
        table.add_row(escape(format_metric_name(name)), *format_untested(a, b)[:2])
    console.print(table)
