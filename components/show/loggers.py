"""The live logs of a run, for people who watch it: DVCLive and TensorBoard, each in a folder of its own.

No result depends on them, so they lie outside the stage's outputs. Each log begins anew with every start of the stage,
since a run that goes on repeats what it had logged after its last checkpoint. Inside a DVC stage DVCLive may neither
write a dvc.yaml nor save an experiment (https://dvc.org/doc/dvclive/live).
"""

import threading
from pathlib import Path
from typing import Any, Protocol

from components.stage.errors import InputError


class Logger(Protocol):
    """A live log of the values of each epoch."""

    def log(self, epoch: int, values: dict[str, float]) -> None:
        """Log the values of an epoch by name."""
        ...

    def close(self) -> None:
        """Close the log, once the run is over."""
        ...


class DvcLive:
    """Writes tables and a summary that `dvc` and its extensions show."""

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
    """Writes events that `tensorboard --logdir` shows."""

    def __init__(self, folder: Path) -> None:
        from tensorboard.summary.writer.event_file_writer import _AsyncWriterThread  # type: ignore[import-untyped]
        from torch.utils.tensorboard import SummaryWriter

        silence_threads(_AsyncWriterThread)  # they hand their error to `log`, and print its trace beside

        for events in folder.glob("events.*"):
            events.unlink()
        self.writer: Any = SummaryWriter(str(folder))

    def log(self, epoch: int, values: dict[str, float]) -> None:  # noqa: D102
        for name, value in values.items():
            self.writer.add_scalar(name, value, epoch)
        self.writer.flush()

    def close(self) -> None:  # noqa: D102
        self.writer.close()


def silence_threads(kind: type[threading.Thread]) -> None:
    """Print no trace of an error that ends a thread of this kind."""
    usual = threading.excepthook

    def print_trace(ended: threading.ExceptHookArgs) -> None:
        if not isinstance(ended.thread, kind):
            usual(ended)

    threading.excepthook = print_trace


LOGGERS: dict[str, type[DvcLive] | type[TensorBoard]] = {"dvclive": DvcLive, "tensorboard": TensorBoard}


def open_loggers(names: tuple[str, ...], folder: Path) -> list[Logger]:
    """Open the named loggers with empty logs, and leave out those that cannot begin here: the run does without them.

    Raises InputError if a logger's package is not installed.
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
        except Exception as error:  # of any type: DVCLive, for example, fails in a repository without a commit
            print(f"pretrain: no log by {name}: {' '.join(str(error).split())}", flush=True)
    return opened
