"""Finds what a relative path names where `dvc exp run --temp` works: in a copy of the checkout, in .dvc/tmp/exps.

That copy holds what Git tracks and nothing that lies beside the checkout, as a folder of images often does. What is not
there is looked for from the checkout itself, as a retraining's worktree has it by links.
"""

from pathlib import Path

PLACE = (".dvc", "tmp", "exps")  # of the copies, within the checkout


def find_from_checkout(path: Path) -> Path:
    """Return the path, or in such a copy, if it leads nowhere there, the path that it is from the checkout."""
    if path.is_absolute() or path.exists():
        return path
    places = (folder for folder in Path.cwd().parents if folder.parts[-len(PLACE) :] == PLACE)
    place = next(places, None)
    return path if place is None else place.parents[len(PLACE) - 1] / path
