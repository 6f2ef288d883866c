"""Reads a file of weights that a stranger may have made: no code of it is run, and no more memory is taken than it has.

safetensors (https://github.com/huggingface/safetensors) and what `torch.save` writes are told apart by their bytes, not
by the file's name. What torch.save wrote is unpickled with `weights_only`, so that tensors and plain values alone come
out of it. Tensors stay in the file, which is mapped into memory, until somebody takes them.
"""

import argparse
import re
import stat
import struct
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

import torch
from safetensors.torch import load_file
from torch import Tensor

from components.stage.errors import InputError
from components.stage.shown import escape, shorten, show, show_name

Tensors = Mapping[str, Tensor]  # by their names, in which dots lead through nested dictionaries
MOST_TENSORS = 100_000  # the largest networks have some thousands
MOST_HEADER = 8 << 20  # bytes that name tensors: 100,000 of them
MOST_READS = 2_000_000  # pieces in which a file of PyTorch before 1.6 is read; a network takes 60 per tensor
DEEPEST = 8  # dictionaries inside of each other
LONGEST, MOST_DOTS = 500, 40  # characters of a name, and dots in it: each place to cut a name at is tried
ZIP, PICKLE, LFS = b"PK\x03\x04", b"\x80", b"version https://git-lfs"
END, END_64 = b"PK\x05\x06", b"PK\x06\x06"  # what a zip archive ends with, and of those with large numbers
CURE = "give a file of safetensors, or a state_dict that torch.save wrote"


