"""Files of this machine: found below a folder, and told apart by the SHA-256 of their content.

Links are followed, those to folders not back into the folder and into none twice, so that a loop ends. A hash is kept
beside the file's size, inode and time of change, so that a second look at two million files reads none of them.
"""

import errno
import hashlib
import os
import sqlite3
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from components.fetch.sources.candidate import as_text
from components.fetch.sources.listing import Listed
from components.show.progress import Progress
from components.stage.errors import InputError, RunError

THREADS = 4
PORTION = 1000  # files that are hashed before their hashes are kept: what an interrupted look loses
Found = tuple[str, str, int, str, str | None]  # path as text, where, size, state, fault


def list_folder(folder: str, hashes: Path) -> list[Listed]:
    """Every file below the folder, sorted by its path. `hashes`: where they are kept. Raises OSError."""
    return _hashed(sorted(_walk(os.path.realpath(folder))), hashes)


def list_files(named: list[tuple[str, str]], hashes: Path) -> list[Listed]:
    """These files, given as (path as text, where), in this order."""
    return _hashed([(path, where, *_look(where)) for path, where in named], hashes)


def _walk(root: str) -> Iterator[Found]:
    """Every file. Of two links to the same folder, the one whose name comes first is followed."""
    waiting, read = [("", root)], set[tuple[int, int]]()
    while waiting:
        below, folder = waiting.pop()
        try:
            about = Path(folder).stat()
            if (about.st_dev, about.st_ino) in read:
                yield as_text(below), folder, 0, "", "a folder that is read already"
                continue
            read.add((about.st_dev, about.st_ino))
            with os.scandir(folder) as opened:
                entries = sorted(opened, key=lambda entry: os.fsencode(entry.name))
        except OSError as error:
            if not below:
                raise
            what = f"params.yaml: data.sources: {as_text(folder)}: the folder cannot be read: {error.strerror}"
            raise InputError(f"{what}; make it readable, or move it away") from None
        folders = []
        for entry in entries:
            path = f"{below}/{entry.name}" if below else entry.name
            if not _is_folder(entry):
                yield as_text(path), entry.path, *_look(entry.path)
            elif entry.is_symlink() and _leads_back(entry.path, root):
                yield as_text(path), entry.path, 0, "", "a link back into the folder"
            else:
                folders.append((path, entry.path))
        waiting += reversed(folders)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _leads_back(link: str, root: str) -> bool:
    target = Path(os.path.realpath(link))
    return target.is_relative_to(root) or Path(root).is_relative_to(target)


def _look(where: str) -> tuple[int, str, str | None]:
    """Size, state and fault of a file: it is as it was while its state is the same."""
    try:
        about = Path(where).stat()
    except FileNotFoundError:
        return 0, "", "a link to nothing" if Path(where).is_symlink() else "not there"
    except OSError as error:
        looping = error.errno == errno.ELOOP
        return 0, "", "a link that leads to itself" if looping else f"cannot be read: {error.strerror}"
    except ValueError:
        return 0, "", "not there: no file has such a name"  # a zero byte in it
    if not stat.S_ISREG(about.st_mode):
        return 0, "", "not a file but a device, a pipe or a folder"
    return about.st_size, f"{about.st_size} {about.st_mtime_ns} {about.st_ctime_ns} {about.st_ino}", None


def _hashed(found: list[Found], hashes: Path) -> list[Listed]:
    """With the hash of each, computed where none is kept."""
    hashes.parent.mkdir(parents=True, exist_ok=True)
    try:
        with closing(sqlite3.connect(hashes, timeout=60)) as known, ThreadPoolExecutor(THREADS) as pool:
            known.execute("CREATE TABLE IF NOT EXISTS hashes (file BLOB PRIMARY KEY, state TEXT, sha256 TEXT)")
            kept = [_kept(known, where, state) for _, where, _, state, _ in found]
            new = [number for number, value in enumerate(kept) if value is None]
            progress = Progress("hash", len(new), "files") if len(new) > PORTION else None
            for first in range(0, len(new), PORTION):
                portion = new[first : first + PORTION]
                rows = []
                for number, (digest, fault) in zip(
                    portion, pool.map(_sha256, (found[n][1] for n in portion)), strict=True
                ):
                    path, where, size, state, _ = found[number]
                    kept[number], found[number] = digest, (path, where, size, state, fault)
                    if not fault:
                        rows.append((os.fsencode(where), state, digest))
                with known:  # not while files are hashed, since another run waits for it
                    known.executemany("INSERT OR REPLACE INTO hashes VALUES (?, ?, ?)", rows)
                if progress:
                    progress.advance(len(portion))
    except sqlite3.DatabaseError as error:
        raise RunError(f"{hashes}: {error}; remove it if no other run uses it: files are hashed anew") from None
    files = zip(found, kept, strict=True)
    return [
        Listed(path, where, size, digest or "", fault, hashed=True) for (path, where, size, _, fault), digest in files
    ]


def _kept(known: sqlite3.Connection, where: str, state: str) -> str | None:
    """The hash, none where it is not known, and an empty one of what cannot be read."""
    wanted = os.fsencode(where), state
    row = known.execute("SELECT sha256 FROM hashes WHERE file = ? AND state = ?", wanted).fetchone() if state else [""]
    return row[0] if row else None


def _sha256(where: str) -> tuple[str, str | None]:
    """The hash, or nothing and why."""
    try:
        with Path(where).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest(), None
    except OSError as error:
        return "", f"cannot be read: {error.strerror}"
