"""`python -m pipelines.verify`: are the outputs and DVC's cache what dvc.lock names? Every byte is read and hashed.

DVC itself takes files for unchanged by their mode and time (pipelines/train/wholeness.py). Without arguments, the
outputs in the checkout are checked and what the cache has of them; with revisions, or with --versions for all that are
registered, what the cache has of those. --repair sets aside what is damaged, deletes nothing, and gets it back where
it can. Exit status: 0 all is whole, 1 something is damaged or missing, 2 there is no such revision.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from pipelines import entrance, signals
from pipelines.errors import OTHER_ERROR
from pipelines.registry import mending, versions
from pipelines.train import graph, settings, wholeness
from pipelines.train.ending import EXPECTED, report_error, say
from pipelines.train.graph import Output
from pipelines.train.wholeness import CACHE, MISSING, Damage, Piece, Watch

LINE_SECONDS = 10.0  # between lines where there is no terminal


def main() -> int:
    """Check, and repair if asked to; print a line per damaged file, and return the exit status."""
    entrance.prepare_process()
    parser = argparse.ArgumentParser(prog="python -m pipelines.verify", description="Are the files whole?")
    revisions = "check what the cache has of these, or of these versions, instead"
    parser.add_argument("revisions", nargs="*", metavar="REVISION", help=revisions)
    parser.add_argument("--versions", action="store_true", help="also what the cache has of every registered version")
    parser.add_argument("--repair", action="store_true", help="set aside what is damaged, and get it back")
    arguments = parser.parse_args()
    with signals.heed_signals():
        try:
            return 0 if check(entrance.find_root(), arguments) else OTHER_ERROR
        except EXPECTED as error:
            return report_error(error)


def check(root: Path, arguments: argparse.Namespace) -> bool:
    """Check what the arguments name; return whether all of it is whole now. Raises StageError or RevisionError."""
    revisions: list[str] = []
    if arguments.versions or arguments.revisions:
        known = versions.list_versions(root, settings.read_settings(root)["promote"]["artifact"])
        commits = {version.name: version.commit for version in known}
        revisions = [commits.get(name, name) for name in arguments.revisions]
        revisions += commits.values() if arguments.versions else ()
    whole = True
    if not arguments.revisions:
        whole = check_checkout(root, repair=arguments.repair)
    if revisions:
        whole = check_revisions(root, revisions, repair=arguments.repair) and whole
    return whole


def check_checkout(root: Path, *, repair: bool) -> bool:
    """Check the outputs in the checkout and in the cache; return whether all are whole now."""
    outputs, cache = graph.list_outputs(root), graph.find_cache(root)
    pieces = wholeness.list_workspace(outputs, root, cache) + wholeness.list_objects(outputs, cache)
    damages, amount = inspect(pieces)
    say_damages(damages)
    if damages and repair:
        say("repairing")
        mending.mend_outputs(root, outputs)
        pieces = wholeness.list_workspace(outputs, root, cache) + wholeness.list_objects(outputs, cache)
        damages, _ = inspect(pieces)  # what has not changed since is not read again
        say_damages(damages)
    say(f"{len(pieces):,} files of {len(outputs)} outputs checked, {amount}: {count(damages)}")
    return not damages


def check_revisions(root: Path, revisions: list[str], *, repair: bool) -> bool:
    """Check what the cache has of revisions; return whether that is whole now. What it lacks may be on the remote."""
    outputs = dict[str, Output]()
    for revision in revisions:
        outputs |= {output.md5: output for output in graph.list_outputs(root, revision)}
    pieces = wholeness.list_objects(outputs.values(), graph.find_cache(root))
    found, amount = inspect(pieces)
    damages = [damage for damage in found if damage.problem != MISSING]
    say_damages(damages)
    if damages and repair:
        say("repairing")
        damages = mending.mend_objects(root, list(outputs.values()))
        say_damages(damages)
    absent = [damage for damage in found if damage.problem == MISSING]
    for damage in absent:
        say(f"{damage.piece}: not in this cache, and perhaps on a remote: `dvc fetch --all-tags`")
    end = "the others are whole" if absent and not damages else count(damages)
    say(f"{len(pieces) - len(absent):,} objects checked, {amount}, {len(absent):,} not in this cache: {end}")
    return not damages


def count(damages: list[Damage]) -> str:
    """Describe how many files are damaged."""
    return f"{len(damages):,} damaged or missing" if damages else "all whole"


def say_damages(damages: list[Damage]) -> None:
    """Print a line per damaged file, and how to get it back."""
    in_cache = {damage.piece.md5 for damage in damages if damage.piece.place == CACHE}
    for damage in damages:
        is_in_cache = damage.piece.md5 not in in_cache
        if damage.piece.place == CACHE or damage.problem != MISSING or is_in_cache:  # or both lines would say the same
            say(f"{damage}; {advise(damage, is_in_cache)}")


def advise(damage: Damage, is_in_cache: bool) -> str:
    """Say how to get a file back."""
    output = damage.piece.output
    again = f"`dvc repro {output.stage}`"
    if damage.problem != MISSING:
        return f"`{wholeness.REPAIR}`, and what is missing then by `dvc pull` or {again}"
    if not output.is_cached:
        return f"`git checkout -- {damage.piece.path}`, or {again}"
    return "`dvc checkout`" if is_in_cache else f"`{wholeness.REPAIR}` if the output is whole, `dvc pull`, or {again}"


def inspect(pieces: list[Piece]) -> tuple[list[Damage], str]:
    """Hash every file, show how far it is, and return what is damaged and how much was read."""
    total, began = sum(find_size(piece.file) for piece in pieces), time.monotonic()
    with show_progress(total) as watch:
        damages = wholeness.inspect(pieces, watch)
    return damages, f"{total / 1e6:,.1f} MB in {time.monotonic() - began:,.1f} s"


def find_size(path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder."""
    if path.is_dir():
        return sum(find_size(file) for file in path.iterdir())
    return path.stat().st_size if path.is_file() else 0


@contextmanager
def show_progress(total: int) -> Iterator[Watch]:
    """Show the bytes that were hashed: as a bar on a terminal, otherwise as a line now and then."""
    console = Console(stderr=True)
    if console.is_terminal:
        columns = (TextColumn("hashing"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console, transient=True) as progress:
            task = progress.add_task("", total=total)
            yield lambda count: progress.advance(task, count)
        return
    done, began = 0, time.monotonic()
    shown = began

    def watch(count: int) -> None:
        nonlocal done, shown
        done, now = done + count, time.monotonic()
        if now - shown >= LINE_SECONDS:
            shown, rate = now, done / (now - began)
            left = (total - done) / rate
            say(f"hashed {done / 1e9:,.1f} of {total / 1e9:,.1f} GB, {rate / 1e6:,.0f} MB/s, {left:,.0f} s left")

    yield watch


if __name__ == "__main__":
    sys.exit(main())
