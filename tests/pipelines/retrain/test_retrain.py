"""Some nights in the life of an encoder (tests/pipelines/retrain/story.py): what is promoted and what is kept out."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from dvc.repo import Repo

from pipelines.errors import DamageError, StageError
from pipelines.registry import __main__ as registry
from pipelines.registry import publish, records, versions, worktree
from pipelines.retrain import retraining, rewrite
from pipelines.retrain.gate import Decision
from pipelines.train import graph
from tests.conftest import Project, set_params
from tests.damage import write_in_place
from tests.pipelines.retrain import nights
from tests.pipelines.retrain.story import PROMOTE, STARTS, Story, make_tools, tell_story

PROMOTED, POISONED = 1, 2  # which of the branches
pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")  # DVC's own


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    with pytest.MonkeyPatch.context() as patch:  # the identity is that of the repository's configuration
        for name in ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"):
            patch.delenv(name, raising=False)
        return tell_story(tmp_path_factory.mktemp("story"))


def clone(story: Story, folder: Path) -> Project:
    (folder / "home").mkdir()
    mine = Project(folder / "clone")
    story.project.run("git", "clone", "--quiet", str(story.root.parent / "origin.git"), str(mine.root))
    mine.run("git", "config", "user.name", "Ada")
    mine.run("git", "config", "user.email", "ada@example.org")
    return mine


def test_the_first_night_makes_the_first_champion(story: Story) -> None:
    assert story.decisions["first"].promoted
    assert story.champions["first"] == "v0.1.0"


def test_a_night_without_news_is_done_in_seconds(story: Story) -> None:
    assert story.decisions["nothing"].outcome == records.NOTHING_NEW
    assert story.seconds["nothing"] < 15


def test_of_ten_starts_at_once_one_works_and_the_others_say_so(story: Story) -> None:
    assert len(story.others) == STARTS - 1
    assert {status for status, _ in story.others} == {0}
    assert all("another retraining is at work" in said for _, said in story.others)


def test_a_killed_night_changes_nothing_and_the_next_one_takes_up_its_finished_stages(story: Story) -> None:
    assert story.champions["killed"] == "v0.1.0"
    said = story.said["new photos"]
    assert any("'collect' is cached - skipping run" in line for line in said), said
    assert "worktree" not in story.project.run("git", "worktree", "list").replace(str(story.root), "")
    assert list((story.root / ".dvc/tmp/retrain").iterdir()) == []


def test_new_photos_that_make_it_better_are_promoted(story: Story) -> None:
    decision = story.decisions["new photos"]
    assert decision.promoted
    assert story.champions["new photos"] == "v0.2.0"
    assert decision.reasons[0].text.startswith("the gain in vote accuracy over v0.1.0 on 250 test images is +0.16")


def test_a_poisoned_night_is_rejected_for_the_right_reason_and_the_champion_stays(story: Story) -> None:
    decision = story.decisions["poisoned"]
    assert decision.outcome == records.REJECTED
    rules = {reason.rule for reason in decision.failed_reasons}
    assert {"minimal_gain", "data.max_relabelled_fraction"} <= rules
    assert story.champions["poisoned"] == "v0.2.0"
    assert len(story.branches) == 4
    branch = story.branches[POISONED]
    assert story.project.run("git", "tag", "--points-at", branch) == ""
    assert "NO: the gain in vote accuracy" in story.project.run("git", "log", "-1", "--format=%B", branch)


def test_what_was_rejected_is_not_tried_every_night(story: Story) -> None:
    assert story.decisions["poisoned again"].outcome == records.NOTHING_NEW


def read_params(story: Story, revision: str) -> str:
    """Read the text of params.yaml without the pin of the images, which each night writes."""
    text = story.project.run("git", "show", f"{revision}:params.yaml")
    return re.sub(r"\n  snapshot:(\n    digest: \w+|.*)", "", text)


def test_the_first_night_has_no_champion_to_begin_with_and_says_so(story: Story) -> None:
    assert any(line.startswith("there is no champion to begin with yet: ") for line in story.said["first"])
    assert read_params(story, "encoder@v0.1.0") == read_params(story, "main")
    assert records.read_decision(story.root, "encoder@v0.1.0")["start"]["commit"] is None


@pytest.mark.parametrize(("branch", "began_with"), [(PROMOTED, "v0.1.0"), (POISONED, "v0.2.0")])
def test_later_nights_begin_with_the_champion_whatever_the_gate_says(
    story: Story, branch: int, began_with: str
) -> None:
    """The commit holds the parameters that made the encoder, and the user's other words stay as they were."""
    revision = story.branches[branch]
    changed = read_params(story, "main").replace("{kind: none}", "{kind: champion}").replace("epochs: 80", "epochs: 16")
    assert read_params(story, revision) == changed
    with Repo(str(story.root), rev=revision) as repo:
        config = json.loads(repo.dvcfs.read_text("models/encoder/config.json"))
    assert config["origin"] == f"encoder@{began_with}"
    record = records.read_decision(story.root, revision)["start"]
    assert record["commit"] == story.project.run("git", "rev-parse", f"encoder@{began_with}^{{commit}}").strip()
    assert record["own"] == {"learn.start": {"kind": "none"}, "learn.epochs": 80}


