"""Where what is served lies in a checkout, or in the folder that a version was brought to: `vars` of its dvc.yaml."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.encoder.saved import CONFIG, ONNX, WEIGHTS
from components.stage.errors import InputError
from components.stage.yaml_file import read_yaml

GRAPH, LOCK = Path("dvc.yaml"), Path("dvc.lock")
FILES = (CONFIG, WEIGHTS, ONNX)  # of the encoder
Sign = tuple[tuple[str, int, int, int], ...]  # of the files: name, inode, size, time


@dataclass(frozen=True)
class Places:
    """The folders of what is served; those of a stage that dvc.yaml does not have are None."""

    root: Path
    encoder: Path
    store: Path
    classifier: Path | None
    index: Path | None

    def list_files(self) -> list[Path]:
        """List all files that are served, and that are there."""
        folders = [folder for folder in (self.store, self.classifier, self.index) if folder]
        found = [path for folder in folders if folder.is_dir() for path in folder.rglob("*") if path.is_file()]
        return sorted([*(path for name in FILES if (path := self.encoder / name).is_file()), *found])

    def sign(self) -> Sign:
        """Sign the files by what changes with their content. What vanishes meanwhile is left out."""
        signs = []
        for path in self.list_files():
            try:
                state = path.stat()
            except FileNotFoundError:
                continue
            signs.append((path.as_posix(), state.st_ino, state.st_size, state.st_mtime_ns))
        return tuple(signs)

    def read_data_revision(self) -> str | None:
        """Read the MD5 of the store that dvc.lock names; None if it names none."""
        if not (self.root / LOCK).is_file():
            return None
        content = read_yaml(self.root / LOCK)
        name = self.store.relative_to(self.root).as_posix()
        stages = content.get("stages") if isinstance(content, dict) else None
        outs = [out for stage in (stages or {}).values() for out in stage.get("outs", [])]
        return next((str(out.get("md5")) for out in outs if out.get("path") == name), None)


def read_paths(root: Path) -> dict[str, Any]:
    """Read every path that dvc.yaml names among its vars. Raises InputError if it cannot be read."""
    content = read_yaml(root / GRAPH)
    variables = content.get("vars") if isinstance(content, dict) else None
    paths: dict[str, Any] = {}
    for entry in variables or []:
        if isinstance(entry, dict) and isinstance(entry.get("path"), dict):
            paths |= entry["path"]
    return paths


def find_places(root: Path) -> Places:
    """Find the folders below a root. Raises InputError if its dvc.yaml does not name them."""
    paths = read_paths(root)
    if lacking := [name for name in ("encoder", "store") if not isinstance(paths.get(name), str)]:
        raise InputError(f"{root / GRAPH}: there is no path.{lacking[0]} among its vars")
    optional = {name: root / paths[name] if name in paths else None for name in ("classifier", "index")}
    return Places(root, root / paths["encoder"], root / paths["store"], **optional)
