"""Sets damaged files aside, and gets them back from the checkout, from DVC's cache or from the remote.

DVC would take a damaged object of its cache for whole. So it is moved into the folder `damaged` of the cache, and DVC
makes or fetches it anew. Nothing is deleted here, because of a file with one flipped bit much can be saved by hand;
prune.py removes what nothing needs any more. As long as its copy is there, an object that did not come back counts as
damaged, not as one that was never here.
"""

import shutil
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from dvc.fs import LocalFileSystem
from dvc_data.hashfile.hash_info import HashInfo

from pipelines.errors import DamageError, GraphError, LockedError
from pipelines.train import graph, wholeness
from pipelines.train.graph import Output
from pipelines.train.wholeness import FOLDER, MISSING, Damage, Watch

ASIDE = "damaged"  # a folder in DVC's cache
OUTPUT = ".output"  # ends the name of a copy of what stood in a checkout
TRIES = 2  # to get objects back: the second for the files of a folder whose list has come back by the first


def require_objects(root: Path, outputs: Sequence[Output]) -> None:
    """Mend what the cache has of these outputs. Raises DamageError if something cannot be got back."""
    if lost := mend_objects(root, outputs):
        raise DamageError(describe_lost(root, lost))


def describe_lost(root: Path, lost: list[Damage]) -> str:
    """Describe in a line what could not be got back, and what to do."""
    first = lost[0].piece
    more = f" (and {len(lost) - 1:,} more files)" if lost[1:] else ""
    with graph.open_repo(root) as repo:
        remote = repo.config["core"].get("remote")
    source = f"the remote {remote} did not give a whole copy" if remote else "there is no remote to get it from"
    kept = _name_aside(first.md5, graph.find_cache(root))
    aside = f"its damaged copy is kept as {kept}" if kept.exists() else f"it is {lost[0].problem}"
    way = f"`dvc pull` if another clone can push it; or check its commit out and run `dvc repro {first.output.stage}`"
    return f"{first}{more}: damaged in DVC's cache; {aside}, and {source}; {way}"


def mend_objects(root: Path, outputs: Sequence[Output], watch: Watch = lambda _: None) -> list[Damage]:
    """Set aside the damaged objects of these outputs, get them back, and return those that did not come back.

    What is only missing is left to DVC.
    """
    cache = graph.find_cache(root)
    lost = _set_lost_aside(outputs, cache, watch)
    for _ in range(TRIES):
        if lost:
            _bring_back(root, outputs, lost, cache)
            lost = _set_lost_aside(outputs, cache)
    return lost


def fetch_objects(root: Path, outputs: Sequence[Output]) -> list[Damage]:
    """Get objects that the cache lacks, whole, from the checkout or the remote, and return those that stay missing.

    Raises DamageError.
    """
    cache = graph.find_cache(root)

    def find_missing() -> list[Damage]:
        require_objects(root, outputs)  # DVC does not check what a remote gives
        return wholeness.inspect(wholeness.list_objects(outputs, cache))

    if missing := find_missing():
        _bring_back(root, outputs, missing, cache)
        missing = find_missing()
    return missing


def _set_lost_aside(outputs: Iterable[Output], cache: Path, watch: Watch = lambda _: None) -> list[Damage]:
    """Return the objects that are damaged, or were; those that are still in the cache are set aside."""
    damages = wholeness.inspect(wholeness.list_objects(outputs, cache), watch)
    lost = [damage for damage in damages if damage.problem != MISSING or _name_aside(damage.piece.md5, cache).exists()]
    for damage in lost:
        if damage.problem != MISSING:
            set_aside(damage.piece.file, _name_aside(damage.piece.md5, cache))
    return lost


def _bring_back(root: Path, outputs: Iterable[Output], lost: list[Damage], cache: Path) -> None:
    """Get objects from the checkout if it has them, and else from the remote."""
    in_workspace = wholeness.list_workspace(outputs, root, cache)
    copies = {piece.md5: piece.file for piece in in_workspace if wholeness.find_problem(piece) is None}
    wanted = {damage.piece.md5 for damage in lost}
    with graph.open_repo(root) as repo:
        for md5 in wanted & copies.keys():
            with tempfile.TemporaryDirectory() as folder:
                source = copies[md5]
                if md5.endswith(FOLDER):
                    source = Path(folder, md5)
                    source.write_bytes(wholeness.write_listing(copies[md5]))
                repo.cache.local.add(str(source), LocalFileSystem(), md5)
        if repo.config["core"].get("remote") and (absent := wanted - copies.keys()):
            with suppress(Exception):  # each remote has its own; what it did not give is found by the next inspection
                repo.cloud.pull([HashInfo("md5", md5) for md5 in absent])


def set_aside(path: Path, target: Path) -> None:
    """Move a damaged file or folder to a name that nothing has yet. Raises DamageError."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        number = 1
        while target.exists():
            number += 1
            target = target.with_name(f"{target.name.partition('-')[0]}-{number}")
        shutil.move(path, target)  # also from one disk to another: a cache may be shared
    except OSError as error:
        raise DamageError(f"{path}: damaged, and it cannot be moved to {target}: {error.strerror}") from None


def _name_aside(md5: str, cache: Path) -> Path:
    """Return where a damaged object is kept; the cache's own folder is `files/md5` in it."""
    return cache.parent.parent / ASIDE / md5


def list_needless(cache: Path) -> list[Path]:
    """List the copies that were set aside of outputs, and of objects that are in the cache again."""
    folder = cache.parent.parent / ASIDE
    entries = sorted(folder.iterdir()) if folder.is_dir() else []
    md5s = [entry.name.partition("-")[0] for entry in entries]
    return [
        entry
        for entry, md5 in zip(entries, md5s, strict=True)
        if md5.endswith(OUTPUT) or (cache / md5[:2] / md5[2:]).exists()
    ]


def mend_outputs(root: Path, outputs: Sequence[Output], watch: Watch = lambda _: None) -> list[Damage]:
    """Mend the cache and then the checkout; return what could not be got back, so that its stage has to run."""
    lost = mend_objects(root, outputs, watch)
    cache = graph.find_cache(root)
    damages = wholeness.inspect(wholeness.list_workspace(outputs, root, cache), watch)
    for damage in damages:
        if damage.problem != MISSING:
            set_aside(damage.piece.file, _name_aside(f"{damage.piece.md5}{OUTPUT}", cache))
    lacking = {damage.piece.output for damage in damages if damage.piece.output.is_cached}
    lost_outputs = {damage.piece.output for damage in lost}
    for output in lacking - lost_outputs:
        _check_out(root, output)
    still = wholeness.inspect(wholeness.list_workspace(outputs, root, cache))
    return [*lost, *(damage for damage in still if damage.piece.output not in lost_outputs)]


def _check_out(root: Path, output: Output) -> None:
    """Take an output from the cache; what it lacks is found by the next inspection."""
    try:
        with graph.open_repo(root) as repo:
            repo.checkout(targets=[str(root / output.path)], force=True)
    except LockedError:
        raise
    except GraphError:
        return
