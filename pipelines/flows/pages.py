"""Draws the pages that a flow leaves in Prefect, as Markdown: the graph with its outcomes, and what changed since HEAD.

The graph is drawn in Mermaid, https://mermaid.js.org/syntax/flowchart.html, which GitHub and many editors render.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from pipelines.compare.differences import ProbeComparison, compare_probes, compare_runs
from pipelines.compare.revisions import read_revisions
from pipelines.compare.table import COLUMNS, format_row, format_untested, format_value
from pipelines.errors import GraphError, RevisionError
from pipelines.registry import worktree
from pipelines.shown import write_inert
from pipelines.train.graph import WORKSPACE, Stage
from pipelines.train.runner import RAN, UP_TO_DATE
from pipelines.train.summary import format_metric_name
from pipelines.train.trees import compare_params
from pipelines.train.work import FAILED, NOT_STARTED, Work

PREVIOUS = "HEAD"
COLOURS = {RAN: "#b7e1cd", UP_TO_DATE: "#e8eaed", FAILED: "#f4c7c3", NOT_STARTED: "#ffffff"}


def draw_graph(stages: list[Stage], outcomes: Mapping[str, str]) -> str:
    """Draw the stages with their outcomes, and an arrow to each stage from all that it needs."""
    numbers = {stage.name: number for number, stage in enumerate(stages)}
    lines = ["```mermaid", "flowchart TD"]
    for name, number in numbers.items():
        outcome = outcomes[name]
        lines += [f'    s{number}["{name}<br/>{outcome}"]', f"    style s{number} fill:{COLOURS[outcome]}"]
    lines += [f"    s{numbers[need]} --> s{numbers[stage.name]}" for stage in stages for need in stage.needs]
    return "\n".join([*lines, "```"])


def list_pages(work: Work) -> Iterator[Path]:
    """Yield the HTML pages that the stages wrote; none in a retraining's worktree, which is removed at the end."""
    if worktree.is_retraining_worktree(work.root):
        return
    for stage in work.stages:
        for output in stage.outputs:
            if output.suffix == ".html" and (work.root / output).is_file():
                yield work.root / output


def draw_changes(root: Path) -> str:
    """Compare the parameters and metrics of the workspace (B) with those of the last commit (A)."""
    try:
        a, b = read_revisions(root, [PREVIOUS, WORKSPACE])
        parameters = compare_params(root, PREVIOUS, WORKSPACE)
    except (RevisionError, GraphError) as error:
        return f"There is nothing to compare with: {write_inert(error)}"
    parts = [f"A: {write_inert(a.name)}, B: {write_inert(b.name)}", "## Parameters"]
    rows = [
        [write_inert(cell) for cell in (change.key, format_value(change.old), format_value(change.new))]
        for change in parameters
    ]
    parts.append(draw_table(["", "A", "B"], rows))
    for comparison in compare_probes(a, b):
        parts += [f"## {write_inert(comparison.probe)}, {write_inert(comparison.encoder)}", *draw_probe(comparison)]
    numbers = [
        [write_inert(format_metric_name(name)), *format_untested(old, new)[:2]] for name, old, new in compare_runs(a, b)
    ]
    return "\n\n".join([*parts, "## Numbers about the runs", draw_table(["", "A", "B"], numbers)])


def draw_probe(comparison: ProbeComparison) -> Iterator[str]:
    """Draw the comparison of one probe for one encoder."""
    if comparison.same:
        yield "The same in both, image by image."
        return
    yield draw_table(
        list(COLUMNS), [[write_inert(format_metric_name(row.metric)), *format_row(row)] for row in comparison.rows]
    )
    yield from map(write_inert, comparison.remarks)


def draw_table(header: list[str], rows: list[list[str]]) -> str:
    """Draw a Markdown table, or a sentence if there are no rows."""
    if not rows:
        return "None changed."
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
