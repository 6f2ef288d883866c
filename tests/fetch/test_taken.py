"""Labels that people gave hold over those of the sources, from the file to the store, and move no image to the test."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from components.fetch import __main__ as fetch
from components.fetch.given import GivenLabels
from components.stage.errors import InputError
from components.store.store import TEST, TRAIN, UNLABELLED
from tests.fetch.fetched import Fetched, folder_source, inspect_in_this_process, photo, save, section


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "inspect_all", inspect_in_this_process)


def make_sources(folder: Path) -> list[dict[str, Any]]:
    """Two classes with 2 images each to train on and to test on, and a pool of 4 images without labels."""
    for number in range(8):
        split, class_name = ("train" if number < 4 else "test"), ("cat" if number % 2 else "dog")
        save(photo(number), folder / f"known/{split}/{class_name}/{number}.png")
    for number in range(8, 12):
        save(photo(number), folder / f"pool/{number}.png")
    return [folder_source(folder / "known", "splits", "known"), folder_source(folder / "pool", "flat", "pool")]


@pytest.fixture
def sources(tmp_path: Path) -> list[dict[str, Any]]:
    return make_sources(tmp_path)


@pytest.fixture
def fetched(tmp_path: Path) -> Fetched:
    return Fetched(tmp_path / "out")


@pytest.fixture
def labels(fetched: Fetched) -> GivenLabels:
    return GivenLabels(fetched.folder / "labels")


def test_labels_go_from_the_file_into_the_store_and_back(
    fetched: Fetched, labels: GivenLabels, sources: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    before = fetched.run(section(sources))
    shards, splits, classes = [path.read_bytes() for path in before.store.shards], before.splits, before.classes
    capsys.readouterr()
    labels.give("pool/8.png", "cat", "Ann")
    labels.give("pool/9.png", "owl", "Ann")
    labels.give("known/train/dog/0.png", "cat", "Bo")
    labels.give("known/test/dog/4.png", "cat", "Bo")
    labels.give("known/test/cat/5.png", "cat", "Bo")
    labels.give("gone/1.png", "ape", "Bo")
    after = fetched.run(section(sources))
    moved = {"pool/8.png": TRAIN, "pool/9.png": TRAIN}
    given = {"pool/8.png": "cat", "pool/9.png": "owl", "known/train/dog/0.png": "cat", "known/test/dog/4.png": "cat"}
    assert after.splits == splits | moved, "every other image stays where it was, those for testing above all"
    assert after.classes == classes | given
    assert after.store.class_names == ["cat", "dog", "owl"], "a class that people add changes no number"
    counts = {key: value for key, value in after.metrics.items() if key.startswith("given")}
    assert counts == {
        "given": 5,
        "given_differing": 2,
        "given_new": 2,
        "given_test": 2,
        "given_left_out": 0,
        "given_unknown": 1,
    }
    printed = capsys.readouterr().out
    assert f"{labels.file}: labels of images that are not there: 1, as gone/1.png, which no source has\n" in printed
    assert "labels that people gave: 5; of them unlike the source's: 2" in printed
    rows = {row["id"]: row for row in after.read_findings("given")}
    assert rows["known/test/dog/4.png"] | {"when": ""} == {
        "id": "known/test/dog/4.png",
        "label": "cat",
        "who": "Bo",
        "when": "",
        "source_label": "dog",
        "split": TEST,
        "stored": "True",
    }
    for image in rows:
        labels.undo(image)
    again = fetched.run(section(sources))
    assert [path.read_bytes() for path in again.store.shards] == shards, "as if nobody had said anything"


@pytest.mark.parametrize(("written", "label"), [("7.0", "7"), ("7", "7"), ("7.5", "7.5"), ("cat.0", "cat.0")])
def test_a_whole_number_that_a_spreadsheet_wrote_with_a_fraction_is_the_class_of_the_source(
    fetched: Fetched, labels: GivenLabels, tmp_path: Path, written: str, label: str
) -> None:
    sources = make_sources(tmp_path)
    (tmp_path / "known/train/dog").rename(tmp_path / "known/train/7")
    labels.give("pool/8.png", written, "Ann")
    assert fetched.run(section(sources)).classes["pool/8.png"] == label


def test_new_classes_keep_their_numbers_while_more_come(
    fetched: Fetched, labels: GivenLabels, sources: list[dict[str, Any]]
) -> None:
    for image, label in (("pool/8.png", "owl"), ("pool/9.png", "ape"), ("known/train/dog/0.png", "owl")):
        labels.give(image, label, "Ann")
    assert fetched.run(section(sources)).store.class_names == ["cat", "dog", "owl", "ape"]
    labels.give("pool/10.png", "bee", "Ann")
    for number in (2, 4, 6):
        labels.give(f"known/{'test' if number > 3 else 'train'}/dog/{number}.png", "hound", "Ann")
    store = fetched.run(section(sources)).store
    assert store.class_names == ["cat", "owl", "ape", "bee", "hound"], "dog, which no image is called any more, is gone"


def test_a_class_of_which_people_have_labelled_one_image_stops_no_run(
    fetched: Fetched, labels: GivenLabels, sources: list[dict[str, Any]]
) -> None:
    labels.give("pool/8.png", "owl", "Ann")
    fetched.run(section(sources, checks__max_class_ratio=1.5))
    assert fetched.metrics["class_ratio"] == 2.0
    labels.give("known/train/dog/0.png", "cat", "Ann")
    with pytest.raises(InputError, match=r"max_class_ratio: 3 is more than 1.5 \(cat has 3 images to train on, dog 1"):
        fetched.run(section(sources, checks__max_class_ratio=1.5))


@pytest.mark.parametrize("near", [False, True], ids=["same", "nearly the same"])
@pytest.mark.parametrize("leaked", ["drop", "keep"])
def test_a_label_brings_no_copy_of_a_test_image_into_training(
    fetched: Fetched, labels: GivenLabels, tmp_path: Path, near: bool, leaked: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nor does it count as a leak of the sources, which would stop the run. Who keeps leaks keeps this one, too."""
    sources = make_sources(tmp_path)
    save(photo(4).resize((48, 36)) if near else photo(4), tmp_path / "pool/copy.png")
    params = section(sources, checks__leaked=leaked)
    if leaked == "keep":
        params = section(
            sources, checks__leaked=leaked, checks__max_leaked_fraction=1.0, checks__max_near_leaked_fraction=1.0
        )
    before = fetched.run(params).metrics
    labels.give("pool/copy.png", "dog", "Ann")
    labels.give("pool/8.png", "dog", "Ann")
    fetched.run(params)
    counts = ("leaked", "nearly_leaked", "withheld", "withheld_fraction", "merged", "dropped", "images")
    assert {key: fetched.metrics[key] for key in counts} == {key: before[key] for key in counts}
    if leaked == "keep":
        assert fetched.splits["pool/copy.png"] == TRAIN
        return
    assert "pool/copy.png" not in fetched.splits
    assert fetched.metrics["given_left_out"] == 1
    assert "labels of images that are left out: 1, as pool/copy.png, since they equal" in capsys.readouterr().out


