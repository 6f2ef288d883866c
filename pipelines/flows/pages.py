"""The pages that a flow leaves in Prefect, as Markdown: the graph with every outcome, and what changed since HEAD.

The graph is drawn in Mermaid, https://mermaid.js.org/syntax/flowchart.html, which GitHub and many editors render.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from pipelines.compare.differences import Judged, by_probe, of_runs
from pipelines.compare.revisions import read_revisions
from pipelines.compare.table import COLUMNS, cells, shown, untested_cells
from pipelines.errors import GraphError, RevisionError
from pipelines.registry import worktree
from pipelines.train.graph import WORKSPACE, Stage, changed_params
from pipelines.train.runner import RAN, UP_TO_DATE
from pipelines.train.summary import label
from pipelines.train.work import FAILED, NOT_STARTED, Work

PREVIOUS = "HEAD"
COLOURS = {RAN: "#b7e1cd", UP_TO_DATE: "#e8eaed", FAILED: "#f4c7c3", NOT_STARTED: "#ffffff"}


def graph(stages: list[Stage], outcomes: Mapping[str, str]) -> str:
    """The stages with their outcomes, and an arrow to each from all that it needs."""
    numbers = {stage.name: number for number, stage in enumerate(stages)}
    lines = ["```mermaid", "flowchart TD"]
    for name, number in numbers.items():
        outcome = outcomes[name]
        lines += [f'    s{number}["{name}<br/>{outcome}"]', f"    style s{number} fill:{COLOURS[outcome]}"]
    lines += [f"    s{numbers[need]} --> s{numbers[stage.name]}" for stage in stages for need in stage.needs]
    return "\n".join([*lines, "```"])


def html(work: Work) -> Iterator[Path]:
    """The pages that the stages wrote, where they stay."""
    if worktree.is_one(work.root):
        return
    for stage in work.stages:
        for output in stage.outputs:
            if output.suffix == ".html" and (work.root / output).is_file():
                yield work.root / output


def changes(root: Path) -> str:
    """Parameters and metrics of the workspace (B) against the last commit (A)."""
    try:
        a, b = read_revisions(root, [PREVIOUS, WORKSPACE])
        parameters = changed_params(root, PREVIOUS, WORKSPACE)
    except (RevisionError, GraphError) as error:
        return f"There is nothing to compare with: {error}"
    parts = [f"A: {a.name}, B: {b.name}", "## Parameters"]
    parts.append(table(["", "A", "B"], [[one.key, shown(one.old), shown(one.new)] for one in parameters]))
    for judged in by_probe(a, b):
        parts += [f"## {judged.probe}, {judged.encoder}", *probe(judged)]
    numbers = [[label(name), *untested_cells(old, new)[:2]] for name, old, new in of_runs(a, b)]
    return "\n\n".join([*parts, "## Numbers about the runs", table(["", "A", "B"], numbers)])


def probe(judged: Judged) -> Iterator[str]:
    """One encoder by one probe."""
    if judged.same:
        yield "The same in both, image by image."
        return
    yield table(list(COLUMNS), [[label(row.metric), *cells(row)] for row in judged.rows])
    yield from judged.remarks


def table(header: list[str], rows: list[list[str]]) -> str:
    """In Markdown; a word where there are no rows."""
    if not rows:
        return "None changed."
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
