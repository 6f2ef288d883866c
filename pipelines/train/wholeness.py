"""Checks by their content that files are those which dvc.lock names, as DVC itself does not.

DVC takes a file for unchanged by its mode, size and time, so that flipped bits in its cache are copied into a checkout
and reported as up to date. Here every byte is read and hashed. A file that was hashed since `forget` is not read again
while it is the same inode of the same size and times, ctime included, which no program can set back.

A folder is kept as a list of its files, as JSON; the MD5 of that list, and `.dir`, is its name:
https://dvc.org/doc/user-guide/project-structure/internal-files#structure-of-the-cache-directory
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pipelines.errors import DamageError
from pipelines.train import graph
from pipelines.train.graph import Output

CACHE, WORKSPACE = "object in DVC's cache", "output in the workspace"  # the places of a file
MISSING, DAMAGED = "missing", "not what dvc.lock names"  # the problems of a file, besides that it cannot be read
REPAIR = "python -m pipelines.verify --repair"
FOLDER = ".dir"  # ends the MD5 of a folder's list
CHUNK_BYTES = 1 << 20
SHOWN = 3  # damaged files in one line

Watch = Callable[[int], None]  # is called with the number of bytes that were hashed since the last call
Identity = tuple[int, ...]
_md5_by_identity: dict[Identity, str] = {}


@dataclass(frozen=True)
class Piece:
    """One file of an output, in one of the two places where it is kept."""

    output: Output
    path: Path  # relative to the repository
    md5: str
    file: Path  # what is read
    place: str

    def __str__(self) -> str:
        """Return which file of which stage this is."""
        return f"{self.path} of {self.output.stage}"


@dataclass(frozen=True)
class Damage:
    """A piece that is not as it should be."""

    piece: Piece
    problem: str

    def __str__(self) -> str:
        """Return which file has which problem where."""
        return f"{self.piece}: the {self.piece.place} is {self.problem} ({self.piece.file})"


def forget() -> None:
    """Forget what was hashed, so that it is read again."""
    _md5_by_identity.clear()


def list_objects(outputs: Iterable[Output], cache: Path) -> list[Piece]:
    """List the objects that the cache needs for these outputs; of a folder whose list is damaged, the list alone.

    Of outputs that Git keeps, DVC's run cache may have objects, which are listed if they are there.
    """
    pieces: dict[str, Piece] = {}
    for output in outputs:
        for path, md5 in [(output.path, output.md5), *(_list_files(output, cache) or [])]:
            file = cache / md5[:2] / md5[2:]
            if output.is_cached or file.exists():
                pieces.setdefault(md5, Piece(output, path, md5, file, CACHE))
    return list(pieces.values())


def list_workspace(outputs: Iterable[Output], root: Path, cache: Path) -> list[Piece]:
    """List the files of these outputs in a checkout; a folder whose list is damaged, or that is missing, as a whole."""
    pieces = []
    for output in outputs:
        files = _list_files(output, cache) if (root / output.path).is_dir() else None
        for path, md5 in [(output.path, output.md5)] if files is None else files:
            pieces.append(Piece(output, path, md5, root / path, WORKSPACE))
    return pieces


def _list_files(output: Output, cache: Path) -> list[tuple[Path, str]] | None:
    """List the files of a folder by path and MD5; None if the output is no folder, or if its list is not whole."""
    listing = cache / output.md5[:2] / output.md5[2:]
    if not output.md5.endswith(FOLDER) or find_problem(Piece(output, output.path, output.md5, listing, CACHE)):
        return None
    return [(output.path / entry["relpath"], entry["md5"]) for entry in json.loads(listing.read_bytes())]


def inspect(pieces: Iterable[Piece], watch: Watch = lambda _: None) -> list[Damage]:
    """Hash every piece, and return those that are not whole."""
    return [Damage(piece, problem) for piece in pieces if (problem := find_problem(piece, watch))]


def find_problem(piece: Piece, watch: Watch = lambda _: None) -> str | None:
    """Return what is wrong with a piece; None if it is whole."""
    try:
        is_folder = piece.md5.endswith(FOLDER) and piece.place == WORKSPACE
        md5 = hashlib.md5(write_listing(piece.file, watch)).hexdigest() if is_folder else hash_file(piece.file, watch)
    except FileNotFoundError:
        return MISSING
    except OSError as error:
        return f"unreadable: {error.strerror}"
    return None if md5 == piece.md5.removesuffix(FOLDER) else DAMAGED


def write_listing(folder: Path, watch: Watch = lambda _: None) -> bytes:
    """Return the list that DVC would keep of a folder. Raises OSError."""
    names = sorted(path.relative_to(folder).as_posix() for path in _walk(folder))
    return json.dumps([{"md5": hash_file(folder / name, watch), "relpath": name} for name in names]).encode()


def _walk(folder: Path) -> Iterator[Path]:
    """Yield every file below a folder. Raises OSError."""
    for entry in os.scandir(folder):
        if entry.is_dir():
            yield from _walk(Path(entry.path))
        else:
            yield Path(entry.path)


def hash_file(path: Path, watch: Watch = lambda _: None) -> str:
    """Return the MD5 of a file's content. Raises OSError."""
    with path.open("rb", buffering=0) as file:
        status = os.fstat(file.fileno())
        identity = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        if identity not in _md5_by_identity:
            digest, chunk = hashlib.md5(usedforsecurity=False), memoryview(bytearray(CHUNK_BYTES))
            while count := file.readinto(chunk):
                digest.update(chunk[:count])
                watch(count)
            _md5_by_identity[identity] = digest.hexdigest()
        else:
            watch(status.st_size)
    return _md5_by_identity[identity]


def check_inputs(root: Path, inputs: Iterable[Path]) -> None:
    """Check the inputs of a stage that other stages have made. Raises DamageError."""
    outputs = select(graph.list_outputs(root), inputs)
    if outputs:
        require_whole(inspect(list_workspace(outputs, root, graph.find_cache(root))))


def select(outputs: Iterable[Output], paths: Iterable[Path]) -> list[Output]:
    """Select the outputs that are one of the paths, lie in one, or hold one."""
    wanted = list(paths)
    return [
        output
        for output in outputs
        if any(path in (output.path, *output.path.parents) or output.path in path.parents for path in wanted)
    ]


def require_whole(damages: list[Damage]) -> None:
    """Raise DamageError if there is any damage."""
    if damages:
        raise DamageError(f"{join(damages)}; `{REPAIR}` sets it aside and gets it back where it can")


def join(damages: list[Damage]) -> str:
    """Return the first of the damages in a line."""
    rest = f", and {len(damages) - SHOWN:,} more" if len(damages) > SHOWN else ""
    return "; ".join(map(str, damages[:SHOWN])) + rest