def test_an_unlabelled_copy_of_an_image_that_a_person_labelled_is_one_image(
    fetched: Fetched, labels: GivenLabels, tmp_path: Path
) -> None:
    sources = make_sources(tmp_path)
    save(photo(8), tmp_path / "pool/copy of 8.png")
    labels.give("pool/8.png", "dog", "Ann")
    fetched.run(section(sources))
    assert Counter(fetched.splits.values()) == {TRAIN: 5, TEST: 4, UNLABELLED: 3}
    assert fetched.metrics["merged"] == 1


def test_an_image_of_the_test_without_a_label_stays_there(
    fetched: Fetched, labels: GivenLabels, sources: list[dict[str, Any]], tmp_path: Path
) -> None:
    save(photo(20), tmp_path / "known/test/20.png")
    labels.give(" known/test/20.png ", "dog", "Ann")
    fetched.run(section(sources))
    assert (fetched.splits["known/test/20.png"], fetched.classes["known/test/20.png"]) == (TEST, "dog")


def test_a_file_that_cannot_be_understood_is_refused_before_any_work(
    fetched: Fetched, labels: GivenLabels, sources: list[dict[str, Any]]
) -> None:
    fetched.run(section(sources))
    before = [path.stat().st_mtime_ns for path in fetched.store.shards]
    labels.file.parent.mkdir()
    labels.file.write_text("image;class\npool/8.png;cat\n")
    with pytest.raises(InputError, match="no column 'id'"):
        fetched.run(section(sources))
    assert [path.stat().st_mtime_ns for path in fetched.store.shards] == before


def test_a_label_given_too_late_is_said(
    fetched: Fetched,
    labels: GivenLabels,
    sources: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """DVC hashes the file after the stage has run, so that the next `dvc repro` would find nothing new."""
    write = fetch.write_labelled

    def give_late(*arguments: Any, **others: Any) -> None:
        write(*arguments, **others)
        labels.give("pool/9.png", "dog", "Ann")

    monkeypatch.setattr(fetch, "write_labelled", give_late)
    labels.give("pool/8.png", "cat", "Ann")
    fetched.run(section(sources))
    assert fetched.splits["pool/9.png"] == UNLABELLED
    assert (
        f"warning: {labels.file}: has changed in the last seconds; `dvc repro --force fetch`" in capsys.readouterr().out
    )
    monkeypatch.setattr(fetch, "write_labelled", write)
    fetched.run(section(sources))
    assert "in the last seconds" not in capsys.readouterr().out


def test_a_row_that_was_cut_off_and_another_table_are_said(
    fetched: Fetched, labels: GivenLabels, sources: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    labels.give("pool/8.png", "cat", "Ann")
    with labels.file.open("a") as file:
        file.write("pool/9.png,do")
    (labels.file.parent / "mine.csv").touch()
    fetched.run(section(sources))
    printed = capsys.readouterr().out
    assert f"{labels.file}: line 3: 'pool/9.png,do' was cut off before it was given, and is left out\n" in printed
    assert f"warning: {labels.file.parent}/mine.csv: not read; given labels stand in given.csv beside it\n" in printed
    assert fetched.splits["pool/9.png"] == UNLABELLED
