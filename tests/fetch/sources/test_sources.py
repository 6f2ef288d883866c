"""Every kind of source that params.yaml may name is opened and read as the stage does it."""

import hashlib
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.fetch.params import Data
from components.fetch.sources.candidate import Candidate
from components.fetch.sources.open import open_sources, read_candidates
from components.fetch.sources.places import Places
from components.stage.command import read_params
from components.stage.errors import InputError
from components.store.store import TEST, TRAIN
from tests.conftest import ROOT, set_params
from tests.fetch.archives import write_zip
from tests.fetch.conftest import fill
from tests.fetch.published_layouts import mnist

Rows = list[tuple[str, str | None, str | None]]
DIGITS = {"kind": "digits"}


def write_params(file: Path, sources: list[dict[str, Any]]) -> Data:
    """Return the section of params.yaml into which somebody wrote these sources."""
    set_params(Path(shutil.copy(ROOT / "params.yaml", file)), {"data.sources": sources})
    section: Data = read_params(file).data
    return section


@pytest.fixture
def sources(folder: Path) -> list[dict[str, Any]]:
    """A source of each kind, with few images."""
    fill(folder, "classes/cat/1.png", "splits/val/cat/1.png", "splits/train/dog/2.png", "flat/1.png")
    (folder / "list.csv").write_text("path,label,split\nflat/1.png,owl,test\n")
    archive = write_zip(folder / "images.zip", {"all/cat/1.png": b"1", "all/dog/2.png": b"2"})
    (folder / "shards").mkdir()
    pq.write_table(pa.table({"img": [b"1"], "class": ["cat"]}), folder / "shards/train-0.parquet")
    mnist(folder / "published")
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    return [
        DIGITS,
        {"kind": "mnist", "root": f"{folder}/published", "download": False},
        {"kind": "folder", "name": "classes", "url": f"{folder}/classes", "layout": "classes"},
        {"kind": "folder", "name": "splits", "url": f"{folder}/splits", "layout": "splits"},
        {"kind": "folder", "name": "flat", "url": f"{folder}/flat", "layout": "flat"},
        {"kind": "manifest", "name": "list", "url": f"{folder}/list.csv"},
        {"kind": "archive", "name": "zip", "url": str(archive), "sha256": digest, "layout": "classes"},
        {"kind": "parquet", "name": "shards", "url": f"{folder}/shards", "image": "img", "label": "class"},
    ]


def read_all(params: Data, places: Places) -> dict[str, list[Candidate]]:
    return {opened.source.name: list(read_candidates(opened, places)) for opened in open_sources(params, places)}


def test_every_kind_of_source_gives_its_images_with_labels_and_splits(
    sources: list[dict[str, Any]], tmp_path: Path, places: Places
) -> None:
    candidates = read_all(write_params(tmp_path / "params.yaml", sources), places)
    assert list(candidates) == ["digits", "mnist", "classes", "splits", "flat", "list", "zip", "shards"]
    assert (len(candidates.pop("digits")), len(candidates.pop("mnist"))) == (1797, 6)
    rows: dict[str, Rows] = {
        name: [(image.id, image.label, image.split) for image in images if not image.fault]
        for name, images in candidates.items()
    }
    assert rows == {
        "classes": [("classes/cat/1.png", "cat", None)],
        "splits": [("splits/train/dog/2.png", "dog", TRAIN), ("splits/val/cat/1.png", "cat", TEST)],
        "flat": [("flat/1.png", None, None)],
        "list": [("list/flat/1.png", "owl", TEST)],
        "zip": [("zip/all/cat/1.png", "cat", None), ("zip/all/dog/2.png", "dog", None)],
        "shards": [("shards/train-0/0000000", "cat", TRAIN)],
    }


def test_no_image_has_the_id_of_another_and_a_second_run_finds_the_same(
    sources: list[dict[str, Any]], tmp_path: Path, places: Places
) -> None:
    params = write_params(tmp_path / "params.yaml", sources)
    ids = [image.id for images in read_all(params, places).values() for image in images]
    assert len(set(ids)) == len(ids)
    shutil.rmtree(places.scratch)
    assert [image.id for images in read_all(params, places).values() for image in images] == ids


@pytest.mark.parametrize("number", range(2, 8))
def test_a_source_that_is_not_there_is_told_before_any_is_read(
    number: int, sources: list[dict[str, Any]], tmp_path: Path, places: Places
) -> None:
    sources[number]["url"] = f"{tmp_path}/nowhere"
    params = write_params(tmp_path / "params.yaml", sources)
    with pytest.raises(InputError, match=r"^params\.yaml: data\.sources: .*/nowhere: .*; name a fil|fold") as error:
        open_sources(params, places)
    assert "\n" not in str(error.value)


def test_only_files_that_may_change_are_listed(sources: list[dict[str, Any]], tmp_path: Path, places: Places) -> None:
    opened = open_sources(write_params(tmp_path / "params.yaml", sources), places)
    assert [len(source.files) for source in opened] == [0, 0, 1, 2, 1, 2, 1, 1]
