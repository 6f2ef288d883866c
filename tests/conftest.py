"""Projects of their own for the tests: a copy of the tree in a folder and a Git repository of its own, made small."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: threads that spin stall a machine that is shared

import hypothesis
import pytest
from filelock import FileLock
from ruamel.yaml import YAML

from components.learning.params import View
from components.pretrain.params import Pretrain
from components.stage.command import read_params

ROOT = Path(__file__).parent.parent
hypothesis.settings.register_profile("small", max_examples=15, derandomize=True)
hypothesis.settings.register_profile("large", max_examples=400)  # pytest --hypothesis-profile=large, every night in CI
hypothesis.settings.load_profile("small")
# A script's background jobs begin with SIGINT ignored, and whatever the tests start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
SHRUNKEN: dict[str, Any] = {
    "pretrain.epochs": 2,
    "pretrain.encoder.widths": [4, 8],
    "pretrain.head": {"hidden": 16, "out": 8},
    "evaluate.shared.labels_per_class": [2],
    "evaluate.shared.draws": 10,
    "evaluate.linear.epochs": 5,
    "evaluate.logistic.c_count": 3,
    "evaluate.logistic.c_low": 0.01,
    "evaluate.logistic.c_high": 10.0,
}


EVERYTHING_OFF = {
    "crop_area": [1.0, 1.0],
    "crop_ratio": [1.0, 1.0],
    "flip": 0.0,
    "rotate": 0.0,
    "scale": 0.0,
    "shift": 0.0,
    "shear": 0.0,
    "jitter": 0.0,
    "brightness": 0.0,
    "contrast": 0.0,
    "saturation": 0.0,
    "hue": 0.0,
    "grayscale": 0.0,
    "blur": 0.0,
    "blur_sigma": [0.1, 2.0],
    "solarise": 0.0,
    "solarise_threshold": 0.5,
    "noise": 0.0,
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what `make faults` says, and with which seed its trials are drawn."""
    parser.addoption("--whole", action="store_true", help="every trial of tests/faults, and write their records")
    parser.addoption("--seed", type=int, default=0, help="of the trials of tests/faults")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that hold slow tests: what comes last is waited for by one process alone."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@dataclass(frozen=True)
class Project:
    """A whole project in a folder, with the commands that its user would type."""

    root: Path

    @property
    def environment(self) -> dict[str, str]:
        """The variables of the activated environment, with a home and a name of its own."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("DVC_", "PYTEST_"))}
        return environment | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "GIT_AUTHOR_NAME": "Ada",
            "GIT_AUTHOR_EMAIL": "ada@example.org",
            "GIT_COMMITTER_NAME": "Ada",
            "GIT_COMMITTER_EMAIL": "ada@example.org",
            "HOME": str(self.root.parent / "home"),
            "PREFECT_HOME": str(self.root.parent / "home" / ".prefect"),
            "PREFECT_RUNNER_POLL_FREQUENCY": "2",  # seconds between looks for work; by default 10
            "PREFECT_WORKER_QUERY_SECONDS": "2",
            "COLUMNS": "160",
        }

    def run(self, *command: str, status: int = 0) -> str:
        """Run a command as in the activated environment and return what it printed, both streams."""
        done = subprocess.run(
            command,
            cwd=self.root,
            env=self.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            timeout=600,
            check=False,
        )
        assert done.returncode == status, f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}"
        return done.stdout

    def change(self, **by_key: Any) -> None:
        """Set values in params.yaml; a key is a path with __ between its parts."""
        set_params(self.root / "params.yaml", {key.replace("__", "."): value for key, value in by_key.items()})

    def commit(self, message: str) -> None:
        """Commit all that Git does not ignore."""
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--message", message)

    def copy(self, folder: Path) -> "Project":
        """Copy the project elsewhere, with its outputs and its cache."""
        shutil.copytree(self.root, folder / "project", symlinks=True)
        return Project(folder / "project")


def set_params(path: Path, by_key: dict[str, Any]) -> None:
    """Set values in a YAML file, each named by its path with dots."""
    yaml = YAML()
    whole = yaml.load(path)
    for key, value in by_key.items():
        set_in(whole, key.split("."), value)
    yaml.dump(whole, path)


def set_in(mapping: Any, keys: list[str], value: Any) -> None:
    """Set a value deep in a mapping of mappings."""
    *parents, last = keys
    for parent in parents:
        mapping = mapping[parent]
    mapping[last] = value


@pytest.fixture(scope="session")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A clone of the tree as it stands, uncommitted changes included, with shrunken parameters; nothing has run."""
    project = Project(tmp_path_factory.mktemp("untouched") / "project")
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    for name in names:
        if (ROOT / name).is_file() and name != "dvc.lock" and not name.startswith("metrics/"):
            (project.root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, project.root / name)
    (project.root.parent / "home").mkdir()
    project.run("git", "init", "--quiet")
    set_params(project.root / "params.yaml", SHRUNKEN)
    project.commit("shrunken")
    return project


@pytest.fixture(scope="session")
def reproduced(untouched: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The untouched project after one real `dvc repro`, committed. All workers share it: change a copy, never this."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "reproduced"
    with FileLock(f"{folder}.lock"):
        if not (folder / "done").exists():
            project = untouched.copy(folder)
            (folder / "home").mkdir()
            project.run("dvc", "repro")
            project.commit("first run")
            (folder / "done").touch()
    return Project(folder / "project")


@pytest.fixture
def project(reproduced: Project, tmp_path: Path) -> Project:
    """A copy of the reproduced project, to do with as one likes."""
    copied = reproduced.copy(tmp_path)
    (tmp_path / "home").mkdir()
    return copied


@pytest.fixture
def still() -> dict[str, Any]:
    """The section of params.yaml whose view is the image itself."""
    return dict(EVERYTHING_OFF)


@pytest.fixture
def view_with(still: dict[str, Any]) -> Callable[..., View]:
    """`view_with(flip=0.5)`: everything off but that."""

    def make(**changes: Any) -> View:
        return View.model_validate(still | changes)

    return make


@pytest.fixture(scope="session")
def pretrain_with() -> Callable[..., Pretrain]:
    """`pretrain_with(epochs=2)`: the section of the shipped params.yaml but for that."""
    section: Pretrain = read_params(ROOT / "params.yaml").pretrain

    def make(**changes: Any) -> Pretrain:
        return section.model_copy(update=changes)

    return make
