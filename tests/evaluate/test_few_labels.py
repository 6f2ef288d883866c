"""A metric of few labels is measured from what its name says, or it is left out with the reason."""

import numpy as np
import pytest

from components.evaluate.few_labels import plan_few_labels
from components.evaluate.params import Shared
from components.stage.command import read_params
from tests.conftest import ROOT

SHARED: Shared = read_params(ROOT / "params.yaml").evaluate.shared
NAMES = ["ant", "bee", "wasp"]


def ask(*counts: int, shares: tuple[float, ...] = ()) -> Shared:
    return SHARED.model_copy(update={"labels_per_class": counts, "label_fractions": shares})


def test_ten_labels_of_a_class_that_has_five_are_not_measured() -> None:
    plan = plan_few_labels(np.repeat([0, 1, 2], [100, 5, 40]), ask(1, 5, 10), NAMES.__getitem__)
    assert plan.measured == {"accuracy_1_per_class": {0: 1, 1: 1, 2: 1}, "accuracy_5_per_class": {0: 5, 1: 5, 2: 5}}
    assert plan.left_out == {"accuracy_10_per_class": "class 'bee' has only 5 of the 10 train labels"}


def test_a_share_is_of_every_class_and_not_the_same_as_another_metric() -> None:
    """Of 5 labels 1 % is none and 20 % is one, which is one label per class; of 10, 20 % is two."""
    five = plan_few_labels(np.repeat([0, 1], 5), ask(1, 2, shares=(0.01, 0.2, 0.4, 0.5)), NAMES.__getitem__)
    assert five.measured == {"accuracy_1_per_class": {0: 1, 1: 1}, "accuracy_2_per_class": {0: 2, 1: 2}}
    assert five.left_out == {
        "accuracy_1_percent": "no train label of class 'ant' would be in the share; it has only 5",
        "accuracy_20_percent": "would be from as many labels of each class as accuracy_1_per_class",
        "accuracy_40_percent": "would be from as many labels of each class as accuracy_2_per_class",
        "accuracy_50_percent": "would be from as many labels of each class as accuracy_2_per_class",
    }
    uneven = plan_few_labels(np.repeat([0, 1], [5, 10]), ask(1, shares=(0.2,)), NAMES.__getitem__)
    assert uneven.measured["accuracy_20_percent"] == {0: 1, 1: 2}
    assert not uneven.left_out


@pytest.mark.parametrize(
    ("share", "name"), [(0.01, "accuracy_1_percent"), (0.1, "accuracy_10_percent"), (0.005, "accuracy_0.5_percent")]
)
def test_a_share_of_the_labels_is_called_by_its_percentage(share: float, name: str) -> None:
    plan = plan_few_labels(np.repeat([0, 1], [1000, 400]), ask(1, shares=(share,)), NAMES.__getitem__)
    assert list(plan.measured) == ["accuracy_1_per_class", name]
    assert plan.measured[name] == {0: round(1000 * share), 1: round(400 * share)}
