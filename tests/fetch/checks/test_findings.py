"""The findings name everything that was found, in files that a spreadsheet opens."""

import csv
from pathlib import Path

import pytest

from components.fetch.checks.facts import Facts
from components.fetch.checks.findings import write_findings
from components.store.store import TEST, TRAIN
from tests.fetch.fetched import read_csv
from tests.fetch.judged import add, far_look, reject, verdict

Rows = list[tuple[str, ...]]


def write_and_read(facts: Facts, folder: Path, leaked: str = "drop") -> dict[str, Rows]:
    write_findings(folder, facts, verdict(facts, leaked=leaked))
    return {path.stem: [tuple(row.values()) for row in read_csv(path)] for path in folder.iterdir()}


def test_where_nothing_was_found_there_are_only_headers(tmp_path: Path) -> None:
    write_and_read(add(Facts(), 1, "cat"), tmp_path / "new/findings")
    headers = {path.name: path.read_text().splitlines() for path in (tmp_path / "new/findings").iterdir()}
    assert headers == {
        "rejected.csv": ["path,reason,should_be_image"],
        "odd.csv": ["id,reason"],
        "deep.csv": ["id,channels,bits,highest"],
        "leaked.csv": ["test_id,train_id,bits"],
        "withheld.csv": ["id,test_id,bits"],
        "repeated.csv": ["id,split,kept,same_as,its_split,it_is_kept"],
        "nearly_repeated.csv": ["id,split,nearly,its_split,bits"],
    }


def test_an_older_run_leaves_nothing_in_them(tmp_path: Path) -> None:
    assert len(write_and_read(reject(add(Facts(), 1, "cat"), "a.jpg"), tmp_path)["rejected"]) == 1
    assert write_and_read(add(Facts(), 1, "cat"), tmp_path)["rejected"] == []


def test_what_was_rejected_and_what_is_odd(tmp_path: Path) -> None:
    facts = add(Facts(), 1, "cat", flat=True)
    reject(facts, "a.jpg", "empty: no byte in it")
    reject(facts, "notes.txt", "no image of a format that is read", image=False)
    findings = write_and_read(facts, tmp_path)
    assert findings["rejected"] == [
        ("s/a.jpg", "empty: no byte in it", "True"),
        ("s/notes.txt", "no image of a format that is read", "False"),
    ]
    assert findings["odd"] == [("s/1.jpg", "one colour all over")]


@pytest.mark.parametrize(
    "name", ["a\nb.jpg", "a\r\nb.jpg", 'say "a", b.jpg', r"\xff\\.jpg", "Größe,日本.jpg", "=1+1.jpg", " a "]
)
def test_any_name_comes_back_as_it_was(name: str, tmp_path: Path) -> None:
    facts = reject(add(Facts(), 1, "cat"), name, f"broken: {name}")
    assert write_and_read(facts, tmp_path)["rejected"] == [(f"s/{name}", f"broken: {name}", "True")]


@pytest.mark.parametrize("leaked", ["drop", "keep"])
def test_copies_are_named_with_the_first_one_and_with_what_became_of_both(leaked: str, tmp_path: Path) -> None:
    """0 is there three times, twice to train on and once to test on; 9 is there twice to train on."""
    facts = Facts()
    for number, split in ((0, TRAIN), (1, TRAIN), (2, TEST)):
        add(facts, number, "cat", split, pixels=0, look=0)
    add(facts, 9, "cat")
    add(facts, 10, "cat", pixels=9, look=far_look(9))
    kept = str(leaked == "keep")
    findings = write_and_read(facts, tmp_path, leaked)
    assert findings["repeated"] == [
        ("s/1.jpg", TRAIN, kept, "s/0.jpg", TRAIN, kept),
        ("s/2.jpg", TEST, "True", "s/0.jpg", TRAIN, kept),
        ("s/10.jpg", TRAIN, "True", "s/9.jpg", TRAIN, "True"),
    ]
    assert findings["nearly_repeated"] == [], "the same is not nearly the same"


@pytest.mark.parametrize("leaked", ["drop", "keep"])
def test_every_test_image_that_leaks_stands_beside_the_one_it_leaks_from(leaked: str, tmp_path: Path) -> None:
    """0 is the same as 1; 2 has the look of 3; 4 is near 5; 6 is near a test image only; 7 is alone."""
    facts = Facts()
    add(facts, 0, "cat", TEST, pixels=100, look=far_look(100))
    add(facts, 1, "cat", pixels=100, look=far_look(100))
    add(facts, 2, "cat", TEST, look=far_look(200))
    add(facts, 3, "cat", look=far_look(200))
    add(facts, 4, "cat", TEST, look=far_look(300))
    add(facts, 5, "cat", look=far_look(300) ^ 0b101)
    add(facts, 6, "cat", TEST, look=far_look(400))
    add(facts, 7, "cat", TEST, look=far_look(400) ^ 1)
    add(facts, 8, "cat")
    findings = write_and_read(facts, tmp_path, leaked)
    assert findings["leaked"] == [
        ("s/0.jpg", "s/1.jpg", "0"),
        ("s/2.jpg", "s/3.jpg", "0"),
        ("s/4.jpg", "s/5.jpg", "2"),
    ]


def test_near_copies_are_named_in_pairs_with_the_bits_between_them(tmp_path: Path) -> None:
    facts = Facts()
    add(facts, 5, "cat", TEST)
    add(facts, 1, "cat", look=far_look(5))  # the same look, other pixels
    add(facts, 2, "cat", look=far_look(5))
    add(facts, 3, "cat", look=far_look(5) ^ 0b11 << 62)
    add(facts, 4, "cat", look=far_look(5) ^ 0b111 << 61)
    add(facts, 6, "cat", look=far_look(77))
    findings = write_and_read(facts, tmp_path)
    assert set(findings["nearly_repeated"]) == {
        ("s/5.jpg", TEST, "s/1.jpg", TRAIN, "0"),
        ("s/5.jpg", TEST, "s/2.jpg", TRAIN, "0"),
        ("s/5.jpg", TEST, "s/3.jpg", TRAIN, "2"),
        ("s/5.jpg", TEST, "s/4.jpg", TRAIN, "3"),
        ("s/1.jpg", TRAIN, "s/2.jpg", TRAIN, "0"),
        *((f"s/{number}.jpg", TRAIN, "s/3.jpg", TRAIN, "2") for number in (1, 2)),
        *((f"s/{number}.jpg", TRAIN, "s/4.jpg", TRAIN, "3") for number in (1, 2)),
        ("s/3.jpg", TRAIN, "s/4.jpg", TRAIN, "1"),
    }
    assert len(findings["nearly_repeated"]) == 10


def test_a_file_of_findings_is_read_by_any_reader_of_csv(tmp_path: Path) -> None:
    write_and_read(reject(add(Facts(), 1, "cat"), "a,b\n.jpg"), tmp_path)
    with (tmp_path / "rejected.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file, strict=True))
    assert rows == [["path", "reason", "should_be_image"], ["s/a,b\n.jpg", "broken", "True"]]
