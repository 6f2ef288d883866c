"""Tests the table at the end of a run: it has everything that was measured, and fits 80 columns."""

from pathlib import Path
from typing import Any

import pytest

from pipelines.train import summary

FULL = {"accuracy": 0.9823, "accuracy_low": 0.965, "accuracy_high": 1.0}
METRICS: dict[str, Any] = {
    "metrics/data.json": {"images": 1797},
    "metrics/health.json": {encoder: {"skipped": "no images [at all]"} for encoder in ("byol", "pixels", "random")},
    "metrics/logistic.json": {
        "byol": {
            **FULL,
            "accuracy_10_per_class": 0.97,
            "accuracy_10_per_class_low": 0.9557,
            "accuracy_10_per_class_high": 0.9838,
            "accuracy_1_percent": 0.87,
            "c": 1e-05,
            "images": 12345,
            "true_accept_rate_at_0.001": 0.5,
            "true_accept_rate_at_0.001_low": 0.4,
            "true_accept_rate_at_0.001_high": 0.6,
        },
        "pixels": FULL,
        "random": {"skipped": "too small"},
    },
}


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The lines that are printed on a terminal of 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")
    summary.show_summary([], {"fetch": "ran"}, METRICS, Path())
    return [line.rstrip() for line in capsys.readouterr().out.splitlines()]


def find_row(lines: list[str], name: str) -> list[str]:
    """Find the line with this name and return the words beside it."""
    return next(line.strip().removeprefix(name).split() for line in lines if line.strip().startswith(f"{name}  "))


def test_three_encoders_with_intervals_fit_80_columns_and_no_metric_is_broken_or_cut(lines: list[str]) -> None:
    assert max(map(len, lines)) <= 80
    assert not any("…" in line for line in lines)
    assert find_row(lines, "accuracy") == ["0.982", ".965-1.00", "0.982", ".965-1.00", "–"]
    assert find_row(lines, "accuracy 10 per class")[:2] == ["0.970", ".956-.984"]
    assert find_row(lines, "true accept rate at 0.001")[:2] == ["0.500", ".400-.600"]


def test_four_encoders_fit_80_columns_too(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that began with trained weights has one encoder more; folded cells are hard to read."""
    monkeypatch.setenv("COLUMNS", "80")
    by_encoder = METRICS["metrics/logistic.json"] | {"start": METRICS["metrics/logistic.json"]["byol"]}
    summary.show_summary([], {"fetch": "ran"}, {"metrics/logistic.json": by_encoder}, Path())
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert max(map(len, lines)) <= 80
    assert find_row(lines, "accuracy") == ["0.982", ".965-1.00", "0.982", "–", "0.982"]
    assert find_row(lines, "true accept rate at 0.001") == ["0.500", ".400-.600", "–", "–", "0.500"]


def test_numbers_without_an_interval_keep_three_digits_and_are_never_shown_as_nothing(lines: list[str]) -> None:
    assert find_row(lines, "accuracy 1 percent") == ["0.87", "–", "–"]
    assert find_row(lines, "c") == ["1e-05", "–", "–"]
    assert find_row(lines, "images") == ["12,345", "–", "–"]


def test_what_was_skipped_says_why_once(lines: list[str]) -> None:
    assert lines.count("health skipped: no images [at all]") == 1
    assert lines.count("logistic of random skipped: too small") == 1
    assert not any("skipped" in line for line in lines if "skipped:" not in line)


@pytest.mark.parametrize(("value", "text"), [(0.99961, "1.00"), (1.0, "1.00"), (0.0, ".000"), (129.76, "130")])
def test_the_ends_of_an_interval_are_short(value: float, text: str) -> None:
    assert summary.format_interval_end(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1e-05, "1e-05"),
        (0.056234, "0.0562"),
        (29.7638, "29.8"),
        (999.94, "1,000"),
        (1856.13, "1,856"),
        (1057767424.0, "1,057,767,424"),
    ],
)
def test_a_number_has_three_digits_or_is_whole(value: float, text: str) -> None:
    assert summary.format_number(value) == text
