"""The page's numbers: all are named as people name them, and none is left out."""

import numpy as np

from components.features.encoders import order_encoders
from components.report.page import charts, numbers
from components.report.page.paired import Scores
from tests.report.page import pages


def test_every_metric_of_every_probe_stands_in_the_table() -> None:
    probe = order_encoders(
        {
            "random": {"rank_me": 12.25, "images": 4096},
            "byol": {
                **pages.make_estimate("accuracy_fgsm_4", 0.5),
                "rank_me": 30.5,
                "images": 4096,
                "learning_rate": 3e-05,
            },
        }
    )
    group = numbers.tabulate("robustness", probe, Scores({}))
    assert group["encoders"] == ["byol", "random"]
    rows = {row["metric"]: [cell["value"] for cell in row["cells"]] for row in group["rows"]}
    assert rows == {
        "accuracy, FGSM within 4 of 255": ["50.0 %", "–"],
        "RankMe": ["30.5", "12.2"],
        "images": ["4,096", "4,096"],
        "learning rate": ["3e-05", "–"],
    }
    assert group["rows"][0]["cells"][0]["interval"] == "40.0 – 55.0"


def test_a_skipped_probe_gives_its_reason_and_no_row() -> None:
    group = numbers.tabulate("knn", {"byol": {"skipped": "no labels"}}, Scores({}))
    assert (group["reason"], group["rows"]) == ("no labels", [])


def test_the_best_is_marked_only_where_more_is_better() -> None:
    def mark_best(key: str, other: float = 0.25) -> list[bool]:
        probe = {"byol": pages.make_estimate(key, 0.5), "pixels": pages.make_estimate(key, other)}
        return [cell["best"] for cell in numbers.list_cells(probe, key, Scores({}))]

    for key in ("accuracy_jpeg_10", "map", "recall_at_5", "roc_auc"):
        assert mark_best(key) == [True, False]
    assert mark_best("map", other=0.37) == [False, False], "beyond the other's value, but not beyond its interval"
    assert mark_best("alignment") == mark_best("accuracy_standard_error") == mark_best("weight_decay") == [False, False]
    bare = numbers.list_cells({"byol": {"roc_auc": 0.9}, "pixels": {"roc_auc": 0.1}}, "roc_auc", Scores({}))
    assert [cell["best"] for cell in bare] == [False, False], "nothing is known of the noise"


def test_two_wrong_of_300_are_no_worse_than_none_though_thirty_are() -> None:
    def mark_best(mistakes: int) -> list[bool]:
        right = {"byol": np.ones(300), "pixels": np.ones(300)}
        right["pixels"][:mistakes] = 0
        probe = {
            name: {"accuracy": float(one.mean()), "accuracy_low": 0, "accuracy_high": 1} for name, one in right.items()
        }
        scores = Scores({name: {"accuracy": one} for name, one in right.items()})
        return [cell["best"] for cell in numbers.list_cells(probe, "accuracy", scores)]

    assert mark_best(2) == [False, False]
    assert mark_best(30) == [True, False]


def test_what_was_asked_and_not_measured_is_said_with_its_reason() -> None:
    left_out = [("accuracy_10_per_class", "no class has more than 5."), ("recall_at_10", "there are 7 images")]
    assert numbers.spell_left_out(left_out) == (
        "Asked for and not measured: accuracy, 10 labels per class (no class has more than 5); "
        "recall at 10 (there are 7 images)."
    )
    assert "recall" not in numbers.spell_left_out(left_out, charts.FEW_LABELS)
    assert numbers.spell_left_out([]) == ""


def test_names_are_said_as_people_say_them() -> None:
    assert numbers.spell_metric("accuracy_1_per_class") == "accuracy, 1 label per class"
    assert numbers.spell_metric("accuracy_0.5_percent") == "accuracy, 0.5 % of the labels"
    assert numbers.spell_metric("true_accept_rate_at_0.001") == "true accepts at 0.001 false ones"
    assert numbers.spell_metric("something_new") == "something new"
