"""A snapshot records what the sources held when the user accepted them: a digest of every file, pinned in params.yaml.

`python -m components.fetch.snapshot` compares the sources with the pin, and `--accept` writes the pin anew: an ordinary
change of params.yaml, which Git and DVC show. The scratch folder keeps a record of every snapshot, which tells which
files are new, gone or changed; without that record, as in a fresh clone, only their number and size are known.
"""

import argparse
import hashlib
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from components.fetch.params import Snapshot
from components.fetch.pinned import describe_pin_elsewhere
from components.fetch.sources.open import ListedSource, open_sources
from components.fetch.sources.places import Places
from components.stage.command import PARAMS_FILE, exit_on_error, read_params
from components.stage.disk import write_beside
from components.stage.errors import InputError
from components.store.sealed import open_sealed, write_sealed

COMMAND = "python -m components.fetch.snapshot --accept"
RECORDED = {"path": pa.string(), "size": pa.int64(), "version": pa.string()}
File = tuple[str, int, str]  # NAME/path, size, version; NAME is the source's


@dataclass(frozen=True)
class Inventory:
    """The files that the sources hold now."""

    files: list[File]

    @cached_property
    def snapshot(self) -> Snapshot:
        """The snapshot to pin in params.yaml; the order of the files makes no difference."""
        digest = hashlib.sha256()
        for path, size, version in sorted(self.files):
            digest.update(f"{path}\0{size}\0{version}\n".encode())
        return Snapshot(files=len(self.files), bytes=sum(size for _, size, _ in self.files), digest=digest.hexdigest())


def take_inventory(sources: Iterable[ListedSource]) -> Inventory:
    """Return the inventory of sources that have been listed."""
    return Inventory(
        [(f"{source.source.name}/{file.path}", file.size, file.version) for source in sources for file in source.files]
    )


def check_snapshot(pinned: Snapshot | None, inventory: Inventory, scratch: Path) -> None:
    """Compare the sources with the pin, and record their files. Raises InputError if they differ from it."""
    now = inventory.snapshot
    if pinned is not None and pinned != now:
        raise InputError(
            f"params.yaml: data.snapshot: {describe_difference(pinned, inventory, scratch)}; accept it by `{COMMAND}`"
        )
    write_record(inventory, scratch)
    if pinned is None and inventory.files:
        print(f"snapshot: {now.files:,} files, {now.bytes:,} bytes, not pinned; pin them by `{COMMAND}`", flush=True)


def describe_difference(pinned: Snapshot, inventory: Inventory, scratch: Path) -> str:
    """Describe how many files are new, gone and changed since the pin, and name the first of them."""
    record, now = read_record(locate_record(pinned.digest, scratch)), inventory.snapshot
    if record is None:
        return (
            f"the sources have changed: {pinned.files:,} files of {pinned.bytes:,} bytes were accepted, "
            f"there are {now.files:,} of {now.bytes:,} (which ones, {scratch}/snapshots of another clone may know)"
        )
    before = {path: (size, version) for path, size, version in record}
    after = {path: (size, version) for path, size, version in inventory.files}
    new, gone = sorted(after.keys() - before.keys()), sorted(before.keys() - after.keys())
    changed = sorted(path for path in before.keys() & after.keys() if before[path] != after[path])
    if not new + gone + changed:
        return "its files or bytes are not those of its digest"  # written by hand
    first = (new + gone + changed)[0]
    return f"the sources have changed: {len(new):,} files new, {len(gone):,} gone, {len(changed):,} changed, as {first}"


def locate_record(digest: str, scratch: Path) -> Path:
    """Return the path of the Parquet file that records the files of a snapshot."""
    return scratch / "snapshots" / f"{digest}.parquet"


def write_record(inventory: Inventory, scratch: Path) -> None:
    """Record the files of a snapshot in the scratch folder, where the record stays until somebody removes it."""
    path = locate_record(inventory.snapshot.digest, scratch)
    columns = zip(*inventory.files, strict=True) if inventory.files else ([], [], [])
    if path.is_dir():  # in its way; a file is replaced
        shutil.rmtree(path)
    write_sealed(path, pa.table(dict(zip(RECORDED, map(list, columns), strict=True)), schema=pa.schema(RECORDED)))


def read_record(path: Path) -> list[File] | None:
    """Return the files that `write_record` recorded; None, with a line if it is damaged, where there is no record."""
    if not path.exists():
        return None
    try:
        with open_sealed(path, RECORDED, "fetch") as file:
            columns = [file.read(columns=[name])[name].to_pylist() for name in RECORDED]
        files: list[File] = list(zip(*columns, strict=True))
        is_whole = f"{Inventory(files).snapshot.digest}.parquet" == path.name
    except (InputError, TypeError, ValueError):  # the latter for values that are missing or none of a file's
        is_whole = False
    if not is_whole:
        print(f"snapshot: {path} is damaged and counts as missing", flush=True)
        return None
    return files


