"""The checkpoint of a run: one file in a scratch folder, under a key of everything that decides the run's result.

The key is a fingerprint of parameters, data, code and versions, so a run never goes on from the checkpoint of another
run. DVC deletes a stage's outputs before it runs, so the file lies outside of them (dvc.yaml names the folder). The new
file is written beside the old one, flushed and renamed: a run that is killed at any moment leaves one of the two whole.
"""

import hashlib
import os
import shutil
import sys
import traceback
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from components.stage.disk import say_kept, write_beside
from components.stage.errors import InputError

FILE = "state.pt"
KEPT = "the last checkpoint, if there is one, is kept, and another run goes on from it"
DECISIVE = ("torch", "torchvision", "numpy", "pillow", "albumentations", "opencv-python-headless")  # for a run's bits


def fingerprint(params: str, files: list[Path], *facts: object) -> str:
    """Hash the parameters' text, the files' names and bytes, this program's imported code, versions and other facts.

    What is only shown while a run goes on (components/show) decides nothing, so an edit of it makes no other run.
    """
    digest = hashlib.sha256()
    ours = ("components", "__main__")  # the stage itself is __main__ to `python -m`
    code = {name: module for name, module in sys.modules.items() if name.split(".")[0] in ours}
    code = {name: module for name, module in code.items() if not name.startswith("components.show.")}
    sources = [Path(str(module.__file__)) for _, module in sorted(code.items()) if getattr(module, "__file__", None)]
    for part in (params, *list_versions(), *facts):
        digest.update(f"{part}\0".encode())
    for path in [*sources, *files]:
        with path.open("rb") as file:
            digest.update(f"{path.name}\0{hashlib.file_digest(file, 'sha256').hexdigest()}\0".encode())
    return digest.hexdigest()[:32]


def list_versions() -> list[str]:
    """List the versions of the packages that decide the bits of a run, as far as they are installed."""
    installed = []
    for name in DECISIVE:
        with suppress(PackageNotFoundError):
            installed.append(f"{name} {version(name)}")
    return installed


def is_lack_of_memory(error: Exception) -> bool:
    """Whether the error is a lack of memory: of Python, a device, or PyTorch on the CPU, which has no own type."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)


class Checkpoint:
    """The checkpoint file of one run, and the lock that keeps other processes from the same run."""

    def __init__(self, scratch: Path, key: str) -> None:
        self.folder = scratch / key
        self.lock = FileLock(scratch / f"{key}.lock")

    def claim(self) -> None:
        """Wait until no other process trains this run: one that outlived its killed parent may still do so.

        Raises InputError if the folder cannot be made.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{self.folder}: no checkpoint can be kept there: {error.strerror}") from None
        try:
            self.lock.acquire(timeout=0)
        except Timeout:
            print(f"{self.folder}: another process is training this run; waiting for it to end", flush=True)
            self.lock.acquire()

    def load(self) -> dict[str, Any] | None:
        """Load what was saved last, on the host; return None if nothing readable is there. No code is unpickled."""
        try:
            loaded: dict[str, Any] = torch.load(self.folder / FILE, map_location="cpu", weights_only=True)
        except FileNotFoundError:
            return None
        except Exception as error:  # broken bytes make the unpickler fail in many ways: KeyError, struct.error ...
            if is_lack_of_memory(error):
                raise  # the file may be sound: another time it can be read
            reason = "".join(traceback.format_exception_only(error)).splitlines()[0]
            print(f"{self.folder / FILE}: cannot be read, so the run begins anew: {reason}", flush=True)
            return None
        return loaded

    def save(self, content: dict[str, Any]) -> None:
        """Replace the file as a whole. Raises DiskError if the disk is full, for example; the old file stays."""
        with say_kept(KEPT), write_beside(self.folder / FILE) as beside, beside.open("wb") as file:
            torch.save(content, file)
            file.flush()
            os.fsync(file.fileno())

    def remove(self) -> None:
        """Delete the file and release the lock, once the run is done."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.lock.release()
