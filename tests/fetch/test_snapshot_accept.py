"""Accepting a snapshot is an ordinary edit of params.yaml, of which no other byte changes."""

import difflib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from components.fetch.params import Snapshot
from components.fetch.snapshot import accept, read_scratch_folder
from components.stage.command import read_params
from components.stage.errors import InputError
from tests.conftest import ROOT, set_params
from tests.fetch.conftest import fill

PIN = Snapshot(files=3, bytes=1234, digest="0123456789abcdef" * 4)
LINES = [f"    {name}: {value}" for name, value in PIN.model_dump().items()]


@pytest.fixture
def params(tmp_path: Path) -> Path:
    """A copy of the shipped params.yaml."""
    return Path(shutil.copy(ROOT / "params.yaml", tmp_path / "params.yaml"))


def list_changes(before: str, after: str) -> list[str]:
    compared = difflib.ndiff(before.split("\n"), after.split("\n"))
    return [line for line in compared if line[0] in "+-"]


def test_accepting_for_the_first_time_adds_three_lines(params: Path) -> None:
    before = params.read_text()
    accept(params, PIN)
    assert list_changes(before, params.read_text()) == [f"+ {line}" for line in LINES]
    assert read_params(params).data.snapshot == PIN


def test_accepting_again_changes_what_is_different(params: Path) -> None:
    accept(params, PIN)
    before = params.read_text()
    accept(params, PIN.model_copy(update={"files": 10_000}))
    assert list_changes(before, params.read_text()) == ["-     files: 3", "+     files: 10000"]
    accept(params, PIN)
    assert params.read_text() == before


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("  snapshot: null  # none", "  snapshot:   # none\n" + "\n".join(LINES)),
        ("  snapshot: ~", "  snapshot:\n" + "\n".join(LINES)),
        ("  snapshot:\n  # of the seed", "  snapshot:\n" + "\n".join(LINES) + "\n  # of the seed"),
        (
            "  snapshot: {bytes: 1_0, files: 2, digest: '" + "a" * 64 + "'}  # so",
            f"  snapshot: {{bytes: 1234, files: 3, digest: {PIN.digest}}}  # so",
        ),
        (
            '  snapshot:\n      # why\n\n      digest: "'
            + "a" * 64
            + '"  # all\n      bytes: 1   # sum\n      files: 2',
            f"  snapshot:\n      # why\n\n      digest: {PIN.digest}  # all\n      bytes: 1234   # sum\n      files: 3",
        ),
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_everything_else_stays_as_somebody_wrote_it(written: str, expected: str, newline: str, tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    around = "---\n# ü\nz:   [1,\n  2]\ndata:\n  a: 'x'   # of a\n{}\n\n  seed:  1e-3\nlast: 0x10"
    file.write_bytes(around.format(written).replace("\n", newline).encode())
    file.chmod(0o640)
    accept(file, PIN)
    assert file.read_bytes().decode() == around.format(expected).replace("\n", newline)
    assert file.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]


def test_a_file_in_braces_stays_in_braces(tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    file.write_text("data: {snapshot: null, seed: 1}")
    accept(file, PIN)
    pin = f"{{files: 3, bytes: 1234, digest: {PIN.digest}}}"
    assert file.read_text() == f"data: {{snapshot: {pin}, seed: 1}}"


def test_a_link_to_params_stays_one(params: Path, tmp_path: Path) -> None:
    (tmp_path / "link.yaml").symlink_to(params)
    accept(tmp_path / "link.yaml", PIN)
    assert (tmp_path / "link.yaml").is_symlink()
    assert read_params(params).data.snapshot == PIN


def test_a_file_that_cannot_be_edited_in_place_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    text = "base: &base\n  snapshot: null\ndata:\n  <<: *base\n  seed: 1\n"
    file.write_text(text)
    with pytest.raises(InputError, match=r"params\.yaml: data\.snapshot: .* put in by hand: \{'files': 3, "):
        accept(file, PIN)
    assert file.read_text() == text


@pytest.mark.parametrize(
    ("text", "line"),
    [(None, "cannot be read: No such file"), ("vars: []", "names no scratch folder"), ("a: [", "names")],
)
def test_a_graph_without_a_scratch_folder_is_one_line(text: str | None, line: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "dvc.yaml").write_text(text)
    with pytest.raises(InputError, match=rf"dvc\.yaml: {line}"):
        read_scratch_folder(tmp_path / "dvc.yaml")


def test_the_command_compares_accepts_and_compares_again(params: Path, folder: Path, tmp_path: Path) -> None:
    fill(folder, "a.png", "b.png")
    shutil.copy(ROOT / "dvc.yaml", tmp_path / "dvc.yaml")
    source = {"kind": "folder", "name": "f", "url": "images", "layout": "flat"}
    set_params(params, {"data.sources": [source]})
    environment = os.environ | {"PYTHONPATH": str(ROOT)}

    def run(*flags: str) -> tuple[int, str, str]:
        command = [sys.executable, "-m", "components.fetch.snapshot", *flags]
        process = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        return process.returncode, process.stdout, process.stderr

    before = params.read_text()
    assert run()[0] == 0
    assert run("--accept") == (0, "snapshot: 2 files accepted, now in params.yaml\n", "")
    assert [line[:2] for line in list_changes(before, params.read_text())] == ["+ "] * 3
    assert run() == (0, "snapshot: nothing has changed since it was accepted\n", "")
    fill(folder, "c.png")
    changed = "the sources have changed: 1 files new, 0 gone, 0 changed, as f/c.png"
    refused = f"params.yaml: data.snapshot: {changed}; accept it by `python -m components.fetch.snapshot --accept`\n"
    assert run() == (2, "", refused)
    assert run("--accept") == (0, f"snapshot: 3 files accepted, now in params.yaml; {changed}\n", "")
    assert run()[0] == 0
    assert read_params(params).data.snapshot.files == 3
