"""Tests that the drift command gets the champion's encoder and embeddings and the challenger's store."""

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
    """The trial folder, with a command that records its flags, and the champion folder."""
    trial_folder, champion_folder = tmp_path / "judging", tmp_path / "theirs"
    (trial_folder / "components/drift").mkdir(parents=True)
    for name, text in {"__init__.py": "", "drift/__init__.py": "", "drift/__main__.py": ECHO}.items():
        (trial_folder / "components" / name).write_text(text)
    champion_folder.mkdir()
    (champion_folder / "dvc.yaml").write_text("vars: [{path: {embeddings: e, encoder: m/encoder, store: data/s}}]")
    monkeypatch.setattr(
        worktree, "fetch_outputs", lambda folder, *targets: (folder / "brought").write_text(" ".join(targets))
    )
    return trial_folder, champion_folder


def test_the_champions_embeddings_are_the_reference_and_the_challengers_store_has_the_new(
    folders: tuple[Path, Path],
) -> None:
    trial_folder, champion_folder = folders
    report = drift.measure_drift(trial_folder, champion_folder, print)
    assert (report["p_value"], report["new"]) == (0.5, 3)
    assert report["asked"] == {
        "--encoder": str(champion_folder / "m/encoder"),
        "--reference": str(champion_folder / "e/byol.parquet"),
        "--store": str(trial_folder / "data/s"),
        "--metrics": str(trial_folder / "drift.json"),
    }
    assert (champion_folder / "brought").read_text() == str(champion_folder / "e")


def test_a_command_that_refuses_ends_the_retraining_with_its_status(folders: tuple[Path, Path]) -> None:
    (folders[0] / "components/drift/__main__.py").write_text("import sys; print('why'); sys.exit(2)")
    said: list[str] = []
    with pytest.raises(StageError, match="drift of the images cannot be measured") as caught:
        drift.measure_drift(*folders, said.append)
    assert caught.value.status == 2
    assert said == ["why"]


def test_a_graph_that_names_no_such_path_is_refused_in_one_line(folders: tuple[Path, Path]) -> None:
    (folders[1] / "dvc.yaml").write_text(json.dumps({"vars": [{"path": {"store": "s"}}]}))
    with pytest.raises(StageError, match=r"dvc\.yaml: there is no path\.embeddings among its vars"):
        drift.measure_drift(*folders, print)
