"""The progress of a long loop, as shown on a terminal and without one."""

import sys
from types import SimpleNamespace

import pytest

from components.show import progress
from components.show.progress import Progress


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A clock that stands still except for `clock.now += 1`; stderr is no terminal."""
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: clock.now))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False)
    return clock


def work(shown_progress: Progress, clock: SimpleNamespace, steps: int, seconds: float, remark: str = "") -> None:
    """Take steps of 10 units, each after so many seconds."""
    for _ in range(steps):
        clock.now += seconds
        shown_progress.advance(10, remark)


def test_a_line_has_the_count_the_rate_and_the_time_left(
    clock: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    """3 steps of 10 images in 6 seconds are 5 per second, and 2970 images are left."""
    work(Progress("pretrain", 3000, "images"), clock, 3, 2, "epoch 1 of 9")
    seen = capsys.readouterr()
    assert seen.out == "pretrain: 30 of 3,000 images, 5 a second, 594 s left, epoch 1 of 9\n"
    assert seen.err == ""


def test_lines_are_a_few_a_minute_and_the_last_one_always_comes(
    clock: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    """A log of one line per step would hide everything else; here are 100 steps of 0.6 seconds."""
    work(Progress("embed", 1000, "images"), clock, 100, 0.6)
    lines = capsys.readouterr().out.splitlines()
    assert 10 <= len(lines) <= 13
    assert lines[-1] == "embed: 1,000 of 1,000 images, 17 a second, 0 s left"


def test_a_loop_that_is_over_at_once_says_one_line(clock: SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> None:
    work(Progress("embed", 10, "images"), clock, 1, 0)
    assert capsys.readouterr().out.count("\n") == 1


def test_the_rate_counts_only_what_this_run_did(clock: SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> None:
    """900 units of an earlier run would make a resumed run look fast: it does 10 in 10 s, and 90 are left."""
    work(Progress("pretrain", 1000, "images", done=900), clock, 1, 10)
    assert capsys.readouterr().out == "pretrain: 910 of 1,000 images, 1 a second, 90 s left\n"


def test_a_terminal_gets_a_bar_and_no_lines(
    clock: SimpleNamespace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    work(Progress("pretrain", 100, "images", done=50), clock, 5, 10, "epoch 2 of 2")
    seen = capsys.readouterr()
    assert seen.out == ""
    last = seen.err.split("\r")[-1]
    assert "pretrain: 100%" in last
    assert "100/100" in last
    assert "epoch 2 of 2" in last


def test_where_nobody_knows_how_many_come_there_is_a_count_and_a_rate(
    clock: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    """The images of an archive have no known total, and so no time left."""
    work(Progress("fetch zip", None, "images"), clock, 60, 0.5)
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"fetch zip: {100 * number} images, 20 a second" for number in range(1, 7)]


def test_an_unknown_number_that_ends_at_once_says_nothing(
    clock: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    work(Progress("fetch zip", None, "images"), clock, 3, 0.1)
    assert capsys.readouterr().out == ""


def test_a_bar_without_an_end_counts_and_leaves_its_line_when_it_is_over(
    clock: SimpleNamespace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is printed next must not stand behind the bar."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    endless = Progress("fetch zip", None, "images")
    work(endless, clock, 5, 10)
    del endless
    seen = capsys.readouterr()
    assert seen.out == ""
    assert "fetch zip: 50 images" in seen.err.split("\r")[-1]
    assert seen.err.endswith("\n")
