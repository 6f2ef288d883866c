"""Old retrainings lose their data, and nothing else loses any; the objects in the cache are made by hand here."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from dvc.data_cloud import DataCloud

from pipelines.registry import __main__ as registry
from pipelines.registry import keep, mending, notes, prune, records
from pipelines.registry.git import read_blobs, run_git
from pipelines.train import settings
from tests.pipelines.registry.pruned import PROMOTE, Cache

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")  # DVC's own
Run = Callable[..., tuple[int, list[str], str]]


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path)


@pytest.fixture
def run(cache: Cache, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command as typed in the repository; it returns exit status, lines of standard output, and standard error."""
    monkeypatch.chdir(cache.root)
    sections = {"promote": PROMOTE, "retrain": {"keep": None}}
    monkeypatch.setattr(settings, "read_settings", lambda root: sections)

    def type_command(*arguments: str) -> tuple[int, list[str], str]:
        monkeypatch.setattr("sys.argv", ["registry", *arguments])
        status = registry.main()
        said = capsys.readouterr()
        return status, said.out.splitlines(), said.err

    return type_command


def test_the_weights_that_a_version_began_with_stay_as_long_as_the_version(cache: Cache, run: Run) -> None:
    """Without them its commit could not be run again."""
    first = cache.retrain("encoder.safetensors", "old images", promoted=True)
    for name in ("v2", "v3"):
        cache.retrain(name, promoted=True)
    cache.retrain("v4", promoted=True, start=run_git(cache.root, "rev-parse", first))
    assert run("prune", "--keep", "1", "--yes")[0] == 0
    assert cache.left == {"first", "common", "encoder.safetensors", "v3", "v4"}
    cache.retrain("v5", promoted=True)
    cache.retrain("v6", promoted=True)
    assert run("prune", "--keep", "1", "--yes")[0] == 0
    assert cache.left == {"first", "common", "v5", "v6"}


def test_old_retrainings_lose_their_data_and_nothing_else_does(cache: Cache, run: Run) -> None:
    for name in ("v1", "v2", "v3"):
        cache.retrain(name, promoted=True)
        cache.retrain(f"rejected after {name}")
    refs = run_git(cache.root, "for-each-ref")
    everything = cache.left
    status, lines, error = run("prune", "--keep", "1")
    assert (status, error, lines[-1]) == (0, "", "nothing is removed yet: repeat it with --yes")
    newest = f"{records.BRANCHES}20260101T000006Z (newest)"
    assert lines[0] == f"the data of these stay: v0.3.0 (rollback), v0.5.0 (prod, new), {newest}"
    assert lines[1:3] == [
        "of 3 other retrainings, and of nights that made none, go:",
        "  6 objects of DVC's cache: 0.0 MB",
    ]
    assert cache.left == everything
    assert run("prune", "--keep", "1", "--yes")[1] == lines[:-1]
    assert cache.left == {"first", "common", "v2", "v3", "rejected after v3"}
    assert run_git(cache.root, "for-each-ref") == refs
    judged = records.list_judged(cache.root, PROMOTE)
    assert judged.keys() == {f"{r}v{n}" for r in ("", "rejected after ") for n in (1, 2, 3)}
    assert run("prune", "--keep", "1")[1][2] == "  nothing"


def test_what_the_user_has_marked_stays(cache: Cache, run: Run) -> None:
    names = ("tagged", "branched", "elsewhere", "merged", "gone", "newest")
    branches = {name: cache.retrain(name) for name in names}
    cache.project.run("git", "tag", "keep-me", branches["tagged"])
    cache.project.run("git", "branch", "mine", branches["branched"])
    cache.project.run("git", "worktree", "add", "--quiet", "--detach", "../elsewhere", branches["elsewhere"])
    cache.project.run("git", "merge", "--quiet", "--no-ff", branches["merged"])
    run("prune", "--keep", "1", "--yes")
    assert cache.left == {"first", "common", "tagged", "branched", "elsewhere", "merged", "newest"}


