"""The live logs: what they show while a run lasts, and when another run begins."""

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from components.show.loggers import open_loggers
from components.stage.errors import InputError


def read_dvclive(folder: Path) -> list[tuple[int, float]]:
    """Read epochs and losses from DVCLive's table."""
    with (folder / "dvclive/plots/metrics/loss.tsv").open() as file:
        return [(int(row["step"]), float(row["loss"])) for row in csv.DictReader(file, delimiter="\t")]


def read_tensorboard(folder: Path) -> list[tuple[int, float]]:
    """Read epochs and losses with TensorBoard's own reader."""
    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars("loss")]


def log_epochs(name: str, folder: Path, *epochs: int) -> None:
    """Log the epochs; the loss of epoch n is n / 2."""
    (logger,) = open_loggers((name,), folder)
    for epoch in epochs:
        logger.log(epoch, {"loss": epoch / 2, "knn": 0.5})
    logger.close()


READERS: dict[str, Callable[[Path], list[tuple[int, float]]]] = {
    "dvclive": read_dvclive,
    "tensorboard": read_tensorboard,
}
with_each_logger = pytest.mark.parametrize("name", READERS)


@with_each_logger
def test_every_epoch_is_logged_under_its_own_number(name: str, tmp_path: Path) -> None:
    log_epochs(name, tmp_path, 1, 2, 3)
    assert READERS[name](tmp_path) == [(1, 0.5), (2, 1.0), (3, 1.5)]


@with_each_logger
def test_every_start_begins_a_new_log(name: str, tmp_path: Path) -> None:
    """Otherwise a new run's curve would be drawn into the last run's, and a resumed run would show epochs twice."""
    log_epochs(name, tmp_path, 1, 2, 3)
    log_epochs(name, tmp_path, 1)
    assert READERS[name](tmp_path) == [(1, 0.5)]


@with_each_logger
def test_an_epoch_is_there_for_whoever_watches_before_the_run_is_over(name: str, tmp_path: Path) -> None:
    (logger,) = open_loggers((name,), tmp_path)
    logger.log(1, {"loss": 0.5})
    assert READERS[name](tmp_path) == [(1, 0.5)]
    logger.close()


def test_the_summary_holds_the_last_values_while_the_run_goes_on(tmp_path: Path) -> None:
    (logger,) = open_loggers(("dvclive",), tmp_path)
    for epoch in (1, 2):
        logger.log(epoch, {"loss": epoch / 2})
    assert json.loads((tmp_path / "dvclive/metrics.json").read_text())["loss"] == 1.0
    logger.close()


def test_dvclive_leaves_dvcs_own_files_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Inside a stage DVCLive may write no dvc.yaml, neither here nor beside its folder."""
    monkeypatch.chdir(tmp_path)
    log_epochs("dvclive", tmp_path / "live", 1)
    assert not list(tmp_path.rglob("dvc.yaml"))
    assert [path.name for path in tmp_path.iterdir()] == ["live"]


def test_none_is_a_choice(tmp_path: Path) -> None:
    assert open_loggers((), tmp_path) == []


def test_two_are_two_folders(tmp_path: Path) -> None:
    for logger in open_loggers(("dvclive", "tensorboard"), tmp_path):
        logger.log(1, {"loss": 0.5})
        logger.close()
    assert read_dvclive(tmp_path) == read_tensorboard(tmp_path) == [(1, 0.5)]


def test_a_log_that_cannot_begin_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """DVCLive needs the last commit, and a project that was just unpacked has none."""
    monkeypatch.chdir(tmp_path)
    for command in (["git", "init", "--quiet"], [sys.executable, "-m", "dvc", "init", "--quiet"]):
        subprocess.run(command, check=True)
    opened = open_loggers(("dvclive", "tensorboard"), tmp_path / "live")
    assert [type(logger).__name__ for logger in opened] == ["TensorBoard"]
    assert capsys.readouterr().out == "pretrain: no log by dvclive: Empty git repo\n"


class Missing:
    """An importer that fails to find one package."""

    def __init__(self, package: str) -> None:
        self.package = package

    def find_spec(self, name: str, *_: object) -> None:
        """Fail as Python's own importers do, for this package alone."""
        if name == self.package:
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)


@pytest.mark.parametrize("name", ["dvclive", "tensorboard"])
def test_a_package_that_is_not_installed_is_one_line(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in [
        module for module in sys.modules if f"{module}.".startswith((f"{name}.", "torch.utils.tensorboard."))
    ]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setattr(sys, "meta_path", [Missing(name), *sys.meta_path])
    with pytest.raises(InputError) as caught:
        open_loggers((name,), tmp_path)
    expected = f"params.yaml: pretrain.watch.loggers: '{name}' needs {name}, which is not installed: "
    assert str(caught.value) == f"{expected}install it or take '{name}' out of the list"
