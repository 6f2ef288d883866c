"""Links in Prefect lead somewhere: not to a page in a retraining's worktree, which is gone when it ends."""

from pathlib import Path

import pytest

from pipelines.compare.revisions import Revision
from pipelines.flows import pages
from pipelines.registry.worktree import FOLDER
from pipelines.shown import write_inert
from pipelines.train.graph import Stage
from pipelines.train.trees import Change
from pipelines.train.work import Work

REPORT = Stage("report", "", "", (), (), outputs=(Path("report.html"),), metrics=(), retries=0, minutes=1, tags=())


@pytest.mark.parametrize(("checkout", "shown"), [("project", True), (f"project/{FOLDER}/1/above/checkout", False)])
def test_only_a_page_that_stays_is_linked(tmp_path: Path, checkout: str, shown: bool) -> None:
    root = tmp_path / checkout
    root.mkdir(parents=True)
    (root / "report.html").write_text("hello")
    assert list(pages.list_pages(Work(root, [REPORT], set()))) == ([root / "report.html"] if shown else [])


def test_a_secret_that_was_committed_once_is_not_shown_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prefect keeps what changed since the last commit, beside the log."""
    changes = [
        Change("data.sources", [{"url": "https://user:S3CR@host/a"}], [{"url": "s3://bucket/a"}]),
        Change("notify.webhook", "https://hooks.slack.com/services/S3CR", "$NOTIFY_WEBHOOK"),
    ]
    monkeypatch.setattr(pages, "compare_params", lambda *_: changes)
    monkeypatch.setattr(pages, "read_revisions", lambda *_: [Revision("HEAD", {}, {}), Revision("workspace", {}, {})])
    drawn = pages.draw_changes(tmp_path)
    assert "S3CR" not in drawn
    shown = write_inert("https://hooks.slack.com/***"), write_inert("$NOTIFY_WEBHOOK")
    assert f"| notify.webhook | {' | '.join(shown)} |" in drawn
