"""Shares of the labels hold every class or are left out; a learning rate is chosen by enough images or not at all."""

import numpy as np
import pytest

from components.evaluate.outcome import NothingToMeasureError
from components.evaluate.params import Evaluate
from components.evaluate.portions import draw_portions
from components.stage.command import read_params
from tests.conftest import ROOT

EVALUATE: Evaluate = read_params(ROOT / "params.yaml").evaluate
PARAMS = EVALUATE.finetune.model_copy(update={"fractions": (1.0, 0.01, 0.1)})


def test_no_rate_is_chosen_by_fewer_images_than_classes() -> None:
    labels = np.repeat([0, 1, 2], [60, 80, 200])
    portions, left_out = draw_portions(labels, PARAMS, EVALUATE.shared, str)
    few, some, whole = portions[::-1]
    assert not left_out
    sizes = [np.bincount(labels[portion.rows]).tolist() for portion in (few, some, whole)]
    assert sizes == [[1, 1, 2], [6, 8, 20], [60, 80, 200]]
    assert [portion.ending for portion in (few, some, whole)] == ["_1_percent", "_10_percent", ""]
    assert len(few.held) == 0
    assert np.bincount(labels[some.rows][some.held], minlength=3).tolist() == [1, 2, 4]
    assert np.bincount(labels[whole.rows][whole.held], minlength=3).tolist() == [12, 16, 40]
    for portion in (few, some, whole):
        assert len(np.unique(portion.rows)) == len(portion.rows)


def test_a_share_without_a_class_and_a_share_that_is_the_whole_are_left_out() -> None:
    labels = np.repeat([0, 1], [5, 30])
    params = PARAMS.model_copy(update={"fractions": (0.01, 0.2, 0.19, 0.99, 1.0)})
    portions, left_out = draw_portions(labels, params, EVALUATE.shared, ["bee", "ant"].__getitem__)
    assert {portion.ending: len(portion.rows) for portion in portions} == {"": 35, "_20_percent": 7}
    assert left_out == {
        "accuracy_99_percent": "would be from as many labels of each class as accuracy",
        "accuracy_19_percent": "would be from as many labels of each class as accuracy_20_percent",
        "accuracy_1_percent": "no train label of class 'bee' would be in the share; it has only 5",
    }
    with pytest.raises(NothingToMeasureError, match="needs more train labels: no train label of class 'bee'"):
        draw_portions(labels, params.model_copy(update={"fractions": (0.01,)}), EVALUATE.shared, lambda label: "bee")
