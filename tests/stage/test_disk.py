"""A disk that fails is told from other errors, named with the file in one line, and leaves no half of a file."""

import errno
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors import SafetensorError

from components.stage import disk
from components.stage.command import exit_on_error
from components.stage.disk import DiskError, check_file, check_folder, check_room, name_faults, write_beside
from components.stage.errors import InputError, RunError
from components.stage.files import write_json
from tests.conftest import ROOT

FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="no /dev/full, which only Linux has")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OSError(errno.EDQUOT, "quota"), errno.EDQUOT),
        (OSError("[Errno 28] Error writing bytes to file. Detail: [errno 28] No space left on device"), errno.ENOSPC),
        (SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"), errno.ENOSPC),
        (RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 64 vs 0"), errno.ENOSPC),
        (sqlite3.OperationalError("database or disk is full"), errno.ENOSPC),
        (sqlite3.OperationalError("attempt to write a readonly database"), errno.EROFS),
        (FileNotFoundError("[Errno 2] No usable temporary directory found in ['/tmp']"), errno.ENOSPC),
        (OSError("cannot identify image file"), None),
        (ValueError("full"), None),
    ],
)
def test_every_librarys_words_for_a_disk_that_fails_are_understood(error: Exception, code: int | None) -> None:
    assert disk.find_code(error) == code


@needs_full
@pytest.mark.parametrize(
    "write",
    [
        lambda path: path.write_bytes(bytes(9999)),
        lambda path: pq.write_table(pa.table({"a": [0] * 10}), path),
        lambda path: torch.save({"a": torch.zeros(9)}, path),
    ],
    ids=["Python", "pyarrow", "PyTorch"],
)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of pyarrow's own writer
def test_the_errors_that_libraries_really_raise_are_named(write: Callable[[Path], None], tmp_path: Path) -> None:
    (tmp_path / "full").symlink_to(FULL)
    words = r"it\.x: cannot be written: No space left on device \(.*free\); what"
    with pytest.raises(DiskError, match=words), name_faults(tmp_path / "it.x"):
        write(tmp_path / "full")


def test_the_file_of_before_is_whole_until_the_new_one_is(tmp_path: Path) -> None:
    path = tmp_path / "new" / "metrics.json"
    write_json(path, {"a": 1})

    def fail_half_way() -> None:
        with write_beside(path) as new:
            new.write_text("{")
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    with pytest.raises(DiskError, match="what stood there before is whole; the disk or its connection is failing"):
        fail_half_way()
    assert path.read_text() == '{\n  "a": 1\n}\n'
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(errno.ENOSPC, "full", "/data/a.png"), "/data/a.png: No space left on device; free some room"),
        (PermissionError(errno.EACCES, "no", "/data/a.png"), "/data/a.png: Permission denied; get the right"),
        (OSError(errno.EMFILE, "many", "/data/a.png"), "/data/a.png: Too many open files; raise the limit"),
        (
            BlockingIOError(errno.EAGAIN, "no process"),
            "[Errno 11] no process; raise the limit of processes (`ulimit -u`",
        ),
        (RuntimeError("PytorchStreamWriter failed writing file"), "PytorchStreamWriter failed writing file; free"),
    ],
)
def test_a_disk_that_fails_anywhere_ends_a_stage_in_a_line(
    error: Exception, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended, exit_on_error("embed"):
        raise error
    said = capsys.readouterr().err
    assert said.startswith(f"embed: {line}")
    assert said.count("\n") == 1
    assert ended.value.code == 1


def test_other_errors_keep_their_trace(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="1"), exit_on_error("embed"):
        raise KeyError("a mistake in the program")
    assert "Traceback" in capsys.readouterr().err


def test_places_are_tried_before_the_work_and_nothing_is_left_there(tmp_path: Path) -> None:
    check_file(tmp_path / "a" / "b" / "page.html")
    (tmp_path / "file").write_text("")
    (tmp_path / "nowhere").symlink_to("gone")
    for folder in ("file", "file/below", "nowhere"):
        with pytest.raises(InputError, match=f"{folder}: nothing can be written there: .*; name a folder"):
            check_folder(tmp_path / folder)
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="folder: not a file but a folder"):
        check_file(tmp_path / "folder")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder", "nowhere"]


def test_folders_on_one_disk_share_its_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs = {tmp_path / "a": 6_000_000, tmp_path / "b": 5_000_000}
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 0, 11_000_000))
    check_room(needs, "the store")
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 0, 10_500_000))
    with pytest.raises(
        RunError, match=r"a and .*b: too little room for the store: about 11\.0 MB .* 10\.5 MB are free"
    ):
        check_room(needs, "the store")
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(0, 0, 0))
    check_room(needs, "the store")  # of a disk that does not tell


@needs_full
def test_a_log_on_a_full_disk_ends_no_run() -> None:
    code = "from components.stage.command import exit_on_error\nwith exit_on_error('a'):\n"
    code += " print('x' * 9999, flush=True)\n print('y', flush=True)\nimport sys; print('done', file=sys.stderr)"
    with FULL.open("w") as full:
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, check=True)
    assert done.stderr == "warning: what is printed is lost: No space left on device\ndone\n"


@needs_full
@pytest.mark.parametrize("where", ["> /dev/full 2>&1", "2> /dev/full | head -1", "2>&1 | head -1", ">&-"])
def test_a_run_whose_lines_and_errors_nobody_can_read_is_done_all_the_same(where: str, tmp_path: Path) -> None:
    code = "from components.stage.command import exit_on_error\nfrom components.stage.errors import InputError\n"
    code += "import pathlib, sys\nwith exit_on_error('a'):\n"
    code += " for _ in range(20): print('x' * 9999, flush=True)\n print('y', file=sys.stderr, flush=True)\n"
    code += " pathlib.Path(sys.argv[1]).touch()\n raise InputError('wrong')"
    (tmp_path / "code.py").write_text(code)
    line = f'set -o pipefail; "$0" code.py done {where}'
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = ["bash", "-c", line, sys.executable]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert (tmp_path / "done").exists(), done
    assert done.returncode == 2
    assert b"Traceback" not in done.stdout + done.stderr
