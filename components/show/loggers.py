"""The live log of a run, for whoever watches it: DVCLive and TensorBoard, each a folder of its own.

They are views of the run and decide nothing, so they lie outside the stage's outputs. Each begins anew with every start
of the stage: what an interrupted run logged after its last checkpoint comes a second time when it goes on. Inside a DVC
stage DVCLive may neither write a dvc.yaml nor save an experiment (https://dvc.org/doc/dvclive/live).
"""

from pathlib import Path
from typing import Any, Protocol

from components.stage.errors import InputError


class Logger(Protocol):
    """One way to log."""

    def log(self, epoch: int, values: dict[str, float]) -> None:
        """The values of an epoch."""
        ...

    def close(self) -> None:
        """The run is over."""
        ...


class DvcLive:
    """Tables and a summary that `dvc` and its extensions show."""

    def __init__(self, folder: Path) -> None:
        from dvclive.live import Live

        self.live: Any = Live(str(folder), resume=False, report=None, save_dvc_exp=False, dvcyaml=None)

    def log(self, epoch: int, values: dict[str, float]) -> None:  # noqa: D102
        self.live.step = epoch
        for name, value in values.items():
            self.live.log_metric(name, value)
        self.live.make_summary()

    def close(self) -> None:  # noqa: D102
        self.live.end()


class TensorBoard:
    """Events that `tensorboard --logdir` shows."""

    def __init__(self, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        for old in folder.glob("events.*"):
            old.unlink()
        self.writer: Any = SummaryWriter(str(folder))

    def log(self, epoch: int, values: dict[str, float]) -> None:  # noqa: D102
        for name, value in values.items():
            self.writer.add_scalar(name, value, epoch)
        self.writer.flush()

    def close(self) -> None:  # noqa: D102
        self.writer.close()


LOGGERS: dict[str, type[DvcLive] | type[TensorBoard]] = {"dvclive": DvcLive, "tensorboard": TensorBoard}


def open_loggers(names: tuple[str, ...], folder: Path) -> list[Logger]:
    """Those named, with nothing logged, but for those that cannot begin here: a run does without its log.

    Raises InputError where one is not installed.
    """
    opened: list[Logger] = []
    for name in names:
        try:
            opened.append(LOGGERS[name](folder / name))
        except ImportError as error:
            raise InputError(
                f"params.yaml: pretrain.watch.loggers: '{name}' needs {error.name}, which is not installed: "
                f"install it or take '{name}' out of the list"
            ) from None
        except Exception as error:  # of whatever kind: DVCLive, say, wants a commit in the repository
            print(f"pretrain: no log by {name}: {' '.join(str(error).split())}", flush=True)
    return opened
