"""Lines of progress read back: whatever a stage prints with components/show/progress.py is understood."""

import pytest

from components.show.progress import Progress as Printer
from pipelines.train.progress import Progress, clock, parse


def printed(capsys: pytest.CaptureFixture[str], total: int | None, say: str) -> str:
    """The last line that a stage prints, 12,000 units done."""
    printer = Printer("evaluate knn", total, "images")
    printer.said -= 60
    printer.advance(12_000, say)
    return capsys.readouterr().out.strip()


def test_what_a_stage_prints_is_read_back(capsys: pytest.CaptureFixture[str]) -> None:
    found = parse(printed(capsys, 24_000, "epoch 3 of 80, loss 0.1234"))
    assert found is not None
    assert (found.label, found.done, found.total, found.unit) == ("evaluate knn", 12_000, 24_000, "images")
    assert (found.percent, found.say) == (50, "epoch 3 of 80, loss 0.1234")
    assert found.left is not None


def test_a_loop_without_a_known_end_and_without_remarks_is_read_too(capsys: pytest.CaptureFixture[str]) -> None:
    found = parse(printed(capsys, None, ""))
    assert found is not None
    assert (found.done, found.total, found.left, found.say, found.percent) == (12_000, None, None, "", None)


def test_the_table_says_epoch_loss_rate_and_time_left() -> None:
    found = parse("pretrain: 12,345 of 107,920 images, 5,000 a second, 3605 s left, epoch 10 of 80, loss 0.1234")
    assert found == Progress("pretrain", 12345, 107920, "images", 5000, 3605, "epoch 10 of 80, loss 0.1234")
    for row in ("| epoch | 10 of 80 |", "| loss | 0.1234 |", "| rate | 5,000 images/s |", "| time left | 1 h 00 min |"):
        assert row in found.table.splitlines()


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
    assert parse(line) is None


@pytest.mark.parametrize(
    ("seconds", "text"), [(19, "19 s"), (60, "1 min 00 s"), (725, "12 min 05 s"), (11_220, "3 h 07 min")]
)
def test_time_left_is_readable(seconds: int, text: str) -> None:
    assert clock(seconds) == text
