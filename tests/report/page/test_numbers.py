"""The page's numbers: the right ones are on top, all are named as people name them, and none is left out."""

from typing import Any

from components.features.encoders import order_encoders
from components.report.page import numbers
from tests.report.page import pages


def test_the_headline_is_of_the_last_classifier_even_where_another_is_better() -> None:
    probes = {
        "knn": pages.make_accuracies(0.99),
        "logistic": pages.make_accuracies(0.6),
        "verification": pages.make_accuracies(0.9),
    }
    assert numbers.choose_headline(probes) == "logistic"
    few_labels, all_labels, duration = numbers.make_tiles(probes, pages.PRETRAIN)
    assert (few_labels["value"], few_labels["interval"]) == ("40.0 %", "30.0 – 45.0")
    assert (all_labels["value"], all_labels["lines"]) == ("60.0 %", [("pixels", "50.0 %"), ("untrained", "40.0 %")])
    assert duration["value"] == "7 s"


def test_a_skipped_classifier_is_no_headline() -> None:
    probes: dict[str, Any] = {"knn": pages.make_accuracies(0.9), "linear": {"byol": {"skipped": "no labels"}}}
    assert numbers.choose_headline(probes) == "knn"
    assert numbers.choose_headline({"linear": probes["linear"]}) is None


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
    (group,) = numbers.tabulate({"robustness": probe})
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
    (group,) = numbers.tabulate({"knn": {"byol": {"skipped": "no labels"}}})
    assert (group["reason"], group["rows"]) == ("no labels", [])


def test_the_best_is_marked_only_where_more_is_better() -> None:
    def mark_best(key: str) -> list[bool]:
        ours = {key: 0.5, f"{key}_low": 0.4}
        return [cell["best"] for cell in numbers.list_cells({"byol": ours, "pixels": {key: 0.25}}, key)]

    assert (
        mark_best("accuracy_jpeg_10")
        == mark_best("map")
        == mark_best("roc_auc")
        == mark_best("recall_at_5")
        == [True, False]
    )
    noise = numbers.list_cells({"byol": {"map": 0.5, "map_low": 0.4}, "pixels": {"map": 0.45}}, "map")
    assert [cell["best"] for cell in noise] == [False, False], "within its interval nothing is better"
    assert mark_best("alignment") == mark_best("accuracy_standard_error") == mark_best("weight_decay") == [False, False]


def test_names_are_said_as_people_say_them() -> None:
    assert numbers.spell_metric("accuracy_1_per_class") == "accuracy, 1 label per class"
    assert numbers.spell_metric("accuracy_0.5_percent") == "accuracy, 0.5 % of the labels"
    assert numbers.spell_metric("true_accept_rate_at_0.001") == "true accepts at 0.001 false ones"
    assert numbers.spell_metric("something_new") == "something new"
