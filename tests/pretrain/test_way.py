"""Which way of running the steps each device, length of run and number of processes gets, and what it needs."""

import os
from pathlib import Path

import pytest
import torch

from components.learning.engine import PLAIN, Way
from components.learning.replicas import Replica
from components.pretrain import way
from components.stage.errors import InputError
from tests.small import make_settings

ALONE, OF_TWO = Replica(0, 1), Replica(0, 2)
CPU, CUDA = torch.device("cpu"), torch.device("cuda")
LONG = way.WORTH_COMPILING


@pytest.fixture(autouse=True)
def _with_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(way, "find_compiler_fault", lambda: None)
    monkeypatch.setattr(os, "environ", {})


@pytest.mark.parametrize(
    ("compile", "device", "replica", "steps", "expected"),
    [
        ("never", CUDA, ALONE, LONG, PLAIN),
        ("auto", CPU, ALONE, LONG, PLAIN),
        ("auto", CUDA, ALONE, LONG, Way(compiled=True, recorded=True)),
        ("auto", CUDA, ALONE, LONG - 1, Way(compiled=False, recorded=True)),
        ("auto", CUDA, OF_TWO, LONG, Way(compiled=True, recorded=False)),
        ("always", CPU, ALONE, 1, Way(compiled=True, recorded=False)),
        ("always", CUDA, OF_TWO, 1, Way(compiled=True, recorded=True)),
    ],
)
def test_the_way_follows_from_the_setting_the_device_and_the_length(
    compile: str, device: torch.device, replica: Replica, steps: int, expected: Way
) -> None:
    assert way.choose_way(make_settings(compile=compile), device, replica, steps=steps) == expected


def test_a_gpu_without_a_compiler_still_records_and_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(way, "find_compiler_fault", lambda: "there is no C compiler; install gcc")
    found = way.choose_way(make_settings(compile="auto"), CUDA, ALONE, steps=LONG)
    assert found == Way(compiled=False, recorded=True)
    assert capsys.readouterr().out == "pretrain: not compiled: there is no C compiler; install gcc\n"


def test_always_is_refused_where_it_cannot_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(way, "find_compiler_fault", lambda: "there is no C compiler; install gcc")
    with pytest.raises(InputError, match=r"^params\.yaml: pretrain\.compile: always .* no C compiler.*or say auto$"):
        way.choose_way(make_settings(compile="always"), CPU, ALONE, steps=LONG)


def test_a_missing_compiler_and_a_missing_header_are_told_apart(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(os, "environ", {})
    monkeypatch.setattr(way.sysconfig, "get_paths", lambda: {"include": str(tmp_path)})
    monkeypatch.setattr(way.shutil, "which", lambda name: None)
    assert "no C compiler" in str(way.find_compiler_fault())
    monkeypatch.setattr(way.shutil, "which", lambda name: f"/usr/bin/{name}")
    assert str(way.find_compiler_fault()).startswith(f"{tmp_path / 'Python.h'} is missing")
    (tmp_path / "Python.h").touch()
    assert way.find_compiler_fault() is None


def test_the_compilers_work_is_kept_unless_another_folder_is_named(tmp_path: Path) -> None:
    """A retraining reaches the folder by a link; the compiler stores whole paths, which have to last."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert way.prepare_libraries(make_settings(), CPU, tmp_path / "link") == str(tmp_path / "real")
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == str(tmp_path / "real")
    assert way.prepare_libraries(make_settings(), CPU, tmp_path / "other") == str(tmp_path / "real")


def test_the_same_bits_are_asked_of_the_libraries_only_where_wanted(tmp_path: Path) -> None:
    names = {"CUBLAS_WORKSPACE_CONFIG", "TORCHINDUCTOR_DETERMINISTIC"}
    way.prepare_libraries(make_settings(deterministic=True), CPU, tmp_path)
    way.prepare_libraries(make_settings(deterministic=False), CUDA, tmp_path)
    assert not names & os.environ.keys()
    way.prepare_libraries(make_settings(deterministic=True), CUDA, tmp_path)
    assert names <= os.environ.keys()
