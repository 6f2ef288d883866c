"""When a retraining begins, told by some nights of the tiny project: what waits, what does not, what is kept."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipelines.errors import GraphError
from pipelines.registry import records, worktree
from pipelines.retrain import retraining, trigger
from pipelines.retrain.gate import Decision
from tests.pipelines.retrain import nights
from tests.pipelines.retrain.story import make_tools

LIMIT = 50
BEGUN = Decision("nothing new", [])
pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")  # DVC's own


class Story:
    """Remembers what happened, night by night."""

    def __init__(self, folder: Path) -> None:
        self.project = nights.make_project(folder)
        self.root = self.project.root
        self.decisions: dict[str, Decision] = {}
        self.said: dict[str, list[str]] = {}
        self.refs: dict[str, str] = {}
        self.looked_at: dict[str, list[list[str]]] = {}  # the ids that the drift was measured of, each time
        self.lines: list[dict[str, Any]] = []

    def night(self, name: str, p_value: float | None = None, *, only_begin: bool = False) -> None:
        """Retrain once, with images that look so; `only_begin` ends it where the training would begin."""

        def drift(judging: Path, theirs: Path) -> Mapping[str, Any]:
            assert (theirs / "models/encoder/encoder.safetensors").is_file()
            ids = pq.read_table(judging / "store", columns=["id"])["id"].to_pylist()
            self.looked_at[name].append(ids)
            return {"p_value": p_value, "new": len(ids)}

        self.said[name], self.looked_at[name] = [], []
        with pytest.MonkeyPatch.context() as patch:
            if only_begin:
                patch.setattr(retraining, "train_and_judge", lambda *_: (BEGUN, {}))
            used = replace(make_tools(self.said[name].append), measure_drift=drift)
            self.decisions[name] = retraining.retrain(self.root, used).decision
        self.refs[name] = self.project.run("git", "for-each-ref")

    def waited(self, name: str) -> str:
        """The line that says so."""
        decision = self.decisions[name]
        assert (decision.outcome, len(decision.reasons)) == (records.WAITING, 1)
        return decision.reasons[0].text


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"):
            patch.delenv(name, raising=False)
        return tell(Story(tmp_path_factory.mktemp("story")))


def tell(told: Story) -> Story:
    """Live through all nights."""
    photos, own_start = told.root / "photos", told.root / "models/start/mine.bin"
    own_start.write_text("weights that Git does not have")
    told.project.change(retrain__new_images=LIMIT, retrain__drift_below=0.01)
    told.project.commit("Not at every image")
    nights.give_label(told.root, "0000", "dog")
    told.night("first")
    nights.take_photos(photos, range(100, 110), wrong=10)
    told.night("few", 0.41)
    told.night("few of another kind", 0.004)
    nights.take_photos(photos, range(110, 120))
    told.night("few after a rejection", 0.41)
    (photos / "0099.txt").unlink()
    nights.take_photos(photos, range(1, 4), wrong=3)
    nights.give_label(told.root, "0050", "mouse")
    told.night("gone and changed", None)
    nights.take_photos(photos, range(120, 160))
    told.night("many", 0.41, only_begin=True)
    own_start.write_text("others")
    told.night("another start", 0.41, only_begin=True)
    own_start.write_text("weights that Git does not have")
    told.project.change(vote__k=2)
    nights.take_photos(photos, range(160, 161))
    told.project.commit("Other parameters")
    told.night("other parameters", 0.41, only_begin=True)
    told.lines = [json.loads(line) for line in (told.root / "scratch/trigger.jsonl").read_text().splitlines()]
    return told


def test_the_first_champion_waits_for_nothing(story: Story) -> None:
    assert story.decisions["first"].promoted


def test_labels_that_nobody_committed_are_in_the_nights_commit_and_count_as_changes(story: Story) -> None:
    assert "labels/given.csv: taken along as it stands in the checkout, new rows: 1" in story.said["first"]
    committed = story.project.run("git", "show", "encoder@v0.1.0:labels/given.csv")
    assert committed == "id,label,who,when\n0000,dog,Ann,2026-05-31T14:05:00Z\n"
    assert "labels/given.csv: taken along as it stands in the checkout, new rows: 1" in story.said["gone and changed"]
    assert "4 changed images of 50" in story.waited("gone and changed"), "three photos, and one label"


def test_few_images_that_look_as_before_wait_and_nothing_is_committed(story: Story) -> None:
    text = story.waited("few")
    assert text == "waiting: 10 new images of 50 since v0.1.0, and they look like those before (p = 0.41)"
    assert story.refs["few"] == story.refs["first"]
    assert any("collect" in line for line in story.said["few"])
    assert not any("learn" in line for line in story.said["few"])


def test_few_that_look_otherwise_begin_a_retraining(story: Story) -> None:
    said = "a retraining begins: 10 new images of 50 since v0.1.0, but they look unlike those before (p = 0.004)"
    assert said in story.said["few of another kind"]
    assert story.decisions["few of another kind"].outcome == records.REJECTED


def test_after_a_rejection_only_what_came_since_counts_and_is_looked_at(story: Story) -> None:
    assert story.waited("few after a rejection").startswith("waiting: 10 new images of 50 since retrain/")
    assert story.looked_at["few after a rejection"] == [[f"{number:04}" for number in range(110, 120)]]


def test_images_that_are_gone_or_changed_count_too(story: Story) -> None:
    text = story.waited("gone and changed")
    assert text.startswith("waiting: 10 new, 1 gone, 4 changed images of 50 since retrain/")
    assert text.endswith(", too few to tell whether they look like those before")


def test_enough_images_begin_a_retraining_however_they_look(story: Story) -> None:
    assert any(line.startswith("a retraining begins: 50 new, 1 gone, 4 changed images") for line in story.said["many"])
    assert story.decisions["many"] is BEGUN
    assert story.looked_at["many"] == []


@pytest.mark.parametrize("name", ["other parameters", "another start"])
def test_any_other_change_begins_one(story: Story, name: str) -> None:
    assert story.decisions[name] is BEGUN
    begun = [line for line in story.said[name] if line.startswith("a retraining begins: ")]
    assert len(begun) == 1
    assert begun[0].startswith("a retraining begins: code, parameters or rules are not those of ")


def test_every_count_is_kept_with_the_drift(story: Story) -> None:
    assert [(line["begins"], line["new"], line["gone"], line["changed"], line["drift"]) for line in story.lines] == [
        (False, 10, 0, 0, {"p_value": 0.41, "new": 10}),
        (True, 10, 0, 0, {"p_value": 0.004, "new": 10}),
        (False, 10, 0, 0, {"p_value": 0.41, "new": 10}),
        (False, 10, 1, 4, {"p_value": None, "new": 10}),
        (True, 50, 1, 4, None),
    ]
    assert (story.lines[0]["champion"], story.lines[0]["since"]) == ("v0.1.0", "v0.1.0")
    assert story.lines[2]["since"].startswith("retrain/")


def test_where_the_images_before_are_lost_it_is_said_and_not_taken_for_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(folder: Path, *targets: str) -> None:
        raise GraphError("Checkout failed for following targets: store")

    (tmp_path / "dvc.yaml").write_text(nights.GRAPH)
    monkeypatch.setattr(worktree, "fetch_outputs", lost)
    with pytest.raises(trigger.UncountedError, match="Checkout failed"):
        trigger.count_changes(tmp_path, tmp_path, 0.0, print)
