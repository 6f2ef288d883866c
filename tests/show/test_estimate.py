"""The estimate of a run's length: said soon, once, and corrected once if it was far off."""

from types import SimpleNamespace

import pytest

from components.show import estimate as module
from components.show.estimate import Estimate, format_time


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


class Work:
    """Units done one after the other."""

    def __init__(self, clock: SimpleNamespace, total: int, *, done: int = 0, ignored: int = 0) -> None:
        text = "100 epochs of 5,000 images"
        self.estimate = Estimate("pretrain", text, total, "images", done=done, ignored=ignored)
        self.clock, self.done = clock, done

    def go_on(self, steps: int, seconds: float, units: int = 10) -> None:
        """Take steps of so many seconds and units each."""
        for _ in range(steps):
            self.clock.now += seconds
            self.done += units
            self.estimate.advance(self.done)


def read_lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_it_is_said_within_ten_seconds_and_only_once(
    clock: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    """42 images a second: 504,000 take 12,000 s."""
    work = Work(clock, 504_000)
    work.go_on(9, 0.5, 21)
    assert not read_lines(capsys)
    work.go_on(1, 0.5, 21)
    assert read_lines(capsys) == ["pretrain: about 3 h 20 min for 100 epochs of 5,000 images (42 images/s)"]
    work.go_on(1000, 0.5, 21)
    assert not read_lines(capsys)


def test_where_a_step_takes_longer_it_is_said_after_the_first(
    clock: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    Work(clock, 3600).go_on(1, 20)
    assert read_lines(capsys) == ["pretrain: about 2 h 0 min for 100 epochs of 5,000 images (0.5 images/s)"]


def test_a_short_run_is_not_spoken_of(clock: SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> None:
    Work(clock, 550).go_on(55, 1)
    assert not read_lines(capsys)


def test_only_what_is_left_counts_in_a_resumed_run(clock: SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> None:
    Work(clock, 10_000, done=8_000).go_on(5, 1)
    assert read_lines(capsys)[0].startswith("pretrain: about 3 min 20 s for ")


def test_what_is_compiled_first_tells_nothing(clock: SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> None:
    """A minute and a half for the first of four steps, then 10 images a second; the whole run counts."""
    work = Work(clock, 10_030, ignored=30)
    work.go_on(1, 90)
    work.go_on(2, 1)
    assert not read_lines(capsys)
    work.go_on(5, 1)
    assert read_lines(capsys)[0].startswith("pretrain: about 18 min for ")


def test_an_estimate_that_was_far_off_is_corrected_once(
    clock: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    """A device that only queues the first steps seems fast; then it takes its time."""
    work = Work(clock, 100_000)
    work.go_on(50, 0.1)
    assert read_lines(capsys)[0].startswith("pretrain: about 17 min for ")
    work.go_on(59, 1)
    assert not read_lines(capsys)
    work.go_on(1, 1)
    assert read_lines(capsys)[0].startswith("pretrain: rather about 2 h 46 min for ")
    work.go_on(200, 9)
    assert not read_lines(capsys)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (65, "1 min 5 s"),
        (599, "9 min 59 s"),
        (610, "10 min"),
        (3599, "1 h 0 min"),
        (12_000, "3 h 20 min"),
        (2e5, "2 d 7 h"),
    ],
)
def test_times_are_written_in_two_units(seconds: float, text: str) -> None:
    assert format_time(seconds) == text
