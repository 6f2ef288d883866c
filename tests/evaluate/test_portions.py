"""Shares of the labels hold every class, and a learning rate is chosen by enough images or not at all."""

import numpy as np

from components.evaluate.params import Evaluate
from components.evaluate.portions import draw_portions
from components.stage.command import read_params
from tests.conftest import ROOT

EVALUATE: Evaluate = read_params(ROOT / "params.yaml").evaluate
PARAMS = EVALUATE.finetune.model_copy(update={"fractions": (1.0, 0.01, 0.1)})


def test_every_class_gives_a_label_and_no_rate_is_chosen_by_fewer_images_than_classes() -> None:
    labels = np.repeat([0, 1, 2], [3, 50, 200])
    few, some, whole = draw_portions(labels, PARAMS, EVALUATE.shared)[::-1]
    sizes = [np.bincount(labels[portion.rows]).tolist() for portion in (few, some, whole)]
    assert sizes == [[1, 1, 2], [1, 5, 20], [3, 50, 200]]
    assert [portion.ending for portion in (few, some, whole)] == ["_1_percent", "_10_percent", ""]
    assert len(few.held) == 0
    assert np.bincount(labels[some.rows][some.held], minlength=3).tolist() == [0, 1, 4]
    assert np.bincount(labels[whole.rows][whole.held], minlength=3).tolist() == [1, 10, 40]
    for portion in (few, some, whole):
        assert len(np.unique(portion.rows)) == len(portion.rows)
