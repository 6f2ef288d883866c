"""Labels that people give in the checkout are in the next night, committed or not, as data and not as code."""

from pathlib import Path

import pytest

from pipelines.registry import records, worktree
from pipelines.retrain import labels
from tests.conftest import Project
from tests.pipelines.retrain import nights

HEADER, REST = "id,label,who,when\n", "Ann,2026-05-31T14:05:00Z\n"
CAT, DOG = f",cat,{REST}", f",dog,{REST}"
FILE = "labels/given.csv"
pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")  # DVC's own


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """The tiny project."""
    for name in ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"):
        monkeypatch.delenv(name, raising=False)
    return nights.make_project(tmp_path)


def test_labels_are_data_and_no_code(project: Project) -> None:
    """Or one label would begin a night that waits for 500 new images."""
    before = [records.compute_fingerprint(project.root, [], images=images) for images in (True, False)]
    nights.give_label(project.root, "0001", "mouse")
    after = [records.compute_fingerprint(project.root, [], images=images) for images in (True, False)]
    assert (before[0] != after[0], before[1] == after[1]) == (True, True)


def test_what_the_checkout_has_counts_unless_it_has_nothing_of_its_own(project: Project) -> None:
    said: list[str] = []
    with worktree.check_out(project.root, "HEAD") as folder:
        (folder / FILE).write_text(f"{HEADER}a,cat,,\n")  # of the champion, from another clone
        labels.bring_labels(project.root, folder, said.append)
        assert (folder / FILE).read_text() == f"{HEADER}a,cat,,\n"
        nights.give_label(project.root, "b", "dog")
        labels.bring_labels(project.root, folder, said.append)
        assert (folder / FILE).read_text() == f"{HEADER}b{DOG}"
        assert said == [
            f"{FILE}: taken along as it stands in the checkout, new rows: 1",
            f"{FILE}: rows of the night's commit that the checkout has not, and that count no more: 1",
        ]
        (project.root / FILE).unlink()
        labels.bring_labels(project.root, folder, said.append)
        assert (folder / FILE).read_text() == f"{HEADER}b{DOG}"


def test_labels_of_two_clones_meet_without_a_conflict(project: Project) -> None:
    """The night's commit has the beginning of what the checkout has, and a merge doubles no row."""
    (project.root / ".gitattributes").write_text(f"{FILE} merge=union\n")
    project.commit("Union")
    project.run("git", "switch", "--quiet", "--create", "night")
    nights.give_label(project.root, "a", "cat")
    project.commit("A night")
    project.run("git", "switch", "--quiet", "main")
    nights.give_label(project.root, "a", "cat")
    nights.give_label(project.root, "b", "dog")
    project.commit("Labels")
    project.run("git", "merge", "--quiet", "--no-edit", "night")
    assert (project.root / FILE).read_text() == f"{HEADER}a{CAT}b{DOG}"


def test_findings_tell_which_labels_are_of_people(tmp_path: Path) -> None:
    (tmp_path / "dvc.yaml").write_text("vars: [{path: {findings: found}}]")
    assert labels.read_given(tmp_path) == set()
    (tmp_path / "found").mkdir()
    (tmp_path / "found/given.csv").write_text('id,label\n"a,b",cat\nc,\n')
    assert labels.read_given(tmp_path) == {"a,b", "c"}
