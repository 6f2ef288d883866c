"""A checkpoint is loaded only by the run that left it, as a whole or not at all, and it can run no code."""

import errno
import io
import os
import pickle
import struct
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import torch

from components.pretrain.checkpoint import BEFORE, FILE, Checkpoint
from components.stage.errors import InputError, RunError
from tests.conftest import ROOT

CONTENT: dict[str, Any] = {
    "state": {"weights": torch.arange(5.0), "step": 3, "slots": {0: {"momentum": torch.ones(2, 2)}}},
    "observer": {"rows": [{"epoch": 1, "loss": 0.5}], "cost": {"seconds": 1.5}},
}


def save_content(folder: Path, key: str = "run") -> Checkpoint:
    """Save CONTENT as a checkpoint."""
    checkpoint = Checkpoint(folder, key)
    checkpoint.save(CONTENT)
    return checkpoint


def is_whole(content: dict[str, Any] | None) -> bool:
    return content is not None and repr(content) == repr(CONTENT)


def test_what_was_saved_comes_back_and_is_gone_when_the_run_is_done(tmp_path: Path) -> None:
    checkpoint = save_content(tmp_path)
    assert is_whole(Checkpoint(tmp_path, "run").load())
    assert Checkpoint(tmp_path, "another").load() is None
    checkpoint.remove()
    assert checkpoint.load() is None