def test_a_merged_retraining_keeps_its_data_only_while_it_is_the_last(cache: Cache, run: Run) -> None:
    for name in ("one", "two"):
        cache.project.run("git", "merge", "--quiet", "--no-ff", "-X", "theirs", cache.retrain(name))
    cache.retrain("newest")
    run("prune", "--keep", "1", "--yes")
    assert cache.left == {"first", "common", "two", "newest"}


def test_the_users_own_data_stay_wherever_they_are_named(cache: Cache, run: Run) -> None:
    """A retraining had them all as well, so that they could go with it."""
    mine = ("old", "stashed", "reset", "added", "lying", "staged")
    cache.retrain("retrained", *mine)
    cache.retrain("newest")
    cache.lock("old")
    cache.project.commit("old")
    cache.lock("reset")
    cache.project.commit("reset")
    cache.project.run("git", "reset", "--quiet", "--hard", "HEAD~1")
    cache.lock("stashed")
    cache.project.run("git", "stash")
    (cache.root / "added.dvc").write_text(f"outs:\n- md5: {cache.oids['added']}\n  path: added\n")
    cache.project.commit("added")
    cache.lock("staged")
    cache.project.run("git", "add", "dvc.lock")
    cache.lock("lying")
    run("prune", "--keep", "1", "--yes")
    assert cache.left == {"first", "common", "newest", *mine}


def test_nights_that_left_no_branch_lose_their_data_but_the_last_one(cache: Cache, run: Run) -> None:
    for number, name in enumerate(("waited", "failed", "last night")):
        cache.lock(name, "common")
        notes.note_lock(cache.root, cache.root / "dvc.lock")
        os.utime(notes.list_notes(cache.root)[-1], (number, number))
    cache.project.run("git", "checkout", "--quiet", "dvc.lock")
    run("prune", "--keep", "1", "--yes")
    assert cache.left == {"first", "common", "last night"}
    assert len(notes.list_notes(cache.root)) == 1


def test_the_run_cache_forgets_what_it_could_not_restore(cache: Cache, run: Run) -> None:
    runs = cache.root / ".dvc/cache/runs"
    cache.retrain("gone")
    cache.retrain("newest")
    for name in ("gone", "newest"):
        (runs / name[:2] / name).mkdir(parents=True)
        (runs / name[:2] / name / "entry").write_text(f"cmd: x\nouts:\n- path: a\n  md5: {cache.oids[name]}\n")
    run("prune", "--keep", "1", "--yes")
    assert [path.name for path in sorted(runs.glob("*/*"))] == ["newest"]
    assert not (runs / "go").exists()


def test_records_and_checkpoints_go_with_the_retrainings_that_they_are_of(cache: Cache, run: Run) -> None:
    scratch = cache.root / "scratch"
    for name in ("pinned", "not"):
        (scratch / "snapshots").mkdir(parents=True, exist_ok=True)
        (scratch / f"snapshots/{name}.parquet").touch()
    (cache.root / "params.yaml").write_text("data: {snapshot: {digest: pinned}}\n")
    cache.retrain("newest")
    for name, seconds in (("a" * 32, 1), ("b" * 32, 2**31), ("downloads", 1)):
        (scratch / name).mkdir()
        (scratch / name / "state.pt").touch()
        os.utime(scratch / name, (seconds, seconds))
    lines = run("prune", "--keep", "1", "--yes")[1]
    assert f"  1 checkpoints of interrupted trainings ({'a' * 32}): 0.0 MB" in lines
    assert {path.name for path in scratch.glob("*") if path.is_dir()} == {"b" * 32, "downloads", "snapshots"}
    assert [path.name for path in scratch.glob("snapshots/*")] == ["pinned.parquet"]


