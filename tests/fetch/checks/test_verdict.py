"""Every number of metrics/data.json, counted by hand."""

import json

import numpy as np
import pytest

from components.fetch.checks import verdict as checks
from components.fetch.checks.facts import Facts
from components.store.store import TEST, TRAIN, UNLABELLED
from tests.fetch.judged import add, facts_of, far_look, reject, verdict


@pytest.fixture
def facts() -> Facts:
    """Eleven images of two sources, and four files that are none."""
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
    """0 and 1 are left out, since 2 has their pixels: 9 are kept."""
    judged = verdict(facts)
    found = judged.metrics
    assert np.flatnonzero(~judged.kept).tolist() == [0, 1]
    assert (found["images"], found["classes"], found["bytes"]) == (9, 3, 8 * 10 + 90)
    assert (found["train"], found["test"], found["unlabelled"]) == (4, 3, 2)
    assert found["sources"] == {"s": 7, "u": 2}
    assert found["by_class"] == [
        {"class": "cat", TRAIN: 1, TEST: 2, UNLABELLED: 0},
        {"class": "dog", TRAIN: 3, TEST: 0, UNLABELLED: 0},
        {"class": "owl", TRAIN: 0, TEST: 1, UNLABELLED: 0},
    ]
    assert (found["class_ratio"], found["classes_without_train"], found["classes_without_test"]) == (3.0, 1, 1)
    assert found["formats"] == {"JPEG": 7, "PNG": 2}
    assert found["sizes"] == {
        "width": {"min": 32, "median": 32, "max": 100},
        "height": {"min": 7, "median": 24, "max": 24},
    }
    assert (found["rejected"], found["unreadable"], found["no_images"]) == (4, 3, 1)
    assert found["unreadable_fraction"] == round(3 / 14, 6), "of the files that should be images"
    assert found["repeated"] == 3, "1, 2 and 6 have been there before"
    assert found["repeated_with_other_labels"] == 1, "dog and cat on the same pixels"
    assert found["nearly_repeated"] == 5, "3 with 5 and 6, 8 with 9"
    assert (found["leaked"], found["leaked_fraction"], found["dropped"]) == (1, 0.333333, 2)
    assert (found["nearly_leaked"], found["nearly_leaked_fraction"]) == (1, 0.333333)
    assert found["odd"] == 2
    assert found["rejected_files"][0] == {"path": "s/a.jpg", "reason": "why a.jpg"}
    assert [one["path"] for one in found["rejected_files"]] == ["s/a.jpg", "s/b.png", "s/notes.txt", "s/c.gif"]
    assert found["leaked_images"] == ["s/2.jpg"]
    assert judged.objections == []
    assert json.loads(json.dumps(found)) == found


def test_leaked_images_may_be_kept_and_are_counted_all_the_same(facts: Facts) -> None:
    judged = verdict(facts, leaked="keep")
    assert judged.kept.all()
    assert (judged.metrics["images"], judged.metrics["leaked"], judged.metrics["dropped"]) == (11, 1, 0)
    assert judged.metrics["formats"] == {"JPEG": 9, "PNG": 2}


def test_what_has_been_left_out_is_no_near_leak() -> None:
    """7 looks like the test image 3, and is a copy of the test image 4: it is not trained on."""
    facts = facts_of([("cat", TRAIN)])
    add(facts, 3, "cat", TEST)
    add(facts, 4, "cat", TEST, look=far_look(3) ^ 1)
    add(facts, 7, "cat", TRAIN, pixels=4, look=far_look(3) ^ 1)
    assert verdict(facts).metrics["nearly_leaked"] == 0
    assert verdict(facts, leaked="keep").metrics["nearly_leaked"] == 1


@pytest.mark.parametrize(
    ("key", "limit", "said"),
    [
        ("max_unreadable_fraction", 0.2, "0.214286 is more than 0.2 (image files that cannot be stored: 3)"),
        ("max_leaked_fraction", 0.3, "0.333333 is more than 0.3 (test images that are also to train on: 1)"),
        ("max_near_leaked_fraction", 0.1, "0.333333 is more than 0.1 (test images nearly the same as one "),
        ("max_class_ratio", 2.5, "3 is more than 2.5 (dog has 3 images to train on, cat 1)"),
    ],
)
def test_each_limit_stops_the_run_by_a_line_that_names_it(facts: Facts, key: str, limit: float, said: str) -> None:
    [objection] = verdict(facts, **{key: limit}).objections
    assert objection.startswith(f"data.checks.{key}: {said}")
    assert "\n" not in objection


def test_as_much_as_is_allowed_does_not_stop_the_run() -> None:
    facts = facts_of([("cat", TRAIN)] * 3 + [("dog", TRAIN)])
    reject(facts, "a.jpg")
    assert verdict(facts, max_unreadable_fraction=0.2, max_class_ratio=3.0).objections == []


def test_one_of_millions_is_more_than_none() -> None:
    assert checks.fraction(1, 3_000_000) > 0
    assert checks.fraction(1, 3) == 0.333333
    assert checks.fraction(0, 0) == 0


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
    found = verdict(facts_of(splits), max_class_ratio=1.0, max_leaked_fraction=0.0, max_near_leaked_fraction=0.0)
    assert {key: found.metrics[key] for key in expected} == expected
    assert found.metrics["class_ratio"] == 1.0
    assert found.objections == []


def test_every_image_to_train_on_may_turn_out_to_be_a_test_image() -> None:
    facts = facts_of([("cat", TEST), ("dog", TEST)])
    for number in (0, 1):
        add(facts, 10 + number, "cat", TRAIN, pixels=number, look=far_look(number))
    found = verdict(facts).metrics
    assert (found["images"], found["train"], found["dropped"], found["leaked_fraction"]) == (2, 0, 2, 1.0)
    assert found["sizes"]["width"]["median"] == 32
    assert found["repeated_with_other_labels"] == 1


def test_channels_are_those_of_the_images_to_train_on_each_with_the_same_weight() -> None:
    """Mean and deviation of all pixels of (0, 0.2, 1) all over and of a half black, half white one: by hand."""
    facts = Facts()
    add(facts, 0, "cat", TRAIN, means=(0.0, 0.2, 1.0), squares=(0.0, 0.04, 1.0), width=1000)
    add(facts, 1, None, UNLABELLED, means=(0.5, 0.5, 0.5), squares=(0.5, 0.5, 0.5), gray=True)
    add(facts, 2, "cat", TEST, means=(0.9, 0.9, 0.9), squares=(0.9, 0.9, 0.9))
    found = verdict(facts).metrics["channels"]
    assert found["mean"] == [0.25, 0.35, 0.75]
    assert found["std"] == [round(value**0.5, 4) for value in (0.25 - 0.25**2, 0.27 - 0.35**2, 0.75 - 0.75**2)]


@pytest.mark.parametrize(("grays", "channels"), [([True, True], 1), ([True, False], 3), ([False, False], 3)])
def test_only_gray_images_have_one_channel(grays: list[bool], channels: int) -> None:
    facts = Facts()
    for number, gray in enumerate(grays):
        add(facts, number, "cat", gray=gray)
    add(facts, 9, "cat", TEST, gray=False)
    assert [len(values) for values in verdict(facts).metrics["channels"].values()] == [channels] * 2
