"""The artifacts that Prefect shows beside the log: progress while a stage runs, and the outcome of the run at its end.

An artifact that cannot be written, because the server is away for a moment, costs a line in the log and nothing more.
"""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast
from uuid import UUID

from prefect import get_run_logger
from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)

from pipelines.flows import pages
from pipelines.train.progress import parse_progress
from pipelines.train.work import Work

SECONDS_BETWEEN_UPDATES = 5.0


def make_key(*parts: str) -> str:
    """Make a key as Prefect requires it: lower case, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", "-".join(parts).lower()).strip("-")


@contextmanager
def log_failures() -> Iterator[None]:
    """Log an error inside the block as a warning, and go on."""
    try:
        yield
    except Exception as error:
        get_run_logger().warning("an artifact is missing: %s", " ".join(str(error).split()))


class LiveProgress:
    """Shows the progress of one stage as an artifact."""

    def __init__(self, stage: str) -> None:
        self.key = make_key("progress", stage)
        self.artifact: UUID | None = None
        self.updated = -SECONDS_BETWEEN_UPDATES

    def show_line(self, line: str) -> None:
        """Show a line of progress, if the last update was long enough ago or the work is done."""
        progress = parse_progress(line)
        if progress is None or progress.percent is None:
            return
        if time.monotonic() - self.updated < SECONDS_BETWEEN_UPDATES and progress.done != progress.total:
            return
        self.updated = time.monotonic()
        with log_failures():
            if self.artifact is None:
                self.artifact = cast(UUID, create_progress_artifact(progress.percent, self.key, progress.table))
            else:
                update_progress_artifact(self.artifact, progress.percent, progress.table)


def publish_artifacts(work: Work) -> None:
    """Publish the outcomes as a table and as the graph, what changed since the last commit, and links to the pages."""
    with log_failures():
        rows = [{"stage": name, "outcome": outcome} for name, outcome in work.outcomes.items()]
        create_table_artifact(rows, make_key("stages"), "What came of every stage")
        create_markdown_artifact(pages.draw_graph(work.stages, work.outcomes), make_key("graph"), "The graph")
        create_markdown_artifact(pages.draw_changes(work.root), make_key("changes"), "Against the last commit")
        for page in pages.list_pages(work):
            create_link_artifact(page.as_uri(), page.name, make_key("page", page.stem), "On the machine of this run")
