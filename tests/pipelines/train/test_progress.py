"""Tests that lines of progress are parsed as components/show/progress.py prints them."""

import pytest

from components.show.progress import Progress as Printer
from pipelines.train.progress import Progress, format_time_left, parse_progress


def print_progress(capsys: pytest.CaptureFixture[str], total: int | None, say: str) -> str:
    """Return the last line that a stage prints, with 12,000 units done."""
    printer = Printer("evaluate knn", total, "images")
    printer.printed -= 60
    printer.advance(12_000, say)
    return capsys.readouterr().out.strip()


def test_what_a_stage_prints_is_read_back(capsys: pytest.CaptureFixture[str]) -> None:
    progress = parse_progress(print_progress(capsys, 24_000, "epoch 3 of 80, loss 0.1234"))
    assert progress is not None
    assert (progress.label, progress.done, progress.total, progress.unit) == ("evaluate knn", 12_000, 24_000, "images")
    assert (progress.percent, progress.remark) == (50, "epoch 3 of 80, loss 0.1234")
    assert progress.left is not None


def test_a_loop_without_a_known_end_and_without_remarks_is_read_too(capsys: pytest.CaptureFixture[str]) -> None:
    progress = parse_progress(print_progress(capsys, None, ""))
    assert progress is not None
    assert (progress.done, progress.total, progress.left, progress.remark, progress.percent) == (
        12_000,
        None,
        None,
        "",
        None,
    )


def test_the_table_says_epoch_loss_rate_and_time_left() -> None:
    progress = parse_progress(
        "pretrain: 12,345 of 107,920 images, 5,000 a second, 3605 s left, epoch 10 of 80, loss 0.1234"
    )
    assert progress == Progress("pretrain", 12345, 107920, "images", 5000, 3605, "epoch 10 of 80, loss 0.1234")
    for row in ("| epoch | 10 of 80 |", "| loss | 0.1234 |", "| rate | 5,000 images/s |", "| time left | 1 h 00 min |"):
        assert row in progress.table.splitlines()


@pytest.mark.parametrize(
    "line",
    [
        "",
        "Running stage 'pretrain':",
        "> echo 'pretrain: 1 of 2 images, 5 a second, 1 s left'",
        "1,797 images of 10 classes: 1,349 train, 448 test",
        "pretrain: going on after step 551 of 3,000",
        "feed: resident (1,349 images, 86.3kB decoded, 23.5GB free on cpu)",
    ],
)
def test_other_lines_are_not_taken_for_progress(line: str) -> None:
    assert parse_progress(line) is None


@pytest.mark.parametrize(
    ("seconds", "text"), [(19, "19 s"), (60, "1 min 00 s"), (725, "12 min 05 s"), (11_220, "3 h 07 min")]
)
def test_time_left_is_readable(seconds: int, text: str) -> None:
    assert format_time_left(seconds) == text
