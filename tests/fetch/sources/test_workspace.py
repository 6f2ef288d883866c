"""A path beside the checkout is found where `dvc exp run --temp` works in a copy of it."""

from pathlib import Path

import pytest

from components.fetch.sources.places import to_local_path


@pytest.mark.parametrize("place", ["standalone/tmpabc", "tmpabc", "standalone/tmpabc/deep"])
def test_a_copy_of_the_checkout_finds_what_lies_beside_the_checkout(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "mine" / ".dvc" / "tmp" / "exps" / place
    for folder in (copy / "tracked", tmp_path / "mine/tracked", tmp_path / "mine/photos", tmp_path / "images"):
        folder.mkdir(parents=True)
    monkeypatch.chdir(copy)
    assert Path(to_local_path("../images")).resolve() == tmp_path / "images"
    assert Path(to_local_path("photos")).resolve() == tmp_path / "mine/photos"
    assert to_local_path("tracked") == "tracked", "as it was when the experiment began"
    assert to_local_path("/images") == "/images"
    monkeypatch.chdir(tmp_path / "mine")
    assert to_local_path("../images") == "../images"
    assert to_local_path("../none") == "../none", "the refusal names it as the user wrote it"