def accept(params: Path, snapshot: Snapshot) -> None:
    """Write the pin into params.yaml and leave every other byte as it is. Raises InputError if it cannot."""
    file = params.resolve()  # a link to params.yaml stays a link
    old, yaml = file.read_bytes().decode(), YAML(typ="safe")
    wanted = yaml.load(old)
    wanted["data"]["snapshot"] = pin = snapshot.model_dump()
    try:
        text = insert_pin(old, snapshot)
        is_right = yaml.load(text) == wanted
    except (YAMLError, StopIteration):
        is_right = False
    if not is_right:
        raise InputError(f"{params}: data.snapshot: the file is written in an unusual way; put in by hand: {pin}")
    with write_beside(file) as new:
        new.write_bytes(text.encode())
        shutil.copymode(file, new)


def insert_pin(text: str, snapshot: Snapshot) -> str:
    """Return the text of params.yaml with this pin, in place of an older one's values or of an empty value."""
    data, _ = _find_entry(YAML().compose(text), "data")
    value, key = _find_entry(data, "snapshot")
    values = {name: str(value) for name, value in snapshot.model_dump().items()}
    if isinstance(value.value, list):  # a mapping
        places = [(_find_entry(value, name)[0], new) for name, new in values.items()]
        for old, new in sorted(places, key=lambda place: place[0].start_mark.index, reverse=True):
            text = text[: old.start_mark.index] + new + text[old.end_mark.index :]
        return text
    begin, end = value.start_mark.index, value.end_mark.index
    if begin == end:  # the value is empty; then comments stand before the mark
        begin = end = text.index(":", key.end_mark.index) + 1
    if data.flow_style:
        return f"{text[:begin].rstrip()} {{{', '.join(f'{name}: {values[name]}' for name in values)}}}{text[end:]}"
    comment = re.compile(r"[^\r\n]*").match(text, end)[0]  # type: ignore[index]
    before = text[:begin] + comment if comment.strip() else text[:begin].rstrip()
    line = ("\r\n" if "\r\n" in text else "\n") + " " * 2 * key.start_mark.column
    return before + "".join(f"{line}{name}: {values[name]}" for name in values) + text[end + len(comment) :]


def _find_entry(mapping: Any, name: str) -> tuple[Any, Any]:
    """Return the nodes of the value and the key of this name. Raises StopIteration if there is none."""
    return next((value, key) for key, value in mapping.value if key.value == name)


def read_scratch_folder(graph: Path) -> Path:
    """Return the scratch folder that dvc.yaml names. Raises InputError if it names none."""
    try:
        return Path(YAML(typ="safe").load(graph)["vars"][0]["path"]["scratch"])
    except OSError as error:
        raise InputError(f"{graph}: cannot be read: {error.strerror}") from None
    except (YAMLError, LookupError, TypeError):
        raise InputError(f"{graph}: names no scratch folder: path.scratch among its vars") from None


def main() -> None:
    """Compare the sources with the pin, or accept them."""
    parser = argparse.ArgumentParser(prog="python -m components.fetch.snapshot", description=__doc__)
    parser.add_argument("--accept", action="store_true", help="pin what the sources hold now")
    parser.add_argument("--params", type=Path, default=PARAMS_FILE, metavar="PATH", help=f"default: {PARAMS_FILE}")
    parser.add_argument("--graph", type=Path, default=Path("dvc.yaml"), metavar="PATH", help="names the scratch folder")
    arguments = parser.parse_args()
    with exit_on_error("snapshot"):
        params = read_params(arguments.params).data
        scratch = read_scratch_folder(arguments.graph)
        inventory = take_inventory(open_sources(params, Places(scratch, params.limits.max_bytes)))
        if not arguments.accept:
            check_snapshot(params.snapshot, inventory, scratch)
            elsewhere = "" if params.snapshot else describe_pin_elsewhere(arguments.params)
            none = f"none is pinned in {arguments.params}{elsewhere}"
            print(f"snapshot: {'nothing has changed since it was accepted' if params.snapshot else none}")
            return
        difference = (
            describe_difference(params.snapshot, inventory, scratch)
            if params.snapshot not in (None, inventory.snapshot)
            else ""
        )
        write_record(inventory, scratch)
        accept(arguments.params, inventory.snapshot)
        changes = f"; {difference}" if difference else ""
        print(f"snapshot: {inventory.snapshot.files:,} files accepted, now in {arguments.params}{changes}")


if __name__ == "__main__":
    main()
