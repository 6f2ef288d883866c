"""Brings the encoder of a version to where a training begins with it: the folder `champion` of path.start.

Beside the weights and their config.json stands the file `version`, which names the version. The stage that trains takes
all three from there, and knows nothing of versions, of DVC's cache or of a remote. What is brought is whole, as its MD5
in the version's dvc.lock shows, and takes the place of what was there at once.
"""

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipelines.disk import name_file
from pipelines.errors import USER_ERROR, DamageError, StageError
from pipelines.registry import mending, presence, versions
from pipelines.registry.versions import Version
from pipelines.registry.worktree import read_named_path
from pipelines.train import graph, wholeness
from pipelines.train.graph import Output

FOLDER, NOTE = "champion", "version"  # in path.start; in that folder
FILES = ("encoder.safetensors", "config.json")  # of the artifact: what a training begins with


def bring(root: Path, folder: Path, version: Version, promote: Mapping[str, Any]) -> Path:
    """Bring the files of a version into a checkout, from the cache of `root` or its remote; return their folder.

    Raises DamageError if a file is nowhere whole, or StageError if it is nowhere at all.
    """
    outputs = list_files(root, version, promote["artifact"])
    if mending.fetch_objects(root, outputs):
        with graph.open_repo(root) as repo:
            remote = repo.config["core"].get("remote")
        raise StageError(presence.describe_gone(version, remote), USER_ERROR)
    target = folder / read_named_path(folder, "start") / FOLDER
    _place(outputs, graph.find_cache(root), target, folder / ".dvc" / "tmp", f"{promote['artifact']}@{version.name}")
    return target


def list_files(root: Path, version: Version, artifact: str) -> list[Output]:
    """List the files of a version that a training begins with. Raises StageError if its dvc.lock lacks one."""
    path = versions.find_artifact_path(root, artifact)
    by_path = {output.path: output for output in graph.list_outputs(root, version.commit)}
    if lacking := [path / name for name in FILES if path / name not in by_path]:
        raise StageError(f"{artifact}@{version.name}: its dvc.lock names no {lacking[0]} to begin with", USER_ERROR)
    return [by_path[path / name] for name in FILES]


def _place(outputs: Sequence[Output], cache: Path, target: Path, scratch: Path, name: str) -> None:
    """Copy objects of the cache into a new folder, and put that in the target's place."""
    scratch.mkdir(parents=True, exist_ok=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=scratch) as beside:  # not beside the target: a rest would change DVC's hash
        new = Path(beside, FOLDER)
        new.mkdir()
        for output in outputs:
            copy = new / output.path.name
            with name_file(copy):
                shutil.copyfile(cache / output.md5[:2] / output.md5[2:], copy)
            if wholeness.hash_file(copy) != output.md5:
                raise DamageError(f"{target / copy.name}: is not what was copied there; the disk may be failing")
        (new / NOTE).write_text(f"{name}\n")
        if target.is_symlink() or target.exists():
            shutil.move(target, Path(beside, "before"))
        shutil.move(new, target)
