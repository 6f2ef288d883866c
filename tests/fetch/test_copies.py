"""A folder of all photographs and a list that labels some of them: each photograph is one image, labelled or not."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from components.fetch import __main__ as fetch
from components.stage.errors import InputError
from components.store.store import TEST, TRAIN, UNLABELLED
from tests.fetch.fetched import Fetched, folder_source, inspect_in_this_process, photo, save, section

Copy = Callable[[Image.Image], tuple[Image.Image, str]]
SAME: Copy = lambda image: (image, "png")  # noqa: E731
SMALLER: Copy = lambda image: (image.resize((48, 36), Image.Resampling.LANCZOS), "jpg")  # noqa: E731
MAY_LEAK = {"checks__max_leaked_fraction": 1.0, "checks__max_near_leaked_fraction": 1.0}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "inspect_all", inspect_in_this_process)


def make_sources(folder: Path, copy: Copy) -> list[dict[str, Any]]:
    """A flat folder of 12 photographs, and a list of copies of 6 of them, of which 2 are for testing."""
    lines = ["path,label,split"]
    for number in range(12):
        save(photo(number, (96, 72)), folder / f"all/{number}.png")
        if number < 6:
            image, suffix = copy(photo(number, (96, 72)))
            save(image, folder / f"labelled/{number}.{suffix}")
            lines.append(f"{number}.{suffix},{'dog' if number % 2 else 'cat'},{TEST if number < 2 else TRAIN}")
    (folder / "labelled/labels.csv").write_text("\n".join(lines))
    listed = {"kind": "manifest", "name": "list", "url": f"{folder}/labelled/labels.csv"}
    return [folder_source(folder / "all", "flat", "all"), listed]


@pytest.mark.parametrize("order", [1, -1])
def test_an_unlabelled_copy_of_a_labelled_image_is_one_image_with_a_label(
    order: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """This holds at the shipped limits, whichever source comes first, and counts as nothing that is wrong."""
    fetched = Fetched(tmp_path / "out").run(section(make_sources(tmp_path, SAME)[::order]))
    assert Counter(fetched.splits.values()) == {TEST: 2, TRAIN: 4, UNLABELLED: 6}
    assert {name for name in fetched.splits if name.startswith("all/")} == {f"all/{n}.png" for n in range(6, 12)}
    wrong = ("leaked", "nearly_leaked", "dropped", "withheld", "repeated", "nearly_repeated")
    assert {key: fetched.metrics[key] for key in ("merged", *wrong)} == {"merged": 6, **dict.fromkeys(wrong, 0)}
    assert "unlabelled copies of labelled images, left out: 6" in capsys.readouterr().out
    assert len(fetched.read_findings("repeated")) == 6
    assert fetched.read_findings("leaked") == []


@pytest.mark.parametrize("order", [1, -1])
def test_unlabelled_images_nearly_the_same_as_a_test_image_are_not_trained_on(order: int, tmp_path: Path) -> None:
    """The list names thumbnails; the photographs of those to train on stay, since they harm no measurement."""
    fetched = Fetched(tmp_path / "out").run(section(make_sources(tmp_path, SMALLER)[::order]))
    assert Counter(fetched.splits.values()) == {TEST: 2, TRAIN: 4, UNLABELLED: 10}
    assert {f"all/{number}.png" for number in (0, 1)}.isdisjoint(fetched.splits)
    metrics = fetched.metrics
    assert (metrics["withheld"], metrics["withheld_fraction"], metrics["nearly_repeated"]) == (2, 0.166667, 12)
    assert [metrics[key] for key in ("merged", "leaked", "nearly_leaked", "dropped", "repeated")] == [0] * 5
    assert [(row["id"], row["test_id"]) for row in fetched.read_findings("withheld")] == [
        ("all/0.png", "list/0.jpg"),
        ("all/1.png", "list/1.jpg"),
    ]


def test_a_scene_that_would_leave_out_most_images_stops_the_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"data\.checks\.max_withheld_fraction: 0\.166667 is more than 0\.1 "):
        Fetched(tmp_path / "out").run(section(make_sources(tmp_path, SMALLER), checks__max_withheld_fraction=0.1))


@pytest.mark.parametrize(("copy", "merged", "leaked"), [(SAME, 4, (2, 0)), (SMALLER, 0, (0, 2))])
def test_copies_of_test_images_that_are_kept_are_leaks_as_ever(
    copy: Copy, merged: int, leaked: tuple[int, int], tmp_path: Path
) -> None:
    params = section(make_sources(tmp_path, copy), checks__leaked="keep")
    with pytest.raises(InputError, match=r"leaked_fraction: 1 is more than"):
        Fetched(tmp_path / "out").run(params)
    params = section(make_sources(tmp_path, copy), checks__leaked="keep", **MAY_LEAK)
    fetched = Fetched(tmp_path / "out").run(params)
    assert {"all/0.png", "all/1.png"} <= fetched.splits.keys()
    metrics = fetched.metrics
    assert (metrics["merged"], metrics["withheld"], metrics["unlabelled"]) == (merged, 0, 12 - merged)
    assert (metrics["leaked"], metrics["nearly_leaked"]) == leaked
    assert {row["train_id"] for row in fetched.read_findings("leaked")} == {"all/0.png", "all/1.png"}


def test_the_channels_are_those_of_the_images_that_are_trained_on(tmp_path: Path) -> None:
    """Images that are left out or tested on would move them: here the only red images."""
    save(Image.new("L", (20, 20), 51), tmp_path / "all/gray.png")
    for name in ("all/red.png", "list/red.png"):
        save(Image.new("RGB", (20, 20), "red"), tmp_path / name)
    (tmp_path / "list/list.csv").write_text(f"path,label,split\nred.png,cat,{TEST}\n")
    listed = {"kind": "manifest", "name": "list", "url": f"{tmp_path}/list/list.csv"}
    fetched = Fetched(tmp_path / "out").run(section([folder_source(tmp_path / "all", "flat", "all"), listed]))
    assert fetched.metrics["channels"] == {"mean": [0.2], "std": [0.0]}


def test_an_image_with_another_label_in_another_list_is_said_aloud(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(6):
        save(photo(number, (96, 72)), tmp_path / f"all/{number}.png")
    for name, labels in (("a", "xyxy"), ("b", "yyxyxy")):  # of the first four, one differs
        rows = "".join(f"all/{number}.png,{label}\n" for number, label in enumerate(labels))
        (tmp_path / f"{name}.csv").write_text(f"path,label\n{rows}")
    lists = [{"kind": "manifest", "name": name, "url": f"{tmp_path}/{name}.csv"} for name in "ab"]
    Fetched(tmp_path / "out").run(section(lists, checks__max_leaked_fraction=1.0))
    assert "images that have several labels: 1" in capsys.readouterr().out
