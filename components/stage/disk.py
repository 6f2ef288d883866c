"""Says in one line what a disk did that is full, read-only, limited or broken, and leaves no half of a file as a whole.

Every library wraps the system's error in its own way: pyarrow, PyTorch's zip writer, safetensors, SQLite. They are all
told apart here, by the error's number or, where it is lost, by its words. What is written comes into its place at once,
when it is whole, so that after a failure the file of before is still there.
"""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from components.stage.errors import InputError, RunError

BEFORE = "what stood there before is whole"  # the least that is kept
NOTHING_DONE = "nothing has been done yet"
TRIED_BYTES = 4096  # a block of most disks
ADVICE = {  # by the number of the system's error
    errno.ENOSPC: "free some room and run it again",
    errno.EDQUOT: "free some of your quota or have it raised, and run it again",
    errno.EFBIG: "raise the limit of a file's size (`ulimit -f`), or use a disk without one, and run it again",
    errno.EROFS: "make the disk writable (one that met an error turns read-only by itself), and run it again",
    errno.EIO: "the disk or its connection is failing: see the system's log (`dmesg`), then run it again",
    errno.EACCES: "get the right to write there, or name another place",
    errno.EPERM: "get the right to write there, or name another place",
    errno.EMFILE: "raise the limit of open files (`ulimit -n`) and run it again",
    errno.ENFILE: "close programs that hold many files open, and run it again",
    errno.EAGAIN: "raise the limit of processes (`ulimit -u`) or use fewer workers, and run it again",
    errno.ENOMEM: "free some memory or use fewer workers, and run it again",
}
OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)  # wherever they are met
WORDS = {os.strerror(code).lower(): code for code in OF_THE_DISK} | {
    "database or disk is full": errno.ENOSPC,  # SQLite's words, up to the next comment
    "attempt to write a readonly database": errno.EROFS,
    "disk i/o error": errno.EIO,
    "unable to open database file": errno.EACCES,
    "no usable temporary directory": errno.ENOSPC,  # Python's, if neither TMPDIR nor /tmp can be written
    "unexpected pos": errno.ENOSPC,  # PyTorch's zip writer, of which less arrived than it wrote
    "pytorchstreamwriter failed": errno.ENOSPC,
    "iostream error": errno.ENOSPC,
}


class DiskError(RunError):
    """Says which file could not be written and why, what is whole all the same, and what helps."""

    def __init__(self, path: Path, code: int, kept: str) -> None:
        self.path, self.code = path, code
        help_text = ADVICE.get(code, "make it writable and run it again")
        room = f" ({describe_room(path)})" if code == errno.ENOSPC else ""
        super().__init__(f"{path}: cannot be written: {os.strerror(code)}{room}; {kept}; {help_text}")


def find_code(error: BaseException | None) -> int | None:
    """Return the number of the system's error that lies behind an error of any library; None if the disk is not it."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in OF_THE_DISK:
            return error.errno
        text = str(error).lower()
        code = next((code for words, code in WORDS.items() if words in text), None)
        if code is not None:
            return code
        error = error.__cause__ or error.__context__
    return None


@contextmanager
def name_faults(path: Path, kept: str = BEFORE) -> Iterator[None]:
    """Raise DiskError, which names the path, for whatever a library raises inside because the disk takes no more."""
    try:
        yield
    except (InputError, RunError):
        raise
    except Exception as error:
        code = find_code(error)
        if code is None and isinstance(error, OSError):
            code = error.errno  # there is none in what Python's own code raises, such as for a broken archive
        if code is None:
            raise
        raise DiskError(path, code, kept) from None


@contextmanager
def say_kept(kept: str) -> Iterator[None]:
    """Let a DiskError from inside say that this is kept."""
    try:
        yield
    except DiskError as error:
        raise DiskError(error.path, error.code, kept) from None


@contextmanager
def write_beside(path: Path) -> Iterator[Path]:
    """Yield a path beside this one; what is written there takes its place if all goes well, and is removed if not.

    Makes the folder. Raises DiskError.
    """
    beside = path.with_name(f"{path.name}.new")
    with name_faults(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield beside
            beside.replace(path)
        finally:
            with suppress(OSError):
                beside.unlink(missing_ok=True)


def describe_fault(error: Exception) -> str | None:
    """Describe in a line what a file system did, with the file if that is known; None if the error is another."""
    code = find_code(error)
    if code is None and isinstance(error, OSError) and not isinstance(error, ConnectionError):
        code = error.errno
    if code is None:
        return None
    where, reason = " ".join(str(error).split()) or type(error).__name__, ""
    if isinstance(error, OSError) and error.filename:
        where, reason = error.filename, f": {os.strerror(code)}"
    return f"{where}{reason}; {ADVICE.get(code, 'put it right and run it again')}"


def check_folder(folder: Path) -> None:
    """Try, before the work, to write where a folder is or will be, and leave nothing there.

    Raises InputError if the place is wrong, and DiskError if it is right but full or failing.
    """
    try:
        with tempfile.TemporaryFile(dir=find_existing(folder)) as trial:
            trial.write(bytes(TRIED_BYTES))
    except OSError as error:
        if error.errno in OF_THE_DISK and error.errno != errno.EROFS:
            raise DiskError(folder, error.errno, NOTHING_DONE) from None
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise InputError(f"{folder}: nothing can be written there: {reason}; name a folder to write to") from None


def check_file(file: Path) -> None:
    """Check the folder of a file as `check_folder` does. Raises InputError if something else has the file's name."""
    if file.exists() and not file.is_file():
        raise InputError(f"{file}: not a file but a folder, a device or a pipe; name a file to write")
    check_folder(file.parent)


def find_existing(folder: Path) -> Path:
    """Return the folder, or what is there of the path to it."""
    return next(path for path in (folder, *folder.absolute().parents) if os.path.lexists(path))


def check_room(needs: Mapping[Path, int], what: str) -> None:
    """Check that there is room for about so many bytes in each folder; several may lie on one disk. Raises RunError."""
    disks: dict[int, list[Path]] = {}
    for folder in needs:
        disks.setdefault(find_existing(folder).stat().st_dev, []).append(folder)
    for folders in disks.values():
        need, usage = sum(needs[folder] for folder in folders), shutil.disk_usage(find_existing(folders[0]))
        if usage.total and usage.free < need:  # some disks on the network do not tell
            where = " and ".join(map(str, folders))
            sizes = f"about {format_bytes(need)} are needed, {format_bytes(usage.free)} are free"
            raise RunError(
                f"{where}: too little room for {what}: {sizes}; {NOTHING_DONE}; free some room and run it again"
            )


def describe_room(path: Path) -> str:
    """Describe how much is free where a file should be written, or that the disk can hold no more files."""
    folder = find_existing(path if path.is_dir() else path.absolute().parent)
    try:
        usage, inodes = shutil.disk_usage(folder), os.statvfs(folder)
    except OSError:
        return "how much is free is not known"
    if inodes.f_files and not inodes.f_favail:
        return "the disk can hold no more files, however small"
    return f"{format_bytes(usage.free)} are free"


def format_bytes(count: int) -> str:
    """Write a number of bytes in the unit that fits."""
    for unit, size in (("GB", 10**9), ("MB", 10**6)):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count / 1000:,.1f} kB"
