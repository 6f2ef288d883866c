"""The stage fetch: every image once, splits that stay, a line for what is wrong, and nothing left behind."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from components.fetch import __main__ as fetch
from components.fetch import snapshot
from components.fetch.checks.inspect import compute_digest
from components.fetch.splits import hash_to_unit
from components.stage.errors import InputError, RunError
from components.store.decode import open_image
from components.store.store import SPLITS, TEST, TRAIN, UNLABELLED
from tests.fetch.fetched import Fetched, folder_source, inspect_in_this_process, photo, save, section
from tests.small import decode_images

DIGITS = [{"kind": "digits"}]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "inspect_all", inspect_in_this_process)


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Fetched:
    return Fetched(tmp_path_factory.mktemp("digits")).run(section(DIGITS))


@pytest.fixture
def leaking(tmp_path: Path) -> list[dict[str, Any]]:
    """Ten test images, two of which are also training files of other formats."""
    for number in range(10):
        save(photo(number), tmp_path / f"in/test/cat/{number}.png")
        save(photo(100 + number), tmp_path / f"in/train/cat/{number}.png")
    save(photo(3), tmp_path / "in/train/cat/copy.bmp")
    save(photo(4), tmp_path / "in/train/cat/copy.tiff")
    return [folder_source(tmp_path / "in", "splits")]


def test_the_store_holds_scikit_learns_digits_pixel_for_pixel(digits: Fetched) -> None:
    expected = load_digits()
    assert digits.column("id") == [f"digits/{number:04}.png" for number in range(1797)]
    assert [int(name or -1) for name in digits.classes.values()] == expected.target.tolist()
    images = decode_images(digits.store, SPLITS)
    in_order = [expected.images[int(name[7:11])] for name in digits.column("id")]
    np.testing.assert_array_equal(np.rint(images[:, 0].astype(float) * 16 / 255), in_order)


def test_about_a_quarter_of_each_class_is_for_testing(digits: Fetched) -> None:
    counts = Counter(zip(digits.column("label"), digits.column("split"), strict=True))
    assert set(counts) == {(label, split) for label in range(10) for split in (TRAIN, TEST)}
    shares = [counts[label, TEST] / (counts[label, TEST] + counts[label, TRAIN]) for label in range(10)]
    assert max(abs(share - 0.25) for share in shares) < 4 * np.sqrt(0.25 * 0.75 / 170), "to within chance"
    assert digits.metrics["test"] == sum(counts[label, TEST] for label in range(10))


def test_an_image_is_for_testing_when_its_hash_says_so(digits: Fetched) -> None:
    splits = digits.splits
    for number, image in enumerate(load_digits().images):
        pixels = np.rint(image * 255 / 16).astype(np.uint8)
        tested = hash_to_unit(compute_digest(b"(8, 8)", pixels.tobytes()), seed=13) < 0.25
        assert splits[f"digits/{number:04}.png"] == (TEST if tested else TRAIN)


@pytest.mark.usefixtures("quick")
def test_the_split_stays_with_the_seed(digits: Fetched, tmp_path: Path) -> None:
    assert Fetched(tmp_path / "same").run(section(DIGITS)).splits == digits.splits
    assert Fetched(tmp_path / "other").run(section(DIGITS, seed=14)).splits != digits.splits


def test_processes_make_no_difference_to_any_byte(digits: Fetched, tmp_path: Path, quick: None) -> None:
    again = Fetched(tmp_path).run(section(DIGITS, workers=1))
    for file in (*again.store.shards, again.folder / "data.json", *(again.folder / "findings").iterdir()):
        assert file.read_bytes() == (digits.folder / file.relative_to(tmp_path)).read_bytes()


def test_what_the_policy_forbids_stops_the_run_and_leaves_the_older_store(
    tmp_path: Path, leaking: list[dict[str, Any]]
) -> None:
    fetched = Fetched(tmp_path / "out").run(section(leaking, checks__max_leaked_fraction=0.2))
    before = [shard.read_bytes() for shard in fetched.store.shards]
    (tmp_path / "in/train/cat/torn.jpg").write_bytes(b"\xff\xd8\xff")
    for kind in ("rejected", "repeated"):
        (fetched.folder / f"findings/{kind}.csv").unlink()
    with pytest.raises(InputError) as stopped:
        fetched.run(section(leaking, checks__max_leaked_fraction=0.15))
    assert str(stopped.value).splitlines() == [
        "params.yaml: data.checks.max_unreadable_fraction: 0.0434783 is more than 0.01 "
        "(image files that cannot be stored: 1); the first: mine/train/cat/torn.jpg: broken: it begins as a "
        f"JPEG, but is damaged or of a kind that is not read; see {fetched.folder}/findings",
        "params.yaml: data.checks.max_leaked_fraction: 0.2 is more than 0.15 "
        f"(test images that are also to train on: 2); the first: mine/test/cat/3.png; see {fetched.folder}/findings",
    ]
    assert [shard.read_bytes() for shard in fetched.store.shards] == before
    assert fetched.metrics["unreadable"] == 1
    assert [row["path"] for row in fetched.read_findings("rejected")] == ["mine/train/cat/torn.jpg"]
    assert {row["same_as"] for row in fetched.read_findings("repeated")} == {
        "mine/test/cat/3.png",
        "mine/test/cat/4.png",
    }


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("leaked", ["drop", "keep"])
def test_images_of_the_test_split_are_not_trained_on_unless_that_is_asked_for(
    leaked: str, tmp_path: Path, leaking: list[dict[str, Any]]
) -> None:
    params = section(leaking, checks__max_leaked_fraction=0.2, checks__leaked=leaked)
    fetched = Fetched(tmp_path / "out").run(params)
    copies = {"mine/train/cat/copy.bmp", "mine/train/cat/copy.tiff"}
    assert copies & set(fetched.column("id")) == (set() if leaked == "drop" else copies)
    assert Counter(fetched.splits.values())[TEST] == 10, "no test image is lost"
    assert (fetched.metrics["leaked"], fetched.metrics["dropped"]) == (2, 2 if leaked == "drop" else 0)
    assert fetched.metrics["leaked_images"] == ["mine/test/cat/3.png", "mine/test/cat/4.png"]
    assert fetched.metrics["images"] == len(fetched.column("id")) == 22 - fetched.metrics["dropped"]


@pytest.mark.usefixtures("quick")
def test_unlabelled_images_a_labelled_folder_and_a_list_of_labels_combine(tmp_path: Path) -> None:
    for number in range(6):
        save(photo(number), tmp_path / f"many/{number}.jpg")
        save(photo(10 + number), tmp_path / f"few/{'dog' if number % 2 else 'cat'}/{number}.png")
        save(photo(20 + number), tmp_path / f"list/{number}.png")
    lines = ["path,label,split", "0.png,cat,train", "1.png,owl,test", "2.png,,", "3.png,ape,", "4.png,,test"]
    (tmp_path / "list/labels.csv").write_text("\n".join(lines))
    listed = {"kind": "manifest", "name": "list", "url": f"{tmp_path}/list/labels.csv"}
    sources = [folder_source(tmp_path / "many", "flat", "many"), folder_source(tmp_path / "few", name="few"), listed]
    fetched = Fetched(tmp_path / "out").run(section(sources, test_fraction=0.5))
    assert list(fetched.classes.items()) == [
        *((f"many/{number}.jpg", None) for number in range(6)),
        *((f"few/cat/{number}.png", "cat") for number in (0, 2, 4)),
        *((f"few/dog/{number}.png", "dog") for number in (1, 3, 5)),
        *zip((f"list/{number}.png" for number in range(5)), ("cat", "owl", None, "ape", None), strict=True),
    ]
    assert fetched.store.class_names == ["ape", "cat", "dog", "owl"]
    splits = fetched.splits
    assert {splits[f"many/{number}.jpg"] for number in range(6)} == {UNLABELLED}
    assert [splits[f"list/{number}.png"] for number in (0, 1, 2, 4)] == [TRAIN, TEST, UNLABELLED, TEST]
    assert fetched.metrics["sources"] == {"many": 6, "few": 6, "list": 5}


@pytest.mark.usefixtures("quick")
def test_images_are_stored_as_they_are_unless_smaller_ones_are_asked_for(tmp_path: Path) -> None:
    large = save(photo(1, (120, 60)), tmp_path / "in/large.jpg")
    small = save(photo(2, (30, 20)), tmp_path / "in/small.jpg")
    source = [folder_source(tmp_path / "in", "flat")]
    kept = Fetched(tmp_path / "kept").run(section(source)).images
    assert kept == {"mine/large.jpg": large.read_bytes(), "mine/small.jpg": small.read_bytes()}
    less = section(source, reencode={"max_side": 40, "jpeg_quality": 90})
    shrunken = Fetched(tmp_path / "shrunken").run(less)
    assert open_image(shrunken.images["mine/large.jpg"]).size == (40, 20)
    assert shrunken.images["mine/small.jpg"] == small.read_bytes(), "what is small enough stays as it is"
    assert shrunken.metrics["sizes"]["width"]["max"] == 120, "sizes are the sources'"


@pytest.mark.usefixtures("quick")
def test_sources_without_any_image_are_one_line_that_gives_a_reason(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    source = [folder_source(tmp_path / "in", "flat")]
    with pytest.raises(InputError, match=r"no image in them: nothing in mine \(.*/in\)$"):
        Fetched(tmp_path / "out").run(section(source))
    (tmp_path / "in/a.txt").write_text("a")
    with pytest.raises(
        InputError,
        match=r"none of 1 files or rows in mine .*; the first: mine/a\.txt: no image of a format that is read$",
    ):
        Fetched(tmp_path / "out").run(section(source))
    assert not (tmp_path / "out/store").exists()
    assert [row["path"] for row in Fetched(tmp_path / "out").read_findings("rejected")] == ["mine/a.txt"]


@pytest.mark.usefixtures("quick")
def test_a_file_that_changes_after_it_was_listed_is_not_stored_as_what_was_pinned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        save(photo(number), tmp_path / f"in/{number}.png")
    check = snapshot.check_snapshot

    def check_then_change(*arguments: Any) -> None:
        check(*arguments)
        save(photo(9), tmp_path / "in/1.png")

    monkeypatch.setattr(snapshot, "check_snapshot", check_then_change)
    source = [folder_source(tmp_path / "in", "flat")]
    fetched = Fetched(tmp_path / "out").run(section(source, checks__max_unreadable_fraction=1.0))
    assert fetched.column("id") == ["mine/0.png", "mine/2.png"]
    assert [row["reason"] for row in fetched.read_findings("rejected")] == ["changed since the source was listed"]


@pytest.mark.usefixtures("quick")
def test_two_runs_in_one_scratch_folder_do_not_mix(tmp_path: Path) -> None:
    save(photo(1), tmp_path / "in/1.png")
    with (
        fetch.lock_scratch(tmp_path / "out/scratch"),
        pytest.raises(RunError, match="another run of this stage works in"),
    ):
        Fetched(tmp_path / "out").run(section([folder_source(tmp_path / "in", "flat")]))
    Fetched(tmp_path / "out").run(section([folder_source(tmp_path / "in", "flat")]))


@pytest.mark.usefixtures("quick")
def test_a_label_of_an_image_that_is_said_to_be_unlabelled_is_not_kept(tmp_path: Path) -> None:
    save(photo(1), tmp_path / "in/1.png")
    (tmp_path / "in/list.csv").write_text("path,label,split\n1.png,cat,unlabelled\n")
    source = {"kind": "manifest", "name": "mine", "url": str(tmp_path / "in/list.csv")}
    fetched = Fetched(tmp_path / "out").run(section([source]))
    assert (fetched.column("label"), fetched.column("split")) == ([None], [UNLABELLED])


@pytest.mark.usefixtures("quick")
def test_scratch_keeps_hashes_and_records_and_no_images(tmp_path: Path, leaking: list[dict[str, Any]]) -> None:
    """This holds whether the run ends well or is stopped by the policy."""
    fetched = Fetched(tmp_path / "out").run(section(leaking, checks__max_leaked_fraction=0.2))
    with pytest.raises(InputError):
        fetched.run(section(leaking, checks__max_leaked_fraction=0.0))
    names = {path.relative_to(fetched.folder / "scratch").parts[0] for path in (fetched.folder / "scratch").rglob("*")}
    assert names == {"hashes.sqlite", "snapshots", "fetch.lock"}
    assert {path.name for path in fetched.folder.iterdir()} == {"store", "findings", "scratch", "data.json"}


def test_the_last_lines_say_what_there_is_and_name_what_is_wrong(
    tmp_path: Path, leaking: list[dict[str, Any]], quick: None, capsys: pytest.CaptureFixture[str]
) -> None:
    save(Image.new("RGB", (9, 9), "red"), tmp_path / "in/train/cat/red.png")
    (tmp_path / "in/train/notes.txt").write_text("notes")
    Fetched(tmp_path / "out").run(section(leaking, checks__max_leaked_fraction=0.2))
    lines = capsys.readouterr().out.splitlines()
    assert lines[-4].startswith("for pretrain.images: mean: [0.")
    assert "; the median image has 24 x 18 pixels; `python -m presets NAME --from " in lines[-4]
    assert [lines[-5], *lines[-3:]] == [
        "21 images of 1 classes: 11 train, 10 test",
        "other files: 1; odd images: 1; images that equal another: 2; test images that are also to train on: 2; "
        "left out for that: 2",
        "  mine/train/notes.txt: no image of a format that is read",
        "  mine/train/cat/red.png: one colour all over",
    ]
