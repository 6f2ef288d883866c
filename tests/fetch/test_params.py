"""The section `data` of params.yaml: a slip is one line that names its key, before anything is fetched."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from components.stage import command as stage
from components.stage.errors import InputError
from tests.conftest import ROOT, set_params

DIGEST = "0123456789abcdef" * 4
FOLDER = {"kind": "folder", "name": "mine", "url": "images", "layout": "flat"}
LIST = {"kind": "manifest", "name": "list", "url": "s3://bucket/list.csv"}
ARCHIVE = {"kind": "archive", "name": "zip", "url": "https://example.org/a.zip", "sha256": DIGEST, "layout": "classes"}
SHARDS = {"kind": "parquet", "name": "shards", "url": "gs://bucket/data", "image": "image", "label": None}
PUBLISHED = {"kind": "cifar10", "root": "data", "download": False}
EVERYTHING = [{"kind": "digits"}, PUBLISHED, FOLDER, LIST, ARCHIVE, SHARDS]


@pytest.fixture
def params(tmp_path: Path) -> Path:
    return Path(shutil.copy(ROOT / "params.yaml", tmp_path / "params.yaml"))


def read_refusal(params: Path, key: str, value: Any) -> list[str]:
    set_params(params, {key: value})
    with pytest.raises(InputError) as caught:
        stage.read_params(params)
    return [line.removeprefix(f"{params}: ") for line in str(caught.value).splitlines()]


def test_sources_of_all_kinds_may_stand_beside_each_other(params: Path) -> None:
    set_params(params, {"data.sources": EVERYTHING})
    sources = stage.read_params(params).data.sources
    assert [source.kind for source in sources] == ["digits", "cifar10", "folder", "manifest", "archive", "parquet"]
    assert [source.name for source in sources] == ["digits", "cifar10", "mine", "list", "zip", "shards"]


@pytest.mark.parametrize("source", EVERYTHING[1:], ids=lambda source: source["kind"])
def test_each_key_of_a_source_is_missed_and_a_mistyped_one_is_found(source: dict[str, Any], params: Path) -> None:
    for key in source.keys() - {"kind"}:
        without = {name: value for name, value in source.items() if name != key}
        assert read_refusal(params, "data.sources", [without]) == [f"data.sources.0.{key}: missing"]
    line = "data.sources.0.labels: unknown key; "
    assert read_refusal(params, "data.sources", [source | {"labels": 1}])[0].startswith(line)


@pytest.mark.parametrize("source", EVERYTHING[1:], ids=lambda source: source["kind"])
def test_an_empty_text_is_no_place(source: dict[str, Any], params: Path) -> None:
    key = "root" if "root" in source else "url"
    [line] = read_refusal(params, "data.sources", [source | {key: ""}])
    assert line == f"data.sources.0.{key}: String should have at least 1 character, not ''"


@pytest.mark.parametrize("name", ["", "a/b", "../a", ".a", "-a", "a b", "a\n", "a:b", "a\\b"])
def test_a_name_that_would_break_ids_is_refused(name: str, params: Path) -> None:
    set_params(params, {"data.sources": [FOLDER | {"name": name}]})
    with pytest.raises(
        InputError, match=r"data\.sources\.0\.name: letters, digits, '_', '-' and '\.' only, since images"
    ):
        stage.read_params(params)


def test_a_usual_name_is_taken(params: Path) -> None:
    for name in ("a", "my-images_2.1", "2026", "Katzen", "café"):
        set_params(params, {"data.sources": [FOLDER | {"name": name}]})
        assert stage.read_params(params).data.sources[0].name == name


@pytest.mark.parametrize("digest", ["", "abc", DIGEST[1:], DIGEST + "0", "g" * 64, f"sha256:{DIGEST}", DIGEST + "\n"])
def test_what_is_no_sha256_is_refused(digest: str, params: Path) -> None:
    [line] = read_refusal(params, "data.sources", [ARCHIVE | {"sha256": digest}])
    assert line.startswith("data.sources.0.sha256: 64 hexadecimal digits, as `sha256sum` prints them, not '")


def test_a_sha256_in_capitals_is_the_same(params: Path) -> None:
    set_params(params, {"data.sources": [ARCHIVE | {"sha256": DIGEST.upper()}]})
    assert stage.read_params(params).data.sources[0].sha256 == DIGEST


@pytest.mark.parametrize(
    ("sources", "name"),
    [
        ([FOLDER, LIST | {"name": "mine"}], "mine"),
        ([{"kind": "digits"}, {"kind": "digits"}], "digits"),
        ([PUBLISHED, FOLDER | {"name": "cifar10"}], "cifar10"),
    ],
)
def test_two_sources_of_one_name_are_refused_for_their_images_would_be_mixed_up(
    sources: list[dict[str, Any]], name: str, params: Path
) -> None:
    line = f"data: sources: two are called '{name}'; images are told apart by their source's name"
    assert read_refusal(params, "data.sources", sources) == [line]


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("data.sources", [], "data.sources: Tuple should have at least 1 item after validation, not 0"),
        ("data.sources", None, "data.sources: "),
        ("data.sources", [FOLDER | {"kind": "foldr"}], "data.sources.0.kind: one of 'digits', 'cifar10', "),
        (
            "data.sources",
            [FOLDER | {"layout": "class"}],
            "data.sources.0.layout: Input should be 'classes', 'splits' or ",
        ),
        ("data.sources", [FOLDER, SHARDS | {"image": ""}], "data.sources.1.image: String should have at least 1 char"),
        ("data.sources", [SHARDS | {"label": ""}], "data.sources.0.label: String should have at least 1 character"),
        (
            "data.sources",
            [PUBLISHED | {"download": "yes"}],
            "data.sources.0.download: Input should be a valid boolean, ",
        ),
        ("data.snapshot", {"files": 1, "bytes": 2}, "data.snapshot.digest: missing"),
        ("data.snapshot", {"files": -1, "bytes": 2, "digest": DIGEST}, "data.snapshot.files: Input should be greater "),
        ("data.snapshot", {"files": 1, "bytes": 2, "digest": "abc"}, "data.snapshot.digest: 64 hexadecimal digits, "),
        ("data.snapshot", "abc", "data.snapshot: Input should be "),
        ("data.test_fraction", 0, "data.test_fraction: Input should be greater than 0, not 0"),
        ("data.seed", -1, "data.seed: Input should be greater than or equal to 0, not -1"),
        ("data.workers", 0, "data.workers: Input should be greater than or equal to 1, not 0"),
        ("data.limits.max_pixels", 0, "data.limits.max_pixels: Input should be greater than or equal to 1, not 0"),
        ("data.limits.max_bytes", 1.5, "data.limits.max_bytes: Input should be a valid integer, not 1.5"),
        ("data.reencode", {"max_side": 256}, "data.reencode.jpeg_quality: missing"),
        (
            "data.reencode",
            {"max_side": 4, "jpeg_quality": 90},
            "data.reencode.max_side: Input should be greater than or ",
        ),
        (
            "data.reencode",
            {"max_side": 64, "jpeg_quality": 101},
            "data.reencode.jpeg_quality: Input should be less than ",
        ),
        (
            "data.checks.max_unreadable_fraction",
            1.1,
            "data.checks.max_unreadable_fraction: Input should be less than or ",
        ),
        (
            "data.checks.near_duplicate_bits",
            8,
            "data.checks.near_duplicate_bits: Input should be less than or equal to 7",
        ),
        ("data.checks.leaked", "remove", "data.checks.leaked: Input should be 'drop' or 'keep', not 'remove'"),
        ("data.checks.max_class_ratio", 0, "data.checks.max_class_ratio: Input should be greater than 0, not 0"),
        ("data.checks.max_leaked", 0.1, "data.checks.max_leaked: unknown key; did you mean 'leaked'?"),
    ],
)
def test_a_slip_is_named_with_its_key(key: str, value: Any, line: str, params: Path) -> None:
    lines = read_refusal(params, key, value)
    assert [lines[0][: len(line)], len(lines)] == [line, 1]


def test_what_may_be_left_empty_is_written_as_empty(params: Path) -> None:
    section = stage.read_params(params).data
    assert (section.snapshot, section.reencode) == (None, None)
    for key in ("snapshot", "reencode"):
        text = "\n".join(line for line in (ROOT / "params.yaml").read_text().split("\n") if f"  {key}:" not in line)
        params.write_text(text)
        with pytest.raises(InputError, match=rf"data\.{key}: missing"):
            stage.read_params(params)


@pytest.mark.parametrize("source", EVERYTHING[1:], ids=lambda source: source["kind"])
@pytest.mark.parametrize("url", ["https://user:S3CR@host/a", "https://host/a?X-Amz-Signature=S3CR", "a\0b"])
def test_a_place_that_holds_a_secret_or_is_no_place_is_refused(source: dict[str, Any], url: str, params: Path) -> None:
    key = "root" if "root" in source else "url"
    [line] = read_refusal(params, "data.sources", [source | {key: url}])
    assert line.startswith(f"data.sources.0.{key}: holds ")
    assert "S3CR" not in line
    assert ("~/.netrc" in line) == ("S3CR" in url), "the way to give credentials is missing"
