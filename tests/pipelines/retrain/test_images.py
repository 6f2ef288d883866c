"""Tests comparing two stores: every image that differs counts once, however it differs, and no other image counts."""

from pathlib import Path

import pytest

from components.store import store as stores
from components.store.store import TEST, TRAIN, UNLABELLED, Row, Store, write_store
from pipelines.retrain import images

BEFORE = [
    Row("photos/1", b"one", "1.png", 0, TRAIN),
    Row("photos/2", b"two", "2.png", 1, TEST),
    Row("photos/3", b"three", "3.png", None, UNLABELLED),
]


@pytest.fixture(autouse=True)
def _several_groups_and_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "GROUP_ROWS", 2)
    monkeypatch.setattr(stores, "SHARD_BYTES", 1)


def make_store(folder: Path, rows: list[Row], names: tuple[str, ...] = ("bee", "cow")) -> Path:
    """Write a store and return its folder."""
    write_store(folder, rows, list(names))
    return folder


def test_the_order_of_the_images_and_the_numbers_of_the_classes_are_no_change(tmp_path: Path) -> None:
    before = make_store(tmp_path / "before", BEFORE)
    renumbered = [Row(row.id, row.image, row.path, row.label and 2, row.split) for row in reversed(BEFORE)]
    now = make_store(tmp_path / "now", renumbered, ("bee", "bull", "cow"))
    assert images.compare_stores(before, now).count == 0
    assert str(images.compare_stores(before, now)) == "no new images"


@pytest.mark.parametrize(
    "row",
    [
        Row("photos/2", b"another", "2.png", 1, TEST),
        Row("photos/2", b"two", "2.png", 0, TEST),
        Row("photos/2", b"two", "2.png", None, TEST),
        Row("photos/2", b"two", "2.png", 1, TRAIN),
    ],
    ids=["content", "class", "no class", "split"],
)
def test_an_image_is_changed_by_its_content_its_class_and_its_split(tmp_path: Path, row: Row) -> None:
    before = make_store(tmp_path / "before", BEFORE)
    now = make_store(tmp_path / "now", [BEFORE[0], row, BEFORE[2]])
    assert images.compare_stores(before, now) == images.ImageChanges(frozenset(), gone=0, changed=1)


def test_new_and_gone_images_count_as_well(tmp_path: Path) -> None:
    before = make_store(tmp_path / "before", BEFORE)
    new = [Row(f"photos/{number}", b"new", "n.png", 0, TRAIN) for number in range(4, 9)]
    changes = images.compare_stores(before, make_store(tmp_path / "now", [*BEFORE[1:], *new]))
    assert (len(changes.new), changes.gone, changes.changed, changes.count) == (5, 1, 0, 6)
    assert str(changes) == "5 new, 1 gone images"
    assert str(images.compare_stores(before, make_store(tmp_path / "one less", BEFORE[:2]))) == "1 gone image"


def test_a_file_moved_to_another_classs_folder_is_a_changed_image_and_no_new_one(tmp_path: Path) -> None:
    before = make_store(tmp_path / "before", [*BEFORE, Row("photos/copy of 1", b"one", "c.png", 0, TRAIN)])
    moved = Row("photos/cow/1", b"one", "1.png", 1, TRAIN)
    changes = images.compare_stores(before, make_store(tmp_path / "now", [moved, *BEFORE[1:]]))
    assert changes == images.ImageChanges(frozenset(), gone=1, changed=1)


def test_an_image_is_relabelled_whatever_it_is_called_and_whatever_number_its_class_has(tmp_path: Path) -> None:
    before = make_store(tmp_path / "before", BEFORE)
    ids = ["photos/1", "photos/2"]
    renumbered = [BEFORE[0], Row("photos/2", b"two", "2.png", 2, TEST)]
    assert (
        images.measure_relabelled(before, make_store(tmp_path / "more", renumbered, ("bee", "bull", "cow")), ids, ())
        == 0
    )
    moved = [BEFORE[0], Row("photos/bee/2", b"two", "2.png", 0, TEST)]
    assert images.measure_relabelled(before, make_store(tmp_path / "moved", moved), ids, ()) == 0.5
    copied = [*BEFORE, Row("photos/bee/2", b"two", "2.png", 0, TEST)]
    assert images.measure_relabelled(before, make_store(tmp_path / "copied", copied), ids, ()) == 0
    assert images.measure_relabelled(before, make_store(tmp_path / "others", [BEFORE[2]]), ids, ()) is None


def test_a_test_image_that_a_person_relabelled_keeps_nobody_out(tmp_path: Path) -> None:
    """A source whose labels slipped is refused; a person who corrects one, or takes a correction back, is believed."""
    ids, before = ["photos/1", "photos/2"], make_store(tmp_path / "before", BEFORE)
    now = make_store(tmp_path / "now", [BEFORE[0], Row("photos/2", b"two", "2.png", 0, TEST)])
    assert images.measure_relabelled(before, now, ids, {"photos/2"}) == 0
    assert images.measure_relabelled(before, now, ids, {"photos/1"}) == 0.5


def test_the_chosen_images_are_a_store_that_stages_can_read(tmp_path: Path) -> None:
    before = make_store(tmp_path / "before", BEFORE)
    images.write_selection(before, {"photos/3", "photos/1"}, tmp_path / "deep" / "chosen")
    chosen = Store(tmp_path / "deep" / "chosen")
    assert chosen.class_names == ["bee", "cow"]
    assert chosen.read_columns(["id"])["id"].to_pylist() == ["photos/1", "photos/3"]
    groups = chosen.find_groups((TRAIN, TEST, UNLABELLED))
    assert [image for group in chosen.read_groups(groups) for image in group] == [b"one", b"three"]