def test_copies_of_damaged_files_go_when_nothing_needs_them(cache: Cache, run: Run) -> None:
    """An object that has not come back keeps its copy: it may be saved by hand, and tells damage from absence."""
    aside = cache.root / ".dvc/cache" / mending.ASIDE
    oid, lost = cache.oids["common"], "0" * 32
    (aside / f"{lost}.output").mkdir(parents=True)
    for name in (oid, f"{oid}-2", lost, f"{lost}-2", f"{lost}.output/file"):
        (aside / name).touch()
    assert run("prune", "--keep", "1")[1][2] == "  3 damaged files that were set aside: 0.0 MB"
    assert run("prune", "--keep", "1", "--yes")[0] == 0
    assert {path.name for path in aside.iterdir()} == {lost, f"{lost}-2"}


def test_a_remote_that_cannot_be_asked_shows_no_password(
    cache: Cache, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise ConnectionError("https://ada:secret@example.org/ does not answer")

    for name in ("v1", "v2", "v3"):
        cache.retrain(name, promoted=True)
    run("prune", "--keep", "1", "--yes")
    (cache.root / ".dvc/config.local").write_text("[core]\n    remote = far\n['remote \"far\"']\n    url = /far\n")
    monkeypatch.setattr(DataCloud, "get_remote_odb", refuse)
    _, lines, _ = run("promote", "v0.1.0")
    assert lines[0] == "v0.1.0: not in DVC's cache here; far cannot be asked: https://***@example.org/ does not answer"


def test_a_cache_that_others_may_use_asks_for_their_names(cache: Cache, run: Run, tmp_path: Path) -> None:
    cache.retrain("gone")
    cache.retrain("theirs")
    cache.retrain("newest")
    theirs = cache.project.run("git", "rev-parse", "refs/heads/retrain/20260101T000002Z").strip()
    cache.project.run("git", "clone", "--quiet", ".", "../other")
    cache.project.run("git", "-C", "../other", "checkout", "--quiet", "-b", "used", theirs)
    (cache.root / ".dvc/cache").rename(tmp_path / "cache")
    (cache.root / ".dvc/cache").symlink_to(tmp_path / "cache")  # so that `left` finds them
    (cache.root / ".dvc/config.local").write_text(f"[cache]\n    dir = {tmp_path / 'cache'}\n")
    status, _, error = run("prune", "--keep", "1", "--yes")
    assert (status, error.startswith(f"{tmp_path / 'cache'}: lies outside this checkout")) == (2, True)
    assert run("prune", "--keep", "1", "--projects", "/nowhere")[0::2] == (2, "--projects: /nowhere: no folder\n")
    assert run("prune", "--keep", "1", "--yes", "--projects", str(tmp_path / "other"))[0] == 0
    assert cache.left == {"first", "common", "theirs", "newest"}
    said: list[str] = []
    prune.prune_before_night(cache.root, {"promote": PROMOTE, "retrain": {"keep": 1}}, said.append)
    assert len(said) == 1
    assert said[0].startswith("old data stay: ")


def test_a_night_begins_without_the_data_of_old_ones_if_params_say_so(cache: Cache) -> None:
    for name in ("one", "two"):
        cache.retrain(name)
    said: list[str] = []
    prune.prune_before_night(cache.root, {"retrain": {"keep": None}}, said.append)
    assert (said, cache.left) == ([], {"first", "common", "one", "two"})
    prune.prune_before_night(cache.root, {"promote": PROMOTE, "retrain": {"keep": 1}}, said.append)
    assert cache.left == {"first", "common", "two"}


def test_a_version_without_its_data_does_not_come_into_production(cache: Cache, run: Run, tmp_path: Path) -> None:
    for name in ("v1", "v2", "v3"):
        cache.retrain(name, promoted=True)
    run("prune", "--keep", "1", "--yes")
    status, _, error = run("promote", "v0.1.0")
    commit = run_git(cache.root, "rev-parse", "encoder@v0.1.0^{commit}")[:7]
    assert (status, error) == (
        2,
        "v0.1.0: its data were pruned, DVC's cache no longer has them; "
        f"`git worktree add ../again {commit}` and `dvc repro` there make them again\n",
    )
    assert run("rollback")[0] == 0
    (cache.root / ".dvc/config.local").write_text(
        f"[core]\n    remote = far\n['remote \"far\"']\n    url = {tmp_path}\n"
    )
    assert run("promote", "v0.1.0")[2].startswith("v0.1.0: its data were pruned, neither DVC's cache nor far has them")
    oid = cache.oids["v1"]
    there = tmp_path / "files/md5" / oid[:2] / oid[2:]
    there.parent.mkdir(parents=True)
    there.write_text("v1")
    assert run("promote", "v0.1.0")[1][0].startswith("v0.1.0: its data were pruned here; far has them")


def test_a_version_comes_into_production_only_with_the_classifier_of_its_commit(cache: Cache, run: Run) -> None:
    """It is an artifact of its own, a folder: who rolled back to an encoder without it could not classify."""
    graph = (cache.root / "dvc.yaml").read_text()
    (cache.root / "dvc.yaml").write_text(graph.replace("stages:", "  classifier: {path: store, type: model}\nstages:"))
    cache.project.commit("A classifier")
    for name in ("v1", "v2"):
        cache.retrain(name, promoted=True)
    folder = next(oid for name, oid in cache.oids.items() if name.startswith("folder of v1"))
    kept = cache.locate(folder).read_bytes()
    cache.locate(folder).unlink()
    assert run("rollback")[0] == 2
    cache.locate(folder).write_bytes(kept)
    assert run("rollback")[:2] == (0, ["encoder@v0.1.0 is prod now; publish it by `git push origin --tags`"])


def test_a_version_needs_no_classifier_that_was_switched_off_before_it(cache: Cache, run: Run) -> None:
    """DVC leaves in dvc.lock what a stage made that dvc.yaml has no more, and pushes none of it."""
    graph = (cache.root / "dvc.yaml").read_text()
    (cache.root / "dvc.yaml").write_text(graph.replace("stages:", "  classifier: {path: head, type: model}\nstages:"))
    cache.project.commit("A classifier")
    lock = cache.lock
    for name in ("v1", "v2"):
        cache.lock = lambda *names: switch_off(cache.root / "dvc.lock", lock(*names))  # type: ignore[method-assign]
        cache.retrain(name, promoted=True)
    assert run("rollback") == (0, ["encoder@v0.1.0 is prod now; publish it by `git push origin --tags`"], "")


def switch_off(path: Path, text: str) -> str:
    """Add to dvc.lock what a classifier left whose stage dvc.yaml has no more."""
    gone = f"{text}  classifier@byol:\n    cmd: 'true'\n    outs:\n    - {{path: head, md5: {'f' * 32}}}\n"
    path.write_text(gone)
    return gone


@pytest.mark.parametrize("arguments", [(), ("--keep", "0"), ("--keep", "-1")])
def test_how_many_stay_is_asked_for(run: Run, arguments: tuple[str, ...]) -> None:
    said = "--keep: how many versions stay, 1 or more, or `retrain.keep` in params.yaml\n"
    assert run("prune", *arguments) == (2, [], said)


def test_a_project_without_retrainings_has_nothing_to_lose(cache: Cache, run: Run) -> None:
    said = ["the data of these stay: none", "of 0 other retrainings, and of nights that made none, go:", "  nothing"]
    assert run("prune", "--keep", "1", "--yes") == (0, said, "")
    assert cache.left == {"first", "common"}


def test_going_back_leads_from_each_version_to_the_one_before() -> None:
    assert keep.list_before([]) == []
    assert keep.list_before(["a"]) == []
    assert keep.list_before(["a", "b", "c"]) == ["b", "a"]
    assert keep.list_before(["a", "b", "c", "b"]) == ["a"]


def test_files_of_git_are_read_together_whatever_they_hold(cache: Cache) -> None:
    texts = {"a": "", "b": "one\ntwo\n", "c": "blob 3\nmissing\r\n\n"}
    for name, text in texts.items():
        (cache.root / name).write_text(text, newline="")
    cache.project.commit("three files")
    assert read_blobs(cache.root, ["HEAD:a", "HEAD:no such", "HEAD:b", "HEAD:c"]) == ["", None, *[*texts.values()][1:]]
    assert read_blobs(cache.root, []) == []
