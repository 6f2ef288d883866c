"""What Prefect shows beside the log: progress while a stage runs, and at the end what came of the run.

An artifact that cannot be written, because the server is away for a moment, is worth a line in the log and no more.
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
from pipelines.train.progress import parse
from pipelines.train.work import Work

SECONDS_BETWEEN_UPDATES = 5.0


def key(*parts: str) -> str:
    """As Prefect wants it: lower case, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", "-".join(parts).lower()).strip("-")


@contextmanager
def not_vital() -> Iterator[None]:
    """A failure inside is logged and no more."""
    try:
        yield
    except Exception as error:
        get_run_logger().warning("an artifact is missing: %s", " ".join(str(error).split()))


class LiveProgress:
    """Of one stage."""

    def __init__(self, stage: str) -> None:
        self.key = key("progress", stage)
        self.artifact: UUID | None = None
        self.updated = -SECONDS_BETWEEN_UPDATES

    def see(self, line: str) -> None:
        """Show the line, when it is one of progress and it is time, or the work is done."""
        found = parse(line)
        if found is None or found.percent is None:
            return
        if time.monotonic() - self.updated < SECONDS_BETWEEN_UPDATES and found.done != found.total:
            return
        self.updated = time.monotonic()
        with not_vital():
            if self.artifact is None:
                self.artifact = cast(UUID, create_progress_artifact(found.percent, self.key, found.table))
            else:
                update_progress_artifact(self.artifact, found.percent, found.table)


def publish(work: Work) -> None:
    """Outcomes as a table and as the graph, what changed since the last commit, and where the report is."""
    with not_vital():
        rows = [{"stage": name, "outcome": outcome} for name, outcome in work.outcomes.items()]
        create_table_artifact(rows, key("stages"), "What came of every stage")
        create_markdown_artifact(pages.graph(work.stages, work.outcomes), key("graph"), "The graph")
        create_markdown_artifact(pages.changes(work.root), key("changes"), "Against the last commit")
        for page in pages.html(work):
            create_link_artifact(page.as_uri(), page.name, key("page", page.stem), "On the machine of this run")
