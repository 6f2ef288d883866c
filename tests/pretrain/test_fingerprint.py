"""The key of a run depends on all that decides the run's result, and on nothing else."""

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from components.pretrain import checkpoint
from components.pretrain.checkpoint import fingerprint
from components.pretrain.params import OBJECTIVES
from tests.conftest import ROOT


@pytest.fixture
def shards(tmp_path: Path) -> list[Path]:
    (tmp_path / "a.parquet").write_bytes(b"aaaa")
    (tmp_path / "b.parquet").write_bytes(b"bbbb")
    return [tmp_path / "a.parquet", tmp_path / "b.parquet"]


def test_the_same_run_has_the_same_key_wherever_its_data_lie(shards: list[Path], tmp_path: Path) -> None:
    key = fingerprint("epochs: 1", shards, "cpu", 1)
    (tmp_path / "moved").mkdir()
    moved = [shard.replace(tmp_path / "moved" / shard.name) for shard in shards]
    assert fingerprint("epochs: 1", moved, "cpu", 1) == key


@pytest.mark.parametrize(
    ("params", "facts"), [("epochs: 2", ("cpu", 1)), ("epochs: 1", ("cuda", 1)), ("epochs: 1", ("cpu", 2))]
)
def test_other_parameters_another_device_or_more_processes_are_another_run(
    params: str, facts: tuple[object, ...], shards: list[Path]
) -> None:
    assert fingerprint(params, shards, *facts) != fingerprint("epochs: 1", shards, "cpu", 1)


@pytest.mark.parametrize("package", ["torch", "numpy", "pillow", "albumentations"])
def test_another_version_of_what_makes_the_bits_is_another_run(
    package: str, shards: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    key = fingerprint("", shards)
    installed = checkpoint.version
    monkeypatch.setattr(checkpoint, "version", lambda name: "0.0" if name == package else installed(name))
    assert fingerprint("", shards) != key


def test_one_byte_one_name_or_one_file_of_the_data_is_another_run(shards: list[Path], tmp_path: Path) -> None:
    keys = [fingerprint("", shards), fingerprint("", shards[:1])]
    shards[1].write_bytes(b"bbbc")
    keys.append(fingerprint("", shards))
    keys.append(fingerprint("", [shards[0], shards[1].rename(tmp_path / "c.parquet")]))
    assert len(set(keys)) == 4


@pytest.mark.parametrize("name", ["components.byol.invented", "__main__"])
def test_an_edit_of_the_code_is_another_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The edit is of an imported module, or of the stage itself, which `python -m` runs under the name __main__."""
    code = tmp_path / "invented.py"
    module = ModuleType(name)
    module.__file__ = str(code)
    monkeypatch.setitem(sys.modules, name, module)
    code.write_text("RATE = 1")
    key = fingerprint("", [])
    assert fingerprint("", []) == key
    code.write_text("RATE = 2")
    assert fingerprint("", []) != key


KEY = """
import sys, torch
from components.learning.engine import PLAIN
from components.learning.replicas import Replica
from components.pretrain import __main__ as pretrain, checkpoint
from components.stage.command import PARAMS_FILE, read_params
params = read_params(PARAMS_FILE).pretrain.model_copy(update={"objective": sys.argv[1]})
imported = []
pretrain.fingerprint = lambda *_: imported.extend(sys.modules) or ""
store = type("Store", (), {"shards": []})
pretrain.identify_run(params, store, torch.device("cpu"), Replica(0, 1), PLAIN)
print(*imported)
"""


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_all_code_of_the_training_is_imported_before_the_key_is_made(objective: str) -> None:
    """A module imported later could be edited before that, and the key would not cover the code that runs."""
    rooms = ("stage", "store", "encoder", "learning", objective, "pretrain")
    files = [path for room in rooms for path in (ROOT / "components" / room).rglob("*.py")]
    code = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in files}
    assert len(code) > 40
    done = subprocess.run([sys.executable, "-c", KEY, objective], cwd=ROOT, check=True, capture_output=True, text=True)
    spared = {"components.stage.__main__", "components.encoder.own"}  # what a person runs, and a folder of theirs
    assert code - set(done.stdout.split()) == spared


def test_what_is_shown_while_a_run_goes_on_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An edit of a progress bar must not throw away the hours of a run that was interrupted."""
    key = fingerprint("", [])
    module = ModuleType("components.show.invented")
    module.__file__ = str(tmp_path / "invented.py")
    (tmp_path / "invented.py").write_text("BAR = 1")
    monkeypatch.setitem(sys.modules, "components.show.invented", module)
    assert fingerprint("", []) == key


def test_other_peoples_modules_do_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module without a file does not count either, since it cannot be read."""
    key = fingerprint("", [])
    monkeypatch.setitem(sys.modules, "componentsandmore", ModuleType("componentsandmore"))
    monkeypatch.setitem(sys.modules, "components.without_a_file", ModuleType("components.without_a_file"))
    assert fingerprint("", []) == key
