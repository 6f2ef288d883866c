"""Notes what a retraining's worktree has made, before the worktree goes: its dvc.lock.

A night that waits, fails or is killed leaves no branch, and nothing else would say which objects it has put into DVC's
cache. `prune` (prune.py) reads the notes, and removes them with the objects.
"""

import hashlib
from contextlib import suppress
from pathlib import Path

FOLDER = Path(".dvc", "tmp", "retrained")


def note_lock(root: Path, lock: Path) -> None:
    """Keep a copy of a lock file, under a name that the same content always has; a full disk costs the note alone."""
    with suppress(OSError):
        content = lock.read_bytes()
        note = root / FOLDER / f"{hashlib.sha256(content).hexdigest()}.lock"
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_bytes(content)


def list_notes(root: Path) -> list[Path]:
    """List the notes, the newest last."""
    return sorted((root / FOLDER).glob("*.lock"), key=lambda path: path.stat().st_mtime_ns)
