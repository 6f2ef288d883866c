"""The numbers on top are those that the run asked for: of classifiers, or of verification where it is named first."""

from typing import Any

from components.report.page import headline
from tests.report.page import pages

SKIPPED = {"byol": {"skipped": "no labels"}}


def test_the_tiles_are_of_the_last_classifier_even_where_another_is_better() -> None:
    probes = {"knn": pages.make_accuracies(0.99), "logistic": pages.make_accuracies(0.6)}
    few_labels, all_labels, duration = headline.make_tiles(probes, pages.PRETRAIN)
    assert (few_labels["value"], few_labels["interval"]) == ("40.0 %", "30.0 – 45.0")
    assert (all_labels["value"], all_labels["lines"]) == ("60.0 %", [("pixels", "50.0 %"), ("untrained", "40.0 %")])
    assert (duration["value"], duration["probe"]) == ("7 s", "2 epochs, 9 images per second")


def test_verification_leads_where_it_is_named_before_the_classifiers() -> None:
    pairs = {name: metrics | {"roc_auc": 0.75} for name, metrics in pages.make_accuracies(0.9).items()}
    probes: dict[str, Any] = {
        "verification": pairs,
        "retrieval": {"byol": {"map": 0.25}},
        "knn": pages.make_accuracies(0.5),
    }
    tiles = headline.make_tiles(probes, pages.PRETRAIN)
    assert [tile["title"] for tile in tiles] == [
        "accuracy over folds",
        "area under the ROC curve",
        "mean average precision",
        "of pretraining",
    ]
    assert headline.list_headlines(dict(reversed(probes.items())))[:3] == [
        ("knn", "accuracy_2_per_class"),
        ("knn", "accuracy"),
        ("verification", "accuracy"),
    ]


def test_what_was_skipped_or_is_missing_leaves_its_place_to_the_next() -> None:
    probes: dict[str, Any] = {"verification": SKIPPED, "knn": pages.make_accuracies(0.9), "linear": SKIPPED}
    assert headline.choose_classifier(probes) == "knn"
    assert headline.list_headlines(probes) == [("knn", "accuracy_2_per_class"), ("knn", "accuracy")]
    assert headline.list_headlines({"linear": SKIPPED}) == []
    health: dict[str, Any] = {"linear": SKIPPED, "health": {"byol": {"rank_me": 3.5}}}
    assert [tile["value"] for tile in headline.make_tiles(health, pages.PRETRAIN)] == ["3.5", "7 s"]
