"""The page is complete whatever was measured and whatever the images are, and small enough to send to someone."""

import html
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from components.report.page import sections
from components.report.page.pictures import SHOWN_SIDE, find_nearest_rows, make_thumbnail
from components.stage.errors import InputError
from tests.encoder.made import BEGUN
from tests.report.page import pages
from tests.small import RGB, encode_png

SECTIONS = ["few", "atlas", "confused", "alike", "numbers", "training", "images", "made"]
NAMES = ["ant", "bee", "</script><b>x"]


def extract_text(page: str) -> str:
    """Return the text that a reader of the page sees."""
    bare = re.sub(r"<(script|style)\b.*?</\1>", "", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", bare))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pages.Folder:
    return pages.write_labelled(tmp_path_factory.mktemp("folder"), names=NAMES)


@pytest.fixture(scope="module")
def page(folder: pages.Folder) -> str:
    return folder.render()


def test_the_same_files_give_the_same_page_with_its_sections_in_order(folder: pages.Folder, page: str) -> None:
    assert page == folder.render()
    assert re.findall(r'<section id="(\w+)">', page) == SECTIONS
    assert not re.search(r"""<(script|link|img)[^>]*(src|href)=["']https?://""", page)


def test_mistakes_are_of_the_headlines_classifier_with_their_pictures(page: str) -> None:
    assert "ant taken for bee 2 of 4 test images of ant" in extract_text(page)
    assert page.count('alt="ant taken for bee"') == 2
    assert "2 of 12 test images are taken for another class (k nearest neighbours, all labels)" in extract_text(page)
    assert "AP 0.70" in extract_text(page)


def test_names_from_folders_cannot_break_the_page(page: str) -> None:
    assert html.escape(NAMES[2]) in page
    assert NAMES[2] not in page


def list_links(page: str) -> list[str]:
    return re.findall(r'<a href="#(\w+)">', page)


def test_it_begins_with_the_verdict_and_says_what_was_seen(page: str) -> None:
    text = extract_text(page)
    assert text.index("Better than the untrained network, but not shown to be better than the pixels.") < text.index(
        "Few labels"
    )
    assert "There are 12 test images; the encoder was trained on none of them." in text
    assert "Learns from the labels of 12 train images" in text
    assert text.count("Bold is better than") == 1


def test_what_the_training_began_with_is_an_encoder_of_every_part_and_a_line_of_the_curve(
    tmp_path: Path, page: str
) -> None:
    """A training that lost what it began with must be seen at a glance, in the words, the tiles and the curve."""
    folder = pages.write_labelled(tmp_path, names=NAMES)
    for probe in folder.probes.values():
        probe["start"] = {key: value - 0.05 for key, value in probe["byol"].items()}
    for name in folder.probes:
        folder.write_metrics(name)
    folder.write_text("plots/pretrain/curve.csv", "epoch,loss,knn,knn_start\n1,2.5,,\n2,0.5,0.6,0.8\n")
    begun = folder.render(BEGUN)
    text = extract_text(begun)
    assert "which began with weights. safetensors (file), beside that ( start ), the same network untrained" in text
    assert text.index("what it began with") < text.index("the pixels")
    assert text.count("its start") == 3, "a line of each tile"
    assert "byol start pixels random" in text, "the columns of the table"
    assert "kNN (dashed: its start)" in begun
    assert "#1f9d45" in begun
    assert "start" not in extract_text(page)
    assert "(dashed" not in page


def test_unlabelled_images_have_no_sections_and_links_of_what_needs_labels(tmp_path: Path) -> None:
    page = pages.write_unlabelled(tmp_path).render()
    kept = [name for name in SECTIONS if name not in ("few", "confused")]
    assert re.findall(r'<section id="(\w+)">', page) == list_links(page) == kept
    assert extract_text(page).count(f"Skipped: {pages.SKIPPED}.") == 2
    assert "Nothing can be said of what it is worth" in extract_text(page)
    assert "RankMe" in extract_text(page)
    assert "Bold is better" not in extract_text(page), "nothing can be bold"
    assert page.count("<figure title=") == 8 * 9, "what it takes for alike needs no label"


def test_what_an_optional_probe_did_not_write_is_left_out(tmp_path: Path) -> None:
    folder = pages.write_labelled(tmp_path, names=NAMES)
    for path in [*(tmp_path / "predictions").iterdir(), tmp_path / "plots" / "retrieval" / "precision.csv"]:
        path.unlink()
    page = folder.render()
    assert "AP" not in extract_text(page)
    assert 'id="precision"' not in page
    assert "confused" not in list_links(page)


def test_the_classifier_is_shown_with_what_its_probabilities_are_worth(folder: pages.Folder, tmp_path: Path) -> None:
    shutil.copytree(folder.root, tmp_path, dirs_exist_ok=True)
    with_one = replace(folder, root=tmp_path)
    metrics = pages.make_estimate("accuracy", 0.75) | {
        "ece": 0.04,
        "ece_uncalibrated": 0.21,
        "temperature": 1.37,
        "c": 1.0,
    }
    metrics |= {"brier": 0.3, "brier_uncalibrated": 0.35}
    bins = "0.0,0.5,0,,,,,2,0.4,0.5,0.1,0.9\n0.5,1.0,12,0.8,0.75,0.5,0.9,10,0.9,0.8,0.5,0.95\n"
    pages.write_classifier(with_one, metrics, bins)
    page = with_one.render()
    assert list_links(page) == [*SECTIONS[:3], "classifier", *SECTIONS[3:]]
    text = extract_text(page).split("The classifier", 1)[1]
    assert "accuracy 75.0 % 65.0 – 80.0" in text
    assert "expected calibration error 0.2100 0.0400 Brier score 0.3500 0.3000" in text
    assert "divided by 1.37" in text
    assert "On 12 test images, in 2 bins" in text
    drawn = json.loads(re.search(r'id="charts">(.*?)</script>', page)[1])  # type: ignore[index]
    chart = json.dumps(next(chart for chart in drawn if chart["target_id"] == "reliability"))
    assert "[0.4, 0.9]" in chart, "before, a point for each bin that has images"
    assert "[0.8]" in chart, "and calibrated, where an empty bin is no point"


def test_a_page_without_a_classifier_is_so_on_purpose(folder: pages.Folder, page: str, tmp_path: Path) -> None:
    """Where none was asked for nothing is said; where there was nothing to learn or to judge by, the reason."""
    assert "classifier.onnx" not in page
    shutil.copytree(folder.root, tmp_path, dirs_exist_ok=True)
    without = replace(folder, root=tmp_path)
    pages.write_classifier(
        without, {"skipped": "needs train images of two classes or more, and there are no labels"}, ""
    )
    assert "There is none: it needs train images of two classes" in extract_text(without.render())
    judged_by_nothing = replace(without, root=tmp_path)
    pages.write_classifier(judged_by_nothing, {"temperature": 1.2, "c": 1.0}, "")
    text = extract_text(judged_by_nothing.render())
    assert "divided by 1.2" in text
    assert "No labelled test image judges it." in text
    (tmp_path / "plots/classifier/reliability.csv").write_text("from,to\n")
    with pytest.raises(InputError, match=r"reliability\.csv: no column images; `dvc repro classifier` writes it"):
        replace(without, root=tmp_path).render()


def test_what_was_asked_and_not_measured_stands_at_its_chart_and_its_table(tmp_path: Path) -> None:
    folder = pages.write_labelled(tmp_path, names=NAMES)
    folder.write_text("plots/knn/left_out.csv", 'metric,reason\naccuracy_10_per_class,"no class has more than 4"\n')
    text = extract_text(folder.render())
    assert text.count("Asked for and not measured: accuracy, 10 labels per class (no class has more than 4).") == 2


@pytest.mark.parametrize("images", [1, 2])
def test_a_page_of_one_or_two_images_is_whole(tmp_path: Path, images: int) -> None:
    page = pages.write_unlabelled(tmp_path, images=images).render()
    assert ("alike" in list_links(page)) == ("atlas" in list_links(page)) == (images == 2)
    assert ("2 images, near each other" in extract_text(page)) == (images == 2)
    assert "1 images" not in extract_text(page)


def test_a_metrics_file_that_is_missing_is_named(tmp_path: Path) -> None:
    folder = pages.write_labelled(tmp_path, names=NAMES)
    (tmp_path / "metrics" / "knn.json").unlink()
    with pytest.raises(InputError, match=r"knn\.json: missing"):
        folder.render()


def test_the_page_stays_small_with_as_many_large_images_as_params_allow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Images and their bytes are scaled down in proportion, so that the test is quick. Of the 15 MB, 7 are left for
    BokehJS, the charts' numbers and the picture of the views."""
    assert 4 / 3 * (sections.MAP_BYTES + 2 * sections.GALLERY_BYTES) <= 8e6
    monkeypatch.setattr(sections, "MAP_BYTES", sections.MAP_BYTES // 800)
    monkeypatch.setattr(sections, "GALLERY_BYTES", sections.GALLERY_BYTES // 200)
    folder = pages.write_labelled(tmp_path, names=NAMES, each=4, side=100)
    page = folder.render(queries=1, neighbours=12)
    pictures = sum(len(address) for address in re.findall(r"data:image/\w+;base64,[\w+/=]+", page))
    assert pictures < 4 / 3 * (sections.MAP_BYTES + 2 * sections.GALLERY_BYTES) + 20_000


@pytest.mark.parametrize("limit", [20_000, 2_000, 500])
def test_a_picture_keeps_to_its_share(limit: int) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (300, 200, 3))
    address = make_thumbnail(encode_png(noise), limit, RGB)
    assert len(address) < 4 / 3 * limit + 40


def test_a_small_image_keeps_every_pixel() -> None:
    assert make_thumbnail(encode_png(np.zeros((SHOWN_SIDE // 4, 8, 3))), 5_000, RGB).startswith("data:image/png")


def test_neighbours_are_by_direction_not_by_length() -> None:
    bank = np.array([[0.0, 5.0], [100.0, 1.0], [1.0, 1.0]])
    assert find_nearest_rows(np.array([[2.0, 0.0]]), bank, 2).tolist() == [[1, 2]]
