"""The champion is judged by its own files, also where an older version of the stages wrote fewer of them."""

from pathlib import Path

import pytest

from pipelines.retrain import challenge
from pipelines.retrain.challenge import Plan
from pipelines.train.graph import Output

FILES = (Path("models/encoder.bin"), Path("models/start.bin"))


def test_a_champion_without_a_file_gets_none_of_the_challengers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Champions of before the start was written must still be judged, and not beside the challenger's start."""
    champion, trial = tmp_path / "champion", tmp_path / "trial"
    for folder, files in ((champion, FILES[:1]), (trial, FILES)):
        (folder / "models").mkdir(parents=True)
        for path in files:
            (folder / path).write_text(folder.name)
    fetched: list[str] = []
    monkeypatch.setattr(challenge.graph, "list_outputs", lambda _: [Output("learn", FILES[0], "0" * 32, True)])
    monkeypatch.setattr(challenge.worktree, "fetch_outputs", lambda _, *targets: fetched.extend(targets))
    challenge.bring_encoder(Plan(FILES, (), Path("vote.json"), Path("vote.parquet")), champion, trial)
    assert fetched == [str(champion / FILES[0])], "DVC refuses to fetch what the commit does not have"
    assert {path.name: path.read_text() for path in (trial / "models").iterdir()} == {"encoder.bin": "champion"}
