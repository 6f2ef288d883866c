"""A source that is named one folder too high or too low is refused with what is right, before an image is read."""

from pathlib import Path

import pytest

from components.fetch.params import Folder
from components.fetch.sources import folder as reader
from components.fetch.sources.places import Places
from components.stage.errors import InputError
from tests.fetch.archives import archive_source, read_archive, write_zip
from tests.fetch.conftest import fill

INTEL = ("seg_train/seg_train/sea/1.jpg", "seg_test/seg_test/sea/2.jpg", "seg_pred/seg_pred/3.jpg")
FLAT = "say splits, or flat if there are no classes"
NO_SPLIT = "no folder in it is called train, test, val or unlabelled; say classes, or flat if it has no classes"


def read_line(folder: Path, places: Places, layout: str, url: str = "") -> str:
    params = Folder(kind="folder", name="f", url=f"{folder}/{url}".rstrip("/"), layout=layout)  # type: ignore[arg-type]
    with pytest.raises(InputError) as error:
        reader.list_files(params, places)
    return str(error.value).removeprefix("params.yaml: data.sources: f: layout: ").replace(str(folder), "F")


@pytest.mark.parametrize(
    ("names", "layout", "line"),
    [
        (("images/ant/1.jpg", "images/bee/2.jpg"), "classes", "its classes would be images; name F/images as url"),
        (("images/1.jpg", "README.md"), "classes", "its classes would be images; say flat"),
        (
            ("images/1.jpg", "masks/1.png"),
            "classes",
            "its classes would be images, masks; name F/images as url and say flat",
        ),
        (
            ("annotations/trimaps/1.png", "images/2.jpg"),  # Oxford's pets
            "classes",
            "its classes would be annotations, images; name F/images as url",
        ),
        (
            ("data/train/a/1.jpg", "data/val/a/2.jpg"),
            "classes",
            "its classes would be data; name F/data as url and say splits",
        ),
        (
            ("train2017/1.jpg", "val2017/2.jpg"),
            "classes",
            "its classes would be train2017, val2017, which look like splits; call them train and test (or val) and "
            + FLAT,
        ),
        (("train2017/1.jpg",), "classes", "its classes would be train2017, which look like splits; call them train"),
        (INTEL, "classes", "all of 'seg_train' lies in another 'seg_train'; name F/seg_train/seg_train as url"),
        (("1.jpg", "2.jpg"), "classes", "its images lie in no class's folder; say flat, or name the folder above it"),
        (INTEL, "splits", "no folder in it is called train, test or val; call seg_pred, seg_test, seg_train so"),
        (("images/train/1.jpg", "images/val/2.jpg"), "splits", "its splits lie in 'images'; name F/images as url"),
        (("ant/1.jpg", "bee/2.jpg"), "splits", NO_SPLIT),
        (
            ("train/train/a/1.jpg", "test/test/a/2.jpg"),
            "splits",
            "its classes would be test, train, in the folders of the splits; move what is in them one folder up",
        ),
        (
            ("train/seg_train/a/1.jpg", "test/seg_test/a/2.jpg"),
            "splits",
            "its classes would be seg_test, seg_train, in the folders of the splits; move what is in them one folder ",
        ),
        (
            ("train/images/1.jpg", "train/labels/1.txt", "valid/images/2.jpg"),
            "splits",
            "its classes would be images, in the folders of the splits; move what is in them one folder up",
        ),
    ],
)
def test_a_layout_that_cannot_be_meant_is_refused_with_what_is_right(
    names: tuple[str, ...], layout: str, line: str, folder: Path, places: Places
) -> None:
    fill(folder, *names)
    assert read_line(folder, places, layout).startswith(line)


def test_a_folder_within_one_of_the_same_name_is_named(folder: Path, places: Places) -> None:
    fill(folder, *INTEL)
    line = read_line(folder, places, "classes", "seg_train")
    assert line == "its classes would be seg_train; name F/seg_train/seg_train as url"


@pytest.mark.parametrize(
    ("names", "layout", "warning"),
    [
        (("ant/1.jpg", "bee/2.jpg"), "classes", ""),
        (("train/1.jpg", "bus/2.jpg"), "classes", ""),  # vehicles
        (("steam_train/1.jpg", "freight_train/2.jpg"), "classes", ""),
        (("train/steam_train/1.jpg", "test/freight_train/2.jpg"), "splits", ""),
        (("label_0/1.jpg", "label_1/2.jpg"), "classes", "a class is called 'label_0'"),
        (("train/label_0/1.jpg", "test/label_1/2.jpg"), "splits", ""),
        (("cat/1.jpg",), "classes", ""),
        (("cat/1.jpg", "cat/cat/2.jpg"), "classes", ""),
        (("cat/cat/1.jpg", "dog/dog/2.jpg", "fox/3.jpg"), "classes", ""),  # each class unpacked into its own folder
        (
            ("cat/old/1.jpg", "cat/new/2.jpg"),
            "classes",
            "all images are of one class, 'cat', and its folders new, old count for nothing",
        ),
        (("ant/1.jpg", "bee/2.jpg", "images/3.jpg"), "classes", "a class is called 'images'"),
        (("images/1.jpg", "train2017/2.jpg"), "flat", ""),
        (("train/ant/1.jpg", "test/bee/2.jpg", "images/ant/3.jpg"), "splits", ""),
        (("train/1.jpg", "test/2.jpg"), "splits", ""),
        (("train/n01/1.jpg", "train/n02/2.jpg", "val/images/3.jpg"), "splits", "a class is called 'images'"),
        (
            ("ant/train/1.jpg", "ant/test/2.jpg", "bee/train/3.jpg", "bee/test/4.jpg"),
            "classes",
            "its classes ant, bee all have the folders test, train, which count for nothing",
        ),
        (("ant/2019/1.jpg", "bee/2019/2.jpg", "bee/2020/3.jpg"), "classes", ""),
        (("ant/no-suffix", "images/2"), "classes", ""),
    ],
)
def test_what_may_be_meant_is_read_and_what_is_odd_is_said(
    names: tuple[str, ...],
    layout: str,
    warning: str,
    folder: Path,
    places: Places,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fill(folder, *names)
    params = Folder(kind="folder", name="f", url=str(folder), layout=layout)  # type: ignore[arg-type]
    assert len(reader.list_files(params, places)) == len(names)
    said = capsys.readouterr().out.strip()
    assert said == (f"warning: params.yaml: data.sources: f: {warning}" if warning else "")


def test_an_archive_has_no_folder_to_name(file: Path, places: Places) -> None:
    for names, layout, line in (
        (INTEL, "classes", "all of 'seg_train' lies in another 'seg_train'; pack what is in 'seg_train/seg_train' "),
        (("train/a/1.jpg", "val/a/2.jpg"), "classes", "its classes would be train, val, which look like splits; say s"),
        (("images/1.jpg",), "classes", "its classes would be images; say flat"),
    ):
        with pytest.raises(InputError) as error:
            read_archive(archive_source(write_zip(file, dict.fromkeys(names, b"x")), layout), places)
        assert str(error.value).startswith(f"params.yaml: data.sources: a: layout: {line}")
