"""The page on suspects says what the record of the benchmark says, and labels are made wrong as it promises."""

import json

import numpy as np

from benchmarks.labels import FIRST, flip_labels
from tests.conftest import ROOT
from tests.labels.made import make_table

NAMES = {
    ("digits", "byol"): "digits, the demo's encoder",
    ("digits", "pixels"): "digits, pixels",
    ("cifar10", "lite0"): "CIFAR-10, EfficientNet-Lite0",
    ("cifar10", "pixels"): "CIFAR-10, pixels at half their side",
}


def test_the_page_has_the_numbers_of_the_record() -> None:
    results = json.loads((ROOT / "benchmarks/results/labels.json").read_text())["results"]
    page = (ROOT / "docs/suspects.md").read_text()
    for (images, encoder), name in NAMES.items():
        mean, clean = results[images][encoder]["mean"], results[images][encoder]["suspects_as_they_are"]
        shares = [mean[key] for key in ("accuracy", "precision", f"precision_of_the_first_{FIRST}", "recall")]
        cells = [f"{100 * share:.1f} %" for share in shares]
        row = f"| {name} | {mean['planted']:.0f} | {mean['suspects']:.0f} | {' | '.join(cells)} | {clean} |"
        assert row in page, row


def test_a_twentieth_of_the_train_labels_is_made_wrong_and_no_other() -> None:
    table = make_table(np.tile(np.arange(4), 100), test=100)
    labels, wrong = flip_labels(table, 0)
    assert wrong.sum() == 15
    assert not wrong[300:].any()
    assert ((labels != table.labels) == wrong).all()
    assert labels.max() == 3
