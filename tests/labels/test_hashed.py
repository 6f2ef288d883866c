"""Pairs that the checks of the stage fetch found are known, also where only the first of several copies is named."""

from pathlib import Path

import pytest

from components.labels.hashed import read_findings
from components.stage.errors import InputError

FINDINGS = {
    "repeated.csv": "id,split,kept,same_as,its_split,it_is_kept\nb,train,yes,a,train,yes\nc,train,yes,a,train,yes\n",
    "nearly_repeated.csv": "id,split,nearly,its_split,bits\na,train,n,test,2\n",
    "leaked.csv": "test_id,train_id,bits\nx,y,0\n",
    "withheld.csv": "id,test_id,bits\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FINDINGS.items():
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("one", "other", "known"),
    [("a", "b", True), ("b", "c", True), ("n", "c", True), ("y", "x", True), ("a", "x", False), ("n", "p", False)],
)
def test_a_pair_is_known_from_both_sides(folder: Path, one: str, other: str, known: bool) -> None:
    hashed = read_findings(folder)
    assert hashed.knows(one, other) == hashed.knows(other, one) == known


@pytest.mark.parametrize(("text", "said"), [(None, "No such file"), ("id,split\na,train\n", "no column 'nearly'")])
def test_findings_that_are_not_there_or_others_are_named(folder: Path, text: str | None, said: str) -> None:
    path = folder / "nearly_repeated.csv"
    path.unlink() if text is None else path.write_text(text)
    with pytest.raises(InputError, match=rf"nearly_repeated.csv: cannot be read \(.*{said}.*dvc repro fetch"):
        read_findings(folder)
