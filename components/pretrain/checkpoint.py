"""The checkpoint of a run: one file in a scratch folder, under a key of everything that decides the run's result.

The key is a fingerprint of parameters, data, code and versions, so a run never goes on from the checkpoint of another
run. DVC deletes a stage's outputs before it runs, so the file lies outside of them (dvc.yaml names the folder). The new
file is written beside the old one, flushed and renamed: a run that is killed at any moment leaves one of the two whole.

The file ends with the SHA-256 of the key and of all bytes before it, so that one wrong bit is noticed. The file that
was saved before stays, too: where the last one is damaged, the run goes on from there and loses as much work again.
"""

import hashlib
import os
import shutil
import sys
import traceback
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, BinaryIO

import torch
from filelock import FileLock, Timeout
from torch import Tensor

from components.pretrain.memory import is_lack_of_memory
from components.stage.disk import say_kept, write_beside
from components.stage.errors import InputError

FILE, BEFORE = "state.pt", "before.pt"  # the last two that were saved
KEPT = "the last checkpoint, if there is one, is kept, and another run goes on from it"
DAMAGED = ".damaged"  # the suffix of a file that was set aside
CHUNK = 1 << 20  # bytes that are hashed at a time
DECISIVE = (
    "torch",
    "torchvision",
    "timm",
    "numpy",
    "pillow",
    "albumentations",
    "opencv-python-headless",
)  # for a run's bits


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


class DamageError(Exception):
    """Says what is wrong with a checkpoint."""


class Checkpoint:
    """The checkpoint files of one run, and the lock that keeps other processes from the same run."""

    def __init__(self, scratch: Path, key: str) -> None:
        self.folder, self.key = scratch / key, key
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
        """Load what was saved last, on the host; return None if nothing whole is there. No code is unpickled.

        A damaged file is set aside with a line.
        """
        for path in (self.folder / FILE, self.folder / BEFORE):
            try:
                return self._read(path)
            except FileNotFoundError:
                continue
            except Exception as error:  # broken bytes make the unpickler fail in many ways: KeyError, struct.error ...
                if is_lack_of_memory(error):
                    raise  # the file may be sound: another time it can be read
                self._set_aside(path, error)
        return None

    def _read(self, path: Path) -> dict[str, Any]:
        """Read a file. Raises DamageError, or what a broken file makes PyTorch raise."""
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size - hashlib.sha256().digest_size
            if self._hash(file, size) != file.read():
                raise DamageError("its checksum is wrong: the file was changed or cut short, or is another run's")
        loaded: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        if not all(bool(tensor.isfinite().all()) for tensor in list_tensors(loaded)):
            raise DamageError("it holds numbers that are not finite")
        return loaded

    def _hash(self, file: BinaryIO, size: int) -> bytes:
        """Hash the run's key and the next `size` bytes of a file."""
        digest = hashlib.sha256(self.key.encode())
        while size > 0 and (chunk := file.read(min(size, CHUNK))):
            digest.update(chunk)
            size -= len(chunk)
        return digest.digest()

    def _set_aside(self, path: Path, error: Exception) -> None:
        """Keep a damaged file for whoever wants to look into it, in place of the one that was set aside before."""
        kept = self.folder.with_suffix(DAMAGED)
        before = path.name == FILE and (self.folder / BEFORE).exists()
        with suppress(OSError):
            for older in self.folder.parent.glob(f"*{DAMAGED}"):
                shutil.rmtree(older) if older.is_dir() else older.unlink()
            path.replace(kept)
        reason = "".join(traceback.format_exception_only(error)).splitlines()[0]
        reason = str(error) if isinstance(error, DamageError) else reason
        where = "" if path.exists() else f"; set aside as {kept}"
        instead = "goes on from the one before" if before else "begins anew"
        print(f"{path}: cannot be read, so the run {instead}: {reason}{where}", flush=True)

    def save(self, content: dict[str, Any]) -> None:
        """Replace the file as a whole and keep the one before.

        Raises DiskError if the disk is full, for example; the old files stay.
        """
        for path in (self.folder / f"{FILE}.new", self.folder / FILE, self.folder / BEFORE):
            if path.is_dir():  # nothing of ours, and in the way of the file
                shutil.rmtree(path)
        with say_kept(KEPT), write_beside(self.folder / FILE) as beside:
            with beside.open("w+b") as file:
                torch.save(content, file)
                size = file.tell()
                file.seek(0)
                file.write(self._hash(file, size))
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileNotFoundError):
                (self.folder / FILE).replace(self.folder / BEFORE)

    def remove(self) -> None:
        """Delete the files and release the lock, once the run is done."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.lock.release()


def list_tensors(content: Any) -> Iterator[Tensor]:
    """Yield every tensor in nested dictionaries and lists."""
    if isinstance(content, Tensor):
        yield content
    elif isinstance(content, dict | list | tuple):
        for part in content.values() if isinstance(content, dict) else content:
            yield from list_tensors(part)
