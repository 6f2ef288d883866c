"""A report says what the training added to what it began with, and says a loss first and plainly."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import stats

from components.report.verdict import Verdict, reach_verdict
from tests.report.page import pages
from tests.report.test_verdict import make_inputs, make_metrics

IMAGES = 400


def judge(folder: Path, *, gained: int, lost: int, pretrain: dict[str, Any] | None = None) -> Verdict:
    """Reach the verdict where 300 of 400 images were right before the training, which gained some and lost others."""
    start = np.zeros(IMAGES, np.float32)
    start[:300] = 1
    ours = start.copy()
    ours[:lost], ours[300 : 300 + gained] = 0, 1
    wrong = np.zeros(IMAGES, np.float32)
    encoders = {"byol": ours, "start": start, "pixels": wrong, "random": wrong}
    columns = {"id": [*map(str, range(IMAGES))] * 4, "encoder": [name for name in encoders for _ in range(IMAGES)]}
    columns |= {"accuracy": np.concatenate([*encoders.values()])}
    columns |= {"actual": [0] * 4 * IMAGES, "predicted": [0] * 4 * IMAGES}
    pq.write_table(pa.table(columns), folder / "logistic.parquet")
    full = make_metrics("accuracy", 0.04, **{name: float(right.mean()) for name, right in encoders.items()})
    few = make_metrics("accuracy_2_per_class", 0.02, byol=0.5, start=0.45, pixels=0.2, random=0.1)
    probes = {"logistic": {name: few[name] | full[name] for name in full}}
    return reach_verdict(make_inputs(folder, probes, pretrain or pages.PRETRAIN))


def test_what_was_added_is_said_first_with_its_interval_in_pairs(tmp_path: Path) -> None:
    verdict = judge(tmp_path, gained=40, lost=10)
    difference = np.concatenate([np.ones(40), -np.ones(10), np.zeros(350)])
    low, high = stats.ttest_1samp(difference, 0).confidence_interval(0.95)
    assert verdict.sentence == (
        "Better than what it began with by 5.0 points from 2 labels per class and 7.5 points from all labels "
        f"(95 % interval {100 * low:.1f} to {100 * high:.1f}). Better than the pixels and than the untrained network."
    )
    assert "began" not in verdict.numbers, "which is as it was before"
    assert not verdict.advice


def test_a_training_that_made_it_worse_says_that_first_and_what_helps(tmp_path: Path) -> None:
    verdict = judge(tmp_path, gained=10, lost=40)
    assert verdict.sentence.startswith("Worse than what it began with by 7.5 points from all labels (95 % interval ")
    assert "; better by 5.0 points from 2 labels per class. Better than the pixels" in verdict.sentence
    assert "What to try: change less of what it began with" in verdict.advice
    assert "pretrain.continuing" in verdict.advice
    assert "train longer" not in verdict.advice, "which would lose more"


def test_what_is_not_told_apart_is_not_called_better(tmp_path: Path) -> None:
    verdict = judge(tmp_path, gained=12, lost=10)
    assert verdict.sentence.startswith(
        "Better than what it began with by 5.0 points from 2 labels per class; not told "
    )
    assert "not told apart: +0.5 points from all labels (95 % interval -1.8 to +2.8)." in verdict.sentence
    assert "judge it on more images" in verdict.advice


@pytest.mark.parametrize(
    ("byol", "start", "expected"),
    [
        (0.3, 0.5, "Worse than what it began with by 0.200."),
        (0.5, 0.3, "Better than what it began with by 0.200."),
        (0.5, 0.495, "Not told apart from what it began with: +0.005."),
    ],
)
def test_without_scores_of_images_there_is_no_interval(
    byol: float, start: float, expected: str, tmp_path: Path
) -> None:
    probes = {"retrieval": make_metrics("map", byol=byol, start=start)}
    assert reach_verdict(make_inputs(tmp_path, probes)).sentence == expected
