"""What the soak makes of its nights: a line through each measure, and which nights count."""

import pytest

from benchmarks import soak


def test_a_drift_is_found_with_its_interval() -> None:
    rows = [{"night": night, "mb": 50 + 0.25 * night + (-1) ** night} for night in range(20, 60)]
    line = soak.fit(rows, "mb")
    assert line is not None
    assert line["low"] < 25 < line["high"]
    assert line["per_100_nights"] == pytest.approx(25, abs=2)
    assert soak.fit(rows[:3], "mb") is None
    assert soak.fit(rows, "nothing of this name") is None


def test_the_summary_says_which_nights_went_wrong_and_leaves_out_the_first_ones() -> None:
    rows = [
        {
            "night": night,
            "kind": soak.CYCLE[night % 10],
            "state": "Failed",
            "said": "why",
            "right": night != 7,
            "seconds": 1000.0 if night < soak.WARM_UP else 10.0,
            "cpu_seconds": 5.0,
            "mb_rss_serving": 250.0,
        }
        for night in range(60)
    ]
    summary = soak.summarise(rows)
    assert summary["nights"] == 60
    assert summary["wrong"] == ["night 7: poisoned became Failed, why"]
    assert summary["kinds"]["nothing new"] == 18
    assert summary["time"]["seconds of a night: nothing new"]["mean"] == 10
    assert summary["growth"]["mb_rss_serving"]["per_100_nights"] == 0
