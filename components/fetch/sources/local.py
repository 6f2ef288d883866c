"""List files of this machine, which are found below a folder and told apart by the SHA-256 of their content.

Links are followed, but links to folders neither back into the folder nor into one that has been read, so that a loop
ends. A hash is kept beside the file's size, inode and time of change, so that a second listing of two million files
reads none of them.
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

from components.fetch.sources.candidate import escape_name
from components.fetch.sources.listing import ListedFile
from components.fetch.sources.names import compose_names, is_left_out
from components.show.progress import Progress
from components.stage.disk import NOTHING_DONE, name_faults
from components.stage.errors import InputError, RunError

THREADS = 4
PORTION = 1000  # files that are hashed before their hashes are kept; an interrupted run loses at most these
FoundFile = tuple[str, str, int, str, str | None]  # path as text, where, size, state, fault


def list_folder(folder: str, hashes: Path, left_out: set[str]) -> list[ListedFile]:
    """List every file below the folder, sorted by path, and add what is left out to `left_out`. Raises OSError.

    `hashes` is the database of hashes.
    """
    found = list(_walk(os.path.realpath(folder), left_out))
    names = compose_names([path for path, *_ in found])
    return _add_hashes(sorted((name, *file[1:]) for name, file in zip(names, found, strict=True)), hashes)


def list_files(locations: list[tuple[str, str]], hashes: Path) -> list[ListedFile]:
    """List these files, given as (path as text, where), in this order."""
    return _add_hashes([(path, where, *_stat_file(where)) for path, where in locations], hashes)


def _walk(root: str, left_out: set[str]) -> Iterator[FoundFile]:
    """Yield every file. Of two links to the same folder, the one whose name comes first is followed."""
    waiting, visited = [("", root)], set[tuple[int, int]]()
    while waiting:
        below, folder = waiting.pop()
        try:
            about = Path(folder).stat()
            if (about.st_dev, about.st_ino) in visited:
                yield escape_name(below), folder, 0, "", "a folder that is read already"
                continue
            visited.add((about.st_dev, about.st_ino))
            with os.scandir(folder) as opened:
                entries = sorted(opened, key=lambda entry: os.fsencode(entry.name))
        except OSError as error:
            if not below:
                raise
            what = f"params.yaml: data.sources: {escape_name(folder)}: the folder cannot be read: {error.strerror}"
            raise InputError(f"{what}; make it readable, or move it away") from None
        folders = []
        for entry in entries:
            path = f"{below}/{entry.name}" if below else entry.name
            is_folder = _is_folder(entry)
            if is_left_out(entry.name, folder=is_folder):
                left_out.add(entry.path)
            elif not is_folder:
                yield escape_name(path), entry.path, *_stat_file(entry.path)
            elif entry.is_symlink() and _leads_back(entry.path, root):
                yield escape_name(path), entry.path, 0, "", "a link back into the folder"
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


def _stat_file(where: str) -> tuple[int, str, str | None]:
    """Return size, state and fault of a file; its content is unchanged as long as its state is the same."""
    try:
        about = Path(where).stat()
    except FileNotFoundError:
        return 0, "", "a link to nothing" if Path(where).is_symlink() else "not there"
    except OSError as error:
        looping = error.errno == errno.ELOOP
        return 0, "", "a link that leads to itself" if looping else f"cannot be read: {error.strerror}"
    except ValueError:
        return 0, "", "not there: no file has such a name"  # the name has a zero byte
    if not stat.S_ISREG(about.st_mode):
        return 0, "", "not a file but a device, a pipe or a folder"
    return about.st_size, f"{about.st_size} {about.st_mtime_ns} {about.st_ctime_ns} {about.st_ino}", None


def _add_hashes(files: list[FoundFile], hashes: Path) -> list[ListedFile]:
    """Return the files with their hashes, each of which is computed unless it is kept in the database."""
    with name_faults(hashes, NOTHING_DONE):
        hashes.parent.mkdir(parents=True, exist_ok=True)
    try:
        with (
            name_faults(hashes, "the hashes that are in it stay"),
            closing(sqlite3.connect(hashes, timeout=60)) as database,
            ThreadPoolExecutor(THREADS) as pool,
        ):
            database.execute("CREATE TABLE IF NOT EXISTS hashes (file BLOB PRIMARY KEY, state TEXT, sha256 TEXT)")
            digests = [_look_up_hash(database, where, state) for _, where, _, state, _ in files]
            unknown = [number for number, value in enumerate(digests) if value is None]
            progress = Progress("hash", len(unknown), "files") if len(unknown) > PORTION else None
            for first in range(0, len(unknown), PORTION):
                portion = unknown[first : first + PORTION]
                rows = []
                for number, (digest, fault) in zip(
                    portion, pool.map(_hash_file, (files[n][1] for n in portion)), strict=True
                ):
                    path, where, size, state, _ = files[number]
                    digests[number], files[number] = digest, (path, where, size, state, fault)
                    if not fault:
                        rows.append((os.fsencode(where), state, digest))
                with database:  # not while files are hashed, since the lock makes other runs wait
                    database.executemany("INSERT OR REPLACE INTO hashes VALUES (?, ?, ?)", rows)
                if progress:
                    progress.advance(len(portion))
    except sqlite3.DatabaseError as error:
        raise RunError(f"{hashes}: {error}; remove it if no other run uses it: files are hashed anew") from None
    pairs = zip(files, digests, strict=True)
    return [
        ListedFile(path, where, size, digest or "", fault, hashed=True)
        for (path, where, size, _, fault), digest in pairs
    ]


def _look_up_hash(database: sqlite3.Connection, where: str, state: str) -> str | None:
    """Return the kept hash, None if it is unknown, or an empty text for a file that cannot be read."""
    key = os.fsencode(where), state
    row = database.execute("SELECT sha256 FROM hashes WHERE file = ? AND state = ?", key).fetchone() if state else [""]
    return row[0] if row else None


def _hash_file(where: str) -> tuple[str, str | None]:
    """Return the hash and no fault, or an empty text and why the file cannot be read."""
    try:
        with Path(where).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest(), None
    except OSError as error:
        return "", f"cannot be read: {error.strerror}"
