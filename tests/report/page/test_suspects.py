"""The gallery of suspects shows what the stage labels found, says where there is nothing, and goes with the stage."""

import re
from pathlib import Path
from typing import Any

import pytest

from components.report.page.suspects import read_suspects
from components.report.stale import remove_stale_suspects
from components.stage.errors import InputError
from tests.report.page import pages
from tests.report.page.test_pages import extract_text, list_links

NAMES = ["ant", "bee<b>"]
LABEL = {"kind": "label", "id": "2.png", "split": "train", "label": "ant", "suggested": "bee<b>", "score": "0.012"}
LABEL |= {"probability": "0.9761"}
OUTLIER = {"kind": "outlier", "id": "3.png", "split": "test", "label": "ant", "score": "0.312345", "other": "4.png"}
PAIR = {"kind": "near_duplicate", "id": "4.png", "split": "train", "label": "ant", "score": "0.999812"}
PAIR |= {"other": "9.png", "other_split": "test", "other_label": "bee<b>", "leak": "yes", "by_hash": "no"}
LABELS: dict[str, Any] = {"suspects": 1, "judged": 16, "not_judged": 0, "accuracy": 0.9}
FOUND: dict[str, Any] = {"outliers": 1, "near_duplicates": 1, "found_by_hash": 0, "leaks": 1}
NOTHING = {"suspects": 0, "outliers": 0, "near_duplicates": 0, "leaks": 0}


def write(root: Path) -> pages.Folder:
    return pages.write_labelled(root, names=NAMES)


def read_section(page: str) -> str:
    found = re.search(r'<section id="suspects">.*?</section>', page, re.DOTALL)
    return found[0] if found else ""


def test_each_kind_is_shown_with_picture_labels_and_numbers(tmp_path: Path) -> None:
    folder = write(tmp_path)
    folder.write_suspects("byol", [LABEL, OUTLIER, PAIR], images=16, **LABELS, **FOUND)
    page = folder.render()
    section, text = read_section(page), extract_text(read_section(page))
    assert "suspects" in list_links(page)
    assert section.count('<img src="data:image/') == 4
    assert "1 of 16 labels is suspicious, by classifiers that have not seen the image and get 90.0 %" in text
    assert re.search(r'alt="ant, likely bee&lt;b&gt;".*<s>ant</s> 1\.2 %<br><b>bee&lt;b&gt;</b> 97\.6 %', section)
    assert "1 image lies far from all others" in text
    assert "ant 0.312 test" in text
    assert (
        "1 pair of images lies nearer to each other than others do; 0 known by hash, 1 across train and test." in text
    )
    assert "0.9998, a leak, two labels" in text


def test_where_nothing_was_found_it_says_so(tmp_path: Path) -> None:
    """An empty section could as well be a fault."""
    folder = write(tmp_path)
    folder.write_suspects("byol", [], images=16, **LABELS | FOUND | NOTHING)
    section = read_section(folder.render())
    text = extract_text(section)
    for said in ("0 of 16 labels are suspicious", "No image lies far", "No two images are nearly the same"):
        assert said in text
    assert "<img" not in section


def test_what_was_not_looked_for_is_said_with_the_reason(tmp_path: Path) -> None:
    folder = write(tmp_path)
    folder.write_suspects("byol", [OUTLIER], images=16, **FOUND, skipped="labels are not judged: no image has a label")
    text = extract_text(read_section(folder.render()))
    assert "labels are not judged: no image has a label." in text
    assert "likely wrong" not in text
    assert "1 image lies far" in text


def test_only_the_first_are_shown_and_two_encoders_stand_apart(tmp_path: Path) -> None:
    folder = write(tmp_path)
    many = [LABEL | {"id": f"{number}.png"} for number in range(5)]
    folder.write_suspects("byol", many, images=16, **LABELS | FOUND | NOTHING | {"suspects": 5, "not_judged": 1})
    folder.write_suspects("pixels", [LABEL], images=16, **LABELS | FOUND | NOTHING | {"suspects": 1})
    section = read_section(folder.render(suspects=2))
    text = extract_text(section)
    assert section.count("<img") == 3
    assert "The first 2." in text
    assert "1 labelled image of classes that are too small is not judged" in text
    assert text.index("By the features of byol") < text.index("By the features of pixels")


def test_without_the_stage_there_is_no_section(tmp_path: Path) -> None:
    page = write(tmp_path).render()
    assert not read_section(page)
    assert "suspects" not in list_links(page)


def test_a_table_that_is_not_the_stages_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path)
    folder.write_suspects("byol", [LABEL | {"id": "gone.png"}], images=16, **LABELS)
    with pytest.raises(InputError, match=r"gone.png is no image in .*dvc repro labels"):
        folder.render()
    folder.write_text("suspects/byol.csv", "kind,id\nlabel,2.png\n")
    with pytest.raises(InputError, match=r"byol.csv: no column split; `dvc repro labels` writes it"):
        read_suspects(tmp_path / "suspects", tmp_path / "metrics", ["byol"])
    (tmp_path / "metrics" / "labels-byol.json").unlink()
    with pytest.raises(InputError, match=r"labels-byol.json: missing; `dvc repro labels` writes it"):
        read_suspects(tmp_path / "suspects", tmp_path / "metrics", ["byol"])


def test_what_is_no_longer_asked_for_leaves_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write(tmp_path)
    for encoder in ("byol", "pixels"):
        folder.write_suspects(encoder, [], images=16, **LABELS)
    folder.write_text("suspects/mine.csv", "")
    remove_stale_suspects(tmp_path / "metrics", tmp_path / "suspects", asked=["byol"])
    assert sorted(path.name for path in (tmp_path / "suspects").iterdir()) == ["byol.csv", "mine.csv"]
    assert (tmp_path / "metrics" / "labels-byol.json").exists()
    assert not (tmp_path / "metrics" / "labels-pixels.json").exists()
    assert capsys.readouterr().out.endswith("labels.encoders does not name pixels\n")
