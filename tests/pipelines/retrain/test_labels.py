"""Labels that people give in the checkout are in the next night, committed or not, as data and not as code."""

from pathlib import Path

import pytest

from pipelines.registry import records, worktree
from pipelines.retrain import labels, retraining
from tests.conftest import Project
from tests.pipelines.retrain import nights
from tests.pipelines.retrain.story import make_tools

HEADER = "id,label,who,when\n"
FILE = "labels/given.csv"
pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")  # DVC's own
COLLECTS = """
def collect_given(rows):
    lines = Path("labels/given.csv").read_text().splitlines()[1:]
    given = dict(line.split(",")[:2] for line in lines)
    return [row | {"label": given.get(row["id"], row["label"])} for row in rows]
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """The tiny project, whose first stage takes in labels."""
    for name in ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"):
        monkeypatch.delenv(name, raising=False)
    project = nights.make_project(tmp_path)
    graph = nights.GRAPH.replace("scratch: scratch,", "scratch: scratch, labels: labels,", 1)
    work = nights.WORK.replace("def collect():", f"{COLLECTS}def collect():")
    work = work.replace("    if not rows:", "    rows = collect_given(rows)\n    if not rows:", 1)
    (project.root / "dvc.yaml").write_text(graph.replace("deps: [work.py]\n", "deps: [work.py, labels]\n", 1))
    (project.root / "work.py").write_text(work)
    (project.root / "labels").mkdir()
    (project.root / FILE).write_text(HEADER)
    project.commit("Labels")
    return project


def give(project: Project, text: str) -> None:
    with (project.root / FILE).open("a") as file:
        file.write(text)


def test_a_night_takes_labels_along_and_commits_them(project: Project) -> None:
    """They count as changed images, whose number may be too small; the checkout stays as it is."""
    project.change(retrain__new_images=3)
    project.commit("Not at every image")
    give(project, "0001,mouse,Ann,2026-05-31T14:05:00Z\n")
    said: list[str] = []
    tools = make_tools(said.append)
    first = retraining.retrain(project.root, tools)
    assert first.decision.promoted
    assert f"{FILE}: taken along as it stands in the checkout, with 1 new rows" in said
    assert project.run("git", "show", f"{first.branch}:{FILE}") == (project.root / FILE).read_text()
    assert project.run("git", "status", "--porcelain").split() == ["M", FILE]
    give(project, "0002,mouse,Ann,2026-05-31T14:06:00Z\n")
    text = retraining.retrain(project.root, tools).decision.reasons[0].text
    assert text == "waiting: 1 changed image of 3 since v0.1.0"


def test_labels_are_data_and_no_code(project: Project) -> None:
    """Or one label would begin a night that waits for 500 new images."""
    before = [records.compute_fingerprint(project.root, [], images=images) for images in (True, False)]
    give(project, "0001,mouse,Ann,\n")
    after = [records.compute_fingerprint(project.root, [], images=images) for images in (True, False)]
    assert (before[0] != after[0], before[1] == after[1]) == (True, True)


def test_what_the_checkout_has_counts_unless_it_has_nothing_of_its_own(project: Project) -> None:
    said: list[str] = []
    with worktree.check_out(project.root, "HEAD") as folder:
        (folder / FILE).write_text(f"{HEADER}a,cat,,\n")  # of the champion, from another clone
        labels.bring_labels(project.root, folder, said.append)
        assert (folder / FILE).read_text() == f"{HEADER}a,cat,,\n"
        give(project, "b,dog,,\n")
        labels.bring_labels(project.root, folder, said.append)
        assert (folder / FILE).read_text() == f"{HEADER}b,dog,,\n"
        assert said == [
            f"{FILE}: taken along as it stands in the checkout, with 1 new rows",
            f"{FILE}: 1 rows of the night's commit are not in the checkout's file and count no more",
        ]
        (project.root / FILE).unlink()
        labels.bring_labels(project.root, folder, said.append)
        assert (folder / FILE).read_text() == f"{HEADER}b,dog,,\n"


def test_labels_of_two_clones_meet_without_a_conflict(project: Project) -> None:
    """The night's commit has the beginning of what the checkout has, and a merge doubles no row."""
    (project.root / ".gitattributes").write_text(f"{FILE} merge=union\n")
    project.commit("Union")
    project.run("git", "switch", "--quiet", "--create", "night")
    give(project, "a,cat,,\n")
    project.commit("A night")
    project.run("git", "switch", "--quiet", "main")
    give(project, "a,cat,,\nb,dog,,\n")
    project.commit("Labels")
    project.run("git", "merge", "--quiet", "--no-edit", "night")
    assert (project.root / FILE).read_text() == f"{HEADER}a,cat,,\nb,dog,,\n"


def test_findings_tell_which_labels_are_of_people(tmp_path: Path) -> None:
    (tmp_path / "dvc.yaml").write_text("vars: [{path: {findings: found}}]")
    assert labels.read_given(tmp_path) == set()
    (tmp_path / "found").mkdir()
    (tmp_path / "found/given.csv").write_text('id,label\n"a,b",cat\nc,\n')
    assert labels.read_given(tmp_path) == {"a,b", "c"}
