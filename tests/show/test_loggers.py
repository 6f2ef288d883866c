"""The live log: what is shown of a run, while it lasts and when another begins."""

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


def dvclive(folder: Path) -> list[tuple[int, float]]:
    """Epochs and losses as its table has them."""
    with (folder / "dvclive/plots/metrics/loss.tsv").open() as file:
        return [(int(row["step"]), float(row["loss"])) for row in csv.DictReader(file, delimiter="\t")]


def tensorboard(folder: Path) -> list[tuple[int, float]]:
    """Epochs and losses as TensorBoard itself reads them."""
    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars("loss")]


def log(name: str, folder: Path, *epochs: int) -> None:
    """The loss of epoch n is n / 2."""
    (logger,) = open_loggers((name,), folder)
    for epoch in epochs:
        logger.log(epoch, {"loss": epoch / 2, "knn": 0.5})
    logger.close()


Read = Callable[[Path], list[tuple[int, float]]]
both = pytest.mark.parametrize("read", [dvclive, tensorboard])


@both
def test_every_epoch_is_logged_under_its_own_number(read: Read, tmp_path: Path) -> None:
    log(read.__name__, tmp_path, 1, 2, 3)
    assert read(tmp_path) == [(1, 0.5), (2, 1.0), (3, 1.5)]


@both
def test_every_start_begins_a_new_log(read: Read, tmp_path: Path) -> None:
    """Else a new run's curve would be drawn into the last one's, and one that goes on would show epochs twice."""
    log(read.__name__, tmp_path, 1, 2, 3)
    log(read.__name__, tmp_path, 1)
    assert read(tmp_path) == [(1, 0.5)]


@both
def test_an_epoch_is_there_for_whoever_watches_before_the_run_is_over(read: Read, tmp_path: Path) -> None:
    (logger,) = open_loggers((read.__name__,), tmp_path)
    logger.log(1, {"loss": 0.5})
    assert read(tmp_path) == [(1, 0.5)]
    logger.close()


def test_the_summary_holds_the_last_values_while_the_run_goes_on(tmp_path: Path) -> None:
    (logger,) = open_loggers(("dvclive",), tmp_path)
    for epoch in (1, 2):
        logger.log(epoch, {"loss": epoch / 2})
    assert json.loads((tmp_path / "dvclive/metrics.json").read_text())["loss"] == 1.0
    logger.close()


def test_dvclive_leaves_dvcs_own_files_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Inside a stage it may write no dvc.yaml, here or beside its folder."""
    monkeypatch.chdir(tmp_path)
    log("dvclive", tmp_path / "live", 1)
    assert not list(tmp_path.rglob("dvc.yaml"))
    assert [path.name for path in tmp_path.iterdir()] == ["live"]


def test_none_is_a_choice(tmp_path: Path) -> None:
    assert open_loggers((), tmp_path) == []


def test_two_are_two_folders(tmp_path: Path) -> None:
    for logger in open_loggers(("dvclive", "tensorboard"), tmp_path):
        logger.log(1, {"loss": 0.5})
        logger.close()
    assert dvclive(tmp_path) == tensorboard(tmp_path) == [(1, 0.5)]


def test_a_log_that_cannot_begin_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """DVCLive asks for the last commit, and a project that was just unpacked has none."""
    monkeypatch.chdir(tmp_path)
    for command in (["git", "init", "--quiet"], [sys.executable, "-m", "dvc", "init", "--quiet"]):
        subprocess.run(command, check=True)
    opened = open_loggers(("dvclive", "tensorboard"), tmp_path / "live")
    assert [type(logger).__name__ for logger in opened] == ["TensorBoard"]
    assert capsys.readouterr().out == "pretrain: no log by dvclive: Empty git repo\n"


class Missing:
    """An importer that knows no such package."""

    def __init__(self, package: str) -> None:
        self.package = package

    def find_spec(self, name: str, *_: object) -> None:
        """As Python's own importers fail."""
        if name == self.package:
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)


@pytest.mark.parametrize("name", ["dvclive", "tensorboard"])
def test_a_package_that_is_not_installed_is_one_line(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in [one for one in sys.modules if f"{one}.".startswith((f"{name}.", "torch.utils.tensorboard."))]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setattr(sys, "meta_path", [Missing(name), *sys.meta_path])
    with pytest.raises(InputError) as caught:
        open_loggers((name,), tmp_path)
    expected = f"params.yaml: pretrain.watch.loggers: '{name}' needs {name}, which is not installed: "
    assert str(caught.value) == f"{expected}install it or take '{name}' out of the list"
