"""Damages files as a disk or a slip would: the mode and the times stay, so that only the content tells."""

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path


def flip_byte(path: Path, chance: random.Random) -> None:
    """Change one bit of a file."""
    content = bytearray(path.read_bytes())
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    write_in_place(path, bytes(content))


def cut(path: Path, chance: random.Random) -> None:
    """Leave the beginning of a file, or nothing."""
    content = path.read_bytes()
    write_in_place(path, content[: chance.randrange(len(content))])


def delete(path: Path, _: random.Random) -> None:
    """Delete a file or a folder."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


KINDS: dict[str, Callable[[Path, random.Random], None]] = {"one bit": flip_byte, "cut": cut, "deleted": delete}


def write_in_place(path: Path, content: bytes) -> None:
    """Write a file's content, and keep its inode, its mode and its times."""
    status = path.stat()
    path.chmod(0o644)
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    path.chmod(status.st_mode)