def test_nothing_to_go_on_from_is_no_news(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert Checkpoint(tmp_path / "new", "run").load() is None
    assert capsys.readouterr().out == ""


def make_another_zip(_: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.txt", "hello")
    return file.getvalue()


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda whole: b"",
    "cut in half": lambda whole: whole[: len(whole) // 2],
    "cut at the end": lambda whole: whole[:-1],
    "one wrong byte": lambda whole: whole.replace(b"FloatStorage", b"Fl\xd1atStorage"),
    "one wrong bit of a weight": lambda whole: whole.replace(
        struct.pack("<5f", *range(5)), struct.pack("<5f", *range(4), 5)
    ),
    "a file without a checksum": lambda whole: whole[:-32],
    "text": lambda whole: b"hello world",
    "zeros": lambda whole: bytes(1000),
    "a pickle cut short": lambda whole: b"\x80\x02X",
    "another zip": make_another_zip,
}


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_file_is_said_in_one_line_and_the_run_begins_anew(
    how: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run that stopped at a damaged file would stop at every later attempt too."""
    checkpoint = save_content(tmp_path)
    file = tmp_path / "run" / FILE
    file.write_bytes(DAMAGES[how](file.read_bytes()))
    assert checkpoint.load() is None
    output = capsys.readouterr().out
    assert output.startswith(f"{file}: cannot be read, so the run begins anew: ")
    assert output.count("\n") == 1
    assert output.rstrip()[-1] != ":", "why stands there"
    checkpoint.save(CONTENT)
    assert is_whole(checkpoint.load())


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_not_gone_on_from(
    value: float, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The run would end in numbers that mean nothing, however often it is begun again."""
    Checkpoint(tmp_path, "run").save({"state": {"slots": {0: torch.tensor([1.0, value])}}})
    assert Checkpoint(tmp_path, "run").load() is None
    assert "it holds numbers that are not finite" in capsys.readouterr().out


def test_a_run_goes_on_from_the_checkpoint_before_a_damaged_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A day of training is not lost to one wrong bit; the damaged file stays, and only the last of them."""
    checkpoint = save_content(tmp_path)
    for step in (4, 5):
        checkpoint.save({"state": {"step": step}})
    file, kept = tmp_path / "run" / FILE, tmp_path / "run.damaged"
    damaged = file.read_bytes()[::-1]
    file.write_bytes(damaged)
    (tmp_path / "another.damaged").mkdir()
    assert checkpoint.load() == {"state": {"step": 4}}
    output = capsys.readouterr().out
    assert output.startswith(f"{file}: cannot be read, so the run goes on from the one before: its checksum is wrong")
    assert output.endswith(f"; set aside as {kept}\n")
    assert output.count("\n") == 1
    assert checkpoint.load() == {"state": {"step": 4}}, "and again, without a word"
    assert capsys.readouterr().out == ""
    checkpoint.remove()
    assert [(path, path.read_bytes()) for path in tmp_path.glob("*.damaged")] == [(kept, damaged)]


def test_a_kill_between_two_renames_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = save_content(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", Mock(side_effect=[None, KeyboardInterrupt]))
        with pytest.raises(KeyboardInterrupt):
            checkpoint.save({"state": {"step": 4}})
    (tmp_path / "run" / FILE).replace(tmp_path / "run" / BEFORE)
    assert is_whole(checkpoint.load())
    checkpoint.save({"state": {"step": 5}})
    assert checkpoint.load() == {"state": {"step": 5}}


def test_a_checkpoint_of_another_run_is_none_of_this_one(tmp_path: Path) -> None:
    """Its numbers are whole and would be loaded into another training."""
    save_content(tmp_path, "another")
    (tmp_path / "another").rename(tmp_path / "run")
    assert Checkpoint(tmp_path, "run").load() is None


with pytest.raises(RuntimeError) as lack_on_the_cpu:
    torch.empty(2**50)


@pytest.mark.parametrize(
    "lack",
    [MemoryError(), torch.OutOfMemoryError("CUDA out of memory"), lack_on_the_cpu.value],
    ids=lambda e: type(e).__name__,
)
def test_a_lack_of_memory_stops_the_run_and_leaves_the_checkpoint(
    lack: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run begun anew would overwrite days of work that can be read as soon as there is memory again."""
    checkpoint = save_content(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(torch, "load", Mock(side_effect=lack))
        with pytest.raises(type(lack)) as caught:
            checkpoint.load()
    assert caught.value is lack
    assert is_whole(checkpoint.load())


class Payload:
    """An object that makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("writer", ["torch", "pickle"])
def test_code_in_the_file_is_not_run(writer: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Write access to the scratch folder must not let anyone run programs as the user."""
    checkpoint, file, trace = save_content(tmp_path), tmp_path / "run" / FILE, tmp_path / "was here"
    if writer == "torch":
        torch.save({"state": Payload(trace)}, file)
    else:
        file.write_bytes(pickle.dumps({"state": Payload(trace)}, protocol=2))
    assert checkpoint.load() is None
    assert capsys.readouterr().out.count("\n") == 1
    assert not trace.exists()
    if writer == "torch":
        torch.load(tmp_path / "run.damaged", weights_only=False)
    else:
        pickle.loads((tmp_path / "run.damaged").read_bytes())
    assert trace.exists(), "the payload would have worked"


FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
LOST = RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 64 vs 0\nframe #0")


@pytest.mark.parametrize("error", [FULL, LOST], ids=["Python", "PyTorch"])
def test_a_save_that_fails_half_way_leaves_the_checkpoint_before_it(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PyTorch's writer raises a RuntimeError for a full disk."""
    checkpoint = save_content(tmp_path)

    def fail(content: Any, file: Any) -> None:
        file.write(b"half of a file")
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", fail)
        with pytest.raises(RunError, match=r"run/state\.pt: cannot be written: No space left.*last checkpoint"):
            checkpoint.save({"state": {}})
    assert is_whole(checkpoint.load())
    assert [path.name for path in (tmp_path / "run").iterdir()] == [FILE]
    checkpoint.save({"state": {"step": 4}})
    assert checkpoint.load() == {"state": {"step": 4}}
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [BEFORE, FILE]


def test_a_second_process_of_the_same_run_waits_for_the_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A stage may outlive DVC: two that trained at once would overwrite each other's checkpoints."""
    first, second = Checkpoint(tmp_path / "scratch", "run"), Checkpoint(tmp_path / "scratch", "run")
    first.claim()
    Checkpoint(tmp_path / "scratch", "another run").claim()
    waiting = threading.Thread(target=second.claim, daemon=True)
    waiting.start()
    waiting.join(0.3)
    assert waiting.is_alive()
    output = capsys.readouterr().out
    assert "another process is training this run; waiting for it to end\n" in output
    assert output.count("\n") == 1
    first.remove()
    waiting.join(5)
    assert not waiting.is_alive()
    second.remove()


HOLDER = """
import sys, time
from pathlib import Path
from components.pretrain.checkpoint import Checkpoint
Checkpoint(Path(sys.argv[1]), "run").claim()
print("claimed", flush=True)
time.sleep(60)
"""


def test_a_process_that_was_killed_holds_nothing_up(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "claimed\n"
        holder.kill()
    began = time.monotonic()
    checkpoint = Checkpoint(tmp_path, "run")
    checkpoint.claim()
    assert time.monotonic() - began < 5
    checkpoint.remove()


def test_a_scratch_that_is_no_folder_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "scratch").write_text("")
    with pytest.raises(InputError, match=r"scratch.run: no checkpoint can be kept there: \S.*"):
        Checkpoint(tmp_path / "scratch", "run").claim()