def test_a_new_champion_alone_begins_no_night(story: Story) -> None:
    """Or each promotion would begin another one, until the same test images favour one by luck."""
    assert story.decisions["a new champion alone"].outcome == records.NOTHING_NEW


def begin(mine: Project, monkeypatch: pytest.MonkeyPatch) -> tuple[Decision, dict[str, Any] | None]:
    """Let a night of a clone end where its training would begin; return what params.yaml says of the training then."""
    found: list[dict[str, Any]] = []

    def note(root: Path, folder: Path, *_: object) -> tuple[Decision, dict[str, Any]]:
        found.append(rewrite.read(folder)["learn"])
        return Decision(records.NOTHING_NEW, []), {}

    monkeypatch.setattr(retraining, "train_and_judge", note)
    decision = retraining.retrain(mine.root, make_tools(print)).decision
    return decision, found[0] if found else None


def test_what_a_night_wrote_is_never_taken_for_the_users_change(
    story: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a merge, the user's branch has the night's parameters; nights from scratch have the user's again."""
    mine = clone(story, tmp_path)
    mine.run("git", "merge", "--quiet", "--ff-only", "encoder@v0.2.0")
    registry.promote_by_hand(mine.root, PROMOTE, "v0.2.0")
    nights.take_photos(mine.root / "photos", range(250))
    shutil.copy(story.root / "models/start/mine.bin", mine.root / "models/start/mine.bin")
    assert begin(mine, monkeypatch)[1] is None
    mine.change(retrain__start="scratch")
    mine.commit("From scratch")
    merged = rewrite.read(mine.root)["learn"]
    assert begin(mine, monkeypatch)[1] == merged | {"start": {"kind": "none"}, "epochs": 80}
    mine.change(learn__epochs=100)
    mine.commit("And longer")
    assert begin(mine, monkeypatch)[1] == merged | {"start": {"kind": "none"}, "epochs": 100}


def test_a_merged_version_is_up_to_date_once_what_it_began_with_is_there(story: Story, tmp_path: Path) -> None:
    """A night's worktree has the same files to begin with as the user's checkout, those of the user's own included."""
    mine = clone(story, tmp_path)
    mine.run("git", "merge", "--quiet", "--ff-only", "encoder@v0.2.0")
    shutil.copy(story.root / "models/start/mine.bin", mine.root / "models/start/mine.bin")

    def is_start_changed() -> bool:
        return any("changed deps" in reason and "models/start" in reason["changed deps"] for reason in find_reasons())

    def find_reasons() -> list[Any]:
        return [reason for reason in graph.find_changes(mine.root, "learn")["learn"] if isinstance(reason, dict)]

    assert is_start_changed()
    registry.bring_by_hand(mine.root, PROMOTE, None)  # the champion, by now v0.1.0 again; from the remote
    assert (mine.root / "models/start/champion/version").read_text() == "encoder@v0.1.0\n"
    assert not is_start_changed()
    registry.bring_by_hand(mine.root, PROMOTE, "v0.2.0")
    assert is_start_changed()


def test_a_damaged_champion_is_not_begun_with(story: Story, tmp_path: Path) -> None:
    mine = clone(story, tmp_path)
    registry.bring_by_hand(mine.root, PROMOTE, "v0.2.0")
    brought = mine.root / "models/start/champion/encoder.safetensors"
    whole = brought.read_bytes()
    damaged = find_object(mine.root, "encoder@v0.2.0", "models/encoder/encoder.safetensors")
    write_in_place(damaged, b"0.1")
    registry.bring_by_hand(mine.root, PROMOTE, "v0.2.0")  # comes back from the remote
    assert brought.read_bytes() == whole
    mine.run("git", "config", "--file", ".dvc/config", "--remove-section", "core")
    write_in_place(damaged, b"0.1")
    with pytest.raises(DamageError, match=r"encoder\.safetensors of learn: damaged in DVC's cache"):
        registry.bring_by_hand(mine.root, PROMOTE, "v0.2.0")
    shutil.rmtree(mine.root / ".dvc/cache/damaged")
    with pytest.raises(StageError, match=r"v0\.2\.0: its data were pruned, DVC's cache no longer has them") as caught:
        registry.bring_by_hand(mine.root, PROMOTE, "v0.2.0")
    assert caught.value.status == 2
    assert brought.read_bytes() == whole


def test_a_champion_with_another_network_is_a_reason_and_not_a_failure_every_night(
    story: Story, tmp_path: Path
) -> None:
    mine, said = clone(story, tmp_path), list[str]()
    mine.run("git", "remote", "remove", "origin")
    nights.take_photos(mine.root / "photos", range(10))
    mine.change(learn__network="large")
    mine.commit("A larger network")
    decision = retraining.retrain(mine.root, make_tools(said.append)).decision
    assert [reason.rule for reason in decision.failed_reasons] == ["stages"]
    text = decision.failed_reasons[0].text
    assert "models/start/champion/encoder.safetensors: no weights of a large network" in text
    assert text.endswith("; with `retrain.start: scratch` a training needs no champion")
    assert retraining.retrain(mine.root, make_tools(said.append)).decision.outcome == records.NOTHING_NEW


def test_what_a_stage_says_against_its_input_is_the_reason(story: Story) -> None:
    decision = story.decisions["refused"]
    assert [reason.rule for reason in decision.failed_reasons] == ["stages"]
    assert "params.yaml: data.folder: no photo there" in decision.failed_reasons[0].text
    assert story.champions["refused"] == "v0.1.0"


def test_a_roll_back_holds(story: Story) -> None:
    assert story.champions["rolled back"] == "v0.1.0"
    assert story.decisions["after the roll-back"].outcome == records.NOTHING_NEW
    assert story.champions["after the roll-back"] == "v0.1.0"


def test_the_users_checkout_is_never_touched(story: Story) -> None:
    assert story.untouched
    assert story.project.run("git", "status", "--porcelain").split() == ["M", "work.py", "??", "half-written.txt"]


def test_the_decision_says_all_that_it_was_made_of(story: Story) -> None:
    record = json.loads(story.project.run("git", "show", "encoder@v0.2.0:metrics/decision.json"))
    assert (record["outcome"], record["version"], record["champion"]["name"]) == ("promoted", "v0.2.0", "v0.1.0")
    assert record["numbers"]["gain_known"]["images"] == 100
    assert record["numbers"]["gain_new"]["images"] == 150
    assert re.fullmatch("[0-9a-f]{64}", record["snapshot"]["digest"])


def test_promoted_nights_go_into_the_users_branch_by_a_plain_merge(story: Story, tmp_path: Path) -> None:
    mine = clone(story, tmp_path)
    mine.run("git", "merge", "--ff-only", "encoder@v0.1.0")
    mine.run("git", "merge", "--ff-only", "encoder@v0.2.0")


def test_what_a_killed_run_could_not_publish_the_next_one_does(story: Story, tmp_path: Path) -> None:
    mine, branch, other = clone(story, tmp_path), story.branches[PROMOTED], tmp_path / "other.git"
    mine.run("git", "branch", "--no-track", branch, f"origin/{branch}")
    mine.run("git", "tag", "--delete", *mine.run("git", "tag").split())
    mine.run("git", "init", "--quiet", "--bare", str(other))
    mine.run("git", "remote", "remove", "origin")
    mine.run("git", "remote", "add", "origin", str(other))
    assert publish.finish_publishing(mine.root, PROMOTE, print) == branch
    event = retraining.read_retraining(mine.root, branch).build_event()
    assert (event.kind, event.details["version"], event.details["branch"]) == ("promoted", "v0.2.0", branch)
    told = set(mine.run("git", "ls-remote", "--refs", "origin").split()[1::2])
    assert told == {f"refs/heads/{branch}", "refs/tags/encoder@v0.1.0", "refs/tags/encoder#prod#1"}
    said: list[str] = []
    assert publish.finish_publishing(mine.root, PROMOTE, said.append) is None
    assert said == []


def test_a_challenger_is_not_promoted_over_a_champion_that_it_was_not_compared_with(
    story: Story, tmp_path: Path
) -> None:
    """Another clone was first with its tags: nothing said whether ours is better than what is in production now."""
    mine, branch = clone(story, tmp_path), story.branches[PROMOTED]
    mine.run("git", "branch", "--no-track", branch, f"origin/{branch}")
    inputs = records.read_decision(mine.root, branch)["inputs"]
    assert records.list_judged(mine.root, PROMOTE)[inputs] == branch
    mine.run("git", "tag", "--delete", *mine.run("git", "tag").split())
    for name in ("encoder@v0.2.0", "encoder#prod#1"):
        mine.run("git", "tag", "--annotate", "--message", "theirs", name, f"origin/{story.branches[POISONED]}")
    theirs = versions.find_champion(mine.root, PROMOTE)
    assert publish.finish_publishing(mine.root, PROMOTE, print) is None
    with (
        worktree.check_out(mine.root, branch) as folder,
        pytest.raises(StageError, match="another version came into production meanwhile; the next run judges it anew"),
    ):
        publish.publish_branch(mine.root, folder, branch, PROMOTE, print)
    assert versions.find_champion(mine.root, PROMOTE) == theirs is not None
    assert inputs not in records.list_judged(mine.root, PROMOTE)
    assert records.find_last_judged(mine.root, theirs, PROMOTE)[1] != mine.run("git", "rev-parse", branch).strip()


def test_what_other_clones_decide_is_learnt_and_a_dead_network_stops_nothing(story: Story, tmp_path: Path) -> None:
    mine, said = clone(story, tmp_path), list[str]()
    mine.run("git", "tag", "--delete", *mine.run("git", "tag").split())
    publish.fetch_refs(mine.root, said.append)
    assert [one.name for one in versions.list_versions(mine.root, "encoder")] == ["v0.1.0", "v0.2.0"]
    assert said == []
    mine.run("git", "remote", "set-url", "origin", str(tmp_path / "gone"))
    publish.fetch_refs(mine.root, said.append)
    assert said[0].startswith("going on with what is known here: git ")


def test_another_clone_gets_the_bytes_of_what_is_in_production(story: Story, tmp_path: Path) -> None:
    mine = clone(story, tmp_path)
    mine.run("dvc", "artifacts", "get", ".", "encoder", "--stage", "prod", "--out", "got")
    with Repo(str(story.root), rev="encoder@v0.1.0") as repo:
        assert (mine.root / "got/encoder.safetensors").read_bytes() == repo.dvcfs.read_bytes(
            "models/encoder/encoder.safetensors"
        )


def test_ci_refuses_a_stale_lock_and_what_the_gate_would_refuse(story: Story, tmp_path: Path) -> None:
    mine, said = clone(story, tmp_path), list[str]()
    mine.run("git", "checkout", "--quiet", "--detach", "encoder@v0.1.0")
    before = state_of_refs(mine)
    assert retraining.check_head(mine.root, said.append)
    assert said == ["up to date; the encoder is v0.1.0, which is prod"]
    mine.run("git", "checkout", "--quiet", f"origin/{story.branches[POISONED]}")  # what it needs, it pulls
    assert not retraining.check_head(mine.root, said.append)
    assert any(line.startswith("NO: the relabelled fraction of the images is 0.5000") for line in said), said
    set_params(mine.root / "params.yaml", {"vote.k": 2})
    mine.commit("no run")
    assert not retraining.check_head(mine.root, said.append)
    assert said[-1] == "dvc.lock is stale: vote; run `dvc repro` and commit"
    assert state_of_refs(mine) == before


def spoil_champion(mine: Project) -> Path:
    """Make v0.2.0 the champion, go back to what v0.1.0 was made of, and damage the champion's encoder in the cache."""
    mine.run("git", "checkout", "--quiet", "--detach", "encoder@v0.1.0")
    mine.run("dvc", "fetch", "--quiet", "--all-tags")
    registry.promote_by_hand(mine.root, PROMOTE, "v0.2.0")
    encoder = find_object(mine.root, "encoder@v0.2.0", "models/encoder/encoder.safetensors")
    write_in_place(encoder, b"0.1")  # knows less than any
    return encoder


def find_object(root: Path, revision: str, path: str) -> Path:
    md5 = next(output.md5 for output in graph.list_outputs(root, revision) if output.path == Path(path))
    return graph.find_cache(root) / md5[:2] / md5[2:]


def test_a_damaged_champion_comes_back_from_the_remote_and_nothing_worse_passes(story: Story, tmp_path: Path) -> None:
    mine, said = clone(story, tmp_path), list[str]()
    encoder = spoil_champion(mine)
    assert not retraining.check_head(mine.root, said.append)
    assert any(line.startswith("NO: the gain in vote accuracy over v0.2.0") for line in said), said
    assert encoder.read_bytes() != b"0.1"
    assert (mine.root / ".dvc/cache/damaged" / f"{encoder.parent.name}{encoder.name}").read_bytes() == b"0.1"


def test_against_a_damaged_champion_that_is_nowhere_whole_nothing_is_judged(story: Story, tmp_path: Path) -> None:
    mine, said = clone(story, tmp_path), list[str]()
    spoil_champion(mine)
    mine.run("git", "config", "--file", ".dvc/config", "--remove-section", "core")
    mine.commit("without a remote")
    mine.change(learn__rate=2)
    for _ in range(2):  # also when the damaged object has been set aside
        with pytest.raises(
            DamageError, match=r"v0\.2\.0 \(\w{7}\) cannot be judged: models/encoder/encoder\.safetensors of learn"
        ):
            retraining.check_head(mine.root, said.append)
    with pytest.raises(DamageError, match="there is no remote to get it from"):
        registry.promote_by_hand(mine.root, PROMOTE, "v0.2.0")


def state_of_refs(project: Project) -> str:
    return project.run("git", "for-each-ref")


def test_a_shallow_clone_is_refused_in_one_line(story: Story, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    shallow = tmp_path / "shallow"
    story.project.run("git", "clone", "--quiet", "--depth", "1", f"file://{story.root.parent}/origin.git", str(shallow))
    with pytest.raises(StageError, match="git fetch --unshallow --tags") as caught:
        retraining.retrain(shallow, make_tools(print))
    assert caught.value.status == 2


def test_a_gate_that_asks_for_what_is_not_there_is_refused_before_any_work(story: Story, tmp_path: Path) -> None:
    mine, said = clone(story, tmp_path), list[str]()
    mine.change(promote__probe="nosuch")
    mine.commit("a slip")
    with pytest.raises(StageError, match=r"params\.yaml: promote\.probe: one that dvc\.yaml has") as caught:
        retraining.retrain(mine.root, make_tools(said.append))
    assert caught.value.status == 2
    assert not any("Running stage" in line for line in said)


def test_every_night_that_was_judged_or_went_wrong_is_told(story: Story) -> None:
    told = [json.loads(line) for line in (story.root / "scratch" / "told.jsonl").read_text().splitlines()]
    assert [one["event"] for one in told] == ["promoted", "promoted", "rejected", "rejected"]
    rejected = told[2]
    assert rejected["branch"] == story.branches[POISONED]
    assert any(reason.startswith("NO: the relabelled fraction") for reason in rejected["reasons"])
