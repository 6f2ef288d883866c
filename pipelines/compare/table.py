"""A comparison in words and tables, as wide as 80 columns allow."""

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipelines.compare.differences import Judged, Row, by_probe, of_runs
from pipelines.compare.paired import BETTER, LEVEL, WORSE, Paired
from pipelines.compare.revisions import Revision
from pipelines.train.graph import Change
from pipelines.train.summary import label, narrow, number

STYLES = {BETTER: "green", WORSE: "red"}
WIDEST = len("accuracy 10 per class")  # so that the tables of all probes stand below one another
COLUMNS = ("", "A", "B", "B - A", "95 % interval", "p", "verdict")
NOTHING = "-"  # where one of the runs has no such number


def show(console: Console, a: Revision, b: Revision, changes: list[Change]) -> None:
    """Parameters, then every probe, then the numbers about the runs."""
    console.print(f"A: {a.name}\nB: {b.name}", markup=False)
    show_params(console, changes)
    found = by_probe(a, b)
    if not found:
        console.print("\nNo probe has measured anything in either run.")
    for judged in found:
        show_judged(console, judged)
    tested = sum(row.paired is not None for judged in found if not judged.same for row in judged.rows)
    if tested:
        chance = f"about {tested * (1 - LEVEL):.1f} of {tested} tested metrics"
        console.print(f"\nBy chance alone {chance} are called better or worse.")
    show_runs(console, of_runs(a, b))


def show_params(console: Console, changes: list[Change]) -> None:
    """Every parameter that changed."""
    console.print("\n[bold]Parameters that changed[/bold]" if changes else "\nNo parameter changed.")
    for change in changes:
        console.print(f"{change.key}: {shown(change.old)} -> {shown(change.new)}", markup=False, soft_wrap=True)


def shown(value: Any) -> str:
    """A parameter's value."""
    return NOTHING if value is None else str(value)


def show_judged(console: Console, judged: Judged) -> None:
    """One encoder by one probe."""
    title = f"\n[bold]{escape(judged.probe)}, {escape(judged.encoder)}[/bold]"
    if judged.same:
        console.print(f"{title}: the same in both, image by image")
        return
    console.print(title)
    if judged.rows:
        console.print(metrics_table(judged))
    for remark in judged.remarks:
        console.print(remark, markup=False)


def metrics_table(judged: Judged) -> Table:
    """A row a metric; as wide as 80 columns allow."""
    table = narrow(*COLUMNS, gap=1)
    for column in table.columns[1:-1]:
        column.justify = "right"
    for row in judged.rows:
        table.add_row(escape(label(row.metric).ljust(WIDEST)), *cells(row), style=STYLES.get(row.verdict))
    return table


def cells(row: Row) -> list[str]:
    """One metric's, but for its name."""
    numbers = untested_cells(row.a, row.b) if row.paired is None else paired_cells(row, row.paired)
    return [*numbers, row.verdict]


def paired_cells(row: Row, found: Paired) -> list[str]:
    """Both values, the difference, its interval and p."""
    p = "" if found.p is None else f"{found.p:.3f}" if found.p >= 0.001 else "<.001"
    values = [f"{value:.3f}" for value in (row.a, row.b) if value is not None]
    return [*values, signed(found.difference), f"{signed(found.low)} {signed(found.high)}", p]


def signed(fraction: float) -> str:
    """Three decimals and the sign, of what is not nothing; one digit of what is less."""
    return f"{fraction:+.3f}" if abs(fraction) >= 0.0005 else f"{fraction:+.1g}" if fraction else "0.000"


def untested_cells(a: float | None, b: float | None) -> list[str]:
    """Both values, and the plain difference of those that both runs have."""
    difference = "" if a is None or b is None else number(b - a)
    return [*(NOTHING if value is None else number(value) for value in (a, b)), difference, "", ""]


def show_runs(console: Console, numbers: list[tuple[str, float | None, float | None]]) -> None:
    """What else the runs measured of themselves."""
    if not numbers:
        return
    console.print("\n[bold]Numbers about the runs that changed[/bold]")
    table = narrow("", "A", "B", gap=2)
    for name, a, b in numbers:
        table.add_row(escape(label(name)), *untested_cells(a, b)[:2])
    console.print(table)
