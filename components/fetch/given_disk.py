"""Brings bytes and names to the disk (fsync), so that not even a power cut loses what was acknowledged."""

import os
from pathlib import Path


def append_or_undo(descriptor: int, data: bytes, end: int) -> None:
    """Write data at the end of a file, which is first cut to `end` bytes; what fails half way is not there later."""
    try:
        if os.fstat(descriptor).st_size != end:
            os.ftruncate(descriptor, end)
        while data:
            data = data[os.write(descriptor, data) :]  # the system may take only a part at a time
        os.fsync(descriptor)
    except BaseException:
        os.ftruncate(descriptor, end)
        raise


def synchronise(folder: Path) -> None:
    """Bring the names in a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sign(descriptor: int) -> tuple[int, ...]:
    """Return what tells whether an open file is still as it was."""
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
