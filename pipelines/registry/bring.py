"""Brings what a version consists of into a folder of its own: its files as DVC keeps them, dvc.yaml and dvc.lock.

No worktree is made, and no stage runs. Files are linked to DVC's cache where that is on the same disk, since nothing
writes into the folder. It stands there as a whole or not at all; the file `version` in it names the version.
"""

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipelines.disk import name_file
from pipelines.errors import USER_ERROR, DamageError, StageError
from pipelines.registry import mending, presence
from pipelines.registry.git import read_committed
from pipelines.registry.versions import Version
from pipelines.train import graph, wholeness
from pipelines.train.graph import Output

NOTE = "version"  # the file that names the version
GRAPH, LOCK = Path("dvc.yaml"), Path("dvc.lock")


def bring(root: Path, version: Version, names: Sequence[str], target: Path) -> None:
    """Bring the files of a version that lie where its dvc.yaml has the paths of these names; what it lacks is left out.

    Raises DamageError if a file is nowhere whole, and StageError if it is nowhere at all or the folder is there.
    """
    if os.path.lexists(target):
        raise StageError(f"{target}: there is something already; name a folder that is new", USER_ERROR)
    texts = {path: read_committed(root, version.commit, path) for path in (GRAPH, LOCK)}
    paths = read_paths(texts[GRAPH] or "")
    wanted = [Path(paths[name]) for name in names if name in paths]
    outputs = [output for output in graph.list_outputs(root, version.commit) if output.is_cached]
    outputs = wholeness.select(outputs, wanted)
    if mending.fetch_objects(root, outputs):
        with graph.open_repo(root) as repo:
            remote = repo.config["core"].get("remote")
        raise StageError(presence.describe_gone(version, remote), USER_ERROR)
    with name_file(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as beside:
        new = Path(beside, "new")
        new.mkdir()
        place(outputs, graph.find_cache(root), new)
        for path, text in texts.items():
            (new / path).write_text(f"{text}\n", encoding="utf-8")
        (new / NOTE).write_text(f"{version.name}\n")
        new.rename(target)


def read_paths(text: str) -> Mapping[str, str]:
    """Read the paths that a dvc.yaml has among its vars."""
    content: Any = YAML(typ="safe").load(text) or {}
    paths: dict[str, str] = {}
    for variables in content.get("vars", []):
        if isinstance(variables, dict):
            paths |= variables.get("path", {})
    return paths


def place(outputs: Sequence[Output], cache: Path, new: Path) -> None:
    """Link or copy the objects of the cache to where a checkout would have them. Raises DamageError."""
    for output in outputs:
        if output.md5.endswith(wholeness.FOLDER):
            (new / output.path).mkdir(parents=True)
    for piece in wholeness.list_workspace(outputs, new, cache):
        piece.file.parent.mkdir(parents=True, exist_ok=True)
        source = cache / piece.md5[:2] / piece.md5[2:]
        try:
            os.link(source, piece.file)
        except OSError:  # another disk, or one that has no links
            with name_file(piece.file):
                shutil.copyfile(source, piece.file)
            if wholeness.hash_file(piece.file) != piece.md5:
                raise DamageError(f"{piece.file}: is not what was copied there; the disk may be failing") from None
