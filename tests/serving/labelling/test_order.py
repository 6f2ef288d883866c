"""Which image comes next: who labels gets the most useful ones, never one twice, and always something."""

from pathlib import Path

import numpy as np
import pytest

from serving.labelling.order import Order
from serving.labelling.pool import Pool


def make_pool(labels: list[int], splits: list[str]) -> Pool:
    ids = np.array([f"photos/{number}" for number in range(len(labels))])
    return Pool("v1", ids, np.array(splits), np.array(labels), ("cat", "owl"), np.zeros((len(ids), 2), np.float32))


POOL = make_pool([-1, -1, 0, 1, -1], ["unlabelled", "unlabelled", "train", "test", "unlabelled"])


def write_list(path: Path, *numbers: int) -> None:
    path.parent.mkdir(exist_ok=True)
    rows = [f"{rank},photos/{number},,0.5" for rank, number in enumerate(numbers)]
    path.write_text("\n".join(["rank,id,path,score", *rows, ""]))


@pytest.fixture
def order(tmp_path: Path) -> Order:
    return Order(tmp_path / "labelling", tmp_path / "suspects")


def test_the_first_strategy_leads_and_what_was_labelled_since_is_left_out(order: Order, tmp_path: Path) -> None:
    write_list(tmp_path / "labelling" / "random.csv", 0, 1, 4)
    write_list(tmp_path / "labelling" / "typiclust.csv", 4, 1, 99)
    found = order.choose(POOL, {"photos/4": "cat"}, 20, ("typiclust", "random"))
    assert (found.rows[:2], found.note) == (
        [1, 0],
        "In the order of the strategy “typiclust”, which the stage select wrote.",
    )
    assert order.choose(POOL, {}, 2, ("random", "typiclust")).rows == [0, 1]
    assert order.choose(POOL, {}, 0, ("random", "typiclust")).rows == []


def test_a_list_that_a_new_run_has_written_is_read_again(order: Order, tmp_path: Path) -> None:
    write_list(tmp_path / "labelling" / "random.csv", 0)
    assert order.choose(POOL, {}, 1, ()).rows == [0]
    write_list(tmp_path / "labelling" / "random.csv", 4, 1)
    assert order.choose(POOL, {}, 1, ()).rows == [4]


def test_without_a_list_the_images_without_a_label_come_as_they_stand_and_then_the_others(order: Order) -> None:
    """A test image is never offered by itself: its label is what judges."""
    found = order.choose(POOL, {"photos/0": "cat"}, 20, ())
    assert (found.rows, "without a label" in found.note) == ([1, 4, 2], True)


def test_where_all_have_a_label_the_suspects_come_first_and_the_page_says_so(order: Order, tmp_path: Path) -> None:
    pool = make_pool([0, 1, 0, 1], ["train", "train", "train", "test"])
    write_list(tmp_path / "labelling" / "margin.csv")
    write_list(tmp_path / "suspects" / "byol.csv", 3, 1)
    found = order.choose(pool, {}, 20, ("margin",))
    assert (found.rows, "may be wrong" in found.note) == ([3, 1, 0, 2], True)
    every = {str(name): "cat" for name in pool.ids}
    assert order.choose(pool, every, 20, ()).note == "Every image has been labelled here."


def test_a_list_that_is_no_list_is_passed_over(order: Order, tmp_path: Path) -> None:
    (tmp_path / "labelling").mkdir()
    (tmp_path / "labelling" / "broken.csv").write_bytes(b"id\n\xff\xfe\n")
    (tmp_path / "labelling" / "other.csv").write_text("name\nphotos/1\n")
    assert order.choose(POOL, {}, 1, ()).rows == [0]
