"""The drift of the images: the command gets the champion's encoder and embeddings and the challenger's store."""

import json
from pathlib import Path

import pytest

from pipelines.errors import StageError
from pipelines.registry import worktree
from pipelines.retrain import drift

ECHO = """
import json, sys
flags = dict(zip(sys.argv[1::2], sys.argv[2::2]))
open(flags["--metrics"], "w").write(json.dumps({"p_value": 0.5, "new": 3, "asked": flags}))
"""


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Of the judging, with a command that says what it was asked, and of the champion."""
    judging, theirs = tmp_path / "judging", tmp_path / "theirs"
    (judging / "components/drift").mkdir(parents=True)
    for name, text in {"__init__.py": "", "drift/__init__.py": "", "drift/__main__.py": ECHO}.items():
        (judging / "components" / name).write_text(text)
    theirs.mkdir()
    (theirs / "dvc.yaml").write_text("vars: [{path: {embeddings: e, encoder: m/encoder, store: data/s}}]")
    monkeypatch.setattr(worktree, "bring", lambda folder, *targets: (folder / "brought").write_text(" ".join(targets)))
    return judging, theirs


def test_the_champions_embeddings_are_the_reference_and_the_challengers_store_has_the_new(
    folders: tuple[Path, Path],
) -> None:
    judging, theirs = folders
    found = drift.measure(judging, theirs, print)
    assert (found["p_value"], found["new"]) == (0.5, 3)
    assert found["asked"] == {
        "--encoder": str(theirs / "m/encoder"),
        "--reference": str(theirs / "e/byol.parquet"),
        "--store": str(judging / "data/s"),
        "--metrics": str(judging / "drift.json"),
    }
    assert (theirs / "brought").read_text() == str(theirs / "e")


def test_a_command_that_refuses_ends_the_retraining_with_its_status(folders: tuple[Path, Path]) -> None:
    (folders[0] / "components/drift/__main__.py").write_text("import sys; print('why'); sys.exit(2)")
    said: list[str] = []
    with pytest.raises(StageError, match="drift of the images cannot be measured") as caught:
        drift.measure(*folders, said.append)
    assert caught.value.status == 2
    assert said == ["why"]


def test_a_graph_that_names_no_such_path_is_refused_in_one_line(folders: tuple[Path, Path]) -> None:
    (folders[1] / "dvc.yaml").write_text(json.dumps({"vars": [{"path": {"store": "s"}}]}))
    with pytest.raises(StageError, match=r"dvc\.yaml: there is no path\.embeddings among its vars"):
        drift.measure(*folders, print)
