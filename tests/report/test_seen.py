"""Each probe says what it scores on, and which of that the encoder was trained on."""

from typing import Any

import pytest

from components.report import seen
from tests.report.page import pages

NONE = "the encoder was trained on none of them"
COPIES = "the encoder was trained on exact copies of {} of them, without their labels"


@pytest.mark.parametrize(
    ("leaks", "expected"),
    [
        ({}, NONE),
        ({"leaked": 5, "dropped": 6}, NONE),  # data.checks.leaked: drop
        ({"leaked": 5, "dropped": 0}, COPIES.format(5)),  # keep
        ({"nearly_leaked": 1}, f"{NONE}; 1 looks nearly like one that it was trained on"),
        ({"leaked": 5, "nearly_leaked": 3}, f"{COPIES.format(5)}; 3 look nearly like one that it was trained on"),
    ],
)
def test_copies_among_the_images_to_train_on_count_unless_they_were_dropped(
    leaks: dict[str, int], expected: str
) -> None:
    assert seen.describe_leaks(pages.CLEAN | leaks) == expected
    assert seen.describe_test_images(pages.CLEAN | leaks, {}) == f"There is 1 test image; {expected}."


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pages.Folder:
    folder = pages.write_labelled(tmp_path_factory.mktemp("seen"), names=["ant", "bee"])
    folder.probes["health"] = {"byol": {"images": 16, "rank_me": 2.0}}
    folder.probes["verification"] = {"byol": {"accuracy": 0.7, "pairs": 6000.0, "pairs_seen": 5664.0}}
    folder.probes["finetune"] = {"byol": {"skipped": "no labels"}}
    for name in ("health", "verification", "finetune"):
        folder.write_metrics(name)
    return folder


def test_every_probe_says_what_it_learns_from_and_scores_on(folder: pages.Folder) -> None:
    assert seen.describe_probe("knn", folder.inputs) == (
        f"Learns from the labels of 8 train images, which the encoder was trained on without them. Scores the 8 test "
        f"images; {NONE}."
    )
    assert "among 8 train images, which the encoder was trained on" in seen.describe_probe("retrieval", folder.inputs)
    assert seen.describe_probe("health", folder.inputs).startswith("Measured on 16 images of all splits")
    assert seen.describe_probe("finetune", folder.inputs) == "", "it measured nothing"


def test_a_probe_that_scores_a_part_of_the_test_images_says_so(folder: pages.Folder) -> None:
    folder.write_predictions("logistic", {}, first=3, accuracy=1.0)
    assert "Scores 3 of the 8 test images" in seen.describe_probe("logistic", folder.inputs)


def test_pairs_of_images_that_were_trained_on_are_counted(folder: pages.Folder) -> None:
    known = "in 5,664 of them the encoder was trained on at least one of the two, without its label."
    assert seen.describe_probe("verification", folder.inputs) == f"Scores 6,000 pairs of images; {known}"
    assert seen.describe_test_images(folder.inputs.data, folder.inputs.probes).endswith(
        "In 5,664 of the 6,000 pairs of verification, it was trained on at least one image, without its label."
    )
    probes: dict[str, Any] = folder.inputs.probes
    ours = probes["verification"]["byol"]
    ours["pairs_seen"] = 0.0
    assert f"6,000 pairs of images, all of them test images; {NONE}" in seen.describe_probe(
        "verification", folder.inputs
    )
    del ours["pairs_seen"]
    assert "is not known" in seen.describe_probe("verification", folder.inputs)
