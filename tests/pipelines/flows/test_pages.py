"""Links in Prefect lead somewhere: not to a page in a retraining's worktree, which is gone when it ends."""

from pathlib import Path

import pytest

from pipelines.flows import pages
from pipelines.registry.worktree import FOLDER
from pipelines.train.graph import Stage
from pipelines.train.work import Work

REPORT = Stage("report", "", "", (), (), outputs=(Path("report.html"),), metrics=(), retries=0, minutes=1, tags=())


@pytest.mark.parametrize(("checkout", "shown"), [("project", True), (f"project/{FOLDER}/1/above/checkout", False)])
def test_only_a_page_that_stays_is_linked(tmp_path: Path, checkout: str, shown: bool) -> None:
    root = tmp_path / checkout
    root.mkdir(parents=True)
    (root / "report.html").write_text("hello")
    assert list(pages.list_pages(Work(root, [REPORT], set()))) == ([root / "report.html"] if shown else [])
