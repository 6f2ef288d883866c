"""The stages on small inputs, and disks that fail them: pretended, limited by the system, or really full."""

import errno
import gc
import io
import os
import resource
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import onnx
import pyarrow.parquet as pq
import torch

from components.embed import __main__ as embed
from components.evaluate import __main__ as evaluate
from components.fetch import __main__ as fetch
from components.fetch.params import Data
from components.pretrain import __main__ as pretrain
from components.report import __main__ as report
from components.stage.command import exit_on_error, read_params
from tests.conftest import ROOT
from tests.embed.embedded import SETTINGS, make_inputs
from tests.evaluate.test_stage import write_features
from tests.fetch.fetched import folder_source, inspect_in_this_process, photo, save
from tests.report.page import pages
from tests.report.test_stage import add_encoder
from tests.report.unasked import leave_out
from tests.small import fill_store

CODES = (errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EFBIG, errno.EIO)
RANDOM = ("metrics/pretrain.json",)  # holds times


@dataclass(frozen=True)
class Job:
    """A stage on its inputs: it writes below a folder, with its settings or with others."""

    name: str
    write: Callable[[Path, bool], None]

    def start(self, folder: Path, *, other: bool = False) -> tuple[int, str]:
        """Run the stage as its command does; return its exit status and what stands on stderr, traces included."""
        said, status = io.StringIO(), 0
        with redirect_stdout(io.StringIO()), redirect_stderr(said), show_ignored(said):
            try:
                with exit_on_error(self.name):
                    self.write(folder, other)
            except SystemExit as ended:
                status = int(str(ended.code))
            gc.collect()  # writers that are left, and locks
        return status, said.getvalue()


@contextmanager
def show_ignored(said: io.StringIO) -> Iterator[None]:
    """Count as said what Python prints of errors that it ignores: in threads, and where objects are collected."""
    with (
        mock.patch.object(sys, "unraisablehook", lambda about: said.write(f"Traceback: {about.exc_value!r}\n")),
        mock.patch.object(threading, "excepthook", lambda about: said.write(f"Traceback: {about.exc_value!r}\n")),
    ):
        yield


def read_outputs(folder: Path) -> dict[str, bytes]:
    """Read what the stage has written for others, by its path; the scratch folder and live logs are its own."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    by_name = {path.relative_to(folder).as_posix(): path for path in files}
    own = ("scratch/", "live/")
    return {name: path.read_bytes() for name, path in by_name.items() if not name.startswith(own)}


class Inputs:
    """The inputs of every stage, each made when it is first needed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.whole = read_params(ROOT / "params.yaml")

    @cached_property
    def data(self) -> list[Data]:
        """The sections that name a folder of twelve images, and one of eight."""
        for number in range(12):
            for name in ("many", "few") if number < 8 else ("many",):
                save(photo(number), self.folder / name / "ab"[number % 2] / f"{number}.png")
        raw = self.whole.data.model_dump()
        names = (self.folder / "many", self.folder / "few")
        return [Data.model_validate(raw | {"sources": [folder_source(name)]}) for name in names]

    def write_fetch(self, to: Path, other: bool) -> None:
        """Read the images."""
        paths = {name: to / name for name in ("labels", "store", "findings", "scratch")}
        with mock.patch.object(fetch, "inspect_all", inspect_in_this_process):
            fetch.run(self.data[other], metrics=to / "metrics" / "data.json", **paths)

    @cached_property
    def embeddable(self) -> Path:
        """A store and an encoder."""
        return make_inputs(self.folder / "embed")

    def write_embed(self, to: Path, other: bool) -> None:
        """Embed the images."""
        given = {name: self.embeddable / name for name in ("store", "encoder")}
        params = self.whole.embed.model_copy(update=SETTINGS | {"pixels_side": 2 if other else 4})
        embed.run(params, **given, embeddings=to / "embeddings")

    @cached_property
    def judged(self) -> Path:
        """Embeddings and their store."""
        write_features(self.folder / "evaluate" / "embeddings")
        return self.folder / "evaluate"

    def write_evaluate(self, to: Path, other: bool) -> None:
        """Judge the embeddings by their neighbours."""
        given = {name: self.judged / name for name in ("store", "encoder", "embeddings")}
        section = self.whole.evaluate
        knn = section.knn.model_copy(update={"k": 3 if other else 5})
        shared = section.shared.model_copy(update={"draws": 12 if other else 10, "labels_per_class": (2,)})
        written = {"metrics": to / "metrics/knn.json", "predictions": to / "knn.parquet", "plots": to / "plots"}
        evaluate.run(section.model_copy(update={"knn": knn, "shared": shared}), probe="knn", **given, **written)

    @cached_property
    def reported(self) -> pages.Folder:
        """All that a report is made of."""
        folder = pages.write_labelled(self.folder / "report", names=["ant", "bee"])
        add_encoder(folder)
        return folder

    def write_report(self, to: Path, other: bool) -> None:
        """Draw the page and write the card."""
        names = ("store", "encoder", "embeddings", "metrics", "predictions", "plots")
        given = {name: self.reported.root / name for name in names}
        probes = self.whole.evaluate.model_copy(update={"probes": tuple(self.reported.probes)})
        params = self.whole.report.model_copy(update={"neighbours": 2 if other else 3})
        none, folders = leave_out(self.whole, self.reported.root)
        report.run(params, probes, *none, **given, **folders, report=to / "index.html", card=to / "README.md")

    @cached_property
    def trained(self) -> Path:
        """A store of small grays."""
        grays = [np.random.default_rng(n).integers(0, 256, (8, 8)) for n in range(24)]
        fill_store(self.folder / "pretrain" / "store", grays)
        return self.folder / "pretrain" / "store"

    def write_pretrain(self, to: Path, other: bool) -> None:
        """Train for two epochs of three steps, each of which is saved."""
        names = {"encoder": "encoder", "metrics": RANDOM[0], "curve": "curve.csv", "views": "views.png"}
        paths = {
            flag: to / name for flag, name in (names | {flag: flag for flag in ("scratch", "live", "starts")}).items()
        }
        section = self.whole.pretrain
        sizes = {
            "encoder": section.encoder.model_copy(update={"widths": (4, 8)}),
            "watch": section.watch.model_copy(update={"loggers": (), "knn_queries": 5}),
        }
        sizes |= {"epochs": 2, "batch_size": 8, "checkpoint_seconds": 0.0, "seed": int(other)}
        with mock.patch.dict(os.environ), mock.patch.object(torch.onnx, "export", export_nothing):
            pretrain.run(section.model_copy(update=sizes), store=self.trained, **paths)

    def list_jobs(self) -> list[Job]:
        """List the stages, in the order of the pipeline."""
        names = ("fetch", "pretrain", "embed", "evaluate", "report")
        return [Job(name, getattr(self, f"write_{name}")) for name in names]


