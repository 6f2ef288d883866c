"""Takes the labels that people gave into a night, also those that are not committed, and knows which images have one.

People give labels in the checkout, on its page, at any hour, and a night works in a worktree of what is committed. So
the file comes along as it stands in the checkout, and the night commits it with what was made of it. The checkout is
not touched: its file grows on, and a merge of the night's version finds the same rows in both.
"""

import csv
from pathlib import Path

from pipelines.disk import name_file
from pipelines.errors import Say
from pipelines.registry import worktree
from pipelines.registry.git import read_blobs, run_git

FILE = "given.csv"  # below path.labels what people gave, and below path.findings what became of it


def bring_labels(root: Path, folder: Path, say: Say) -> None:
    """Bring labels that are not committed from the checkout into the worktree, where the night commits them."""
    place = worktree.find_named_path(folder, "labels")
    if place is None or not (root / place / FILE).is_file():
        return
    path = place / FILE
    given = (root / path).read_bytes()
    target = folder / path
    before = target.read_bytes() if target.is_file() else b""
    if given == before or given == _read_committed(root, path):
        return
    with name_file(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(given)
    run_git(folder, "add", "--", path.as_posix())
    rows, rows_before = set(given.splitlines()), set(before.splitlines())
    say(f"{path}: taken along as it stands in the checkout, new rows: {len(rows - rows_before):,}")
    if lost := rows_before - rows:
        say(f"{path}: rows of the night's commit that the checkout has not, and that count no more: {len(lost):,}")


def _read_committed(root: Path, path: Path) -> bytes | None:
    """Read the file as it is committed in the checkout; None if it is not."""
    text = read_blobs(root, [f"HEAD:{run_git(root, 'rev-parse', '--show-prefix')}{path.as_posix()}"])[0]
    return None if text is None else text.encode()


def read_given(folder: Path) -> set[str]:
    """Read the ids of the images whose label in the store of a checkout is one that a person gave."""
    place = worktree.find_named_path(folder, "findings")
    if place is None or not (folder / place / FILE).is_file():
        return set()
    with (folder / place / FILE).open(newline="", encoding="utf-8") as file:
        return {row["id"] for row in csv.DictReader(file)}