def read_file(path: Path) -> Tensors:
    """Read the tensors of a file, wherever in it they stand. Raises InputError if it is damaged, or holds code."""
    size, begin = look_at(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            content = read_by_kind(path, size, begin)
    except InputError:
        raise
    except Exception as error:  # broken bytes make a reader fail in many ways: KeyError, struct.error ...
        raise InputError(f"{path}: cannot be read: {describe(error)}; {CURE}") from None
    tensors = dict(list_named(path, content))
    if not tensors:
        raise InputError(f"{path}: holds no tensor that has a name; {CURE}")
    check_extent(path, tensors, size)
    return tensors


def look_at(path: Path) -> tuple[int, bytes]:
    """Return the size and the first bytes of a file. Raises InputError if there is none that can be read."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for somebody to write
            raise InputError(f"{path}: not a file but a folder, a device or a pipe; {CURE}")
        with path.open("rb") as file:
            begin = file.read(len(LFS))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; {CURE}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    if not status.st_size:
        raise InputError(f"{path}: empty; {CURE}")
    if begin == LFS:
        raise InputError(f"{path}: only the pointer that Git LFS keeps; `git lfs pull` brings the file itself")
    return status.st_size, begin


def read_by_kind(path: Path, size: int, begin: bytes) -> Any:
    """Read a file's content. Raises InputError, or whatever a broken file makes its reader raise."""
    if begin.startswith(ZIP):
        check_archive(path, size)
        with torch.serialization.safe_globals([argparse.Namespace]):  # plain values, which many recipes save along
            return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    if begin.startswith(PICKLE):
        with path.open("rb") as file, torch.serialization.safe_globals([argparse.Namespace]):
            return torch.load(cast(Any, Counted(file)), map_location="cpu", weights_only=True)
    if begin[8:9] == b"{":
        (header,) = struct.unpack("<Q", begin[:8])
        if header > min(MOST_HEADER, size - 8):
            raise InputError(
                f"{path}: its header should have {header:,} bytes, of {size:,} that there are and at most "
                f"{MOST_HEADER:,} that are read; it is damaged"
            )
        return load_file(path)
    raise InputError(f"{path}: begins with {show(begin[:8])}: neither safetensors nor of torch.save; {CURE}")


class Counted:
    """A file that is read in so many pieces at most: its pickles may else be a long program of tiny ones."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.reads = file, 0

    def count(self) -> None:
        """Count a read. Raises ValueError for the first that is too many."""
        self.reads += 1
        if self.reads > MOST_READS:
            raise ValueError("it describes far more than a network")

    def read(self, size: int = -1) -> bytes:
        """Read so many bytes."""
        self.count()
        return self.file.read(size)

    def readinto(self, buffer: Any) -> int:
        """Read as many bytes as the buffer has."""
        self.count()
        return int(self.file.readinto(buffer))  # type: ignore[attr-defined]

    def readline(self) -> bytes:
        """Read a line."""
        self.count()
        return self.file.readline()

    def seek(self, place: int, whence: int = 0) -> int:
        """Go to a place."""
        return self.file.seek(place, whence)

    def tell(self) -> int:
        """Return the place."""
        return self.file.tell()


def check_archive(path: Path, size: int) -> None:
    """Check that a zip archive is one of torch.save, before anything is unpacked. Raises InputError if it is not."""
    with path.open("rb") as file:
        file.seek(max(0, size - (1 << 17)))
        tail = file.read()
    end, end_64 = tail.rfind(END), tail.rfind(END_64)
    listed = struct.unpack_from("<L", tail, end + 12)[0] if end >= 0 else 0
    listed = struct.unpack_from("<Q", tail, end_64 + 40)[0] if end_64 >= 0 else listed
    if end < 0 or listed > MOST_HEADER:
        raise InputError(f"{path}: its list of contents is missing or too long: the file is cut short or damaged")
    with zipfile.ZipFile(path) as archive:
        infos = archive.infolist()
    if any(info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size for info in infos):
        raise InputError(f"{path}: an archive whose contents are compressed, as torch.save never does; {CURE}")
    if sum(info.file_size for info in infos) > size:
        raise InputError(f"{path}: an archive whose contents are larger than itself; {CURE}")
    described = [info.file_size for info in infos if info.filename.endswith("data.pkl")]
    if len(described) != 1 or described[0] > MOST_HEADER:
        raise InputError(f"{path}: an archive without weights, or with far more than a network has; {CURE}")


def list_named(path: Path, content: Any) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors that dictionaries hold under names, with the names that lead to them. Raises InputError."""
    waiting: list[tuple[str, Any, int]] = [("", content, 0)]
    seen = 0
    while waiting:
        prefix, value, depth = waiting.pop()
        if isinstance(value, Tensor) and prefix:
            check_name(path, prefix)
            yield prefix, value
        elif isinstance(value, Mapping) and depth < DEEPEST:
            seen += len(value)
            if seen > MOST_TENSORS:  # a dictionary may also stand in many places
                raise InputError(f"{path}: holds more than {MOST_TENSORS:,} tensors, more than any network")
            inner = [(name, part) for name, part in value.items() if isinstance(name, str)]
            for name, _ in inner:
                check_name(path, name)
            waiting += [(f"{prefix}.{name}" if prefix else name, part, depth + 1) for name, part in reversed(inner)]


def check_name(path: Path, name: str) -> None:
    """Check that a name is no longer than names are. Raises InputError if it is."""
    if len(name) > LONGEST or name.count(".") > MOST_DOTS:
        raise InputError(f"{path}: holds a name of {len(name):,} characters, longer than those of any network; {CURE}")


def check_extent(path: Path, tensors: Tensors, size: int) -> None:
    """Check that tensors are no larger than what the file has of them. Raises InputError if one is."""
    stored: dict[int, int] = {}
    for name, tensor in tensors.items():
        plain = tensor.layout == torch.strided and tensor.device.type == "cpu" and not tensor.is_quantized
        if not plain:
            raise InputError(f"{path}: {show_name(name)} is sparse, quantised or without content; {CURE}")
        storage = tensor.untyped_storage()
        if tensor.numel() * tensor.element_size() > storage.nbytes():
            raise InputError(f"{path}: {show_name(name)} repeats a few numbers {tensor.numel():,} times; {CURE}")
        stored[storage.data_ptr()] = storage.nbytes()
    if sum(stored.values()) > size + (1 << 20):
        raise InputError(f"{path}: announces {sum(stored.values()):,} bytes of weights, but has {size:,}")


def describe(error: Exception) -> str:
    """Describe in a line why a file could not be read."""
    text = str(error)
    asked = re.search(r"GLOBAL ([\w.]+)", text) or re.search(r"module (\w+) is blocked", text)
    if asked:
        return f"besides tensors it holds {asked[1][:100]}, which may be code and is not run"
    if isinstance(error, MemoryError) or "can't allocate memory" in text:
        return "it announces more than there is memory"
    text = text.rpartition("WeightsUnpickler error:")[2]  # where PyTorch's own reason stands, after its advice
    line = next((line for line in text.splitlines() if line.strip()), type(error).__name__)
    return escape(shorten(line.strip().rstrip(".")))