def export_nothing(*_: object, **__: object) -> SimpleNamespace:
    """Stand in for the export, which takes seconds and writes nothing itself."""
    graph = onnx.helper.make_graph([], "encoder", [], [])
    return SimpleNamespace(model_proto=onnx.helper.make_model(graph))


class FailingFile(io.FileIO):
    """A file whose writes ask the disk first."""

    def __init__(self, path: Any, mode: str, disk: "FailingDisk") -> None:
        super().__init__(path, mode)
        self.disk = disk

    def write(self, data: Any) -> int:
        """Write, or raise what the disk has to say."""
        self.disk.touch()
        return super().write(data)


class FailingDisk:
    """Lets the `nth` write below a folder fail, and all that follow it unless the error is a passing one."""

    def __init__(self, folder: Path, code: int = 0, nth: int = 0) -> None:
        self.folder, self.code, self.nth, self.count = str(folder), code, nth, 0

    def touch(self, path: str | None = None) -> None:
        """Count an open, a write, a rename or a new folder. Raises OSError."""
        self.count += 1
        if self.nth and (self.count == self.nth or (self.count > self.nth and self.code != errno.EIO)):
            raise OSError(self.code, os.strerror(self.code), *([path] if path else []))

    def holds(self, path: Any) -> bool:
        """Whether a path lies below the folder."""
        return isinstance(path, str | os.PathLike) and os.fspath(path).startswith(self.folder)

    @contextmanager
    def inserted(self) -> Iterator[None]:
        """Let Python's and pyarrow's writes below the folder go to this disk."""
        real_open, real_os_open, flags = io.open, os.open, os.O_WRONLY | os.O_RDWR

        def open_file(file: Any, mode: str = "r", buffering: int = -1, *args: Any, **options: Any) -> Any:
            if not self.holds(file) or not set(mode) & set("wax+") or options.get("opener"):
                return real_open(file, mode, buffering, *args, **options)
            self.touch(str(file))
            raw = FailingFile(file, mode.replace("b", "").replace("t", ""), self)
            if buffering == 0:
                return raw
            binary = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
            return binary if "b" in mode else io.TextIOWrapper(binary, *args, **options)

        def os_open(path: Any, flag: int, *args: Any, **options: Any) -> int:
            if self.holds(path) and flag & flags:
                self.touch(str(path))
            return real_os_open(path, flag, *args, **options)

        def asking(real: Callable[..., Any], *args: Any, **options: Any) -> Any:
            if any(map(self.holds, args)):
                self.touch(str(args[0]))
            return real(*args, **options)

        def parquet(real: Callable[..., Any], writer: Any, *args: Any, **options: Any) -> Any:
            if self.holds(writer.where) and writer.is_open:
                self.touch()
            return real(writer, *args, **options)

        with ExitStack() as stack:
            for name, function in (("io.open", open_file), ("builtins.open", open_file), ("os.open", os_open)):
                stack.enter_context(mock.patch(name, function))
            for name in ("mkdir", "replace"):
                stack.enter_context(mock.patch.object(os, name, partial(asking, getattr(os, name))))
            for name in ("write_table", "close"):
                method = partialmethod_of(parquet, getattr(pq.ParquetWriter, name))
                stack.enter_context(mock.patch.object(pq.ParquetWriter, name, method))
            yield


def partialmethod_of(function: Callable[..., Any], real: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method that calls the function with the real method."""
    return lambda *args, **options: function(real, *args, **options)


@contextmanager
def limit_files(size: int) -> Iterator[None]:
    """Limit the size of every file that this process writes, as `ulimit -f` does; native code meets it, too."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def can_mount() -> bool:
    """Whether small disks can be made here: that takes Linux and its root."""
    return sys.platform == "linux" and os.geteuid() == 0 and shutil.which("mount") is not None


@contextmanager
def mount_disk(folder: Path, options: str) -> Iterator[None]:
    """Make a small disk in memory, and take it away again."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(folder)], check=True)
    try:
        yield
    finally:
        gc.collect()
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def remount(folder: Path, options: str) -> None:
    """Change a disk: make it larger, read-only or writable."""
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)
