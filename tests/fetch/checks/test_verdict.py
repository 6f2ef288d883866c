"""Every number of metrics/data.json, counted by hand."""

import json

import numpy as np
import pytest

from components.fetch.checks import verdict as checks
from components.fetch.checks.facts import Facts
from components.store.store import TEST, TRAIN, UNLABELLED
from tests.fetch.judged import add, far_look, make_facts, reject, verdict


@pytest.fixture
def facts() -> Facts:
    """Eleven images of two sources, and four rejected files."""
    facts = Facts()
    add(facts, 0, "dog", TRAIN)
    add(facts, 1, "cat", TRAIN, pixels=0, look=far_look(0))  # the pixels of 0 under another label
    add(facts, 2, "cat", TEST, pixels=0, look=far_look(0))  # and in the test split
    add(facts, 3, "cat", TEST, look=far_look(5) ^ 1 << 63)  # nearly 5, which is trained on
    add(facts, 4, "owl", TEST)
    add(facts, 5, None, UNLABELLED, source="u")
    add(facts, 6, None, UNLABELLED, source="u", pixels=5, look=far_look(5))  # 5 again
    add(facts, 7, "dog", TRAIN, width=100, height=7, encoded=bytes(90), format="PNG", misnamed=True)
    add(facts, 8, "dog", TRAIN, flat=True, misnamed=True, format="PNG")
    add(facts, 9, "dog", TRAIN, look=far_look(8))  # looks like 8, and is another image
    add(facts, 10, "cat", TRAIN)
    for path, image in (("a.jpg", True), ("b.png", True), ("notes.txt", False), ("c.gif", True)):
        reject(facts, path, f"why {path}", image)
    return facts


def test_every_number_by_hand(facts: Facts) -> None:
    """0 and 1 are left out, since 2 has their pixels, and 5 and 6, since 3 is nearly the same: seven are kept."""
    judged = verdict(facts)
    metrics = judged.metrics
    assert np.flatnonzero(~judged.sides.kept).tolist() == [0, 1, 5, 6]
    assert (metrics["images"], metrics["classes"], metrics["bytes"]) == (7, 3, 6 * 10 + 90)
    assert (metrics["train"], metrics["test"], metrics["unlabelled"]) == (4, 3, 0)
    assert metrics["sources"] == {"s": 7}
    assert metrics["by_class"] == [
        {"class": "cat", TRAIN: 1, TEST: 2, UNLABELLED: 0},
        {"class": "dog", TRAIN: 3, TEST: 0, UNLABELLED: 0},
        {"class": "owl", TRAIN: 0, TEST: 1, UNLABELLED: 0},
    ]
    assert (metrics["class_ratio"], metrics["classes_without_train"], metrics["classes_without_test"]) == (3.0, 1, 1)
    assert metrics["formats"] == {"JPEG": 5, "PNG": 2}
    assert metrics["sizes"] == {
        "width": {"min": 32, "median": 32, "max": 100},
        "height": {"min": 7, "median": 24, "max": 24},
    }
    assert (metrics["rejected"], metrics["unreadable"], metrics["no_images"]) == (4, 3, 1)
    assert metrics["unreadable_fraction"] == round(3 / 14, 6), "of the files that should be images"
    assert metrics["repeated"] == 3, "1, 2 and 6 have been there before"
    assert metrics["repeated_with_other_labels"] == 1, "dog and cat on the same pixels"
    assert metrics["nearly_repeated"] == 5, "3 with 5 and 6, 8 with 9"
    assert (metrics["leaked"], metrics["leaked_fraction"], metrics["dropped"]) == (1, 0.333333, 2)
    assert (metrics["nearly_leaked"], metrics["nearly_leaked_fraction"]) == (0, 0.0)
    assert (metrics["merged"], metrics["withheld"], metrics["withheld_fraction"]) == (0, 2, 1.0)
    assert metrics["odd"] == 2
    assert metrics["rejected_files"][0] == {"path": "s/a.jpg", "reason": "why a.jpg"}
    assert [file["path"] for file in metrics["rejected_files"]] == ["s/a.jpg", "s/b.png", "s/notes.txt", "s/c.gif"]
    assert metrics["leaked_images"] == ["s/2.jpg"]
    assert judged.objections == []
    assert json.loads(json.dumps(metrics)) == metrics


def test_leaked_images_may_be_kept_and_are_counted_all_the_same(facts: Facts) -> None:
    judged = verdict(facts, leaked="keep")
    assert judged.sides.kept.all()
    assert (judged.metrics["images"], judged.metrics["leaked"], judged.metrics["dropped"]) == (11, 1, 0)
    assert judged.metrics["formats"] == {"JPEG": 9, "PNG": 2}


def test_what_has_been_left_out_is_no_near_leak() -> None:
    """7 looks like the test image 3 and is a copy of the test image 4, so it is not trained on."""
    facts = make_facts([("cat", TRAIN)])
    add(facts, 3, "cat", TEST)
    add(facts, 4, "cat", TEST, look=far_look(3) ^ 1)
    add(facts, 7, "cat", TRAIN, pixels=4, look=far_look(3) ^ 1)
    assert verdict(facts).metrics["nearly_leaked"] == 0
    assert verdict(facts, leaked="keep").metrics["nearly_leaked"] == 1


