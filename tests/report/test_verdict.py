"""A report begins with what the encoder is better than, and claims nothing beyond what was measured."""

from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.report.page.inputs import Inputs
from components.report.verdict import reach_verdict
from tests.report.page import pages
from tests.small import RGB

LONG = pages.PRETRAIN | {"epochs": 300, "images": 20_000}
SKIPPED = {"skipped": "needs labelled images, and there are none"}


def make_inputs(folder: Path, probes: dict[str, Any], pretrain: dict[str, Any] = LONG) -> Inputs:
    return Inputs(pages.CLEAN, pretrain, probes, {}, cast(Any, None), RGB, folder, folder, folder)


def make_metrics(key: str, width: float = 0.01, **values: float) -> dict[str, dict[str, float]]:
    return {
        name: {key: value, f"{key}_low": value - width, f"{key}_high": value + width} for name, value in values.items()
    }


def test_what_is_better_says_than_what_by_how_much_and_gives_no_advice(tmp_path: Path) -> None:
    probes = {"verification": make_metrics("accuracy", byol=0.7, pixels=0.65, random=0.6)}
    assert reach_verdict(make_inputs(tmp_path, probes)).text == (
        "Better than the pixels and than the untrained network. Accuracy by verification: 70.0 %, 5.0 points above the "
        "pixels and 10.0 points above the untrained network, both beyond noise."
    )


def test_no_better_than_the_pixels_is_said_with_what_to_try(tmp_path: Path) -> None:
    probes = {"retrieval": make_metrics("map", byol=0.3, pixels=0.41, random=0.2)}
    verdict = reach_verdict(make_inputs(tmp_path, probes, pages.PRETRAIN | {"projection_spread": 0.02}))
    assert verdict.sentence == "Better than the untrained network, but no better than the pixels."
    assert "0.300, 0.110 below the pixels and 0.100 above the untrained network, both beyond noise" in verdict.numbers
    for tip in ("collapsed (projection_spread 0.02;", "train longer (pretrain.epochs: it had 2)", "it had 6"):
        assert tip in verdict.advice
    long = reach_verdict(make_inputs(tmp_path, probes)).advice
    assert "train longer" not in long
    assert "more images" not in long
    assert "pretrain.views" in long


def test_few_labels_and_all_labels_are_told_apart_where_they_differ(tmp_path: Path) -> None:
    few = make_metrics("accuracy_2_per_class", byol=0.5, pixels=0.4)
    full = make_metrics("accuracy", byol=0.9, pixels=0.9)
    probes = {"logistic": {name: few[name] | full[name] for name in few}}
    verdict = reach_verdict(make_inputs(tmp_path, probes))
    assert verdict.sentence == "Better than the pixels from 2 labels per class, but not from all labels."
    assert "90.0 % from all labels, as much as the pixels (within noise)" in verdict.numbers
    assert verdict.advice


def test_a_run_that_is_worse_than_the_pixels_says_that_first(tmp_path: Path) -> None:
    few = make_metrics("accuracy_2_per_class", byol=0.4, pixels=0.5, random=0.4)
    full = make_metrics("accuracy", byol=0.7, pixels=0.8, random=0.5)
    probes = {"logistic": {name: few[name] | full[name] for name in few}}
    assert reach_verdict(make_inputs(tmp_path, probes)).sentence == (
        "No better than the pixels; better than the untrained network from all labels, but not from 2 labels per class."
    )


@pytest.mark.parametrize(("wrong", "beyond"), [(2, False), (20, True)])
def test_noise_is_judged_in_pairs_on_the_same_images(tmp_path: Path, wrong: int, beyond: bool) -> None:
    right = np.ones(600, np.float32)
    right[300 : 300 + wrong] = 0
    columns = {"id": [*map(str, range(300))] * 2, "encoder": ["byol"] * 300 + ["pixels"] * 300, "accuracy": right}
    columns |= {"actual": [0] * 600, "predicted": [0] * 600}
    pq.write_table(pa.table(columns), tmp_path / "knn.parquet")
    probes = {"knn": make_metrics("accuracy", 0.2, byol=1.0, pixels=1 - wrong / 300)}
    text = reach_verdict(make_inputs(tmp_path, probes)).text
    assert "on 300 test images: 100.0 % from all labels" in text
    assert ("Better than the pixels." in text) == ("(beyond noise)" in text) == beyond
    assert ("judge it on more images" in text) == (not beyond)


def test_without_labels_it_says_that_nothing_can_be_said_and_what_to_do(tmp_path: Path) -> None:
    probes = {"knn": {"byol": SKIPPED, "pixels": SKIPPED}, "health": {"byol": {"rank_me": 1.2, "z_std": 0.0}}}
    verdict = reach_verdict(make_inputs(tmp_path, probes))
    assert verdict.sentence == "Nothing can be said of what it is worth."
    assert "No probe measured it (needs labelled images, and there are none)." in verdict.numbers
    assert "collapsed (z_std 0, rank_me 1.2;" in verdict.numbers
    assert "Label images of two classes or more" in verdict.advice
    assert "better" not in verdict.text.lower()
    unasked = reach_verdict(make_inputs(tmp_path, {"health": {"byol": {"rank_me": 9.0}}}))
    assert "Add logistic or retrieval to evaluate.probes" in unasked.advice


def test_without_a_baseline_it_claims_nothing(tmp_path: Path) -> None:
    verdict = reach_verdict(make_inputs(tmp_path, {"knn": make_metrics("accuracy", byol=0.9)}))
    assert verdict.sentence == "Nothing can be said: there is no number of a baseline to compare with."
    assert verdict.numbers == "Accuracy by k nearest neighbours: 90.0 % from all labels."