@pytest.mark.parametrize(
    ("key", "limit", "message"),
    [
        ("max_unreadable_fraction", 0.2, "0.214286 is more than 0.2 (image files that cannot be stored: 3)"),
        ("max_leaked_fraction", 0.3, "0.333333 is more than 0.3 (test images that are also to train on: 1)"),
        ("max_near_leaked_fraction", 0.1, "0.333333 is more than 0.1 (test images nearly the same as one "),
        (
            "max_withheld_fraction",
            0.9,
            "1 is more than 0.9 (unlabelled images left out as nearly the same as a test image: 2)",
        ),
        ("max_class_ratio", 2.5, "3 is more than 2.5 (dog has 3 images to train on, cat 1)"),
    ],
)
def test_each_limit_stops_the_run_by_a_line_that_names_it(facts: Facts, key: str, limit: float, message: str) -> None:
    if key == "max_near_leaked_fraction":
        add(facts, 11, "cat", TRAIN, look=far_look(4) ^ 1)  # nearly 4, which is tested on
    [objection] = verdict(facts, **{key: limit}).objections
    assert objection.startswith(f"data.checks.{key}: {message}")
    assert "\n" not in objection


def test_as_much_as_is_allowed_does_not_stop_the_run() -> None:
    facts = make_facts([("cat", TRAIN)] * 3 + [("dog", TRAIN)])
    reject(facts, "a.jpg")
    assert verdict(facts, max_unreadable_fraction=0.2, max_class_ratio=3.0).objections == []


def test_one_of_millions_is_more_than_none() -> None:
    assert checks.compute_fraction(1, 3_000_000) > 0
    assert checks.compute_fraction(1, 3) == 0.333333
    assert checks.compute_fraction(0, 0) == 0


@pytest.mark.parametrize(
    ("splits", "expected"),
    [
        ([(None, UNLABELLED)] * 3, {"images": 3, "classes": 0, "unlabelled": 3, "test": 0, "by_class": []}),
        ([("cat", TEST)] * 2, {"images": 2, "classes_without_train": 1, "classes_without_test": 0}),
        ([(None, TEST)], {"test": 1, "classes": 0, "leaked_fraction": 0.0}),
        ([("cat", TRAIN)], {"train": 1, "classes_without_test": 1}),
    ],
)
def test_stores_without_a_split_or_without_labels(
    splits: list[tuple[str | None, str]], expected: dict[str, object]
) -> None:
    judged = verdict(make_facts(splits), max_class_ratio=1.0, max_leaked_fraction=0.0, max_near_leaked_fraction=0.0)
    assert {key: judged.metrics[key] for key in expected} == expected
    assert judged.metrics["class_ratio"] == 1.0
    assert judged.objections == []


def test_every_image_to_train_on_may_turn_out_to_be_a_test_image() -> None:
    facts = make_facts([("cat", TEST), ("dog", TEST)])
    for number in (0, 1):
        add(facts, 10 + number, "cat", TRAIN, pixels=number, look=far_look(number))
    metrics = verdict(facts).metrics
    assert (metrics["images"], metrics["train"], metrics["dropped"], metrics["leaked_fraction"]) == (2, 0, 2, 1.0)
    assert metrics["sizes"]["width"]["median"] == 32
    assert metrics["repeated_with_other_labels"] == 1


def test_channels_are_those_of_the_images_to_train_on_each_with_the_same_weight() -> None:
    """Mean and deviation, by hand, of an image that is (0, 0.2, 1) all over and of a half black, half white image."""
    facts = Facts()
    add(facts, 0, "cat", TRAIN, means=(0.0, 0.2, 1.0), squares=(0.0, 0.04, 1.0), width=1000)
    add(facts, 1, None, UNLABELLED, means=(0.5, 0.5, 0.5), squares=(0.5, 0.5, 0.5), gray=True)
    add(facts, 2, "cat", TEST, means=(0.9, 0.9, 0.9), squares=(0.9, 0.9, 0.9))
    channels = verdict(facts).metrics["channels"]
    assert channels["mean"] == [0.25, 0.35, 0.75]
    assert channels["std"] == [round(value**0.5, 4) for value in (0.25 - 0.25**2, 0.27 - 0.35**2, 0.75 - 0.75**2)]


@pytest.mark.parametrize(("grays", "channels"), [([True, True], 1), ([True, False], 3), ([False, False], 3)])
def test_only_gray_images_have_one_channel(grays: list[bool], channels: int) -> None:
    facts = Facts()
    for number, gray in enumerate(grays):
        add(facts, number, "cat", gray=gray)
    add(facts, 9, "cat", TEST, gray=False)
    assert [len(values) for values in verdict(facts).metrics["channels"].values()] == [channels] * 2
